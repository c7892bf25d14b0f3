//! Dates as apt and ClamAV write them. All are in English whatever the locale.

use hitotsu_model::time::{Timestamp, civil_from_days};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_SECONDS: u64 = 86_400;

/// Whole days from `then` to `now`; 0 when `then` is later.
pub(in crate::platform::linux) fn whole_days(then: Timestamp, now: Timestamp) -> i64 {
    i64::try_from(now.since(then).as_secs() / DAY_SECONDS).unwrap_or(i64::MAX)
}

/// A `Date` of a Release file: `Wed, 20 May 2026 16:28:12 UTC`.
pub(super) fn parse_release(text: &str) -> Option<Timestamp> {
    let (_, rest) = text.split_once(',')?;
    let mut words = rest.split_whitespace();
    let date = (words.next()?, words.next()?, words.next()?);
    let time = words.next()?;
    let offset = match words.next()? {
        "UTC" | "GMT" => 0,
        other => offset_seconds(other)?,
    };
    instant(date, time, ':', offset)
}

/// A date of a ClamAV database: `20 Nov 2026 09-24 +0000`.
pub(in crate::platform::linux) fn parse_clamav(text: &str) -> Option<Timestamp> {
    let mut words = text.split_whitespace();
    let date = (words.next()?, words.next()?, words.next()?);
    instant(date, words.next()?, '-', offset_seconds(words.next()?)?)
}

/// A `Start-Date` of apt's history: `2026-05-20  16:28:12`, in the local time that nobody notes. Taken as UTC, which
/// is off by at most 14 hours.
pub(super) fn parse_history(text: &str) -> Option<Timestamp> {
    let (date, time) = text.trim().split_once(' ')?;
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?.parse::<usize>().ok()?, parts.next()?);
    let month = MONTHS.get(month.checked_sub(1)?)?;
    instant((day, month, year), time.trim(), ':', 0)
}

fn instant(date: (&str, &str, &str), time: &str, separator: char, offset: i64) -> Option<Timestamp> {
    let (day, month, year) = date;
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let days = days_from_civil(year.parse().ok()?, month, day.parse().ok()?)?;
    let mut parts = time.split(separator).map(str::parse::<i64>);
    let (hour, minute) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let second = parts.next().unwrap_or(Ok(0)).ok()?;
    let in_range = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    in_range.then(|| Timestamp::from_unix_seconds(days * 86_400 + hour * 3600 + minute * 60 + second - offset))
}

/// `+0900` or `-0330`.
fn offset_seconds(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_at_checked(2)?;
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

/// Days since 1970-01-01 of a date between 1970 and 9999 that exists.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..=9999).contains(&year) {
        return None;
    }
    // Years begin on 1 March here, so that the leap day comes last; 719,468 days lie before 1970-01-01.
    let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = shifted_year / 4 - shifted_year / 100 + shifted_year / 400;
    let days = shifted_year * 365 + leap_days + (153 * shifted_month + 2) / 5 + day - 1 - 719_468;
    let (back_year, back_month, back_day) = civil_from_days(days);
    ((back_year, i64::from(back_month), i64::from(back_day)) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_with_its_offset() {
        let shown = |at: Option<Timestamp>| at.expect("a date").to_string();
        assert_eq!(shown(parse_release("Wed, 20 May 2026 16:28:12 UTC")), "2026-05-20T16:28:12.000Z");
        assert_eq!(shown(parse_release("Thu, 01 Jan 2026 00:00:00 +0900")), "2025-12-31T15:00:00.000Z");
        assert_eq!(shown(parse_clamav("29 Feb 2024 09-24 -0400")), "2024-02-29T13:24:00.000Z");
        assert_eq!(shown(parse_history("2026-05-20  06:28:12")), "2026-05-20T06:28:12.000Z");
    }

    #[test]
    fn a_date_that_does_not_exist_is_none() {
        for text in ["Wed, 31 Feb 2026 16:28:12 UTC", "Wed, 20 Mai 2026 16:28:12 UTC", "Wed, 20 May 2026 24:00:00 UTC"]
        {
            assert_eq!(parse_release(text), None, "{text}");
        }
        assert_eq!(parse_release("yesterday"), None);
        assert_eq!(parse_clamav("20 Nov 2026 09-24 UTC"), None);
    }
}
