//! Every bound on what an application, the gateway or the network can make the agent hold.

use std::time::Duration;

/// Flows open at once, over all fronts, which is what the gateway permits one device. A browser with many tabs holds
/// about 200; a machine that carries the calls of an office holds a thousand.
pub const OPEN_FLOWS_MAX: usize = 2000;

/// Connections that are between `accept` and an open flow, over all fronts; more wait in the kernel's backlog.
pub const PENDING_ACCEPTS_MAX: usize = 256;

/// Longest time for an application to say what it wants (SOCKS5 greeting and request, HTTP head). Local programs need
/// milliseconds; a stopped one must not hold a slot for long.
pub const FRONT_HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// Longest HTTP head in bytes that the proxy reads; the same as most servers' 16 KiB.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most header fields in one HTTP head; browsers send about 20.
pub const HTTP_FIELDS_MAX: usize = 100;

/// Longest SOCKS5 message in bytes: a request is 4 + 1 + 255 + 2 bytes, a greeting 2 + 255.
pub const SOCKS_MESSAGE_BYTES_MAX: usize = 262;

/// UDP flows of one association or one forward at once; the idlest one goes first. A voice program uses fewer than ten;
/// a telephone exchange behind a forward has one for each call.
pub const UDP_TARGETS_MAX: usize = 1024;

/// A UDP flow without a datagram for so long is closed (RFC 4787 REQ-5 asks for at least 2 minutes).
pub const UDP_IDLE_TIME_MAX: Duration = Duration::from_secs(150);

/// Longest UDP payload (RFC 768 over IPv4: 65,535 less 28 bytes of headers).
pub const UDP_PAYLOAD_BYTES_MAX: usize = 65_507;

/// A flow that is asked for before the tunnel is ready waits so long, then is refused with code 800801. Longer than a
/// QUIC dial (1.5 s) with its fall-back to HTTP/2 and a first attestation; shorter than curl's and browsers' patience.
pub const HELD_OPEN_TIME_MAX: Duration = Duration::from_secs(10);

/// The gateway's answer to one flow: its name lookup, dial and audit write are bounded to less.
pub const OPEN_ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// The answer to one control request.
pub const CONTROL_ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Longest body of a control answer in bytes: a catalogue of 2,000 systems at 500 bytes.
pub const CONTROL_BODY_BYTES_MAX: usize = 1024 * 1024;

/// Longest line of the notices stream in bytes; a cut notice with its problem is under 2 KiB.
pub const NOTICE_BYTES_MAX: usize = 16 * 1024;

/// Longest refusal body in bytes that is read and shown.
pub const REFUSAL_BODY_BYTES_MAX: usize = 16 * 1024;

/// Longest answer of the enrolment door in bytes: three certificates and their wrapping are under 8 KiB.
pub const ENROL_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The whole of an enrolment exchange: the issuer may need a moment, a person waits.
pub const ENROL_TIME_MAX: Duration = Duration::from_secs(30);

/// Tunnels that still carry flows after a newer one took over. Each drains or ends within [`DRAIN_TIME_MAX`].
pub const DRAINING_TUNNELS_MAX: usize = 3;

/// A replaced tunnel is closed after so long, whatever it still carries.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(30 * 60);

/// Refusals and cuts that `status` remembers, newest first.
pub const RECENT_EVENTS_MAX: usize = 32;

/// Local control connections at once; each belongs to a command that a person typed.
pub const CONTROL_CLIENTS_MAX: usize = 16;

/// Longest line on the local control socket in bytes; as [`CONTROL_BODY_BYTES_MAX`], for a catalogue.
pub const CONTROL_LINE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Size in bytes at which the log file is put aside, and how many such files are kept: 5 MiB in all.
pub const LOG_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// See [`LOG_FILE_BYTES_MAX`].
pub const LOG_FILES_KEPT_MAX: u32 = 4;

/// Longest configuration file in bytes.
pub const CONFIG_BYTES_MAX: u64 = 256 * 1024;

/// Static forwards in the configuration.
pub const FORWARDS_MAX: usize = 128;

/// Patterns in one list of the configuration's routes.
pub const ROUTE_PATTERNS_MAX: usize = 1024;

/// Connections to the fronts at once: each open flow has one, and browsers keep as many idle ones to a proxy.
pub const FRONT_CONNECTIONS_MAX: usize = 2 * OPEN_FLOWS_MAX;

/// Bytes that a static forward sends before the gateway has answered: a TLS ClientHello or an SSH banner fits many
/// times over.
pub const OPTIMISTIC_BYTES_MAX: usize = 16 * 1024;

/// Datagrams that wait for one UDP flow to open or to drain; a burst of 64 full ones is 96 KiB.
pub const UDP_WAITING_MAX: usize = 64;

/// Time for a direct connection, which is the system's own business; as long as browsers wait.
pub const DIRECT_DIAL_TIME_MAX: Duration = Duration::from_secs(20);

/// Bytes that a plain HTTP request through the proxy holds between application and tunnel, each way.
pub const PUMP_BYTES_MAX: usize = 64 * 1024;

/// A whole local command: it may wait for a tunnel ([`HELD_OPEN_TIME_MAX`]) and an answer ([`CONTROL_ANSWER_TIME_MAX`]).
pub const CONTROL_TIME_MAX: Duration = Duration::from_secs(25);
