//! Questions and answers.
//!
//! - [`value`] and [`names`] are what expressions evaluate to.
//! - [`evaluate`] means what Cedar means.
//! - [`holidays`] are those of Japan; [`calendar`] is local time, and the instants at which it changes answers.
//! - [`blame`] finds what would have had to be otherwise.
//! - [`mod@print`] writes expressions for people.
//!
//! Candidates are found by three sets of rules, one for the action, one for the resource and one for the asker; a rule
//! that is in all three is evaluated, and no other can match. Floors are in every set that their scope names, so they
//! are always among the candidates.

pub(crate) mod blame;
pub(crate) mod calendar;
pub(crate) mod evaluate;
pub(crate) mod holidays;
pub(crate) mod names;
pub(crate) mod print;
pub(crate) mod value;

#[cfg(test)]
pub(crate) mod oracle;

use hitotsu_model::code::Code;
use hitotsu_model::posture::ClaimName;
use hitotsu_model::time::Timestamp;

use crate::decision::{Action, Decision};
use crate::engine::blame::{code_of, unmet_of_forbid, unmet_of_permit};
use crate::engine::calendar::Calendar;
use crate::engine::evaluate::{Question, principal_in_scope, resource_in_scope};
use crate::engine::names::{Names, action_entity};
use crate::engine::value::{Bits, Entity};
use crate::explain::Effect;
use crate::limits::OBSERVED_AHEAD_SECONDS_MAX;
use crate::rules::attribute::Attribute;
use crate::rules::expression::{Boundary, Rule};
use crate::subject::PreparedSubject;

/// Rules, ready to be asked.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) names: Names,
    pub(crate) calendar: Calendar,
    pub(crate) rules: Vec<Rule>,
    /// By number of the resource: whether it is for people only.
    require_person: Vec<bool>,
    by_action: Vec<Bits>,
    by_resource: Vec<Bits>,
}

impl Engine {
    pub(crate) fn new(names: Names, calendar: Calendar, rules: Vec<Rule>, require_person: Vec<bool>) -> Self {
        let select = |chosen: &dyn Fn(&Rule) -> bool| {
            let mut bits = Bits::with_room_for(rules.len());
            for (index, rule) in rules.iter().enumerate() {
                if chosen(rule) {
                    bits.insert(names::number(index));
                }
            }
            bits
        };
        let of_action = |action: &Action| {
            let entity = action_entity(*action);
            select(&|rule| rule.actions.is_empty() || rule.actions.contains(&entity))
        };
        let by_action = Action::ALL.iter().map(of_action).collect();
        let resources = 0..names.resource_tiers.len();
        let of_resource = |number| select(&|rule| resource_in_scope(&rule.resource, &names, names::number(number)));
        let by_resource = resources.map(of_resource).collect();
        Self { by_action, by_resource, names, calendar, rules, require_person }
    }

    /// The rules whose scope names this asker.
    pub(crate) fn rules_about(&self, principal: Entity, groups: &Bits) -> Bits {
        let mut bits = Bits::with_room_for(self.rules.len());
        for (index, rule) in self.rules.iter().enumerate() {
            if principal_in_scope(&rule.principal, principal, groups) {
                bits.insert(names::number(index));
            }
        }
        bits
    }

    pub(crate) fn question<'a>(
        &'a self,
        subject: &'a PreparedSubject,
        action: Action,
        resource: u32,
        now: Timestamp,
    ) -> Question<'a> {
        Question {
            names: &self.names,
            still: &subject.still,
            clock: self.calendar.clock(now, &subject.approvals, subject.place_kind),
            action,
            resource,
            require_person: self.require_person.get(resource as usize).copied().unwrap_or(true),
        }
    }

    /// The rules that can match, in their order.
    pub(crate) fn candidates<'a>(
        &'a self,
        subject: &'a PreparedSubject,
        action: Action,
        resource: u32,
    ) -> impl Iterator<Item = &'a Rule> {
        self.numbers(action, resource, &subject.rules).filter_map(|index| self.rules.get(index))
    }

    /// The numbers of the rules that can match for whoever the rules `about` name.
    pub(crate) fn numbers<'a>(
        &'a self,
        action: Action,
        resource: u32,
        about: &'a Bits,
    ) -> impl Iterator<Item = usize> + 'a {
        let by_action = self.by_action.get(action_entity(action).number as usize);
        let by_resource = self.by_resource.get(resource as usize);
        let sets = by_action.zip(by_resource);
        sets.into_iter().flat_map(move |(action, resource)| action.common(resource, about))
    }

    pub(crate) fn decide(
        &self,
        subject: &PreparedSubject,
        action: Action,
        resource: Option<u32>,
        now: Timestamp,
    ) -> Decision {
        let Some(resource) = resource.filter(|_| !subject.person_missing) else {
            return unnamed();
        };
        let question = self.question(subject, action, resource, now);
        let mut seen = Seen { expires_at: self.claims_from_the_future(subject, now), ..Seen::default() };
        for rule in self.candidates(subject, action, resource) {
            for boundary in &rule.boundaries {
                seen.expires_at = seen.expires_at.min(self.next(*boundary, &question, subject));
            }
            match (question.matches(&rule.clauses), rule.effect) {
                (Ok(true), Effect::Permit) => seen.permits.push(rule),
                (Ok(true), Effect::Forbid) => seen.forbids.push(rule),
                (Ok(false), _) => {}
                (Err(_), _) => seen.failed.push(rule),
            }
        }
        if seen.failed.is_empty() && seen.forbids.is_empty() && !seen.permits.is_empty() {
            let rules = seen.permits.iter().map(|rule| rule.id.clone()).collect();
            let expires_at = seen.expires_at;
            let (codes, errors) = (Vec::new(), Vec::new());
            return Decision { allowed: true, known: true, rules, codes, claim: None, expires_at, errors };
        }
        self.deny(subject, &question, &seen)
    }

    fn deny(&self, subject: &PreparedSubject, question: &Question<'_>, seen: &Seen<'_>) -> Decision {
        let known = self.knows(subject, question);
        let (mut reasons, mut claim) = forbidden(question, &seen.forbids);
        if !seen.failed.is_empty() {
            (reasons, claim) = (vec![Code::PolicyError], None);
        } else if seen.permits.is_empty() && !reasons.contains(&Code::EvidenceMissing) {
            // Who mends what the forbids told should not then meet another reason.
            let (more, about) = self.nearest_permit(subject, question);
            reasons.extend(more.iter().filter(|code| !reasons.contains(code)).copied().collect::<Vec<_>>());
            claim = claim.or(about);
        }
        reasons.sort_by_key(|code| importance(*code));
        let codes = if known && !reasons.is_empty() { reasons } else { vec![Code::NotPermitted] };
        let deciding = if seen.failed.is_empty() { &seen.forbids } else { &seen.failed };
        Decision {
            allowed: false,
            known,
            rules: deciding.iter().map(|rule| rule.id.clone()).collect(),
            codes,
            claim,
            expires_at: seen.expires_at,
            errors: seen.failed.iter().map(|rule| rule.id.clone()).collect(),
        }
    }

    /// Whether some permit is meant for this asker, whatever the time, the place and the state of the device.
    pub(crate) fn knows(&self, subject: &PreparedSubject, question: &Question<'_>) -> bool {
        self.permits_for(subject, question).next().is_some()
    }

    fn permits_for<'a>(
        &'a self,
        subject: &'a PreparedSubject,
        question: &'a Question<'a>,
    ) -> impl Iterator<Item = &'a Rule> {
        let permits = self.candidates(subject, question.action, question.resource);
        permits.filter(|rule| rule.effect == Effect::Permit && blame::is_meant_for(question, &rule.clauses))
    }

    /// What stands between the asker and the permit that is nearest to matching.
    fn nearest_permit(&self, subject: &PreparedSubject, question: &Question<'_>) -> (Vec<Code>, Option<ClaimName>) {
        let mut nearest: Option<(Vec<Code>, Option<ClaimName>)> = None;
        for rule in self.permits_for(subject, question) {
            let mut codes = Vec::new();
            let mut claim = None;
            for attribute in unmet_of_permit(question, &rule.clauses).iter().flat_map(|unmet| unmet.attributes()) {
                let code = code_of(question, attribute);
                if !codes.contains(&code) {
                    codes.push(code);
                }
                claim = claim.or(blame::claim_of(attribute));
            }
            let better = nearest.as_ref().is_none_or(|(before, _)| codes.len() < before.len());
            if better && !codes.is_empty() {
                nearest = Some((codes, claim));
            }
        }
        nearest.unwrap_or_default()
    }

    /// When `boundary` is next passed.
    fn next(&self, boundary: Boundary, question: &Question<'_>, subject: &PreparedSubject) -> Timestamp {
        let now = question.clock.now;
        let later = |at: Timestamp| if at > now { at } else { Timestamp::MAX };
        match boundary {
            Boundary::Minute(minute) => self.calendar.next_minute(now, minute),
            Boundary::Midnight => self.calendar.next_minute(now, 0),
            Boundary::Approval => {
                let instants = subject.approvals.iter().flat_map(|approval| [approval.from, approval.until]);
                instants.map(later).min().unwrap_or(Timestamp::MAX)
            }
            Boundary::Age(attribute, seconds) => {
                let since = match attribute {
                    Attribute::EvidenceAge => question.still.attested_at,
                    Attribute::ClaimAge(name) => {
                        question.still.claims.get(name as usize).and_then(|claim| claim.as_ref()).map(|c| c.observed_at)
                    }
                    Attribute::Profile
                    | Attribute::Ownership
                    | Attribute::Level
                    | Attribute::Place
                    | Attribute::PlaceKind
                    | Attribute::LocalMinute
                    | Attribute::Weekday
                    | Attribute::Holiday
                    | Attribute::Date
                    | Attribute::Approved
                    | Attribute::Claim(_)
                    | Attribute::ClaimSource(_) => None,
                };
                let after = |since: Timestamp| Timestamp(since.0.saturating_add(seconds.saturating_mul(1000)));
                since.map_or(Timestamp::MAX, |since| later(after(since)))
            }
        }
    }

    /// When the next claim that lies too far ahead of our clock begins to count.
    fn claims_from_the_future(&self, subject: &PreparedSubject, now: Timestamp) -> Timestamp {
        let Some(latest) = subject.latest_claim else { return Timestamp::MAX };
        let tolerance = std::time::Duration::from_secs(OBSERVED_AHEAD_SECONDS_MAX);
        if latest.minus(tolerance) <= now {
            return Timestamp::MAX;
        }
        let observed = subject.still.claims.iter().flatten().map(|claim| claim.observed_at);
        // A claim counts while it is ahead by fewer whole seconds than the tolerance and one.
        let counts_from = observed.map(|at| Timestamp(at.minus(tolerance).0.saturating_sub(999)));
        let instants = counts_from.filter(|at| *at > now);
        instants.min().unwrap_or(Timestamp::MAX)
    }
}

/// The answer about a resource that is not in the bundle: the same as about one that is not for the asker. It depends on
/// nothing else, or it would tell which resources exist.
fn unnamed() -> Decision {
    Decision {
        allowed: false,
        known: false,
        rules: Vec::new(),
        codes: vec![Code::NotPermitted],
        claim: None,
        expires_at: Timestamp::MAX,
        errors: Vec::new(),
    }
}

/// What the candidates said.
struct Seen<'a> {
    permits: Vec<&'a Rule>,
    forbids: Vec<&'a Rule>,
    failed: Vec<&'a Rule>,
    expires_at: Timestamp,
}

impl Default for Seen<'_> {
    fn default() -> Self {
        Self { permits: Vec::new(), forbids: Vec::new(), failed: Vec::new(), expires_at: Timestamp::MAX }
    }
}

/// What nobody can mend on the device comes first: who it is, then where, when and on what, then the device's state.
fn importance(code: Code) -> u32 {
    match code.number() / 100_000 {
        1 => 0,
        4 => 1,
        _ => 2,
    }
}

/// The reasons of the forbids that matched, in their order.
fn forbidden(question: &Question<'_>, forbids: &[&Rule]) -> (Vec<Code>, Option<ClaimName>) {
    let mut codes: Vec<Code> = Vec::new();
    let mut claim = None;
    for rule in forbids {
        let unmet = unmet_of_forbid(&rule.clauses, question);
        let attributes: Vec<Attribute> = unmet.iter().flat_map(|unmet| unmet.attributes()).collect();
        let code = blame::code_of_forbid(question, rule.code.unwrap_or(Code::SiteRule), &attributes);
        claim = claim.or(attributes.iter().find_map(|attribute| blame::claim_of(*attribute)));
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    // Without evidence nothing is known of the device, so every floor of its state speaks; one reason is enough.
    if codes.contains(&Code::EvidenceMissing) {
        return (vec![Code::EvidenceMissing], None);
    }
    (codes, claim)
}
