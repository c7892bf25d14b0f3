//! Bounds on everything that the network can grow.

/// Most certificates that a peer may send: leaf, issuing authority, root, and one to spare for a root's successor.
pub const CHAIN_CERTIFICATES_MAX: usize = 4;

/// Longest certificate in bytes. Ours are under 1 KiB; a gateway with many host names stays under 4 KiB.
pub const CERTIFICATE_BYTES_MAX: usize = 8 * 1024;

/// Longest certificate request in bytes. Ours are about 250; a request from another program with names and attributes,
/// all of which we ignore, is about 1 KiB.
pub const CSR_BYTES_MAX: usize = 4 * 1024;

/// Longest certificate revocation list in bytes: 200,000 entries of 40 bytes, a city with all its PCs several times.
pub const CRL_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most issuing authorities that are remembered: three kinds, each with a successor, and some to spare. Only the root can
/// make more; those are checked anew each time.
pub const KNOWN_AUTHORITIES_MAX: usize = 16;

/// Most verdicts of handshakes that wait to be asked for: many times as many as end between two turns of a busy gateway, and
/// 100 KiB. Without its verdict a chain is verified again, and no more than that.
pub const VERDICTS_MAX: usize = 256;

/// Most host names and addresses in a gateway's certificate.
pub const GATEWAY_HOSTS_MAX: usize = 16;

/// Longest statement in bytes, as JSON: all claims at their longest are under 40 KiB.
pub const STATEMENT_BYTES_MAX: usize = 64 * 1024;

/// Longest signature in bytes: an ASN.1 ECDSA signature with P-256 has at most 72.
pub const SIGNATURE_BYTES_MAX: usize = 80;

/// Longest enrolment code in bytes: 80 symbols, 15 dashes, a host name of 253 bytes, a port, and spaces from a mail.
pub const ENROL_CODE_BYTES_MAX: usize = 512;

/// Longest PEM of a private key in bytes. Ours are under 500.
pub const KEY_PEM_BYTES_MAX: usize = 8 * 1024;
