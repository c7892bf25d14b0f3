//! The national holidays of Japan, by the Act on National Holidays (国民の祝日に関する法律, 昭和23年法律第178号).
//!
//! Article 2 names the days; article 3 adds the day after a holiday that is a Sunday (振替休日) and a day between two
//! holidays (国民の休日). The equinoxes are the days that astronomers announce each February for the next year; they
//! follow from the mean motion of the sun, by the formula of the hydrographic department of the coast guard (海上保安庁水路部
//! 暦計算研究会編『新こよみ便利帳』), which holds from 1980 to 2099.

use std::collections::BTreeSet;

use hitotsu_model::time::civil_from_days;

use crate::engine::calendar::{days_from_civil, weekday_of};

/// Years for which the days are known: from the first without exceptions of its own (2019 to 2021 had some) to the last
/// of the formula.
pub(crate) const YEARS: std::ops::RangeInclusive<i64> = 2022..=2099;

/// Days that stay: month and day.
const FIXED: [(i64, i64); 10] = [(1, 1), (2, 11), (2, 23), (4, 29), (5, 3), (5, 4), (5, 5), (8, 11), (11, 3), (11, 23)];
/// Days that are a Monday: month, and which Monday of it.
const MONDAYS: [(i64, i64); 4] = [(1, 2), (7, 3), (9, 3), (10, 2)];

/// Every holiday of [`YEARS`], as `20260101`.
pub(crate) fn japan() -> BTreeSet<i64> {
    YEARS.flat_map(of_year).collect()
}

fn of_year(year: i64) -> BTreeSet<i64> {
    let day = |(month, day): (i64, i64)| days_from_civil(year * 10_000 + month * 100 + day);
    let monday = |(month, nth): (i64, i64)| {
        let first = day((month, 1));
        first + (8 - weekday_of(first)) % 7 + (nth - 1) * 7
    };
    let mut named: BTreeSet<i64> = FIXED.into_iter().map(day).collect();
    named.extend(MONDAYS.into_iter().map(monday));
    named.insert(day((3, equinox(year, 20_843_100))));
    named.insert(day((9, equinox(year, 23_248_800))));

    let mut all = named.clone();
    for sunday in named.iter().filter(|day| weekday_of(**day) == 7) {
        // Article 3 (2): the next day that is no holiday itself.
        all.extend((sunday + 1..).find(|day| !named.contains(day)));
    }
    for before in &named {
        // Article 3 (3).
        if named.contains(&(before + 2)) {
            all.insert(before + 1);
        }
    }
    all.into_iter().map(date_of).collect()
}

/// The day of March or September: `base` is in millionths of a day, for 1980.
fn equinox(year: i64, base: i64) -> i64 {
    let since = year - 1980;
    (base + 242_194 * since) / 1_000_000 - since / 4
}

fn date_of(day: i64) -> i64 {
    let (year, month, day) = civil_from_days(day);
    year * 10_000 + i64::from(month) * 100 + i64::from(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_are_those_that_the_cabinet_office_published() {
        let of = |year: i64| -> Vec<i64> { of_year(year).into_iter().map(|date| date % 10_000).collect() };
        // 内閣府「国民の祝日について」: 2024 with five substitutes, 2026 with a day between two holidays.
        assert_eq!(
            of(2024),
            [
                101, 108, 211, 212, 223, 320, 429, 503, 504, 505, 506, 715, 811, 812, 916, 922, 923, 1014, 1103, 1104,
                1123
            ]
        );
        assert_eq!(
            of(2025),
            [101, 113, 211, 223, 224, 320, 429, 503, 504, 505, 506, 721, 811, 915, 923, 1013, 1103, 1123, 1124]
        );
        assert_eq!(
            of(2026),
            [101, 112, 211, 223, 320, 429, 503, 504, 505, 506, 720, 811, 921, 922, 923, 1012, 1103, 1123]
        );
        assert_eq!(of(2027), [101, 111, 211, 223, 321, 322, 429, 503, 504, 505, 719, 811, 920, 923, 1011, 1103, 1123]);
    }

    #[test]
    fn the_equinoxes_are_the_days_of_the_calendar() {
        // 国立天文台 暦要項: March and September of some years.
        for (year, march, september) in [(2022, 21, 23), (2024, 20, 22), (2028, 20, 22), (2030, 20, 23)] {
            assert_eq!((equinox(year, 20_843_100), equinox(year, 23_248_800)), (march, september), "{year}");
        }
    }
}
