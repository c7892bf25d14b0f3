//! The instant that the shell passes in.

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The latest instant that can be named; used where nothing expires.
    pub const MAX: Self = Self(i64::MAX);

    /// This instant and `duration` later, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This instant and `duration` earlier, saturating.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Time passed since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// From whole seconds since 1970, saturating.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// As people of `zone` read it, with the offset: `2026-11-24 18:00:00 +09:00`.
    #[must_use]
    pub fn in_zone(self, zone: TimeZone) -> String {
        self.written(zone, "%F %T %:z")
    }

    /// The same with milliseconds, for what is set beside other records.
    #[must_use]
    pub fn in_zone_exact(self, zone: TimeZone) -> String {
        self.written(zone, "%F %T%.3f %:z")
    }

    fn written(self, zone: TimeZone, form: &str) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => instant.to_zoned_datetime(zone).strftime(form).to_string(),
            // Beyond the years that a calendar has.
            Err(_) => self.to_string(),
        }
    }
}

/// RFC 3339 in UTC with milliseconds, such as `2026-11-24T09:00:00.000Z`; years outside 0 to 9999 print as a number.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.unix_seconds();
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        if !(0..=9999).contains(&year) {
            return write!(f, "{}ms", self.0);
        }
        let second_of_day = seconds.rem_euclid(86_400);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            second_of_day / 3600,
            second_of_day / 60 % 60,
            second_of_day % 60,
            self.0.rem_euclid(1000)
        )
    }
}

/// Proleptic Gregorian year, month (1 to 12) and day (1 to 31) of a count of days since 1970-01-01.
///
/// Howard Hinnant's `civil_from_days`: eras of 400 years that begin on 1 March, so that the leap day comes last.
#[must_use]
pub fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let z = days.saturating_add(719_468);
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u8::try_from(month).unwrap_or(0), u8::try_from(day).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_told_in_the_time_of_its_zone_with_the_offset() {
        let at = Timestamp(1_795_000_000_007);
        let tokyo = TimeZone::get("Asia/Tokyo").expect("a zone");
        assert_eq!(at.in_zone(tokyo.clone()), "2026-11-18 20:06:40 +09:00");
        assert_eq!(at.in_zone_exact(tokyo), "2026-11-18 20:06:40.007 +09:00");
        assert_eq!(at.in_zone(TimeZone::UTC), "2026-11-18 11:06:40 +00:00");
        assert_eq!(Timestamp::MAX.in_zone(TimeZone::UTC), Timestamp::MAX.to_string());
    }

    #[test]
    fn timestamps_print_as_rfc_3339() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(1_709_164_800_007).to_string(), "2024-02-29T00:00:00.007Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::MAX.to_string(), format!("{}ms", i64::MAX));
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
    }
}
