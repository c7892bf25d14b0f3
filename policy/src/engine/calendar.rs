//! Local time.

use std::collections::BTreeSet;

use hitotsu_model::time::{Timestamp, civil_from_days};

use crate::engine::evaluate::Clock;
use crate::place::PlaceKind;
use crate::subject::Approval;

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// A fixed offset from UTC and the days that are holidays. (Japan has no summer time.)
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Calendar {
    /// Milliseconds to add to UTC.
    pub(crate) offset_ms: i64,
    /// As `20260401`.
    pub(crate) holidays: BTreeSet<i64>,
}

impl Calendar {
    pub(crate) fn clock(&self, now: Timestamp, approvals: &[Approval], place: PlaceKind) -> Clock {
        let local = now.0.saturating_add(self.offset_ms);
        let days = local.div_euclid(DAY_MS);
        let (year, month, day) = civil_from_days(days);
        let date = year * 10_000 + i64::from(month) * 100 + i64::from(day);
        let covers = |approval: &Approval| {
            approval.from <= now && now < approval.until && approval.place_kind.is_none_or(|kind| kind == place)
        };
        Clock {
            now,
            minute: local.rem_euclid(DAY_MS) / MINUTE_MS,
            weekday: weekday_of(days),
            holiday: self.holidays.contains(&date),
            date,
            approved: approvals.iter().any(covers),
        }
    }

    /// The next instant, after `now`, at which the local clock comes to `minute` of the day.
    pub(crate) fn next_minute(&self, now: Timestamp, minute: i64) -> Timestamp {
        let local = now.0.saturating_add(self.offset_ms);
        let today = local.div_euclid(DAY_MS).saturating_mul(DAY_MS).saturating_add(minute * MINUTE_MS);
        let next = if today > local { today } else { today.saturating_add(DAY_MS) };
        Timestamp(next.saturating_sub(self.offset_ms))
    }
}

/// Days since 1970-01-01 of a day such as `20260401`: the reverse of `civil_from_days`.
pub(crate) fn days_from_civil(date: i64) -> i64 {
    let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// 1 is Monday: 1970-01-01 was a Thursday, ISO day 4.
pub(crate) fn weekday_of(days: i64) -> i64 {
    days.saturating_add(3).rem_euclid(7) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKYO: i64 = 9 * 3_600_000;

    fn clock(at: i64) -> Clock {
        Calendar { offset_ms: TOKYO, holidays: BTreeSet::from([20_241_231]) }.clock(
            Timestamp(at),
            &[],
            PlaceKind::Unknown,
        )
    }

    #[test]
    fn the_day_turns_at_local_midnight() {
        // 2024-12-31T14:59:59.999Z is one millisecond before midnight in Tokyo.
        let before = clock(1_735_657_199_999);
        assert_eq!((before.minute, before.weekday, before.date, before.holiday), (1439, 2, 20_241_231, true));
        let after = clock(1_735_657_200_000);
        assert_eq!((after.minute, after.weekday, after.date, after.holiday), (0, 3, 20_250_101, false));
    }

    #[test]
    fn the_next_minute_is_always_later_than_now() {
        let calendar = Calendar { offset_ms: TOKYO, holidays: BTreeSet::new() };
        let midnight = Timestamp(1_735_657_200_000);
        assert_eq!(calendar.next_minute(midnight, 0), Timestamp(midnight.0 + DAY_MS));
        assert_eq!(calendar.next_minute(Timestamp(midnight.0 - 1), 0), midnight);
        assert_eq!(calendar.next_minute(midnight, 480), Timestamp(midnight.0 + 480 * MINUTE_MS));
    }
}
