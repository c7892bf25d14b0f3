//! Our evaluator against Cedar's, over random bundles and random askers: the index, the memory and the expiry of
//! answers must never show.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use cedar_policy::{
    Authorizer, Context, Decision as CedarDecision, Entities, Entity as CedarEntity, EntityUid, PolicySet, Request,
    RestrictedExpression,
};
use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, ResourceId, RuleId};
use hitotsu_model::posture::{Claim, ClaimKind, ClaimName, ClaimValue, Posture, Source};
use hitotsu_model::time::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::bundle::Bundle;
use crate::decision::Action;
use crate::engine::names::Names;
use crate::engine::print;
use crate::engine::value::{EntityKind, Value};
use crate::memo::Memo;
use crate::place::PlaceKind;
use crate::rules::attribute::Attribute;
use crate::rules::expression::Expr;
use crate::subject::{Approval, PreparedSubject, Subject};

/// 2026-04-01T10:00:00+09:00, a Wednesday.
pub(crate) const TEN: Timestamp = Timestamp(1_775_005_200_000);
const PLACES: [&str; 3] = ["home", "city-hall", "ward"];
const GROUPS: [&str; 4] = ["all", "staff", "admins", "empty"];
const PEOPLE: [&str; 4] = ["p-0", "p-1", "p-2", "p-3"];
pub(crate) const RESOURCES: [&str; 5] = ["chat", "docs", "ssh", "kiosk", "secret"];

/// A stream of choices that proptest can shrink.
pub(crate) struct Dice<'a>(pub(crate) std::slice::Iter<'a, u32>);

impl Dice<'_> {
    fn below(&mut self, count: usize) -> usize {
        self.0.next().map_or(0, |word| *word as usize % count.max(1))
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 1
    }

    fn one<'b, T>(&mut self, of: &'b [T]) -> &'b T {
        &of[self.below(of.len())]
    }
}

pub(crate) fn dice() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), 700)
}

fn frame() -> BTreeMap<String, String> {
    let files = [
        ("bundle.toml", "org = \"city.example\"\nname = \"x\"\nutc_offset = \"+09:00\"\n"),
        ("calendar.toml", "holidays = [2026-04-02]\n"),
        (
            "people.toml",
            "[[group]]\nid = \"all\"\ntitle = \"x\"\n[[group]]\nid = \"staff\"\ntitle = \"x\"\nwithin = [\"all\"]\n\
             [[group]]\nid = \"admins\"\ntitle = \"x\"\nwithin = [\"staff\"]\n[[group]]\nid = \"empty\"\ntitle = \"x\"\n\
             [[person]]\nid = \"p-0\"\ngroups = []\n[[person]]\nid = \"p-1\"\ngroups = [\"all\"]\n\
             [[person]]\nid = \"p-2\"\ngroups = [\"staff\"]\n[[person]]\nid = \"p-3\"\ngroups = [\"admins\"]\n",
        ),
        (
            "places.toml",
            "[[place]]\nid = \"home\"\ntitle_ja = \"x\"\ntitle_en = \"x\"\nkind = \"home\"\ndefault = true\n\
             [[place]]\nid = \"city-hall\"\ntitle_ja = \"x\"\ntitle_en = \"x\"\nkind = \"city-hall\"\n\
             sources = [\"203.0.113.0/25\"]\n\
             [[place]]\nid = \"ward\"\ntitle_ja = \"x\"\ntitle_en = \"x\"\nkind = \"office\"\n\
             sources = [\"203.0.113.128/25\"]\n",
        ),
        (
            "floor.cedar",
            "@id(\"t1\") @code(\"place-not-permitted\") forbid (principal, action, resource in Tier::\"tier1\")\n\
             unless { context.profile == \"device\" && context.ownership == \"issued\" &&\n\
             [\"office\", \"city-hall\"].contains(context.place_kind) };\n",
        ),
    ];
    let mut files: BTreeMap<String, String> = files.map(|(f, t)| (f.to_owned(), t.to_owned())).into();
    let mut text = String::new();
    for (index, id) in RESOURCES.iter().enumerate() {
        let tier = ["tier3", "tier2", "tier2", "tier3", "tier1"][index];
        let person = if *id == "kiosk" { "require_person = false\n" } else { "" };
        text += &format!(
            "[[resource]]\nid = \"{id}\"\ntitle_ja = \"x\"\ntitle_en = \"x\"\ntier = \"{tier}\"\nhosts = \
             [\"{id}.example\"]\nprefixes = [\"10.1.{index}.0/24\"]\nports = [\"tcp/443\"]\n{person}"
        );
    }
    files.insert("resources.toml".to_owned(), text);
    files
}

/// A condition over what is always there.
fn plain(dice: &mut Dice<'_>) -> String {
    let (a, b) = (dice.below(1500), dice.below(1500));
    match dice.below(17) {
        0 | 1 => {
            let operator = dice.one(&["<", "<=", ">", ">=", "==", "!="]);
            format!("context.level {operator} {}", dice.below(5))
        }
        2 => format!("context.place == Place::\"{}\"", dice.one(&PLACES)),
        3 => "[\"office\", \"city-hall\"].contains(context.place_kind)".to_owned(),
        4 => format!("context.local_minute >= {} && context.local_minute < {}", a.min(b), a.max(b)),
        5 => format!("({} <= context.local_minute || context.local_minute == {})", a, b),
        6 => format!("context.weekday <= {}", dice.below(8)),
        7 => "!context.holiday".to_owned(),
        8 => format!("context.date > 202604{:02}", dice.below(31)),
        9 => "context.approved".to_owned(),
        10 => format!("context.ownership == \"{}\"", dice.one(&["issued", "byod", "shared-desk"])),
        11 => format!("principal in Group::\"{}\"", dice.one(&GROUPS)),
        12 => format!("resource in [Tier::\"tier1\", Tier::\"tier{}\"]", 2 + dice.below(2)),
        13 => "principal is User".to_owned(),
        // Overflows from level 2 on.
        14 => "context.level + 9223372036854775806 > 0".to_owned(),
        15 => "(if context.holiday then context.level else context.level * 2) >= 2".to_owned(),
        _ => format!("context.profile == \"{}\"", dice.one(&["device", "relay"])),
    }
}

/// A condition over what may be absent, safe in a permit's `when` and a forbid's `unless`.
fn claim(dice: &mut Dice<'_>) -> String {
    match dice.below(9) {
        0 => "(context has firewall_on && context.firewall_on)".to_owned(),
        1 => "(context has disk_encrypted && !context.disk_encrypted)".to_owned(),
        2 => {
            format!("(context has security_update_age_days && context.security_update_age_days <= {})", dice.below(40))
        }
        3 => "(context has forbidden_software && context.forbidden_software.isEmpty())".to_owned(),
        4 => "(context has forbidden_software && !context.forbidden_software.contains(\"winny\"))".to_owned(),
        5 => "(context has os_version && context.os_version like \"1*\")".to_owned(),
        6 => format!("(context has firewall_on_age_seconds && context.firewall_on_age_seconds < {})", dice.below(400)),
        7 => "(context has firewall_on_source && context.firewall_on_source == \"os\")".to_owned(),
        _ => format!("(context has evidence_age_seconds && context.evidence_age_seconds <= {})", dice.below(400)),
    }
}

fn condition(dice: &mut Dice<'_>, with_claims: bool) -> String {
    let mut text = String::from("true");
    for index in 0..dice.below(4) {
        let part = if with_claims && dice.flip() { claim(dice) } else { plain(dice) };
        let part = if dice.below(4) == 0 { format!("({part} || {})", plain(dice)) } else { format!("({part})") };
        text = if index == 0 { part } else { format!("{text} && {part}") };
    }
    text
}

fn rule(dice: &mut Dice<'_>, index: usize) -> String {
    let principal = match dice.below(6) {
        0 => "principal".to_owned(),
        1 => format!("principal == User::\"{}\"", dice.one(&PEOPLE)),
        2 => "principal is User".to_owned(),
        3 => format!("principal is User in Group::\"{}\"", dice.one(&GROUPS)),
        _ => format!("principal in Group::\"{}\"", dice.one(&GROUPS)),
    };
    let action = match dice.below(4) {
        0 => "action",
        1 => "action in [Action::\"connect\", Action::\"download\"]",
        2 => "action == Action::\"download\"",
        _ => "action == Action::\"connect\"",
    };
    let resource = match dice.below(4) {
        0 => "resource".to_owned(),
        1 => format!("resource in Tier::\"tier{}\"", 2 + dice.below(2)),
        _ => format!("resource == Resource::\"{}\"", dice.one(&RESOURCES)),
    };
    let scope = format!("({principal}, {action}, {resource})");
    if dice.below(3) == 0 {
        let code = dice.one(&["firewall-off", "time-not-permitted", "evidence-stale"]);
        let when = condition(dice, false);
        let unless = condition(dice, true);
        format!("@id(\"r{index}\") @code(\"{code}\") forbid {scope} when {{ {when} }} unless {{ {unless} }};\n")
    } else {
        let when = condition(dice, true);
        let unless = if dice.below(3) == 0 { format!("unless {{ {} }}", plain(dice)) } else { String::new() };
        format!("@id(\"r{index}\") permit {scope} when {{ {when} }} {unless};\n")
    }
}

/// A bundle of random rules. Those that Cedar finds senseless (they can never match) are left out.
pub(crate) fn bundle(dice: &mut Dice<'_>) -> (BTreeMap<String, String>, Bundle, PolicySet) {
    let mut files = frame();
    for index in 0..(4 + dice.below(16)) {
        files.insert(format!("rules/f{index:02}.cedar"), rule(dice, index));
    }
    loop {
        match Bundle::compile_beside_cedar(&files) {
            Ok((bundle, policies)) => return (files, bundle, policies),
            Err(errors) => {
                let senseless: BTreeSet<&String> = errors.0.iter().map(|error| &error.file).collect();
                for file in senseless {
                    assert!(file.starts_with("rules/"), "{errors}");
                    files.remove(file);
                }
            }
        }
    }
}

fn posture(dice: &mut Dice<'_>) -> Posture {
    let mut posture = Posture::default();
    for name in ClaimName::ALL {
        let value = match (name.kind(), dice.below(4)) {
            (_, 0) => continue,
            (_, 1) => ClaimValue::Unknown("no idea".to_owned()),
            (ClaimKind::Bool, _) => ClaimValue::Bool(dice.flip()),
            (ClaimKind::Integer, _) => ClaimValue::Integer(dice.below(60) as i64),
            (ClaimKind::Text, _) => ClaimValue::Text((*dice.one(&["12", "6.1.0", ""])).to_owned()),
            (ClaimKind::TextList, n) => ClaimValue::TextList(vec!["winny".to_owned(); n - 2]),
        };
        let ahead = dice.below(8);
        let offset = if ahead == 0 { 300_000 } else { -(dice.below(400_000) as i64) };
        let source = if dice.flip() { Source::Os } else { Source::Agent };
        posture.insert(*name, Claim { value, source, observed_at: Timestamp(TEN.0 + offset) }).expect("fits");
    }
    posture
}

pub(crate) fn subject(dice: &mut Dice<'_>) -> Subject {
    let with_posture = dice.below(5) != 0;
    Subject {
        person: (dice.below(5) != 0).then(|| dice.one(&PEOPLE).parse().expect("id")),
        device: DeviceId(uuid::Uuid::from_u128(7)),
        profile: *dice.one(&[Profile::Device, Profile::Device, Profile::Device, Profile::Relay, Profile::Staff]),
        ownership: *dice.one(&[Ownership::Issued, Ownership::SharedDesk, Ownership::Byod]),
        level: *dice.one(&[AssuranceLevel::L0, AssuranceLevel::L1, AssuranceLevel::L2, AssuranceLevel::L4]),
        place: (dice.below(4) != 0).then(|| dice.one(&PLACES).parse().expect("id")),
        posture: with_posture.then(|| posture(dice)),
        attested_at: with_posture.then(|| Timestamp(TEN.0 - dice.below(700_000) as i64)),
        approvals: (0..dice.below(3))
            .map(|_| {
                let from = Timestamp(TEN.0 - 500_000 + dice.below(900_000) as i64);
                let place_kind = if dice.flip() { None } else { Some(PlaceKind::Home) };
                Approval { from, until: from.plus(Duration::from_secs(300)), place_kind }
            })
            .collect(),
    }
}

fn uid(kind: &str, id: &str) -> EntityUid {
    format!("{kind}::\"{id}\"").parse().expect("an entity")
}

/// Every entity of the bundle, as Cedar has them.
fn entities(bundle: &Bundle) -> Entities {
    let mut all: Vec<CedarEntity> = Vec::new();
    let bare = |uid: EntityUid, parents: HashSet<EntityUid>| CedarEntity::new_no_attrs(uid, parents);
    for tier in ["tier1", "tier2", "tier3"] {
        all.push(bare(uid("Tier", tier), HashSet::new()));
    }
    for place in PLACES.iter().chain(&["unknown"]) {
        all.push(bare(uid("Place", place), HashSet::new()));
    }
    for group in GROUPS {
        let group = bundle.group(&group.parse().expect("id")).expect("group");
        let parents = group.within.iter().map(|above| uid("Group", above.as_str())).collect();
        all.push(bare(uid("Group", group.id.as_str()), parents));
    }
    for person in bundle.people() {
        let parents = person.groups.iter().map(|group| uid("Group", group.as_str())).collect();
        all.push(bare(uid("User", person.id.as_str()), parents));
    }
    for resource in bundle.resources() {
        let attributes =
            HashMap::from([("require_person".to_owned(), RestrictedExpression::new_bool(resource.require_person))]);
        let parents = HashSet::from([uid("Tier", resource.tier.as_str())]);
        all.push(CedarEntity::new(uid("Resource", resource.id.as_str()), attributes, parents).expect("entity"));
    }
    all.push(bare(uid("Device", &DeviceId(uuid::Uuid::from_u128(7)).to_string()), HashSet::new()));
    Entities::from_entities(all, None).expect("entities")
}

fn cedar_value(names: &Names, value: &Value) -> RestrictedExpression {
    match value {
        Value::Bool(flag) => RestrictedExpression::new_bool(*flag),
        Value::Long(number) => RestrictedExpression::new_long(*number),
        Value::Text(text) => RestrictedExpression::new_string(text.to_string()),
        Value::Set(members) => RestrictedExpression::new_set(members.iter().map(|member| cedar_value(names, member))),
        Value::Entity(entity) => {
            assert_eq!(entity.kind, EntityKind::Place);
            let text = print::expression(names, &Expr::Constant(value.clone()));
            RestrictedExpression::new_entity_uid(text.parse().expect("an entity"))
        }
    }
}

/// What Cedar says over the whole set: allowed, deciding rules, failed rules.
fn cedar_says(
    bundle: &Bundle,
    policies: &PolicySet,
    entities: &Entities,
    subject: &PreparedSubject,
    action: Action,
    resource: &ResourceId,
    now: Timestamp,
) -> (bool, BTreeSet<RuleId>, BTreeSet<RuleId>) {
    let number = bundle.resource_number(resource).expect("resource");
    let question = bundle.engine.question(subject, action, number, now);
    let pairs = Attribute::all().filter_map(|attribute| {
        let value = question.attribute(attribute)?;
        Some((attribute.name(), cedar_value(&bundle.engine.names, &value)))
    });
    let principal = match &subject.subject.person {
        Some(person) => uid("User", person.as_str()),
        None => uid("Device", &subject.subject.device.to_string()),
    };
    let context = Context::from_pairs(pairs).expect("context");
    let request =
        Request::new(principal, uid("Action", action.as_str()), uid("Resource", resource.as_str()), context, None);
    let answer = Authorizer::new().is_authorized(&request.expect("request"), policies, entities);
    let rule = |id: &cedar_policy::PolicyId| id.to_string().parse::<RuleId>().expect("rule");
    let errors: BTreeSet<RuleId> = answer
        .diagnostics()
        .errors()
        .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| rule(error.policy_id()))
        .collect();
    let reasons: BTreeSet<RuleId> = answer.diagnostics().reason().map(rule).collect();
    (answer.decision() == CedarDecision::Allow, reasons, errors)
}

fn set(rules: &[RuleId]) -> BTreeSet<RuleId> {
    rules.iter().cloned().collect()
}

#[test]
fn random_questions_reach_every_kind_of_answer() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut allowed, mut forbidden, mut failed, mut unmatched, mut rules) = (0, 0, 0, 0, 0);
    for _ in 0..24 {
        let words = dice().new_tree(&mut runner).expect("words").current();
        let mut dice = Dice(words.iter());
        let (_, bundle, _) = bundle(&mut dice);
        rules += bundle.engine.rules.len();
        for _ in 0..10 {
            let subject = bundle.prepare(subject(&mut dice));
            for id in RESOURCES {
                let decision = bundle.decide(&subject, &id.parse().expect("id"), TEN);
                match (decision.allowed, decision.errors.is_empty(), decision.rules.is_empty()) {
                    (true, _, _) => allowed += 1,
                    (false, false, _) => failed += 1,
                    (false, true, false) => forbidden += 1,
                    (false, true, true) => unmatched += 1,
                }
            }
        }
    }
    assert!(rules > 24 * 8, "{rules} rules");
    assert!(allowed.min(failed).min(unmatched).min(forbidden) > 20, "{allowed} {forbidden} {failed} {unmatched}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn index_and_evaluator_answer_as_cedar_does_over_the_whole_set(words in dice()) {
        let mut dice = Dice(words.iter());
        let (_, bundle, policies) = bundle(&mut dice);
        let entities = entities(&bundle);
        for _ in 0..6 {
            let subject = bundle.prepare(subject(&mut dice));
            let now = Timestamp(TEN.0 + dice.below(50_000_000) as i64 * i64::from(dice.flip()));
            for id in RESOURCES {
                let id: ResourceId = id.parse().expect("id");
                for action in [Action::Connect, Action::Download] {
                    let (allowed, reasons, errors) =
                        cedar_says(&bundle, &policies, &entities, &subject, action, &id, now);
                    let ours = bundle.decide_action(&subject, action, &id, now);
                    prop_assert_eq!(set(&ours.errors), errors.clone());
                    prop_assert_eq!(ours.allowed, allowed && errors.is_empty());
                    if errors.is_empty() {
                        prop_assert_eq!(set(&ours.rules), reasons);
                    }
                    prop_assert_eq!(ours.allowed, ours.codes.is_empty());
                }
            }
        }
    }

    #[test]
    fn an_answer_holds_until_it_expires_and_memory_never_shows(words in dice()) {
        let mut dice = Dice(words.iter());
        let (_, bundle, _) = bundle(&mut dice);
        let subject = bundle.prepare(subject(&mut dice));
        let mut memo = Memo::default();
        let mut now = TEN;
        for _ in 0..40 {
            for id in RESOURCES {
                let id: ResourceId = id.parse().expect("id");
                let fresh = bundle.decide(&subject, &id, now);
                prop_assert!(fresh.expires_at > now);
                prop_assert_eq!(&memo.decide(&bundle, &subject, &id, now).codes, &fresh.codes);
                let last = Timestamp(fresh.expires_at.0.min(now.0 + 200_000_000) - 1).max(now);
                let between = Timestamp(now.0 + (last.0 - now.0) * dice.below(1000) as i64 / 1000);
                for at in [between, last] {
                    let later = bundle.decide(&subject, &id, at);
                    prop_assert_eq!(&later, &fresh, "asked at {} and {}", now, at);
                    prop_assert_eq!(&memo.decide(&bundle, &subject, &id, at), &later);
                }
            }
            now = Timestamp(now.0 + 1 + dice.below(3_000_000) as i64);
        }
    }

    #[test]
    fn a_claim_less_never_turns_a_deny_into_an_allow(words in dice()) {
        let mut dice = Dice(words.iter());
        let (_, bundle, _) = bundle(&mut dice);
        for _ in 0..4 {
            let full = subject(&mut dice);
            let Some(posture) = full.posture.clone() else { continue };
            let before = bundle.prepare(full.clone());
            for gone in ClaimName::ALL {
                let mut less = Posture::default();
                for (name, claim) in posture.iter().filter(|(name, _)| name != gone) {
                    less.insert(name, claim.clone()).expect("fits");
                }
                let after = bundle.prepare(Subject { posture: Some(less), ..full.clone() });
                for id in RESOURCES {
                    let id: ResourceId = id.parse().expect("id");
                    // A rule that cannot be evaluated denies; with a claim less it may be passed over.
                    let had = bundle.decide(&before, &id, TEN);
                    let has = bundle.decide(&after, &id, TEN);
                    prop_assert!(had.allowed || !has.allowed || !had.errors.is_empty(), "{} without {}", id, gone);
                }
            }
        }
    }

    #[test]
    fn the_order_of_rules_does_not_matter(words in dice()) {
        let mut dice = Dice(words.iter());
        let (files, bundle, _) = bundle(&mut dice);
        let turned = files.into_iter().map(|(file, text)| match file.strip_prefix("rules/f") {
            Some(rest) => {
                let number: u32 = rest.trim_end_matches(".cedar").parse().expect("number");
                (format!("rules/f{:02}.cedar", 99 - number), text)
            }
            None => (file, text),
        });
        let turned = Bundle::compile(&turned.collect()).expect("compiles");
        for _ in 0..6 {
            let subject = subject(&mut dice);
            let (one, other) = (bundle.prepare(subject.clone()), turned.prepare(subject));
            for id in RESOURCES {
                let id: ResourceId = id.parse().expect("id");
                let (one, other) = (bundle.decide(&one, &id, TEN), turned.decide(&other, &id, TEN));
                prop_assert_eq!(one.allowed, other.allowed);
                prop_assert_eq!(one.known, other.known);
                prop_assert_eq!(one.expires_at, other.expires_at);
            }
        }
    }
}
