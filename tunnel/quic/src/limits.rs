//! How much is done before others get their turn.

/// Datagrams in one call to the kernel. 44 of 1,452 octets are just below 64 KiB, the most that one call takes; the
/// kernel's own cost per octet falls to a third from 10 to 44.
pub(crate) const SEGMENTS_MAX: usize = 44;

/// Octets in one call to the kernel: what fits an IPv4 packet of UDP. Paths of larger packets get fewer of them.
pub(crate) const SEND_OCTETS_MAX: usize = 65_507;

/// Datagrams that one connection sends before the next one may: 0.5 ms at 1 Gbit/s.
pub(crate) const DATAGRAMS_PER_TURN: usize = 2 * SEGMENTS_MAX;

/// Calls to the kernel for received datagrams before connections are served, each up to [`RECEIVES_AT_ONCE`].
pub(crate) const RECEIVES_PER_TURN: usize = 4;

/// Turns in a row in which receiving fails before the socket counts as broken. Errors that come now and then, as a machine
/// short of memory has them, must not end the connections of everybody; one that stays must not keep a processor busy.
pub(crate) const RECEIVE_FAILURES_MAX: u32 = 100;

/// Received messages in one call, each up to [`RECEIVE_OCTETS`]. Only what is used of this becomes resident.
pub(crate) const RECEIVES_AT_ONCE: usize = 16;

/// Octets of one received message: 64 datagrams that the kernel joined never exceed this.
pub(crate) const RECEIVE_OCTETS: usize = 64 * 1024;

/// Octets of a received message from which its buffer is lent instead of copied. Smaller ones leave too much of it unused.
pub(crate) const LENT_OCTETS_MIN: usize = RECEIVE_OCTETS / 2;

/// Buffers of one worker that are lent at once, 2 MiB. Beyond it octets are copied, and hold their own size: flows that stall
/// keep what they hold for long.
pub(crate) const LENT_MAX: usize = 32;

/// Connections that wait for the application's decision. More are dropped unanswered; honest clients ask again.
pub(crate) const INCOMING_MAX: usize = 1024;

/// Datagrams that one worker holds of what others heard for it: 1.5 MiB, some milliseconds of a fast connection that moved.
pub(crate) const HANDED_ON_MAX: usize = 1024;
