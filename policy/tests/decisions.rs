//! What `decide` promises, over the sample bundle and small changes to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "device/well_kept.rs"]
mod well_kept;

use std::net::IpAddr;
use std::time::Duration;

use hitotsu_model::code::Code;
use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, ResourceId};
use hitotsu_model::message::Language;
use hitotsu_model::posture::{Claim, ClaimName, ClaimValue, Posture, Source};
use hitotsu_model::resource::{Target, Transport};
use hitotsu_model::time::Timestamp;
use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::decision::{Action, Decision};
use hitotsu_policy::explain::{Outcome, messages};
use hitotsu_policy::memo::Memo;
use hitotsu_policy::sample::{DEMO_PERSON, DemoPorts, SampleSettings, sample};
use hitotsu_policy::subject::{Approval, Subject};
use hitotsu_policy::table::instant;

use well_kept::posture;

fn settings() -> SampleSettings {
    let demo = Some(DemoPorts { web: 8001, files: 8002, ssh: 8003, secret: 8004 });
    SampleSettings { demo, ..SampleSettings::new("city.example".parse().expect("org")) }
}

fn city() -> Bundle {
    Bundle::compile(&sample(&settings())).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The city with one more file of rules.
fn city_with(rules: &str) -> Bundle {
    let mut files = sample(&settings());
    files.insert("rules/x.cedar".to_owned(), rules.to_owned());
    Bundle::compile(&files).unwrap_or_else(|errors| panic!("{errors}"))
}

fn at(text: &str) -> Timestamp {
    instant(text).expect("an instant")
}

fn noon() -> Timestamp {
    at("2026-04-01T12:00:00+09:00")
}

fn id(text: &str) -> ResourceId {
    text.parse().expect("id")
}

fn person(id: &str, place: &str, now: Timestamp) -> Subject {
    Subject {
        person: Some(id.parse().expect("id")),
        device: DeviceId(uuid::Uuid::from_u128(7)),
        profile: Profile::Device,
        ownership: Ownership::Issued,
        level: AssuranceLevel::L1,
        place: Some(place.parse().expect("id")),
        posture: Some(posture(now, &[])),
        attested_at: Some(now),
        approvals: Vec::new(),
    }
}

fn ask(bundle: &Bundle, subject: Subject, resource: &str, now: Timestamp) -> Decision {
    bundle.decide(&bundle.prepare(subject), &id(resource), now)
}

#[test]
fn an_answer_expires_when_the_evidence_grows_too_old() {
    let bundle = city();
    let decision = ask(&bundle, person("p-1001", "home", noon()), "chat", noon());
    assert!(decision.allowed);
    assert_eq!(decision.expires_at, noon().plus(Duration::from_secs(601)));
    assert_eq!(decision.rules, ["everyday.chat".parse().expect("rule")]);
}

#[test]
fn an_answer_expires_when_the_hours_end_to_the_millisecond() {
    let bundle = city();
    let end = at("2026-04-01T22:00:00+09:00");
    let before = Timestamp(end.0 - 1);
    let decision = ask(&bundle, person("p-1001", "home", before), "workflow", before);
    assert!(decision.allowed);
    assert_eq!(decision.expires_at, end);
    let decision = ask(&bundle, person("p-1001", "home", end), "workflow", end);
    assert!(!decision.allowed);
    assert_eq!(decision.expires_at, at("2026-04-01T22:10:01+09:00"), "by then the evidence is stale");
}

#[test]
fn an_answer_about_working_days_expires_at_midnight() {
    let bundle = city();
    let late = at("2026-04-28T23:55:00+09:00");
    let subject = bundle.prepare(person("p-1001", "home", late));
    let decision = bundle.decide(&subject, &id("remote-desktop"), late);
    assert!(decision.allowed);
    assert_eq!(decision.expires_at, at("2026-04-29T00:00:00+09:00"));
    let decision = bundle.decide(&subject, &id("remote-desktop"), decision.expires_at);
    assert_eq!(decision.codes, [Code::TimeNotPermitted], "the 29th is a holiday");
}

#[test]
fn an_approval_begins_and_ends_to_the_millisecond() {
    let bundle = city();
    let night = at("2026-04-01T23:00:00+09:00");
    let mut subject = person("p-1001", "home", night);
    let (from, until) = (night.plus(Duration::from_secs(60)), night.plus(Duration::from_secs(120)));
    subject.approvals.push(Approval { from, until, place_kind: None });
    let subject = bundle.prepare(subject);
    let ask = |now: Timestamp| bundle.decide(&subject, &id("workflow"), now);
    assert_eq!((ask(night).allowed, ask(night).expires_at), (false, from));
    assert_eq!((ask(from).allowed, ask(from).expires_at), (true, until));
    assert!(!ask(until).allowed);
}

#[test]
fn a_rule_that_cannot_be_evaluated_denies_and_is_named() {
    let bundle = city_with(
        "@id(\"broken\") @code(\"site-rule\") @ja(\"x\") @en(\"x\")\n\
         forbid (principal, action, resource == Resource::\"chat\")\n\
         when { context.level + 9223372036854775807 > 0 && context.ownership == \"byod\" };\n",
    );
    let decision = ask(&bundle, person("p-1001", "home", noon()), "chat", noon());
    assert_eq!((decision.allowed, decision.codes.as_slice()), (false, [Code::PolicyError].as_slice()));
    assert_eq!(decision.errors, ["x.broken".parse().expect("rule")]);
    assert!(ask(&bundle, person("p-1001", "home", noon()), "mail", noon()).allowed, "others are not touched");
}

#[test]
fn an_unknown_system_answers_as_one_that_is_not_for_the_asker() {
    let bundle = city();
    for subject in [
        person("p-1001", "home", noon()),
        Subject { person: None, ..person("p-1001", "home", noon()) },
        Subject { posture: None, attested_at: None, ..person("p-1001", "home", noon()) },
    ] {
        let subject = bundle.prepare(subject);
        let forbidden = bundle.decide(&subject, &id("residents"), noon());
        let unknown = bundle.decide(&subject, &id("no-such-system"), noon());
        assert_eq!(forbidden.codes, unknown.codes);
        assert_eq!(unknown.codes, [Code::NotPermitted]);
        assert!(!forbidden.known && !unknown.known);
        assert!(!bundle.knows(&subject, &id("residents")));
    }
}

#[test]
fn somebody_who_is_not_in_the_bundle_opens_nothing() {
    let bundle = city();
    let decision = ask(&bundle, person("p-9999", "city-hall", noon()), "meeting-rooms", noon());
    assert_eq!((decision.allowed, decision.codes.as_slice()), (false, [Code::NotPermitted].as_slice()));
}

#[test]
fn a_device_without_a_person_is_told_so_where_everybody_may_know_the_system() {
    let bundle = city_with("@id(\"x\") permit (principal, action, resource == Resource::\"chat\");\n");
    let desk = Subject { person: None, ..person("p-1001", "city-hall", noon()) };
    assert_eq!(ask(&bundle, desk.clone(), "chat", noon()).codes, [Code::PersonMissing]);
    assert!(ask(&bundle, desk, "meeting-rooms", noon()).allowed, "it asks for no person");
}

#[test]
fn a_device_without_evidence_opens_nothing_and_is_told_so() {
    let bundle = city();
    let silent = Subject { posture: None, attested_at: None, ..person("p-1001", "home", noon()) };
    assert_eq!(ask(&bundle, silent, "chat", noon()).codes, [Code::EvidenceMissing]);
    // A time without findings, and findings without a time, are no evidence.
    let no_findings = Subject { posture: None, ..person("p-1001", "home", noon()) };
    assert_eq!(ask(&bundle, no_findings, "chat", noon()).codes, [Code::EvidenceMissing]);
    let no_time = Subject { attested_at: None, ..person("p-1001", "home", noon()) };
    assert_eq!(ask(&bundle, no_time, "chat", noon()).codes, [Code::EvidenceMissing]);
}

#[test]
fn an_unknown_firewall_is_told_as_unknown_and_an_absent_one_as_off() {
    let bundle = city();
    for (value, code) in
        [(ClaimValue::Bool(false), Code::FirewallOff), (ClaimValue::Unknown("no nft".to_owned()), Code::PostureUnknown)]
    {
        let mut subject = person("p-1001", "home", noon());
        let claim = Claim { value, source: Source::Os, observed_at: noon() };
        subject.posture.as_mut().expect("posture").insert(ClaimName::FirewallOn, claim).expect("fits");
        let decision = ask(&bundle, subject, "chat", noon());
        assert_eq!((decision.codes.as_slice(), decision.claim), ([code].as_slice(), Some(ClaimName::FirewallOn)));
        assert_eq!(decision.rules, ["floor.firewall".parse().expect("rule")]);
    }
}

#[test]
fn a_claim_from_the_future_does_not_count() {
    let bundle = city();
    for (ahead, allowed) in [(120_999, true), (121_000, false), (3_600_000, false)] {
        let mut subject = person("p-1001", "home", noon());
        subject.posture = Some(posture(Timestamp(noon().0 + ahead), &[]));
        assert_eq!(ask(&bundle, subject, "chat", noon()).allowed, allowed, "{ahead} ms ahead");
    }
}

#[test]
fn what_nobody_can_mend_on_the_device_is_told_first() {
    let bundle = city();
    let mut subject = person("p-1002", "home", noon());
    let claim = Claim { value: ClaimValue::Bool(false), source: Source::Os, observed_at: noon() };
    subject.posture.as_mut().expect("posture").insert(ClaimName::DiskEncrypted, claim).expect("fits");
    let decision = ask(&bundle, subject, "residents", noon());
    assert_eq!(decision.codes, [Code::PlaceNotPermitted, Code::DiskNotEncrypted]);
}

#[test]
fn relays_open_only_what_a_permit_names_them_for() {
    let bundle = city_with(
        "@id(\"loose\") permit (principal, action, resource == Resource::\"conference\")\n\
         when { context.profile != \"staff\" };\n",
    );
    let relay =
        Subject { profile: Profile::Relay, posture: None, attested_at: None, ..person("p-1001", "home", noon()) };
    for resource in bundle.resources() {
        let decision = ask(&bundle, relay.clone(), resource.id.as_str(), noon());
        assert_eq!(decision.allowed, resource.id == id("mail"), "{}", resource.id);
    }
    for profile in [Profile::Staff, Profile::Gateway] {
        let subject = Subject { profile, ..person("p-1001", "city-hall", noon()) };
        assert!(bundle.resources().all(|r| !ask(&bundle, subject.clone(), r.id.as_str(), noon()).allowed));
    }
}

#[test]
fn actions_are_apart() {
    let bundle = city();
    let subject = bundle.prepare(person("p-1001", "home", noon()));
    assert!(bundle.decide(&subject, &id("documents"), noon()).allowed);
    let download = bundle.decide_action(&subject, Action::Download, &id("documents"), noon());
    assert_eq!(download.codes, [Code::PlaceNotPermitted]);
    let unmask = bundle.decide_action(&subject, Action::Unmask, &id("documents"), noon());
    assert_eq!(unmask.codes, [Code::NotPermitted]);
}

#[test]
fn places_come_from_the_longest_network_that_contains_the_source() {
    let bundle = city();
    let place = |source: &str| bundle.place_of(source.parse::<IpAddr>().expect("address")).map(ToString::to_string);
    assert_eq!(place("203.0.113.5").as_deref(), Some("city-hall"));
    assert_eq!(place("::ffff:203.0.113.130").as_deref(), Some("miyamae-ward-office"));
    assert_eq!(place("2001:db8:1::9").as_deref(), Some("city-hall"));
    assert_eq!(place("127.0.0.1").as_deref(), Some("home"));
}

#[test]
fn targets_name_resources_by_pattern_address_and_port() {
    let bundle = city();
    let named = |authority: &str, transport| -> Vec<String> {
        let target = Target::parse(authority, transport).expect("a target");
        bundle.named(&target).into_iter().map(ToString::to_string).collect()
    };
    assert_eq!(named("CHAT.city.internal:443", Transport::Tcp), ["chat"]);
    assert_eq!(named("chat.city.internal:444", Transport::Tcp), Vec::<String>::new());
    assert_eq!(named("a.b.meet.city.internal:3480", Transport::Udp), ["conference"]);
    assert_eq!(named("desk.city.internal:3389", Transport::Tcp), Vec::<String>::new());
    assert_eq!(named("x.desk.city.internal:3389", Transport::Tcp), ["remote-desktop"]);
    assert_eq!(named("10.40.1.9:443", Transport::Tcp), ["residents"]);
    assert_eq!(named("127.0.0.1:8004", Transport::Tcp), ["demo-secret"]);
    assert_eq!(named("127.0.0.1:8005", Transport::Tcp), Vec::<String>::new());
}

#[test]
fn a_strict_system_is_found_inside_a_looser_range() {
    let mut files = sample(&settings());
    files.insert(
        "resources/wide.toml".to_owned(),
        "[[resource]]\nid = \"wide\"\ntitle_ja = \"x\"\ntitle_en = \"x\"\ntier = \"tier3\"\nhosts = [\"*.wide.example\"]\n\
         prefixes = [\"10.0.0.0/8\", \"0.0.0.0/0\"]\nports = [\"tcp/1-65535\"]\n"
            .to_owned(),
    );
    let bundle = Bundle::compile(&files).unwrap_or_else(|errors| panic!("{errors}"));
    let containing = |address: &str, port| -> Vec<String> {
        let found = bundle.containing(address.parse().expect("address"), port, Transport::Tcp);
        found.into_iter().map(ToString::to_string).collect()
    };
    assert_eq!(containing("10.40.1.9", 443), ["residents", "wide"]);
    assert_eq!(containing("::ffff:10.40.1.9", 443), ["residents", "wide"]);
    assert_eq!(containing("198.51.100.1", 443), ["wide"]);
    // Loopback, link-local and other private networks are not meant by `0.0.0.0/0`.
    for address in ["127.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0"] {
        assert_eq!(containing(address, 443), Vec::<String>::new(), "{address}");
    }
}

#[test]
fn memory_holds_until_expiry_another_subject_another_bundle_or_a_clock_that_goes_back() {
    let bundle = city();
    let mut memo = Memo::default();
    let good = bundle.prepare(person("p-1001", "home", noon()));
    assert!(memo.decide(&bundle, &good, &id("chat"), noon()).allowed);
    assert_eq!(memo.len(), 1);
    assert!(!memo.decide(&bundle, &good, &id("chat"), noon().plus(Duration::from_secs(601))).allowed);
    assert!(memo.decide(&bundle, &good, &id("chat"), noon()).allowed, "the clock went back");

    let mut bad = person("p-1001", "home", noon());
    let claim = Claim { value: ClaimValue::Bool(false), source: Source::Os, observed_at: noon() };
    bad.posture.as_mut().expect("posture").insert(ClaimName::FirewallOn, claim).expect("fits");
    assert!(!memo.decide(&bundle, &bundle.prepare(bad), &id("chat"), noon()).allowed);

    assert!(memo.decide(&bundle, &good, &id("chat"), noon()).allowed);
    let closed = city_with(
        "@id(\"x\") @code(\"site-rule\") @ja(\"休止中\") @en(\"closed\")\n\
         forbid (principal, action, resource == Resource::\"chat\");\n",
    );
    // The subject was made ready for the other bundle; the new one still decides.
    assert_eq!(memo.decide(&closed, &good, &id("chat"), noon()).codes, [Code::SiteRule]);
}

#[test]
fn an_explanation_says_what_was_expected_and_what_was_found() {
    let bundle = city();
    let mut subject = person("p-1002", "home", noon());
    let claim = Claim { value: ClaimValue::Bool(false), source: Source::Os, observed_at: noon() };
    subject.posture.as_mut().expect("posture").insert(ClaimName::DiskEncrypted, claim).expect("fits");
    let explanation = bundle.explain(&bundle.prepare(subject), &id("residents"), noon());
    let disk = explanation.rules.iter().find(|rule| rule.rule.as_str() == "floor.disk").expect("rule");
    assert_eq!((disk.outcome, disk.file.as_str()), (Outcome::Matched, "floor.cedar"));
    let finding = disk.findings.iter().find(|finding| !finding.met).expect("finding");
    assert_eq!((finding.expected.as_str(), finding.found.as_str()), ("disk_encrypted", "disk_encrypted = false"));

    for (language, parts) in [
        (Language::En, ["residents may not be opened", "NOT met: disk_encrypted (found: disk_encrypted = false)"]),
        (Language::Ja, ["residents は開けません", "満たしていない: disk_encrypted（実際: disk_encrypted = false）"]),
    ] {
        let text = explanation.to_text(&messages(language).expect("messages"));
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert!(text.contains("400402") && text.contains("floor.cedar"), "{text}");
    }
}

#[test]
fn the_demo_opens_three_systems_at_home_and_refuses_the_secret_one_for_its_place() {
    let settings = SampleSettings { firewall_for_tier3: false, ..settings() };
    let bundle = Bundle::compile(&sample(&settings)).unwrap_or_else(|errors| panic!("{errors}"));
    let mut subject = person(DEMO_PERSON, "home", noon());
    let mut posture = Posture::default();
    for (name, value) in [
        (ClaimName::AgentIntact, ClaimValue::Bool(true)),
        (ClaimName::ForbiddenSoftware, ClaimValue::TextList(Vec::new())),
        (ClaimName::FirewallOn, ClaimValue::Unknown("no rights".to_owned())),
    ] {
        posture.insert(name, Claim { value, source: Source::Agent, observed_at: noon() }).expect("fits");
    }
    subject.posture = Some(posture);
    for open in ["demo-web", "demo-files", "demo-ssh"] {
        assert!(ask(&bundle, subject.clone(), open, noon()).allowed, "{open}");
    }
    assert_eq!(ask(&bundle, subject, "demo-secret", noon()).codes.first(), Some(&Code::PlaceNotPermitted));
}

#[test]
fn a_failing_table_row_shows_expected_and_found() {
    let mut files = sample(&settings());
    files.insert(
        "tests/x.toml".to_owned(),
        "[[test]]\nname = \"n\"\ngiven = { person = \"p-1001\", place = \"home\", at = \"2026-04-01T12:00:00+09:00\" }\n\
         resource = \"chat\"\nexpect = \"allow\"\n"
            .to_owned(),
    );
    let bundle = Bundle::compile(&files).unwrap_or_else(|errors| panic!("{errors}"));
    let outcome = bundle.run_tests().into_iter().find(|outcome| outcome.file == "tests/x.toml").expect("row");
    assert!(!outcome.passed);
    assert_eq!(outcome.line, 1);
    assert!(
        outcome.difference.starts_with("- expected allow\n+ found    deny [evidence-missing]"),
        "{}",
        outcome.difference
    );
}
