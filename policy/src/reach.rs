//! Who can reach what, exactly: not for a sample of questions, but for all of them.
//!
//! Every rule becomes a function of what can be otherwise: the certificate, the device, the place, the approval, the day,
//! the minute and each claim about the device's state, in classes of values that no rule tells apart. Permits and forbids
//! are joined as the engine joins them. What is left is every circumstance under which a system opens, for every person or
//! device of the population, and the difference of two bundles is the difference of two functions.
//!
//! - `seen` collects what rules compare with; `domain` makes classes of it, `texts` those of patterns.
//! - `diagram` holds functions; `build` makes them of rules, whose parts the engine itself evaluates.
//! - [`opening`] writes them down for people.
//! - [`controls`] holds a bundle against what the guidelines ask.
//! - [`idle`] finds rules that change nothing.
//! - [`replay`] asks about what really happened.

mod build;
pub mod controls;
mod diagram;
mod domain;
pub mod idle;
pub mod opening;
pub mod replay;
mod seen;
mod texts;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, PersonId, ResourceId};
use hitotsu_model::time::Timestamp;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::engine::value::Entity;
use crate::limits::{ATOM_CASES_MAX, DIAGRAM_NODES_MAX};
use crate::reach::build::{Builder, Principal, kind_of, named_one_by_one, principal_of};
use crate::reach::diagram::{Join, NO, Ref, TooLarge};
use crate::reach::domain::{OWNERSHIPS, PROFILES, Variable};
use crate::reach::opening::{Opening, openings};

/// Somebody of the population. What is absent may be any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Asker {
    /// The person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// The device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// The kind of its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ownership: Option<Ownership>,
    /// How sure we are which machine it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<AssuranceLevel>,
}

impl Asker {
    /// A person with any device that a person can have.
    #[must_use]
    pub fn person(id: PersonId) -> Self {
        Self { person: Some(id), device: None, profile: None, ownership: None, level: None }
    }
}

/// Everybody whom the bundle knows, with any device.
#[must_use]
pub fn everybody(bundle: &Bundle) -> Vec<Asker> {
    bundle.people().map(|person| Asker::person(person.id.clone())).collect()
}

/// Why an exact answer cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReachError {
    /// Rules calculate with a value instead of comparing it.
    #[error("no exact answer: rules calculate with a claim instead of comparing it with constants: {}", .0.join(", "))]
    Uncountable(Vec<String>),
    /// One part of a condition has too many cases.
    #[error("no exact answer: a part of the rule at {file}:{line} has more than {ATOM_CASES_MAX} cases; take it apart")]
    TooManyCases {
        /// The rule's file.
        file: String,
        /// Its line.
        line: usize,
    },
    /// The whole is too large.
    #[error("no exact answer: the rules have more than {DIAGRAM_NODES_MAX} cases together")]
    TooLarge,
    /// Times of two bundles cannot be compared.
    #[error("the bundles have different `utc_offset`s, so their times cannot be compared")]
    Offsets,
}

impl From<TooLarge> for ReachError {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// Those who are answered alike, and the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The system.
    pub resource: ResourceId,
    /// Who.
    pub askers: Vec<Asker>,
    /// When it opens for them; never where empty.
    pub openings: Vec<Opening>,
    /// There are more openings than are written down.
    pub more: bool,
}

/// Who of `askers` can open `resource`, and when. From `from` on, a year ahead.
///
/// # Errors
/// [`ReachError`].
pub fn who_can(
    bundle: &Bundle,
    resource: &ResourceId,
    askers: &[Asker],
    from: Timestamp,
) -> Result<Vec<Reach>, ReachError> {
    let mut survey = Survey::new(vec![bundle], from)?;
    let mut by_answer: BTreeMap<Ref, Vec<Asker>> = BTreeMap::new();
    for (_, askers) in survey.kinds(askers) {
        let Some(first) = askers.first() else { continue };
        let allowed = survey.allowed(0, first, resource)?;
        by_answer.entry(allowed).or_default().extend(askers);
    }
    Ok(by_answer.into_iter().rev().map(|(answer, askers)| survey.reach(resource, askers, answer)).collect())
}

/// What `asker` can open, and when: every system of the bundle.
///
/// # Errors
/// [`ReachError`].
pub fn what_can(bundle: &Bundle, asker: &Asker, from: Timestamp) -> Result<Vec<Reach>, ReachError> {
    let mut survey = Survey::new(vec![bundle], from)?;
    let mut found = Vec::new();
    for resource in bundle.resources() {
        let allowed = survey.allowed(0, asker, &resource.id)?;
        found.push(survey.reach(&resource.id, vec![asker.clone()], allowed));
    }
    Ok(found)
}

/// What changes for some people at one system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The system.
    pub resource: ResourceId,
    /// Who.
    pub askers: Vec<Asker>,
    /// What opens that did not.
    pub gains: Vec<Opening>,
    /// What does not open any more.
    pub loses: Vec<Opening>,
    /// Nothing of the system is left to them.
    pub loses_all: bool,
    /// There is more than is written down.
    pub more: bool,
}

/// What `after` changes, for each of `askers`. Nothing where the two answer every question alike.
///
/// # Errors
/// [`ReachError`].
pub fn compare(before: &Bundle, after: &Bundle, askers: &[Asker], from: Timestamp) -> Result<Vec<Change>, ReachError> {
    let mut survey = Survey::new(vec![before, after], from)?;
    let resources: BTreeSet<&ResourceId> = before.resources().chain(after.resources()).map(|found| &found.id).collect();
    let kinds = survey.kinds(askers);
    let mut changes = Vec::new();
    for resource in resources {
        let mut by_answer: BTreeMap<(Ref, Ref), Vec<Asker>> = BTreeMap::new();
        for (_, askers) in &kinds {
            let Some(first) = askers.first() else { continue };
            let answer = (survey.allowed(0, first, resource)?, survey.allowed(1, first, resource)?);
            if answer.0 != answer.1 {
                by_answer.entry(answer).or_default().extend(askers.iter().cloned());
            }
        }
        for ((old, new), askers) in by_answer {
            let (gained, lost) =
                (survey.builder.diagrams.without(new, old)?, survey.builder.diagrams.without(old, new)?);
            let ((gains, more), (loses, more_lost)) =
                (survey.openings(gained, &askers), survey.openings(lost, &askers));
            let resource = resource.clone();
            changes.push(Change { resource, askers, gains, loses, loses_all: new == NO, more: more || more_lost });
        }
    }
    Ok(changes)
}

/// People and devices of a certain kind, and who they are.
type Kinds = Vec<(Kind, Vec<Asker>)>;

/// All that tells askers apart: for each bundle the principal, and what is known of the device.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind {
    principals: Vec<Option<Principal>>,
    device: (Option<Profile>, Option<Ownership>, Option<AssuranceLevel>),
}

/// An analysis under way.
struct Survey<'b> {
    builder: Builder<'b>,
    /// By bundle: whom rules name one by one.
    named: Vec<BTreeSet<Entity>>,
}

impl<'b> Survey<'b> {
    fn new(bundles: Vec<&'b Bundle>, from: Timestamp) -> Result<Self, ReachError> {
        let offsets: BTreeSet<i64> = bundles.iter().map(|bundle| bundle.engine.calendar.offset_ms).collect();
        if offsets.len() > 1 {
            return Err(ReachError::Offsets);
        }
        let named = bundles.iter().map(|bundle| named_one_by_one(bundle)).collect();
        Ok(Self { builder: Builder::new(bundles, from)?, named })
    }

    fn kinds(&self, askers: &[Asker]) -> Kinds {
        let mut kinds: Kinds = Vec::new();
        let mut found: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
        for asker in askers {
            let kind = self.kind(asker);
            let at = *found.entry(format!("{kind:?}")).or_insert_with(|| {
                kinds.push((kind, Vec::new()));
                kinds.len() - 1
            });
            if let Some((_, members)) = kinds.get_mut(at) {
                members.push(asker.clone());
            }
        }
        kinds
    }

    fn kind(&self, asker: &Asker) -> Kind {
        let sides = self.builder.bundles.iter().zip(&self.named);
        let principals = sides.map(|(bundle, named)| principal_of(bundle, asker).map(|found| kind_of(named, found)));
        Kind { principals: principals.collect(), device: (asker.profile, asker.ownership, asker.level) }
    }

    /// When `asker` may open `resource` under bundle `side`; never where that bundle does not know one of them.
    fn allowed(&mut self, side: usize, asker: &Asker, resource: &ResourceId) -> Result<Ref, ReachError> {
        let Some(principal) = self.kind(asker).principals.into_iter().nth(side).flatten() else { return Ok(NO) };
        let number = self.builder.bundles.get(side).and_then(|bundle| bundle.resource_number(resource));
        let Some(number) = number else { return Ok(NO) };
        let allowed = self.builder.allowed(side, &principal, number)?;
        let possible = self.possible(asker)?;
        let allowed = self.builder.diagrams.join(Join::And, allowed, possible)?;
        Ok(self.builder.diagrams.given(allowed, &|number| known_class(asker, number))?)
    }

    /// What can be for this asker. A person never has a shared desk for their own.
    fn possible(&mut self, asker: &Asker) -> Result<Ref, TooLarge> {
        let own = |class: usize| asker.person.is_none() || OWNERSHIPS.get(class) != Some(&Ownership::SharedDesk);
        let own = self.builder.only(Variable::Ownership, own)?;
        let feasible = self.builder.feasible;
        self.builder.diagrams.join(Join::And, own, feasible)
    }

    fn openings(&self, function: Ref, askers: &[Asker]) -> (Vec<Opening>, bool) {
        let (mut found, more) = openings(&self.builder.diagrams, &self.builder.domain, function);
        // That a person's device is theirs goes without saying.
        let theirs = [Ownership::Issued, Ownership::Byod];
        let people = askers.iter().all(|asker| asker.person.is_some());
        for opening in
            found.iter_mut().filter(|opening| people && opening.ownerships.as_deref() == Some(theirs.as_slice()))
        {
            opening.ownerships = None;
        }
        (found, more)
    }

    fn reach(&self, resource: &ResourceId, askers: Vec<Asker>, function: Ref) -> Reach {
        let (openings, more) = self.openings(function, &askers);
        Reach { resource: resource.clone(), askers, openings, more }
    }
}

/// The class of what is known of an asker's device, by the number of the variable.
fn known_class(asker: &Asker, number: u16) -> Option<usize> {
    if number == Variable::Profile.number() {
        // A certificate of another kind opens nothing, as an unknown class answers.
        asker.profile.map(|known| PROFILES.iter().position(|profile| *profile == known).unwrap_or(usize::MAX))
    } else if number == Variable::Ownership.number() {
        asker.ownership.and_then(|known| OWNERSHIPS.iter().position(|ownership| *ownership == known))
    } else if number == Variable::Level.number() {
        asker.level.map(|known| usize::from(known.number()))
    } else {
        None
    }
}
