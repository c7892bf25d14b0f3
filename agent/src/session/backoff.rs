//! How long to wait before dialling again. Pure: randomness is an argument.

use std::time::Duration;

/// Bounds of the waits between dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffBounds {
    /// The first wait, and the shortest.
    pub shortest: Duration,
    /// The longest wait while an application waits for the tunnel: a gateway that was restarted must be found again
    /// within 3 s, and a refused dial costs it one packet.
    pub longest_wanted: Duration,
    /// The longest wait while nobody waits; 10,000 agents at this pace are 330 dials a second.
    pub longest_idle: Duration,
}

impl Default for BackoffBounds {
    fn default() -> Self {
        Self {
            shortest: Duration::from_millis(200),
            longest_wanted: Duration::from_millis(1500),
            longest_idle: Duration::from_secs(30),
        }
    }
}

/// Counts failures in a row.
#[derive(Debug, Clone)]
pub struct Backoff {
    bounds: BackoffBounds,
    failures: u32,
}

/// Failures in a row after which an idle agent slows down: with a longest wait of 1.5 s about 20 s, so that a restart
/// of the gateway is found quickly even when nobody waits for it.
const QUICK_FAILURES: u32 = 16;

impl Backoff {
    /// No failure yet.
    #[must_use]
    pub fn new(bounds: BackoffBounds) -> Self {
        Self { bounds, failures: 0 }
    }

    /// A connection worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A dial failed: the wait before the next one. It doubles up to the bound, and is then drawn from its upper half
    /// by `random` (0 to 255), so that machines that lost the same gateway do not return in step.
    #[must_use]
    pub fn next(&mut self, wanted: bool, random: u8) -> Duration {
        let longest = if wanted || self.failures < QUICK_FAILURES {
            self.bounds.longest_wanted
        } else {
            self.bounds.longest_idle
        };
        let doubled = self.bounds.shortest.saturating_mul(1u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let full = doubled.min(longest);
        full / 2 + full / 2 * u32::from(random) / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_jitter_stays_in_the_upper_half() {
        let mut low = Backoff::new(BackoffBounds::default());
        let mut high = Backoff::new(BackoffBounds::default());
        for expected in [200, 400, 800, 1500, 1500] {
            assert_eq!(high.next(true, 255), Duration::from_millis(expected));
            assert_eq!(low.next(true, 0), Duration::from_millis(expected / 2));
        }
    }

    #[test]
    fn an_idle_agent_slows_down_after_a_while_and_a_wanted_one_never_does() {
        let mut backoff = Backoff::new(BackoffBounds::default());
        for _ in 0..QUICK_FAILURES {
            assert!(backoff.next(false, 255) <= Duration::from_millis(1500));
        }
        assert_eq!(backoff.next(false, 255), Duration::from_secs(30));
        assert_eq!(backoff.next(true, 255), Duration::from_millis(1500));
        backoff.reset();
        assert_eq!(backoff.next(false, 255), Duration::from_millis(200));
    }
}
