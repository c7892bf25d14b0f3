//! Everything that the network can make the gateway hold, bounded. Each bound says why it is what it is.

use std::time::Duration;

/// Sessions at once on one gateway. 13,000 staff with a spare connection each while a drain makes before it breaks.
pub const SESSIONS_MAX: usize = 30_000;

/// Live and opening flows of one session. A browser opens some hundreds; the excess is one program gone wild. It stays
/// below the streams of one connection ([`hitotsu_tunnel::limits::STREAMS_SURE`]) by what control requests and refusals
/// need, so that the excess is told why instead of waiting for a stream.
pub const FLOWS_PER_SESSION_MAX: usize = 2_000;

const _: () = assert!(FLOWS_PER_SESSION_MAX + 16 <= hitotsu_tunnel::limits::STREAMS_SURE as usize);

/// Live and opening flows of one gateway: 20,000 sockets leave room below the usual limit of open files once raised.
pub const FLOWS_MAX: usize = 20_000;

/// Refusals of one session within [`REFUSALS_WINDOW`]; each costs a record on the audit log's disk. A browser with every
/// tab refused asks some hundred times.
pub const REFUSALS_MAX: u32 = 2_000;

/// The window of [`REFUSALS_MAX`].
pub const REFUSALS_WINDOW: Duration = Duration::from_secs(60);

/// Sessions of one device at once. Our agent needs one, and a second while it makes before it breaks; but over HTTP/1.1
/// each flow is a connection of its own, and a browser opens some hundred. The oldest ends for a newer one.
pub const SESSIONS_PER_DEVICE_MAX: usize = 512;

/// Refused peers that are being told why, at once.
pub const REFUSED_AT_ONCE_MAX: usize = 512;

/// The same of one source: an office whose certificates are all over is told in a minute, and one device that comes back
/// again and again takes no more than a quarter.
pub const REFUSED_PER_SOURCE_MAX: usize = REFUSED_AT_ONCE_MAX / 4;

/// Machines that enrol at once; each holds a connection for some seconds.
pub const ENROLMENTS_AT_ONCE_MAX: usize = 256;

/// The same of one source, which needs no certificate to be here: a room in which many new machines are set up at once.
pub const ENROLMENTS_PER_SOURCE_MAX: usize = ENROLMENTS_AT_ONCE_MAX / 4;

/// How long the body of a control request may take to come.
pub const CONTROL_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long flows that came before the first evidence wait for it. The agent sends both at once, so one round trip and
/// the verification are enough; a mobile line may need seconds.
pub const EVIDENCE_WAIT: Duration = Duration::from_secs(5);

/// Body of a control request, in bytes: a statement with every claim is below 16 KiB.
pub const CONTROL_BODY_BYTES_MAX: usize = 96 * 1024;

/// Nonces given and not yet answered, per session. The agent answers one at a time.
pub const NONCES_MAX: usize = 4;

/// How long a nonce may be answered. Long enough for a suspended laptop's clock to catch up, short enough that an
/// answer is fresh.
pub const NONCE_LIFE: Duration = Duration::from_secs(15 * 60);

/// Notices waiting for one session's stream: one for each flow that a change may cut at once, and some. Beyond it the
/// stream is ended and the agent asks again. The queue takes memory only as it fills.
pub const NOTICES_MAX: usize = FLOWS_PER_SESSION_MAX + 64;

/// How long a name may take to resolve.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection to a system may take: two lost SYNs (1 s and 2 s) are survived.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Addresses tried for one flow, in order, when a system has several.
pub const ADDRESSES_TRIED_MAX: usize = 3;

/// A UDP flow without a packet for this long ends (RFC 4787 §4.3 asks for at least two minutes).
pub const UDP_IDLE: Duration = Duration::from_secs(150);

/// The same for port 53: one question, one answer.
pub const UDP_IDLE_DNS: Duration = Duration::from_secs(30);

/// How long a refused connection stays to tell its user why.
pub const REFUSED_LINGER: Duration = Duration::from_secs(20);

/// Requests that a refused connection may make: status, catalogue, and some flows of a browser.
pub const REFUSED_REQUESTS_MAX: usize = 64;

/// How often time itself is looked at: expiries, clock jumps. Well below the second in which a change must cut.
pub const WATCH_TICK: Duration = Duration::from_millis(200);

/// A difference between wall and monotonic clock beyond this is a jump, not slewing (NTP steps above 128 ms, slews at
/// most 0.5 ms a second).
pub const CLOCK_JUMP: Duration = Duration::from_secs(2);

/// Text of one policy bundle file, in bytes.
pub const BUNDLE_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Files of one policy bundle.
pub const BUNDLE_FILES_MAX: usize = 1_000;

/// How long the answer to a revocation waits for the database before it says what is still to be written: a person waits,
/// and the tunnel is cut already.
pub const REVOCATION_ANSWER_WAIT: Duration = Duration::from_secs(2);

/// How long a revocation waits for the database to say whether a certificate is on record. It is revoked without an
/// answer too; so short that a lost laptop gains nothing.
pub const CERTIFICATE_LOOK_WAIT: Duration = Duration::from_millis(250);

/// First pause before a revocation that could not be written is written again: a lock is held for milliseconds.
pub const REVOCATION_RETRY_FIRST: Duration = Duration::from_millis(250);

/// Longest such pause: somebody mends the database, and wants to see it taken up.
pub const REVOCATION_RETRY_LONGEST: Duration = Duration::from_secs(15);

/// Audit records that nobody waits for and that wait for the disk, such as refusals: some 8 MiB, and what a few hundred
/// devices bring that are refused everything at once. What does not fit is counted.
pub const RECORDS_WAITING_MAX: usize = 16_384;

/// Such records that are taken out of the queue together; drops are told in the log at most once for each.
pub const RECORDS_AT_ONCE_MAX: usize = 256;

/// How long a gateway that stops waits for them: longer than a disk needs for all of them, shorter than a service manager's
/// patience.
pub const RECORDS_END_WAIT: Duration = Duration::from_secs(10);

/// How long connections that were closed when the gateway stops may take to say so.
pub const FAREWELL_WAIT: Duration = Duration::from_millis(500);

/// How long what a session still has to say (why a flow was cut, a refusal) may take after its end; then the connection is
/// closed. A peer that reads needs one round trip, one that does not read holds nothing open.
pub const LAST_WORDS_WAIT: Duration = Duration::from_secs(1);

/// How long the tasks of an ended connection may take to write their outcomes.
pub const TASKS_END_WAIT: Duration = Duration::from_secs(10);
