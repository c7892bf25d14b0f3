//! Who asks.

use std::sync::Arc;

use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, PersonId, PlaceId};
use hitotsu_model::posture::Posture;
use hitotsu_model::time::Timestamp;

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
    /// Where it is, as [`crate::bundle::Bundle::place_of`] says; no place where absent.
    pub place: Option<PlaceId>,
    /// Its state; absent until it has attested, and always for a client without our agent.
    pub posture: Option<Posture>,
    /// When its last evidence was believed, by the gateway's clock.
    pub attested_at: Option<Timestamp>,
    /// Approvals that the person has.
    pub approvals: Vec<Approval>,
}

/// A [`Subject`] made ready for one bundle: see [`crate::bundle::Bundle::prepare`].
#[derive(Debug, Clone)]
pub struct PreparedSubject {
    pub(crate) subject: Arc<Subject>,
}

impl PreparedSubject {
    /// What it was made from.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }
}
