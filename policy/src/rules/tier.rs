//! Refuses to publish the strictest systems where the guideline for municipalities forbids it.
//!
//! Systems that use My Number stay in the city's own rooms, on the city's own machines, with our agent. That is proved
//! for each permit: in each forbidden situation every other part of the context is taken as unknown, and then either
//! the permit must be false whatever it is, or some forbid must be true whatever it is.

use std::collections::BTreeSet;

use hitotsu_model::ids::{PlaceId, ResourceId};
use hitotsu_model::resource::Tier;
use hitotsu_model::time::Timestamp;

use crate::decision::Action;
use crate::engine::calendar::Calendar;
use crate::engine::evaluate::{Question, Still, resource_in_scope};
use crate::engine::names::{Names, action_entity};
use crate::engine::value::{Bits, Entity, EntityKind, Value};
use crate::error::BundleError;
use crate::explain::Effect;
use crate::place::{Place, PlaceKind};
use crate::rules::attribute::Attribute;
use crate::rules::expression::{Expr, Rule};

/// A situation in which no tier 1 system may open.
struct Forbidden {
    what: String,
    remedy: &'static str,
    known: BTreeSet<Attribute>,
    still: Still,
}

const ONLY_ROOMS: &str = "add `&& [\"office\", \"city-hall\"].contains(context.place_kind)` to the permit, \
                          or forbid it in `floor.cedar`";
const ONLY_ISSUED: &str = "add `&& context.ownership != \"byod\"` to the permit, or forbid it in `floor.cedar`";
const ONLY_AGENT: &str = "take `context.profile == \"relay\"` out of the permit, or forbid it in `floor.cedar`";

/// What each permit would publish that must not be published.
pub(crate) fn published<'a>(
    rules: &[Rule],
    names: &Names,
    places: impl Iterator<Item = &'a Place>,
) -> Vec<BundleError> {
    let situations = forbidden_situations(names, places);
    let strict: Vec<(&ResourceId, u32)> = names
        .resources
        .iter()
        .map(|(id, number)| (id, *number))
        .filter(|(_, number)| names.resource_tiers.get(*number as usize) == Some(&Tier::Tier1))
        .collect();
    let mut errors = Vec::new();
    for permit in rules.iter().filter(|rule| rule.effect == Effect::Permit) {
        for situation in &situations {
            let open = strict.iter().find(|(_, resource)| {
                Action::ALL.iter().any(|action| lets_in(rules, names, permit, situation, *action, *resource))
            });
            if let Some((resource, _)) = open {
                errors.push(BundleError {
                    file: permit.file.clone(),
                    line: Some(permit.line),
                    what: format!(
                        "this permit opens `{resource}` (tier1) {}, which the three-tier separation \
                         (三層の対策, マイナンバー利用事務系) forbids",
                        situation.what
                    ),
                    remedy: situation.remedy.to_owned(),
                });
            }
        }
    }
    errors
}

fn forbidden_situations<'a>(names: &Names, places: impl Iterator<Item = &'a Place>) -> Vec<Forbidden> {
    let text = |text: &str| Value::Text(text.into());
    let blank = |profile: &str| Still {
        principal: Entity { kind: EntityKind::User, number: u32::MAX },
        groups: Bits::default(),
        profile: text(profile),
        ownership: text("issued"),
        level: Value::Long(0),
        place: Value::Entity(names.place_unknown()),
        place_kind: text(PlaceKind::Unknown.as_str()),
        attested_at: None,
        claims: Vec::new(),
    };
    let at = |id: Option<&PlaceId>, kind: PlaceKind| Forbidden {
        what: match id {
            Some(id) => format!("at `{id}` (a place of kind `{kind}`)"),
            None => "at no place that is known".to_owned(),
        },
        remedy: ONLY_ROOMS,
        known: BTreeSet::from([Attribute::Profile, Attribute::Place, Attribute::PlaceKind]),
        still: Still { place: Value::Entity(names.place(id)), place_kind: text(kind.as_str()), ..blank("device") },
    };
    let rooms = [PlaceKind::Office, PlaceKind::CityHall];
    let elsewhere = places.filter(|place| !rooms.contains(&place.kind));
    let mut situations: Vec<Forbidden> = elsewhere.map(|place| at(Some(&place.id), place.kind)).collect();
    situations.push(at(None, PlaceKind::Unknown));
    situations.push(Forbidden {
        what: "to machines that people own themselves (`byod`)".to_owned(),
        remedy: ONLY_ISSUED,
        known: BTreeSet::from([Attribute::Profile, Attribute::Ownership]),
        still: Still { ownership: text("byod"), ..blank("device") },
    });
    situations.push(Forbidden {
        what: "to clients without our agent (`relay`)".to_owned(),
        remedy: ONLY_AGENT,
        known: BTreeSet::from([Attribute::Profile]),
        still: blank("relay"),
    });
    situations
}

/// Whether `permit` could match and no forbid surely does.
fn lets_in(rules: &[Rule], names: &Names, permit: &Rule, situation: &Forbidden, action: Action, resource: u32) -> bool {
    let applies = |rule: &Rule| {
        (rule.actions.is_empty() || rule.actions.contains(&action_entity(action)))
            && resource_in_scope(&rule.resource, names, resource)
    };
    let clock = Calendar::default().clock(Timestamp(0), &[], PlaceKind::Unknown);
    let require_person = true;
    let question = Question { names, still: &situation.still, clock, action, resource, require_person };
    let known = |rule: &Rule| all(rule.clauses.iter().map(|clause| truth(clause, &question, &situation.known)));
    if !applies(permit) || known(permit) == Some(false) {
        return false;
    }
    let for_everybody = |rule: &Rule| {
        rule.principal.equal.is_none()
            && rule.principal.within.is_none()
            && rule.principal.kind.is_none_or(|kind| kind == EntityKind::User)
    };
    let mut forbids = rules.iter().filter(|rule| rule.effect == Effect::Forbid && for_everybody(rule) && applies(rule));
    !forbids.any(|rule| known(rule) == Some(true))
}

/// Truth, where it follows from what is known (Kleene's three values).
fn truth(expr: &Expr, question: &Question<'_>, known: &BTreeSet<Attribute>) -> Option<bool> {
    let below = |expr: &Expr| truth(expr, question, known);
    match expr {
        Expr::All(parts) => all(parts.iter().map(below)),
        Expr::Any(parts) => all(parts.iter().map(|part| below(part).map(|flag| !flag))).map(|flag| !flag),
        Expr::Not(part) => below(part).map(|flag| !flag),
        Expr::If(parts) => {
            let [test, then, otherwise] = parts.as_ref();
            match below(test) {
                Some(true) => below(then),
                Some(false) => below(otherwise),
                None => below(then).filter(|flag| below(otherwise) == Some(*flag)),
            }
        }
        Expr::Constant(_)
        | Expr::Principal
        | Expr::Action
        | Expr::Resource
        | Expr::RequirePerson
        | Expr::Context(_)
        | Expr::Has(_)
        | Expr::Two(..)
        | Expr::Negate(_)
        | Expr::IsEmpty(_)
        | Expr::Like(..)
        | Expr::IsKind(..)
        | Expr::Set(_) => {
            let mut open = false;
            expr.walk(&mut |part| {
                open |= matches!(part, Expr::Principal | Expr::RequirePerson);
                if let Expr::Context(attribute) | Expr::Has(attribute) = part {
                    open |= !known.contains(attribute);
                }
            });
            if open { None } else { question.truth(expr).ok() }
        }
    }
}

fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut answer = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            None => answer = None,
            Some(true) => {}
        }
    }
    answer
}
