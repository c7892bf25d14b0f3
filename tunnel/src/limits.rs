//! Everything that the network can grow is bounded here.

/// Octets in one [`crate::flow::Batch`]: what one `writev` usefully takes, and the pipe of a Linux TCP socket.
pub const BATCH_OCTETS_MAX: usize = 64 * 1024;

/// Octets of a refusal's body that are kept. A problem document is under 2 KiB.
pub const REFUSAL_BODY_MAX: usize = 16 * 1024;

/// Octets of a control response. The largest, a catalogue of 1,000 systems with 200 octets each, fits twice.
pub const RESPONSE_BODY_MAX: usize = 512 * 1024;
