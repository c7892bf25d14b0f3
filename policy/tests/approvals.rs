//! What a supervisor approved, from the bundle to the decision.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "device/well_kept.rs"]
mod well_kept;

use std::collections::BTreeMap;

use hitotsu_model::code::Code;
use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, ResourceId};
use hitotsu_model::time::Timestamp;
use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::decision::Decision;
use hitotsu_policy::sample::{SampleSettings, sample};
use hitotsu_policy::subject::Subject;
use hitotsu_policy::table::instant;

use well_kept::posture;

const NIGHT: &str = "[[approval]]\nperson = \"p-1001\"\nby = \"p-1004\"\nfrom = \"2026-04-01T22:30:00+09:00\"\n\
                     until = \"2026-04-02T01:00:00+09:00\"\nplace_kind = \"home\"\nreason = \"election\"\n";

fn files(approvals: &str) -> BTreeMap<String, String> {
    let mut files = sample(&SampleSettings::new("city.example".parse().expect("org")));
    files.insert("approvals/april.toml".to_owned(), approvals.to_owned());
    files
}

fn told(approvals: &str) -> Vec<String> {
    match Bundle::compile(&files(approvals)) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
    }
}

fn at(text: &str) -> Timestamp {
    instant(text).expect("an instant")
}

/// The electronic approval system, which closes at 22:00 for those at home.
fn workflow(bundle: &Bundle, person: &str, place: &str, now: Timestamp) -> Decision {
    let subject = bundle.prepare(Subject {
        person: Some(person.parse().expect("id")),
        device: DeviceId(uuid::Uuid::nil()),
        profile: Profile::Device,
        ownership: Ownership::Issued,
        level: AssuranceLevel::L1,
        place: Some(place.parse().expect("id")),
        posture: Some(posture(now, &[])),
        attested_at: Some(now),
        approvals: Vec::new(),
    });
    let workflow: ResourceId = "workflow".parse().expect("id");
    bundle.decide(&subject, &workflow, now)
}

#[test]
fn an_approved_night_opens_across_midnight_for_that_person_at_that_place_and_closes_by_itself() {
    let bundle = Bundle::compile(&files(NIGHT)).unwrap_or_else(|errors| panic!("{errors}"));
    for (person, place, now, expected) in [
        ("p-1001", "home", "2026-04-01T22:29:59+09:00", false),
        ("p-1001", "home", "2026-04-01T22:30:00+09:00", true),
        ("p-1001", "home", "2026-04-02T00:59:59+09:00", true),
        ("p-1001", "home", "2026-04-02T01:00:00+09:00", false),
        ("p-1005", "home", "2026-04-01T23:00:00+09:00", false),
    ] {
        let decision = workflow(&bundle, person, place, at(now));
        assert_eq!(decision.allowed, expected, "{person} {now}");
        if !expected {
            assert!(decision.codes.contains(&Code::ApprovalMissing), "{:?}", decision.codes);
        }
    }
    // The answers end when the approval begins and when it ends, so that live flows are cut then.
    let before = workflow(&bundle, "p-1001", "home", at("2026-04-01T22:10:00+09:00"));
    assert!(before.expires_at <= at("2026-04-01T22:30:00+09:00"));
    let within = workflow(&bundle, "p-1001", "home", at("2026-04-02T00:55:00+09:00"));
    assert_eq!(within.expires_at, at("2026-04-02T01:00:00+09:00"));
}

#[test]
fn approvals_that_nobody_could_have_given_are_told() {
    let wrong = |old: &str, new: &str| {
        assert!(NIGHT.contains(old));
        told(&NIGHT.replace(old, new)).join("\n")
    };
    assert_eq!(told(NIGHT), Vec::<String>::new());
    for (old, new, words) in [
        ("p-1004", "p-1001", "approvals/april.toml:3: `p-1001` approves their own work; name the supervisor"),
        ("p-1004", "p-9", "approvals/april.toml:3: there is no person `p-9`"),
        ("2026-04-02T01", "2026-04-01T01", "approvals/april.toml:5: the approval ends before it begins"),
        ("2026-04-02T01", "2026-04-12T01", "approvals/april.toml:5: the approval is for more than 7 days"),
        ("22:30:00+09:00", "22:30", "is no instant; write it like `2026-04-01T18:00:00+09:00`"),
        ("\"home\"", "\"hoem\"", "`hoem` is not a kind of place"),
        ("reason", "reasn", "did you mean `reason`"),
    ] {
        assert!(wrong(old, new).contains(words), "{new}: {}", wrong(old, new));
    }
}
