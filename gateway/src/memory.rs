//! Gives memory back to the system when a process of ours is at rest: what the allocator keeps for the next morning, and
//! the pages of the program that only its start or a crowd needed.

mod program;

use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::{Instant as TokioInstant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// How often to look. What closed connections hold is free within a second or two.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Sessions that must have gone before memory is given back, some 5 MiB.
const GONE_MIN: usize = 100;

/// Processor time between two looks that is rest: 2 %, more than 10,000 idle tunnels take.
const REST_TIME_MAX: Duration = Duration::from_millis(100);

/// Looks until told to stop, in a process that has so many `sessions`.
pub async fn give_back(sessions: impl Fn() -> usize + Send, stop: CancellationToken) {
    let mut looks = interval_at(TokioInstant::now() + LOOK_EVERY, LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut crowd = Crowd::default();
    let mut work = Work::begun(processor_time());
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = stop.cancelled() => return,
        }
        let (left, rests) = (crowd.has_left(sessions()), work.is_done(processor_time()));
        if left || rests {
            let begun = Instant::now();
            // It may take some milliseconds, which no packet shall wait for.
            let trimmed = spawn_blocking(move || {
                if rests {
                    program::let_go();
                }
                trim()
            });
            let trimmed = trimmed.await.unwrap_or(false);
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

/// Whether the process has worked since memory was given back. Its start is work too.
#[derive(Debug)]
struct Work {
    used: Duration,
    was_done: bool,
}

impl Work {
    fn begun(used: Duration) -> Self {
        Self { used, was_done: false }
    }

    /// Whether it rests, having worked before.
    fn is_done(&mut self, used: Duration) -> bool {
        let rests = used.saturating_sub(self.used) <= REST_TIME_MAX;
        self.used = used;
        let done = rests && !self.was_done;
        self.was_done = rests;
        done
    }
}

/// Processor time that this process has used, kernel included; zero where nobody tells.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    used_time(&stat).unwrap_or_default()
}

/// Of a line of `/proc/PID/stat` (proc(5)): utime and stime, fields 14 and 15, in hundredths of a second (`USER_HZ`).
fn used_time(stat: &str) -> Option<Duration> {
    // The program's name, in brackets, may contain anything; field 3 follows it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11);
    let mut ticks = || times.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(ticks()?.saturating_add(ticks()?).saturating_mul(10)))
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

    #[test]
    fn memory_is_given_back_once_when_work_is_done_and_not_while_it_lasts() {
        let mut work = Work::begun(Duration::from_millis(80));
        let used = [100, 120, 900, 3000, 3040, 3050, 3060, 3400, 3410];
        let given: Vec<bool> = used.map(|used| work.is_done(Duration::from_millis(used))).to_vec();
        let expected: Vec<bool> = (0..used.len()).map(|look| matches!(look, 0 | 4 | 8)).collect();
        assert_eq!(given, expected);
    }

    #[test]
    fn the_time_used_is_read_from_behind_any_name() {
        let line = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 9 9 20 0 7 0 1 2 3";
        assert_eq!(used_time(line), Some(Duration::from_secs(3)));
        assert_eq!(used_time(""), None);
        assert!(used_time(&std::fs::read_to_string("/proc/self/stat").unwrap()).is_some());
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
