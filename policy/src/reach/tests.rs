//! The diagrams against the engine, question by question, over random bundles; and the words of the sample's answers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hitotsu_model::code::Code;
use hitotsu_model::posture::{Claim, ClaimName, ClaimValue, Source};
use hitotsu_model::resource::{Target, Transport};
use proptest::prelude::*;

use super::controls::{Control, evidence};
use super::diagram::YES;
use super::domain::ClaimClass;
use super::idle::idle_rules;
use super::opening::Days;
use super::replay::{Fate, Flow, Replay};
use super::*;
use crate::decision::Action;
use crate::engine::oracle::{Dice, RESOURCES, TEN, bundle as random_bundle, dice, subject as random_subject};
use crate::place::PlaceKind;
use crate::rules::attribute::Attribute;
use crate::sample::{SampleSettings, sample};
use crate::subject::Subject;

fn city() -> BTreeMap<String, String> {
    sample(&SampleSettings::new("city.example".parse().expect("org")))
}

fn compiled(files: &BTreeMap<String, String>) -> Bundle {
    Bundle::compile(files).unwrap_or_else(|errors| panic!("{errors}"))
}

fn changed(file: &str, old: &str, new: &str) -> Bundle {
    let mut files = city();
    let text = files.get_mut(file).expect("file");
    assert!(text.contains(old), "{file} has no `{old}`");
    *text = text.replace(old, new);
    compiled(&files)
}

/// The class of each variable that a subject and an instant are in; none for what cannot be: a place without a network, a
/// client without our agent that shows a state.
fn classes(survey: &Survey<'_>, bundle: &Bundle, subject: &Subject, now: Timestamp) -> Option<BTreeMap<u16, usize>> {
    let domain = &survey.builder.domain;
    if subject.profile == Profile::Relay && subject.posture.is_some() {
        return None;
    }
    let kind = subject.place.as_ref().and_then(|id| bundle.place(id)).map_or(PlaceKind::Unknown, |place| place.kind);
    let clock = bundle.engine.calendar.clock(now, &subject.approvals, kind);
    let age = |at: Timestamp| i64::try_from(now.since(at).as_secs()).expect("an age");
    let mut classes = BTreeMap::new();
    let mut put = |variable: Variable, class: usize| classes.insert(variable.number(), class);
    put(Variable::Profile, PROFILES.iter().position(|known| *known == subject.profile).unwrap_or(usize::MAX));
    put(Variable::Ownership, OWNERSHIPS.iter().position(|known| *known == subject.ownership)?);
    put(Variable::Level, usize::from(subject.level.number()));
    put(Variable::Place, domain.places.iter().position(|class| class.ids == [subject.place.clone()])?);
    put(Variable::Approved, usize::from(clock.approved));
    put(Variable::Day, domain.day_of(clock.date, clock.weekday, &[clock.holiday])?);
    put(Variable::Minute, domain.minute_of(clock.minute));
    let attested = subject.attested_at.filter(|_| subject.posture.is_some()).map(age);
    let oldest = |age: i64| domain.evidence.iter().rposition(|class| class.is_some_and(|from| from <= age));
    put(Variable::Evidence, attested.map_or(Some(0), oldest)?);
    let prepared = bundle.prepare(subject.clone());
    let question = bundle.engine.question(&prepared, Action::Connect, 0, now);
    for name in ClaimName::ALL {
        let known = question.attribute(Attribute::Claim(*name)).is_some() && domain.claim(*name).len() > 1;
        let claim = subject.posture.as_ref().and_then(|posture| posture.claim(*name)).filter(|_| known);
        let class = claim.map_or(Some(0), |claim| class_of(domain.claim(*name), claim, age(claim.observed_at)));
        put(Variable::Claim(*name), class?);
    }
    Some(classes)
}

/// The class that a claim is in, for the rules that the oracle writes.
fn class_of(all: &[Option<ClaimClass>], claim: &Claim, age: i64) -> Option<usize> {
    let known = || all.iter().flatten();
    let lowest =
        known().filter_map(|class| if let ClaimValue::Integer(n) = class.value { Some(n) } else { None }).min();
    let mentions = known().any(|class| class.value == ClaimValue::TextList(vec!["winny".to_owned()]));
    let sources = known().any(|class| class.source != Source::Os);
    let fits = |class: &ClaimClass| {
        let value = match (&class.value, &claim.value) {
            (ClaimValue::Integer(from), ClaimValue::Integer(found)) => from <= found || Some(*from) == lowest,
            (ClaimValue::Text(one), ClaimValue::Text(other)) => one.starts_with('1') == other.starts_with('1'),
            (ClaimValue::TextList(one), ClaimValue::TextList(other)) => {
                let winny = |list: &[String]| list.iter().any(|text| text == "winny");
                one.is_empty() == other.is_empty() && (!mentions || winny(one) == winny(other))
            }
            (one, other) => one == other,
        };
        value && (!sources || class.source == claim.source) && class.age <= age
    };
    all.iter().rposition(|class| class.as_ref().is_some_and(fits))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_question_is_answered_as_the_engine_answers_it(words in dice()) {
        let mut dice = Dice(words.iter());
        let (_, bundle, _) = random_bundle(&mut dice);
        let mut survey = Survey::new(vec![&bundle], TEN).expect("nothing is calculated");
        for _ in 0..12 {
            let subject = random_subject(&mut dice);
            let Some(given) = classes(&survey, &bundle, &subject, TEN) else { continue };
            let (person, device) = (subject.person.clone(), Some(subject.device));
            let asker = Asker { person, device, profile: None, ownership: None, level: None };
            let theirs = subject.person.is_none() || subject.ownership != Ownership::SharedDesk;
            let prepared = bundle.prepare(subject);
            for resource in RESOURCES {
                let resource: ResourceId = resource.parse().expect("id");
                let allowed = survey.allowed(0, &asker, &resource).expect("small");
                let class = |number: u16| given.get(&number).copied();
                let answer = survey.builder.diagrams.given(allowed, &class).expect("small");
                prop_assert!(answer == YES || answer == NO, "{} is open", resource);
                let decision = bundle.decide(&prepared, &resource, TEN);
                prop_assert_eq!(answer == YES, decision.allowed && theirs, "{} {:?}", resource, prepared.subject());
            }
        }
    }
}

#[test]
fn only_those_in_charge_open_the_residents_records_and_only_in_the_city_s_rooms() {
    let bundle = compiled(&city());
    let found = who_can(&bundle, &"residents".parse().expect("id"), &everybody(&bundle), TEN).expect("exact");
    let (can, cannot): (Vec<&Reach>, Vec<&Reach>) = found.iter().partition(|reach| !reach.openings.is_empty());
    assert_eq!((can.len(), cannot.len()), (1, 1));
    assert_eq!(can[0].askers, [Asker::person("p-1002".parse().expect("id"))]);
    assert_eq!(cannot[0].askers.len(), 4);
    let openings = &can[0].openings;
    assert_eq!(openings.len(), 2, "{openings:#?}");
    for opening in openings {
        let places: Vec<&str> =
            opening.places.iter().flatten().filter_map(|at| at.place.as_ref()).map(|id| id.as_str()).collect();
        assert_eq!(places, ["city-hall", "miyamae-ward-office"]);
        assert_eq!(opening.ownerships, Some(vec![Ownership::Issued]));
        let state = &opening.states.as_ref().expect("states")[0];
        assert!(
            state.iter().any(|need| need.claim == "antivirus_signature_age_days" && need.any_of == ["<= 3"]),
            "{state:?}"
        );
    }
    let plain = openings.iter().find(|opening| opening.approved == Some(false)).expect("one");
    assert_eq!(plain.minutes, Some(vec![(510, 1050)]));
    let days = Days { weekdays: vec![1, 2, 3, 4, 5], holiday: Some(false), dates: None };
    assert_eq!(plain.days, Some(vec![days]));
    let approved = openings.iter().find(|opening| opening.approved == Some(true)).expect("one");
    assert_eq!((&approved.minutes, &approved.days), (&None, &None));
}

#[test]
fn equal_rules_written_otherwise_change_nothing() {
    let before = compiled(&city());
    let after = changed(
        "rules/office-work.cedar",
        "context.weekday <= 5 && !context.holiday",
        "!(context.holiday || context.weekday > 5)",
    );
    assert_ne!(before.version(), after.version());
    assert_eq!(compare(&before, &after, &everybody(&before), TEN), Ok(Vec::new()));
}

#[test]
fn a_later_end_of_office_hours_is_told_as_what_it_opens_and_to_whom() {
    let before = compiled(&city());
    let after = changed("rules/office-work.cedar", "context.local_minute < 1320", "context.local_minute < 1200");
    let changes = compare(&before, &after, &everybody(&before), TEN).expect("exact");
    assert_eq!(changes.len(), 1, "{changes:#?}");
    let change = &changes[0];
    assert_eq!((change.resource.as_str(), change.askers.len(), change.loses_all), ("workflow", 3, false));
    assert_eq!(change.gains, []);
    assert_eq!(change.loses.len(), 1);
    assert_eq!(change.loses[0].minutes, Some(vec![(1200, 1320)]));
    assert_eq!(change.loses[0].approved, Some(false));
    let back = compare(&after, &before, &everybody(&before), TEN).expect("exact");
    assert_eq!((back[0].gains.clone(), back[0].loses.len()), (change.loses.clone(), 0));
}

#[test]
fn networks_that_come_to_another_place_are_told_as_such() {
    let before = compiled(&city());
    let after = changed("places.toml", "\"203.0.113.0/25\", ", "");
    let changes = compare(&before, &after, &everybody(&before), TEN).expect("exact");
    let residents = changes.iter().find(|change| change.resource.as_str() == "residents").expect("a change");
    let at = &residents.loses[0].places.as_ref().expect("places")[0];
    assert_eq!(at.place.as_ref().map(|id| id.as_str()), Some("home"));
    assert_eq!(at.before, Some(Some("city-hall".parse().expect("id"))));
}

#[test]
fn a_rule_that_calculates_with_a_claim_gets_no_exact_answer_and_is_named() {
    let mut files = city();
    let rule = "@id(\"x\") permit (principal, action, resource in Tier::\"tier3\")\nwhen { context has \
                security_update_age_days && context.security_update_age_days * 2 < 9 };\n";
    files.insert("rules/x.cedar".to_owned(), rule.to_owned());
    let bundle = compiled(&files);
    let error = what_can(&bundle, &everybody(&bundle)[0], TEN).expect_err("not exact");
    assert!(error.to_string().contains("rules/x.cedar:1 security_update_age_days"), "{error}");
}

fn flow(person: &str, source: &str, at: Timestamp, target: &str, address: &str) -> Flow {
    let source: IpAddr = source.parse().expect("address");
    let mut asker = Asker::person(person.parse().expect("id"));
    asker.profile = Some(Profile::Device);
    asker.ownership = Some(Ownership::Issued);
    asker.level = Some(AssuranceLevel::L1);
    let target = Target::parse(target, Transport::Tcp).expect("target");
    Flow { asker, source, at, target, address: address.parse().ok() }
}

#[test]
fn a_draft_is_asked_about_flows_of_the_past_and_says_why_it_refuses() {
    let now = compiled(&city());
    let night = "context.local_minute < 1320";
    let draft = changed("rules/office-work.cedar", night, "context.local_minute < 540");
    let mut replay = Replay::new(&now, &draft, TEN).expect("exact");
    let from_home = flow("p-1001", "198.51.100.7", TEN, "kessai.city.internal:443", "10.20.1.7");
    let Fate::Lost(reason) = replay.fate(&from_home).expect("exact") else { panic!("not lost") };
    // Any of the three would do.
    assert_eq!(reason.codes, [Code::PlaceNotPermitted, Code::TimeNotPermitted, Code::ApprovalMissing]);
    let in_the_hall = Flow { source: "203.0.113.7".parse().expect("address"), ..from_home.clone() };
    assert_eq!(replay.fate(&in_the_hall), Ok(Fate::Same));
    let stranger = flow("p-1003", "198.51.100.7", TEN, "kessai.city.internal:443", "10.20.1.7");
    assert_eq!(replay.fate(&stranger), Ok(Fate::Same));
    assert_eq!(Replay::new(&draft, &now, TEN).expect("exact").fate(&from_home), Ok(Fate::Gained));
}

#[test]
fn what_depends_on_the_state_of_the_device_is_told_apart_with_the_claim_that_decides() {
    let now = compiled(&city());
    let draft =
        changed("floor.cedar", "context.security_update_age_days <= 30", "context.security_update_age_days <= 7");
    let mut replay = Replay::new(&now, &draft, TEN).expect("exact");
    let fate = replay.fate(&flow("p-1001", "203.0.113.7", TEN, "docs.city.internal:443", "10.20.2.7")).expect("exact");
    let Fate::Depends(reason) = fate else { panic!("{fate:?}") };
    assert_eq!(reason.codes, [Code::UpdatesOverdue]);
    assert_eq!(reason.rules.iter().map(|rule| rule.as_str()).collect::<Vec<_>>(), ["floor.updates"]);
}

fn idle(rules: &str) -> Vec<String> {
    let mut files = city();
    files.insert("rules/x.cedar".to_owned(), rules.to_owned());
    let bundle = compiled(&files);
    idle_rules(&bundle, TEN).expect("exact").iter().map(ToString::to_string).collect()
}

#[test]
fn every_rule_of_the_sample_changes_something() {
    assert_eq!(idle("// none\n"), Vec::<String>::new());
}

#[test]
fn a_rule_that_can_never_match_opens_nothing_or_is_shadowed_is_told_with_file_line_and_remedy() {
    let chat = "permit (principal in Group::\"all-staff\", action, resource == Resource::\"chat\")";
    let never = format!("@id(\"a\") {chat}\nwhen {{ context.local_minute >= 600 && context.local_minute < 540 }};\n");
    let told = idle(&never);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("rules/x.cedar:1: the rule `x.a` can never match"), "{told:?}");
    let byod = "@id(\"a\") permit (principal in Group::\"welfare\", action, resource == Resource::\"documents\")\n\
                when { context.ownership == \"byod\" };\n";
    assert!(idle(byod)[0].contains("`x.a` opens nothing: whatever it permits is forbidden"), "{:?}", idle(byod));
    let shadowed = format!("\n@id(\"a\") {chat}\nwhen {{ context.level >= 2 }};\n");
    let told = idle(&shadowed);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("rules/x.cedar:2: the rule `x.a` is shadowed") && told[0].contains("take it away"));
    // Of two that say the same, the second is the one too many.
    let twice = "@id(\"a\") permit (principal in Group::\"security\", action, resource == Resource::\"ssh\");\n\
                 @id(\"b\") permit (principal in Group::\"security\", action, resource == Resource::\"ssh\");\n";
    let told = idle(twice);
    assert!(told.len() == 1 && told[0].starts_with("rules/x.cedar:2: the rule `x.b`"), "{told:?}");
}

#[test]
fn the_sample_is_held_against_each_control_and_what_it_leaves_open_is_told() {
    let bundle = compiled(&city());
    let found = evidence(&bundle, TEN).expect("exact");
    let exceptions = |control: Control| -> Vec<&str> {
        let of = found.iter().find(|evidence| evidence.control == control).expect("each");
        assert!(of.systems > 0);
        of.exceptions.iter().map(|reach| reach.resource.as_str()).collect()
    };
    for control in Control::ALL {
        let open: &[&str] = match control {
            // The sample asks for an antivirus program on tier 1 alone.
            Control::Antivirus => &["documents", "remote-desktop", "ssh", "workflow"],
            Control::Tier1InTheRooms
            | Control::Tier1NotOnOwnMachines
            | Control::Tier1WithTheAgent
            | Control::StateShown
            | Control::Firewall
            | Control::Disk
            | Control::Updates
            | Control::ScreenLock
            | Control::ForbiddenSoftware => &[],
        };
        let mut told = exceptions(*control);
        told.dedup();
        assert_eq!(told, open, "{control:?}");
    }
    let open = changed("floor.cedar", "context has disk_encrypted && context.disk_encrypted", "context.level >= 0");
    let found = evidence(&open, TEN).expect("exact");
    let disk = found.iter().find(|evidence| evidence.control == Control::Disk).expect("one");
    assert!(disk.exceptions.iter().any(|reach| reach.resource.as_str() == "residents"), "{:?}", disk.exceptions);
}
