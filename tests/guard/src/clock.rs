//! A clock that stands still but when it is read, or when there is nothing to do.
//!
//! Pacing, acknowledgements that are delayed and loss detection depend on the time, so under a real clock no two runs send
//! the same packets. Here each reading takes [`READING`], and a wait for events that finds none takes as long as it was
//! meant to, at once. What the two functions below replace is what `std`, tokio and mio call of the C library; this
//! program has one thread that works, and its peers are all in it, so what the kernel has not delivered to it after
//! [`SETTLES_MS`] will not come.

use std::ffi::c_int;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long each reading takes. About what a packet of 1,452 octets takes at 10 Gbit/s, so that the estimates of QUIC are
/// of a size as on a real loopback.
const READING: Duration = Duration::from_micros(1);

/// How long the kernel may take, in milliseconds of the real clock, to hand on what was sent over loopback: it does so
/// within the sending call, but on a busy machine it may leave that to a thread of its own.
const SETTLES_MS: c_int = 10;

/// How long to wait, in milliseconds of the real clock, where nothing is due: much longer than any computation here.
const STUCK_MS: c_int = 60_000;

/// 2026-11-24T00:00:00Z.
const START: Duration = Duration::from_secs(1_795_478_400);

static PASSED_NS: AtomicU64 = AtomicU64::new(0);

fn pass(time: Duration) -> Duration {
    let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(PASSED_NS.fetch_add(time, Ordering::Relaxed))
}

/// Every clock of the system, from the same start.
#[expect(unsafe_code, reason = "it takes the place of the C library's function for this program, with its signature")]
#[unsafe(no_mangle)]
extern "C" fn clock_gettime(_clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    let now = START + pass(READING);
    let seconds = libc::time_t::try_from(now.as_secs()).unwrap_or(libc::time_t::MAX);
    let read = libc::timespec { tv_sec: seconds, tv_nsec: now.subsec_nanos().into() };
    // SAFETY: POSIX has callers give a place for it.
    unsafe { time.write(read) };
    0
}

/// Waits for events, but passes the time instead of waiting for it.
#[expect(unsafe_code, reason = "it takes the place of the C library's function for this program, with its signature")]
#[unsafe(no_mangle)]
extern "C" fn epoll_wait(queue: c_int, events: *mut libc::epoll_event, room: c_int, timeout_ms: c_int) -> c_int {
    // SAFETY: the arguments are those that the caller gave for the same call, but for the time; no signals are masked.
    let wait = |ms| unsafe { libc::epoll_pwait(queue, events, room, ms, std::ptr::null()) };
    let ready = wait(0);
    if ready != 0 || timeout_ms == 0 {
        return ready;
    }
    if timeout_ms < 0 {
        let ready = wait(STUCK_MS);
        assert_ne!(ready, 0, "nothing is due and nothing comes");
        return ready;
    }
    let ready = wait(SETTLES_MS);
    if ready == 0 {
        pass(Duration::from_millis(timeout_ms.unsigned_abs().into()));
    }
    ready
}
