//! Every bound on what a peer can make us hold or chew through. Each constant names its unit and the reason for its size.

/// Octets of one HEADERS frame's payload (the compressed field section) on a request stream.
/// Twice what browsers send with cookies; a flow's CONNECT needs about 60.
pub const HEADERS_FRAME_BYTES_MAX: usize = 32 * 1024;

/// Size of one field section by RFC 9114 §4.2.2 (name + value + 32 per field); announced in SETTINGS, so that a peer
/// knows it. Also bounds what Huffman and static-table references can expand to.
pub const FIELD_SECTION_BYTES_MAX: usize = 32 * 1024;

/// Fields of one section, pseudo-headers included; bounds the work per octet of one-octet static references.
pub const FIELDS_MAX: usize = 128;

/// Octets of unknown (reserved, grease, extension) frames that one request stream may send in all before it is reset.
/// Grease frames are a few octets; nobody has a reason for more.
pub const REQUEST_UNKNOWN_BYTES_MAX: u64 = 64 * 1024;

/// Number of unknown frames and of empty DATA frames on one request stream between two non-empty DATA frames; they are
/// free of flow-control cost to the sender but cost us a parse each.
pub const REQUEST_IDLE_FRAMES_MAX: u32 = 1024;

/// Interim (1xx) responses before the final one; we send none and proxies in between rarely send two.
pub const INTERIM_RESPONSES_MAX: u32 = 16;

/// Octets of one SETTINGS frame's payload; ours is below 32, real clients' with grease below 100.
pub const SETTINGS_FRAME_BYTES_MAX: usize = 4 * 1024;

/// Settings in one SETTINGS frame; duplicates are searched linearly, so this keeps the square small.
pub const SETTINGS_MAX: usize = 64;

/// Octets of unknown frames on a control stream before the first request.
pub const CONTROL_UNKNOWN_BYTES_MAX: u64 = 64 * 1024;

/// Further octets of unknown control frames for each request that the peer opened: browsers send one PRIORITY_UPDATE per
/// request, some tens of octets each.
pub const CONTROL_UNKNOWN_BYTES_PER_REQUEST: u64 = 1024;

/// GOAWAY, MAX_PUSH_ID and CANCEL_PUSH frames on one control stream. A drain sends two.
pub const CONTROL_FRAMES_MAX: u32 = 256;

/// Octets of the value of one DATAGRAM capsule: the largest UDP payload (65,527; RFC 9298 §5) and its context id.
pub const DATAGRAM_CAPSULE_BYTES_MAX: usize = UDP_PAYLOAD_BYTES_MAX + 8;

/// Octets of one UDP payload (RFC 9298 §5).
pub const UDP_PAYLOAD_BYTES_MAX: usize = 65_527;

/// Octets of unknown capsules skipped between two known ones.
pub const CAPSULE_UNKNOWN_BYTES_MAX: u64 = 256 * 1024;

/// Unknown capsules skipped between two known ones: empty capsules are two octets each.
pub const CAPSULE_UNKNOWN_MAX: u32 = 1024;

/// Octets of one HTTP/1.1 head, first line and fields, up to and with the empty line.
pub const H1_HEAD_BYTES_MAX: usize = 32 * 1024;

/// Fields of one HTTP/1.1 head.
pub const H1_FIELDS_MAX: usize = 100;

/// Octets of one line between chunks: a size of 16 digits and an extension that we ignore.
pub const H1_CHUNK_LINE_BYTES_MAX: usize = 1024;

/// Octets of the trailers after a chunked body, which we ignore.
pub const H1_TRAILERS_BYTES_MAX: usize = 8 * 1024;

/// Octets of a request's path with its query.
pub const PATH_BYTES_MAX: usize = 8 * 1024;

/// Octets of an authority: a host name has at most 253, an IPv6 address in brackets 47; the port adds six.
pub const AUTHORITY_BYTES_MAX: usize = 320;

/// Characters of each text that is written into `Proxy-Status`: a code and a sentence fit.
pub const PROXY_STATUS_TEXT_CHARS_MAX: usize = 512;

/// Octets of a `Proxy-Status` value that is parsed.
pub const PROXY_STATUS_BYTES_MAX: usize = 4 * 1024;

/// Members of a `Proxy-Status` list and parameters of one member: one per intermediary, a dozen registered parameters.
pub const PROXY_STATUS_ITEMS_MAX: usize = 16;
