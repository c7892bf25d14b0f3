//! Who asks.

use std::sync::Arc;

use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, PersonId, PlaceId};
use hitotsu_model::posture::{ClaimName, ClaimValue, Posture};
use hitotsu_model::time::Timestamp;

use crate::bundle::Bundle;
use crate::engine::Engine;
use crate::engine::evaluate::{SeenClaim, Still};
use crate::engine::value::{Bits, Entity, EntityKind, Value};
use crate::place::PlaceKind;

/// A supervisor's approval of work away from the desk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Approval {
    /// From this instant on.
    pub from: Timestamp,
    /// Until just before this instant.
    pub until: Timestamp,
    /// Only at places of this kind; anywhere if absent.
    pub place_kind: Option<PlaceKind>,
}

/// Everything about the asker that rules may look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The person bound to the device, if any.
    pub person: Option<PersonId>,
    /// The device.
    pub device: DeviceId,
    /// The kind of its certificate.
    pub profile: Profile,
    /// Who owns it.
    pub ownership: Ownership,
    /// How sure we are which machine it is.
    pub level: AssuranceLevel,
    /// Where it is, as [`Bundle::place_of`] says; no place where absent.
    pub place: Option<PlaceId>,
    /// Its state; absent until it has attested, and always for a client without our agent.
    pub posture: Option<Posture>,
    /// When its last evidence was believed, by the gateway's clock.
    pub attested_at: Option<Timestamp>,
    /// Approvals that the person has; beyond [`crate::limits::APPROVALS_MAX`] the shell drops the latest.
    pub approvals: Vec<Approval>,
}

/// A [`Subject`] made ready for one bundle: see [`Bundle::prepare`].
#[derive(Debug, Clone)]
pub struct PreparedSubject {
    pub(crate) subject: Arc<Subject>,
    /// Version of the bundle that it was made for.
    pub(crate) bundle: Arc<str>,
    pub(crate) still: Still,
    pub(crate) place_kind: PlaceKind,
    /// The rules whose scope names the asker.
    pub(crate) rules: Bits,
    /// The person is not in the bundle: rules about their groups would silently say nothing.
    pub(crate) person_missing: bool,
    /// Its own approvals and those of the bundle.
    pub(crate) approvals: Vec<Approval>,
    /// The latest time of any claim.
    pub(crate) latest_claim: Option<Timestamp>,
}

impl PreparedSubject {
    pub(crate) fn new(bundle: &Bundle, engine: &Engine, subject: Arc<Subject>) -> Self {
        let names = &engine.names;
        let member = subject.person.as_ref().and_then(|person| names.people.get(person));
        let (principal, groups) = match member {
            Some(member) => (Entity { kind: EntityKind::User, number: member.number }, member.groups.clone()),
            None => (names.device(subject.device), Bits::default()),
        };
        let place_kind = subject.place.as_ref().and_then(|place| bundle.place(place)).map(|place| place.kind);
        let place_kind = place_kind.unwrap_or(PlaceKind::Unknown);
        let text = |text: &str| Value::Text(text.into());
        let still = Still {
            principal,
            profile: text(subject.profile.as_str()),
            ownership: text(subject.ownership.as_str()),
            level: Value::Long(i64::from(subject.level.number())),
            place: Value::Entity(names.place(subject.place.as_ref())),
            place_kind: text(place_kind.as_str()),
            // Evidence is its time and its findings; one without the other is none.
            attested_at: subject.attested_at.filter(|_| subject.posture.is_some()),
            claims: claims(subject.posture.as_ref()),
            groups,
        };
        let of_bundle = subject.person.as_ref().map_or(&[][..], |person| bundle.approvals(person));
        Self {
            approvals: subject.approvals.iter().chain(of_bundle).cloned().collect(),
            bundle: bundle.shared_version(),
            place_kind,
            rules: engine.rules_about(principal, &still.groups),
            person_missing: subject.person.is_some() && member.is_none(),
            latest_claim: still.claims.iter().flatten().map(|claim| claim.observed_at).max(),
            still,
            subject,
        }
    }

    /// What it was made from.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }
}

/// The claims that are known, by name.
fn claims(posture: Option<&Posture>) -> Vec<Option<SeenClaim>> {
    let seen = |name: &ClaimName| {
        let claim = posture?.claim(*name).filter(|claim| claim.value.fits(name.kind()))?;
        let value = match &claim.value {
            ClaimValue::Bool(flag) => Value::Bool(*flag),
            ClaimValue::Integer(number) => Value::Long(*number),
            ClaimValue::Text(text) => Value::Text(text.as_str().into()),
            ClaimValue::TextList(list) => {
                Value::set(list.iter().map(|text| Value::Text(text.as_str().into())).collect())
            }
            ClaimValue::Unknown(_) => return None,
        };
        let source = Value::Text(claim.source.as_str().into());
        Some(SeenClaim { value, source, observed_at: claim.observed_at })
    };
    ClaimName::ALL.iter().map(seen).collect()
}
