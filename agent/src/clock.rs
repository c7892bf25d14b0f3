//! The one place of the agent that reads the wall clock, and the zone that people here live in.

use std::time::{SystemTime, UNIX_EPOCH};

use hitotsu_model::time::Timestamp;
use jiff::tz::TimeZone;

/// This computer's idea of the present; before 1970 counts as 1970.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
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

/// An instant as RFC 3339 writes it.
#[must_use]
pub fn read(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|instant| Timestamp(instant.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_as_it_was_written() {
        assert_eq!(read("2026-11-18T11:06:40.007123Z"), Some(Timestamp(1_795_000_000_007)));
        assert_eq!(read("yesterday"), None);
    }
}
