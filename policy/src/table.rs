//! The `given / expect` tables of a bundle.
//!
//! ```toml
//! [posture.good]                      # postures by name; a row takes one and changes what it likes
//! firewall_on = true
//! disk_encrypted = "unknown"          # known to be unknown, which is the same as absent
//!
//! [[test]]
//! name = "residents stay in the building"
//! given = { person = "p-1002", place = "home", at = "2026-04-01T10:00:00+09:00", posture = "good" }
//! resource = "residents"
//! expect = "deny"                     # or "allow"
//! codes = ["place-not-permitted"]     # in this order; left out: any
//! ```
//!
//! What a row does not give: an issued PC of profile `device`, level 0, at no known place, fresh evidence (an age can be
//! given as `evidence_age_seconds`), no approval, every claim of a posture observed just now by the operating system.

use std::collections::BTreeMap;
use std::time::Duration;

use hitotsu_model::code::Code;
use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, PersonId, PlaceId, ResourceId};
use hitotsu_model::posture::{Claim, ClaimKind, ClaimName, ClaimValue, Posture, Source as Voucher};
use hitotsu_model::time::Timestamp;
use serde::Serialize;
use toml::de::DeValue;

use crate::bundle::Bundle;
use crate::bundle::settings::date;
use crate::decision::{Action, Decision};
use crate::engine::calendar::days_from_civil;
use crate::engine::names::Names;
use crate::source::{At, Source, Table, did_you_mean, integer};
use crate::subject::{Approval, Subject};

/// How one row of a table came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestOutcome {
    /// The file.
    pub file: String,
    /// The line of the row.
    pub line: usize,
    /// The row's name.
    pub name: String,
    /// Whether the answer is the expected one.
    pub passed: bool,
    /// The expected and the real answer, line by line; empty when they agree.
    pub difference: String,
}

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    file: String,
    line: usize,
    name: String,
    subject: Subject,
    action: Action,
    resource: ResourceId,
    at: Timestamp,
    allow: bool,
    codes: Option<Vec<Code>>,
}

impl Row {
    pub(crate) fn run(&self, bundle: &Bundle) -> TestOutcome {
        let subject = bundle.prepare(self.subject.clone());
        let decision = bundle.decide_action(&subject, self.action, &self.resource, self.at);
        let codes_fit = self.codes.as_ref().is_none_or(|codes| *codes == decision.codes);
        let passed = decision.allowed == self.allow && codes_fit;
        let difference = if passed { String::new() } else { self.difference(&decision) };
        TestOutcome { file: self.file.clone(), line: self.line, name: self.name.clone(), passed, difference }
    }

    fn difference(&self, decision: &Decision) -> String {
        let answer = |allowed: bool, codes: &[Code]| {
            let slugs: Vec<&str> = codes.iter().map(|code| code.slug()).collect();
            let word = if allowed { "allow" } else { "deny" };
            if slugs.is_empty() { word.to_owned() } else { format!("{word} [{}]", slugs.join(", ")) }
        };
        let expected = answer(self.allow, self.codes.as_deref().unwrap_or_default());
        let found = answer(decision.allowed, &decision.codes);
        let rules: Vec<&str> = decision.rules.iter().map(|rule| rule.as_str()).collect();
        let rules = if rules.is_empty() { "no rule".to_owned() } else { rules.join(", ") };
        format!("- expected {expected}\n+ found    {found}\n  decided by {rules}")
    }
}

/// Reads every table.
pub(crate) fn read(sources: &[Source<'_>], names: &Names) -> Vec<Row> {
    let mut rows = Vec::new();
    for source in sources {
        let root = source.table();
        let table = Table::root(*source, &root);
        let mut postures = BTreeMap::new();
        if let Some(named) = table.table_if_any("posture") {
            for (name, value, line) in named.entries() {
                let claims = value.as_table().map(|claims| named.below(claims, line, format!("posture `{name}`")));
                match claims {
                    Some(claims) => {
                        postures.insert(name, read_claims(&claims));
                    }
                    None => {
                        named.wrong(line, format!("posture `{name}` is no table"), format!("write `[posture.{name}]`"))
                    }
                }
            }
        }
        for test in table.tables("test") {
            rows.extend(read_row(&test, &postures, names));
        }
        table.finish();
    }
    rows
}

type Claims = BTreeMap<ClaimName, ClaimValue>;

fn read_row(test: &Table<'_, '_>, postures: &BTreeMap<String, Claims>, names: &Names) -> Option<Row> {
    let name = test.text("name", "\"general staff open the chat from home\"");
    let resource = test.parsed::<ResourceId>("resource", "\"chat\"");
    let action = test.text_if_any("action", "\"connect\"");
    let action = action.and_then(|text| test.parse::<Action>(&text, "connect")).map_or(Action::Connect, |a| a.value);
    let expect = test.text("expect", "\"allow\"");
    let allow = expect.and_then(|text| match text.value.as_str() {
        "allow" => Some(true),
        "deny" => Some(false),
        other => {
            let remedy = did_you_mean(other, ["allow", "deny"].into_iter());
            test.wrong(text.line, format!("`{other}` is no answer"), remedy);
            None
        }
    });
    let texts = test.texts("codes", "[\"firewall-off\"]");
    let codes: Vec<Code> = texts.iter().filter_map(|text| read_code(test, text)).collect();
    let given = test.table_if_any("given");
    if given.is_none() {
        test.wrong(
            test.line(),
            "this `test` has no `given`",
            "add `given = { person = \"p-1001\", posture = \"good\" }`",
        );
    }
    let subject = given.and_then(|given| read_given(&given, postures, names));
    test.finish();
    let (resource, (subject, at)) = (resource?, subject?);
    if !names.resources.contains_key(&resource.value) {
        let remedy = did_you_mean(resource.value.as_str(), names.resources.keys().map(ResourceId::as_str));
        test.wrong(resource.line, format!("there is no resource `{}`", resource.value), remedy);
    }
    Some(Row {
        file: test.source().file.to_owned(),
        line: test.line(),
        name: name?.value,
        subject,
        action,
        resource: resource.value,
        at,
        allow: allow?,
        codes: (!texts.is_empty()).then_some(codes),
    })
}

fn read_code(table: &Table<'_, '_>, text: &At<String>) -> Option<Code> {
    let code = text.value.parse().ok();
    if code.is_none() {
        let remedy = did_you_mean(&text.value, Code::ALL.iter().map(|code| code.slug()));
        table.wrong(text.line, format!("`{}` is not a reason code", text.value), remedy);
    }
    code
}

/// Who asks, and when.
fn read_given(
    given: &Table<'_, '_>,
    postures: &BTreeMap<String, Claims>,
    names: &Names,
) -> Option<(Subject, Timestamp)> {
    let person = given.text_if_any("person", "\"p-1001\"").and_then(|text| given.parse::<PersonId>(&text, "p-1001"));
    let place = given.text_if_any("place", "\"home\"").and_then(|text| given.parse::<PlaceId>(&text, "home"));
    let profile = given.text_if_any("profile", "\"device\"").and_then(|text| given.parse::<Profile>(&text, "device"));
    let ownership = given.text_if_any("ownership", "\"issued\"");
    let ownership = ownership.and_then(|text| given.parse::<Ownership>(&text, "issued"));
    let level = given.integer("level", 0, 0..5);
    let age = given.integer("evidence_age_seconds", 0, 0..i64::from(u32::MAX));
    let approved = given.flag("approved", false);
    let at = given.text("at", "\"2026-04-01T10:00:00+09:00\"");
    let base = given.text_if_any("posture", "\"good\"");
    let changes = given.table_if_any("changes");
    given.finish();

    let at = at.and_then(|text| {
        let instant = instant(&text.value);
        if instant.is_none() {
            let what = format!("`{}` is no instant", text.value);
            given.wrong(text.line, what, "write it like `2026-04-01T10:00:00+09:00`");
        }
        instant
    })?;
    if let Some(person) = person.as_ref().filter(|person| !names.people.contains_key(&person.value)) {
        let remedy = did_you_mean(person.value.as_str(), names.people.keys().map(PersonId::as_str));
        given.wrong(person.line, format!("there is no person `{}`", person.value), remedy);
    }
    if let Some(place) = place.as_ref().filter(|place| !names.places.contains_key(&place.value)) {
        let remedy = did_you_mean(place.value.as_str(), names.places.keys().map(PlaceId::as_str));
        given.wrong(place.line, format!("there is no place `{}`", place.value), remedy);
    }
    let claims = base.as_ref().map(|name| {
        let found = postures.get(&name.value);
        if found.is_none() {
            let remedy = did_you_mean(&name.value, postures.keys().map(String::as_str));
            given.wrong(name.line, format!("there is no posture `{}`", name.value), remedy);
        }
        let mut claims = found.cloned().unwrap_or_default();
        claims.extend(changes.as_ref().map(read_claims).unwrap_or_default());
        claims
    });
    let approval = Approval { from: at, until: at.plus(Duration::from_secs(1)), place_kind: None };
    let subject = Subject {
        person: person.map(|person| person.value),
        device: DeviceId(uuid::Uuid::nil()),
        profile: profile.map_or(Profile::Device, |profile| profile.value),
        ownership: ownership.map_or(Ownership::Issued, |ownership| ownership.value),
        level: level_of(level),
        place: place.map(|place| place.value),
        attested_at: claims.is_some().then(|| at.minus(Duration::from_secs(u64::try_from(age).unwrap_or(0)))),
        posture: claims.map(|claims| posture_of(&claims, at)),
        approvals: if approved { vec![approval] } else { Vec::new() },
    };
    Some((subject, at))
}

fn level_of(number: i64) -> AssuranceLevel {
    match number {
        4 => AssuranceLevel::L4,
        3 => AssuranceLevel::L3,
        2 => AssuranceLevel::L2,
        1 => AssuranceLevel::L1,
        _ => AssuranceLevel::L0,
    }
}

fn posture_of(claims: &Claims, at: Timestamp) -> Posture {
    let mut posture = Posture::default();
    for (name, value) in claims {
        let claim = Claim { value: value.clone(), source: Voucher::Os, observed_at: at };
        // INVARIANT (claims): `read_claims` let only values of the claim's kind in.
        let _ = posture.insert(*name, claim);
    }
    posture
}

fn read_claims(table: &Table<'_, '_>) -> Claims {
    let mut claims = Claims::new();
    for (name, value, line) in table.entries() {
        let Ok(claim) = name.parse::<ClaimName>() else {
            let remedy = did_you_mean(&name, ClaimName::ALL.iter().map(|claim| claim.as_str()));
            table.wrong(line, format!("`{name}` is not a posture claim"), remedy);
            continue;
        };
        match claim_value(claim, value) {
            Some(value) => {
                claims.insert(claim, value);
            }
            None => {
                let example = match claim.kind() {
                    ClaimKind::Bool => "true",
                    ClaimKind::Integer => "3",
                    ClaimKind::Text => "\"debian\"",
                    ClaimKind::TextList => "[\"anydesk\"]",
                };
                let remedy = format!("write `{name} = {example}` or `{name} = \"unknown\"`");
                table.wrong(line, format!("`{name}` is a {} here", value.type_str()), remedy);
            }
        }
    }
    claims
}

fn claim_value(claim: ClaimName, value: &DeValue<'_>) -> Option<ClaimValue> {
    if value.as_str() == Some("unknown") {
        return Some(ClaimValue::Unknown("as the table says".to_owned()));
    }
    let value = match claim.kind() {
        ClaimKind::Bool => ClaimValue::Bool(value.as_bool()?),
        ClaimKind::Integer => ClaimValue::Integer(integer(value)?),
        ClaimKind::Text => ClaimValue::Text(value.as_str()?.to_owned()),
        ClaimKind::TextList => {
            let items = value.as_array()?.iter().map(|item| item.get_ref().as_str().map(ToOwned::to_owned));
            ClaimValue::TextList(items.collect::<Option<Vec<_>>>()?)
        }
    };
    value.fits(claim.kind()).then_some(value)
}

/// Reads `2026-04-01T10:00:00+09:00` (RFC 3339, whole seconds, an offset of whole minutes or `Z`).
#[must_use]
pub fn instant(text: &str) -> Option<Timestamp> {
    let (day, rest) = text.split_once('T')?;
    let number = date(day)?;
    let (clock, offset) = match rest.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => {
            let (clock, offset) = rest.split_at_checked(8)?;
            (clock, crate::bundle::settings::utc_offset(offset)?)
        }
    };
    let mut parts = clock.split(':').map(|part| (part.len() == 2).then(|| part.parse::<i64>().ok()).flatten());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || hour < 0 || minute < 0 || second < 0 {
        return None;
    }
    let seconds = days_from_civil(number) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Timestamp(seconds * 1000 - offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_as_they_print() {
        for text in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "2026-11-24T08:00:00Z"] {
            let read = instant(text).expect("an instant");
            assert_eq!(read.to_string(), text.replace('Z', ".000Z"));
        }
        assert_eq!(instant("2026-04-01T09:00:00+09:00"), instant("2026-04-01T00:00:00Z"));
        for bad in ["2026-04-01", "2026-04-01T24:00:00Z", "2026-04-01T10:00+09:00", "2026-04-01T10:00:00"] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }
}
