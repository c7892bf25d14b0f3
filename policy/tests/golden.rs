//! The decision table that people read: personas by systems by states of the device, over the sample bundle.
//!
//! `HITOTSU_BLESS=1 cargo nextest run -p hitotsu-policy --test golden` writes it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "device/well_kept.rs"]
mod well_kept;

use std::fmt::Write as _;
use std::path::Path;

use hitotsu_model::code::Code;
use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::DeviceId;
use hitotsu_model::posture::{ClaimName, ClaimValue};
use hitotsu_model::time::Timestamp;
use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::resource::Resource;
use hitotsu_policy::sample::{DemoPorts, SampleSettings, sample};
use hitotsu_policy::subject::Subject;
use hitotsu_policy::table::instant;

use well_kept::posture;

const FILE: &str = "tests/golden.md";

/// Who asks: title, person, profile, ownership, level, place.
type Persona = (&'static str, Option<&'static str>, Profile, Ownership, AssuranceLevel, Option<&'static str>);

const PERSONAS: [Persona; 15] = {
    use AssuranceLevel::{L0, L1};
    use Ownership::{Byod, Issued, SharedDesk};
    use Profile::{Device, Relay, Staff};
    [
        ("general staff, issued PC, home", Some("p-1001"), Device, Issued, L1, Some("home")),
        ("general staff, issued PC, ward office", Some("p-1001"), Device, Issued, L1, Some("miyamae-ward-office")),
        ("general staff, issued PC, no place", Some("p-1001"), Device, Issued, L1, None),
        ("general staff, own PC, home", Some("p-1001"), Device, Byod, L1, Some("home")),
        ("general staff, issued phone (relay), home", Some("p-1001"), Relay, Issued, L1, Some("home")),
        ("welfare, issued PC, home", Some("p-1002"), Device, Issued, L1, Some("home")),
        ("welfare, issued PC, ward office", Some("p-1002"), Device, Issued, L1, Some("miyamae-ward-office")),
        ("welfare, own PC, ward office", Some("p-1002"), Device, Byod, L1, Some("miyamae-ward-office")),
        ("IT administrator, issued PC, home", Some("p-1003"), Device, Issued, L1, Some("home")),
        ("IT administrator, issued PC, city hall", Some("p-1003"), Device, Issued, L1, Some("city-hall")),
        ("IT administrator, level 0, city hall", Some("p-1003"), Device, Issued, L0, Some("city-hall")),
        ("security staff, issued PC, city hall", Some("p-1004"), Device, Issued, L1, Some("city-hall")),
        (
            "satellite user, shared desk, ward office",
            Some("p-1005"),
            Device,
            SharedDesk,
            L1,
            Some("miyamae-ward-office"),
        ),
        ("nobody, shared desk, city hall", None, Device, SharedDesk, L1, Some("city-hall")),
        ("general staff, staff certificate", Some("p-1001"), Staff, Issued, L1, Some("city-hall")),
    ]
};

const NOON: &str = "2026-04-01T12:00:00+09:00";
const HOLIDAY_NIGHT: &str = "2026-04-29T23:00:00+09:00";

/// Title, instant, age of the evidence in seconds (absent: none), changes to a well-kept PC.
type State = (&'static str, &'static str, Option<i64>, Vec<(ClaimName, Option<ClaimValue>)>);

fn states() -> Vec<State> {
    use ClaimName::{
        AgentIntact, AntivirusRunning, AntivirusSignatureAgeDays, DiskEncrypted, FirewallOn, ForbiddenSoftware,
        ScreenLockOn, ScreenLockSeconds, SecurityUpdateAgeDays,
    };
    let unknown = || Some(ClaimValue::Unknown("no idea".to_owned()));
    let fresh = vec![
        (DiskEncrypted, unknown()),
        (ScreenLockOn, unknown()),
        (ScreenLockSeconds, None),
        (SecurityUpdateAgeDays, unknown()),
        (AntivirusRunning, Some(ClaimValue::Bool(false))),
        (AntivirusSignatureAgeDays, None),
    ];
    vec![
        ("A well-kept PC, a working day at noon", NOON, Some(30), vec![]),
        ("A well-kept PC, a holiday at 23:00", HOLIDAY_NIGHT, Some(30), vec![]),
        ("A fresh Linux PC without antivirus, encryption unknown", NOON, Some(30), fresh),
        ("Firewall off", NOON, Some(30), vec![(FirewallOn, Some(ClaimValue::Bool(false)))]),
        ("Firewall unknown", NOON, Some(30), vec![(FirewallOn, unknown())]),
        (
            "A forbidden program runs",
            NOON,
            Some(30),
            vec![(ForbiddenSoftware, Some(ClaimValue::TextList(vec!["anydesk".to_owned()])))],
        ),
        ("The agent was changed", NOON, Some(30), vec![(AgentIntact, Some(ClaimValue::Bool(false)))]),
        ("Updates are 31 days old", NOON, Some(30), vec![(SecurityUpdateAgeDays, Some(ClaimValue::Integer(31)))]),
        ("The evidence is 601 seconds old", NOON, Some(601), vec![]),
        ("No evidence", NOON, None, vec![]),
    ]
}

#[test]
fn the_decision_table_is_the_one_that_people_have_read() {
    let table = render();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os("HITOTSU_BLESS").is_some() {
        std::fs::write(&path, &table).expect("written");
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == table,
        "decisions changed:\n{}\nif that is meant: HITOTSU_BLESS=1 cargo nextest run -p hitotsu-policy --test golden",
        difference(&committed, &table)
    );
}

fn render() -> String {
    let demo = Some(DemoPorts { web: 8001, files: 8002, ssh: 8003, secret: 8004 });
    let settings = SampleSettings { demo, ..SampleSettings::new("city.example".parse().expect("org")) };
    let bundle = Bundle::compile(&sample(&settings)).unwrap_or_else(|errors| panic!("{errors}"));
    let mut text = String::from(
        "# Who may open what\n\n\
         Over the sample bundle, checked by `tests/golden.rs`. A cell is `open` or the reasons of the refusal.\n\n",
    );
    for (code, word) in SHORT {
        writeln!(text, "- `{word}`: {}", code.slug()).expect("written");
    }
    for (title, at, age, changes) in states() {
        write!(text, "\n## {title}\n\n").expect("written");
        let at = instant(at).expect("an instant");
        let mut rows = vec![vec!["who".to_owned()]];
        rows[0].extend(shown(&bundle).map(|resource| resource.id.to_string()));
        for persona in PERSONAS {
            rows.push(row(&bundle, persona, at, age, &changes));
        }
        text.push_str(&aligned(&rows));
    }
    text
}

/// Chat stands for conferencing, telephony and mail; the demo's systems follow the same rules.
fn shown(bundle: &Bundle) -> impl Iterator<Item = &Resource> {
    let alike = ["conference", "telephony", "demo-files", "demo-web", "demo-ssh"];
    bundle.resources().filter(move |resource| !alike.contains(&resource.id.as_str()))
}

fn row(
    bundle: &Bundle,
    (title, person, profile, ownership, level, place): Persona,
    at: Timestamp,
    age: Option<i64>,
    changes: &[(ClaimName, Option<ClaimValue>)],
) -> Vec<String> {
    let attests = age.filter(|_| profile != Profile::Relay);
    let subject = bundle.prepare(Subject {
        person: person.map(|id| id.parse().expect("id")),
        device: DeviceId(uuid::Uuid::nil()),
        profile,
        ownership,
        level,
        place: place.map(|id| id.parse().expect("id")),
        posture: attests.map(|_| posture(at, changes)),
        attested_at: attests.map(|age| Timestamp(at.0 - age * 1000)),
        approvals: Vec::new(),
    });
    let cells = shown(bundle).map(|resource| {
        let decision = bundle.decide(&subject, &resource.id, at);
        let codes: Vec<&str> = decision.codes.iter().map(|code| short(*code)).collect();
        if decision.allowed { "open".to_owned() } else { codes.join(", ") }
    });
    std::iter::once(title.to_owned()).chain(cells).collect()
}

/// The reasons that come up most, short enough for a cell.
fn short(code: Code) -> &'static str {
    SHORT.iter().find(|(known, _)| *known == code).map_or(code.slug(), |(_, word)| word)
}

const SHORT: [(Code, &str); 6] = [
    (Code::NotPermitted, "-"),
    (Code::PlaceNotPermitted, "place"),
    (Code::TimeNotPermitted, "time"),
    (Code::OwnershipNotPermitted, "ownership"),
    (Code::LevelTooLow, "level"),
    (Code::ApprovalMissing, "approval"),
];

/// A table whose columns line up in the source too.
fn aligned(rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> =
        (0..rows[0].len()).map(|i| rows.iter().map(|row| row[i].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("| {cell:width$} "));
        writeln!(text, "{}|", cells.collect::<String>()).expect("written");
        if index == 0 {
            writeln!(text, "{}|", widths.iter().map(|width| format!("|{}", "-".repeat(width + 2))).collect::<String>())
                .expect("written");
        }
    }
    text
}

fn difference(before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut text = String::new();
    for index in 0..before.len().max(after.len()) {
        let (old, new) = (before.get(index), after.get(index));
        if old != new {
            old.iter().for_each(|line| writeln!(text, "{:4} - {line}", index + 1).expect("written"));
            new.iter().for_each(|line| writeln!(text, "{:4} + {line}", index + 1).expect("written"));
        }
    }
    text
}
