//! `bundle.toml` and `calendar.toml`.

use std::collections::BTreeSet;
use std::time::Duration;

use hitotsu_model::ids::OrgId;
use hitotsu_model::posture::{CLAIM_LIST_MAX, CLAIM_TEXT_BYTES_MAX};

use crate::engine::holidays;
use crate::source::{Source, Table};

/// Evidence is renewed every 5 minutes; two may be missed.
const EVIDENCE_SECONDS: i64 = 600;
/// A day: older evidence says nothing about a PC that was carried home.
const EVIDENCE_SECONDS_MAX: i64 = 86_400;

/// What `bundle.toml` says.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) org: OrgId,
    pub(crate) name: String,
    pub(crate) offset_ms: i64,
    pub(crate) evidence_seconds: i64,
    pub(crate) forbidden_software: Vec<String>,
    pub(crate) tiers_apart: bool,
}

impl Settings {
    pub(crate) fn evidence_max_age(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.evidence_seconds).unwrap_or(0))
    }
}

pub(crate) fn read(source: Source<'_>) -> Option<Settings> {
    let root = source.table();
    let table = Table::root(source, &root);
    let org = table.parsed::<OrgId>("org", "\"city.example\"");
    let name = table.text("name", "\"City of Example\"");
    let offset = table.text("utc_offset", "\"+09:00\"");
    let offset_ms = offset.as_ref().and_then(|text| {
        let parsed = utc_offset(&text.value);
        if parsed.is_none() {
            let what = format!("`{}` is not an offset from UTC", text.value);
            table.wrong(text.line, what, "write it like `+09:00`");
        }
        parsed
    });
    let evidence_seconds = table.integer("evidence_max_age_seconds", EVIDENCE_SECONDS, 1..EVIDENCE_SECONDS_MAX + 1);
    let mut forbidden_software = Vec::new();
    for program in table.texts("forbidden_software", "[\"anydesk\"]") {
        if program.value.is_empty() || program.value.len() > CLAIM_TEXT_BYTES_MAX {
            table.wrong(program.line, "a program's name is empty or too long", "write the name of its process");
        }
        forbidden_software.push(program.value);
    }
    if forbidden_software.len() > CLAIM_LIST_MAX {
        let what = format!("`forbidden_software` has more than {CLAIM_LIST_MAX} programs");
        table.wrong(table.line(), what, "keep those that matter: an agent reports no more");
    }
    let tiers_apart = table.flag("tiers_apart", false);
    table.finish();
    let (org, name, offset_ms) = (org?.value, name?.value, offset_ms?);
    Some(Settings { org, name, offset_ms, evidence_seconds, forbidden_software, tiers_apart })
}

/// Milliseconds of `+09:00`.
pub(crate) fn utc_offset(text: &str) -> Option<i64> {
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let number = |text: &str, below: i64| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| digits && *number < below)
    };
    Some(sign * (number(hours, 15)? * 60 + number(minutes, 60)?) * 60_000)
}

/// The holidays, as `20260101`: those that are listed, those of every year, and those of the nation.
pub(crate) fn read_calendar(source: Source<'_>) -> BTreeSet<i64> {
    let root = source.table();
    let table = Table::root(source, &root);
    let mut days = BTreeSet::new();
    for (day, line) in dates(&table) {
        match day {
            Some(day) => {
                if !days.insert(day) {
                    table.wrong(line, format!("{day} is there twice"), "take one away");
                }
            }
            None => table.wrong(line, "this is not a day", "write it like `2026-01-01`"),
        }
    }
    for day in table.texts("every_year", "[\"12-29\"]") {
        // The 29th of February, too, comes in some years.
        match date(&format!("2024-{}", day.value)) {
            Some(known) => days.extend(holidays::YEARS.filter_map(|year| existing(year * 10_000 + known % 10_000))),
            None => table.wrong(day.line, format!("`{}` is no day of the year", day.value), "write it like `12-29`"),
        }
    }
    if let Some(nation) = table.text_if_any("national", "\"japan\"") {
        match nation.value.as_str() {
            "japan" => days.extend(holidays::japan()),
            other => {
                let what = format!("the holidays of `{other}` are not known");
                table.wrong(nation.line, what, "write `national = \"japan\"`, or list the days in `holidays`");
            }
        }
    }
    table.finish();
    days
}

/// `20260229` is no day.
fn existing(day: i64) -> Option<i64> {
    date(&format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100))
}

fn dates(table: &Table<'_, '_>) -> Vec<(Option<i64>, usize)> {
    table.values("holidays").into_iter().map(|(text, line)| (date(&text), line)).collect()
}

/// `2026-01-01` as `20260101`; the day must exist.
pub(crate) fn date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let mut number = |width: usize| {
        let part = parts.next()?;
        (part.len() == width && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<i64>().ok()).flatten()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() || !(1970..=9999).contains(&year) {
        return None;
    }
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    (1..=days).contains(&day).then_some(year * 10_000 + month * 100 + day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_dates_are_strict() {
        assert_eq!(utc_offset("+09:00"), Some(9 * 3_600_000));
        assert_eq!(utc_offset("-03:30"), Some(-12_600_000));
        for bad in ["9", "+9:00", "+09:60", "+15:00", "09:00", "+0900", ""] {
            assert_eq!(utc_offset(bad), None, "{bad}");
        }
        assert_eq!(date("2028-02-29"), Some(20_280_229));
        for bad in ["2026-02-29", "2026-13-01", "2026-1-01", "2026-01-01-01", "x"] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }
}
