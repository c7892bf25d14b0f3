//! Gives memory back to the system after many sessions have gone: the allocator would keep it for the next morning.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;

/// How often sessions are counted. What closed connections hold is free within a second or two.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Sessions that must have gone before memory is given back, some 5 MiB.
const GONE_MIN: usize = 100;

/// Counts sessions until told to stop.
pub async fn give_back(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut crowd = Crowd::default();
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = stop.cancelled() => return,
        }
        if crowd.has_left(gateway.live.counts().0) {
            let begun = Instant::now();
            // It may take some milliseconds, which no packet shall wait for.
            let trimmed = spawn_blocking(trim).await.unwrap_or(false);
            tracing::debug!(trimmed, took = ?begun.elapsed(), "gave memory back");
        }
    }
}

/// How many sessions there were at most since memory was given back.
#[derive(Debug, Default)]
struct Crowd {
    most: usize,
    before: usize,
}

impl Crowd {
    /// Whether a quarter of the sessions has gone, and no more are going right now.
    fn has_left(&mut self, now: usize) -> bool {
        self.most = self.most.max(now);
        let settled = now == self.before;
        self.before = now;
        let left = settled && self.most - now >= GONE_MIN.max(self.most / 4);
        if left {
            self.most = now;
        }
        left
    }
}

/// True if something could be given back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() -> bool {
    #[expect(unsafe_code, reason = "glibc has no safe name for this; it takes a number and touches only free memory")]
    // SAFETY: malloc_trim may be called at any time from any thread (malloc_trim(3), MT-Safe).
    let given = unsafe { libc::malloc_trim(0) };
    given == 1
}

/// Other allocators give back by themselves, or never.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_after_many_have_left_and_not_while_they_leave() {
        let mut crowd = Crowd::default();
        let counts = [0, 5000, 5000, 4990, 4990, 2000, 700, 700, 700, 650, 650, 0, 0, 0];
        let given: Vec<bool> = counts.map(|count| crowd.has_left(count)).to_vec();
        let expected: Vec<bool> = (0..counts.len()).map(|look| look == 7 || look == 12).collect();
        assert_eq!(given, expected);
    }

    #[test]
    fn a_small_office_that_comes_and_goes_costs_nothing() {
        let mut crowd = Crowd::default();
        assert!([0, 90, 90, 0, 0, 90, 0, 0].iter().all(|count| !crowd.has_left(*count)));
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn what_was_freed_in_small_pieces_leaves_the_process() {
        let resident = || {
            let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
            statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4
        };
        let mut pieces: Vec<Vec<u8>> = (0..40_000).map(|_| vec![1; 1000]).collect();
        // The last piece stays, so that the heap's end does not move.
        let last = pieces.pop();
        drop(pieces);
        let before = resident();
        assert!(trim());
        let given = before.saturating_sub(resident());
        assert!(given > 20_000, "{given} KiB");
        drop(last);
    }
}
