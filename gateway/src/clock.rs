//! The one place where the gateway reads the wall clock, and the zone that people here live in.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hitotsu_model::time::Timestamp;
use jiff::tz::TimeZone;

/// The wall clock now; the epoch if the machine's clock is before it, so that every evidence and certificate is then
/// outside its time and denied.
#[must_use]
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// An instant as people here read it: in the machine's zone (`TZ`, else `/etc/localtime`) with its offset, such as
/// `2026-11-24 18:00:00 +09:00`. UTC where the machine names no zone that can be read.
#[must_use]
pub fn local(at: Timestamp) -> String {
    at.in_zone(TimeZone::system())
}

/// The same with milliseconds, for what is set beside other records.
#[must_use]
pub fn local_exact(at: Timestamp) -> String {
    at.in_zone_exact(TimeZone::system())
}

/// Notices when the wall clock jumps against the monotonic one.
#[derive(Debug)]
pub struct JumpDetector {
    instant: Instant,
    wall: Timestamp,
    tolerance: Duration,
}

impl JumpDetector {
    /// Starts from this pair of readings.
    #[must_use]
    pub fn new(instant: Instant, wall: Timestamp, tolerance: Duration) -> Self {
        Self { instant, wall, tolerance }
    }

    /// Compares a new pair of readings with the last one: how many milliseconds the wall clock jumped, if it did.
    pub fn jumped(&mut self, instant: Instant, wall: Timestamp) -> Option<i64> {
        let passed = i64::try_from(instant.saturating_duration_since(self.instant).as_millis()).unwrap_or(i64::MAX);
        let difference = wall.0.saturating_sub(self.wall.0).saturating_sub(passed);
        self.instant = instant;
        self.wall = wall;
        (Duration::from_millis(difference.unsigned_abs()) > self.tolerance).then_some(difference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_is_seen_in_both_directions_and_once() {
        let start = Instant::now();
        let mut detector = JumpDetector::new(start, Timestamp(1_000_000), Duration::from_secs(2));
        let later = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(detector.jumped(later(1), Timestamp(1_001_000)), None);
        assert_eq!(detector.jumped(later(2), Timestamp(1_062_000)), Some(60_000));
        assert_eq!(detector.jumped(later(3), Timestamp(1_063_000)), None);
        assert_eq!(detector.jumped(later(4), Timestamp(1_004_000)), Some(-60_000));
    }
}
