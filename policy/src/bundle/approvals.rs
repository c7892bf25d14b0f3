//! `approvals.toml`: work away from the desk, or beyond its hours, that a supervisor approved.

use std::collections::BTreeMap;

use hitotsu_model::ids::PersonId;

use crate::engine::names::Names;
use crate::limits::{APPROVAL_DAYS_MAX, APPROVALS_OF_PERSON_MAX};
use crate::place::PlaceKind;
use crate::source::{At, Source, Table, did_you_mean};
use crate::subject::Approval;
use crate::table::instant;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// By person, in the order of their beginnings.
pub(crate) fn read(sources: &[Source<'_>], names: &Names) -> BTreeMap<PersonId, Vec<Approval>> {
    let mut approvals: BTreeMap<PersonId, Vec<Approval>> = BTreeMap::new();
    for source in sources {
        let root = source.table();
        let table = Table::root(*source, &root);
        for entry in table.tables("approval") {
            if let Some((person, approval)) = read_approval(&entry, names) {
                let of_person = approvals.entry(person.value.clone()).or_default();
                of_person.push(approval);
                if of_person.len() == APPROVALS_OF_PERSON_MAX + 1 {
                    let what = format!("`{}` has more than {APPROVALS_OF_PERSON_MAX} approvals", person.value);
                    entry.wrong(person.line, what, "take those away that are over");
                }
            }
        }
        table.finish();
    }
    approvals.values_mut().for_each(|of_person| of_person.sort_by_key(|approval| (approval.from, approval.until)));
    approvals
}

fn read_approval(table: &Table<'_, '_>, names: &Names) -> Option<(At<PersonId>, Approval)> {
    let person = table.parsed::<PersonId>("person", "\"p-1001\"");
    let by = table.parsed::<PersonId>("by", "\"p-1002\"");
    let from = moment(table, "from");
    let until = moment(table, "until");
    let place_kind = table.text_if_any("place_kind", "\"home\"");
    let place_kind = match place_kind {
        // A word that is wrong must not become an approval for everywhere.
        Some(text) => Some(table.parse::<PlaceKind>(&text, "home")?.value),
        None => None,
    };
    table.text_if_any("reason", "\"overtime for the election\"");
    table.finish();
    let (person, by, from, until) = (person?, by?, from?, until?);
    for who in [&person, &by] {
        if !names.people.contains_key(&who.value) {
            let remedy = did_you_mean(who.value.as_str(), names.people.keys().map(PersonId::as_str));
            table.wrong(who.line, format!("there is no person `{}`", who.value), remedy);
        }
    }
    if person.value == by.value {
        let what = format!("`{}` approves their own work", by.value);
        table.wrong(by.line, what, "name the supervisor who approved it");
    }
    if from.value >= until.value {
        table.wrong(until.line, "the approval ends before it begins", "let `until` be later than `from`");
    } else if until.value.0.saturating_sub(from.value.0) > APPROVAL_DAYS_MAX * DAY_MS {
        let what = format!("the approval is for more than {APPROVAL_DAYS_MAX} days");
        table.wrong(until.line, what, "approve each week by itself");
    }
    Some((person, Approval { from: from.value, until: until.value, place_kind }))
}

fn moment(table: &Table<'_, '_>, key: &'static str) -> Option<At<hitotsu_model::time::Timestamp>> {
    const EXAMPLE: &str = "2026-04-01T18:00:00+09:00";
    let text = table.text(key, "\"2026-04-01T18:00:00+09:00\"")?;
    let value = instant(&text.value);
    if value.is_none() {
        table.wrong(text.line, format!("`{}` is no instant", text.value), format!("write it like `{EXAMPLE}`"));
    }
    Some(At { value: value?, line: text.line })
}
