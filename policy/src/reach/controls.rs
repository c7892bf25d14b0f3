//! What the guidelines for municipalities ask of access from outside, held against a bundle: not by its wording, but by what
//! it opens.

use std::collections::BTreeMap;

use hitotsu_model::identity::{Ownership, Profile};
use hitotsu_model::posture::{ClaimName, ClaimValue};
use hitotsu_model::resource::Tier;
use hitotsu_model::time::Timestamp;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::place::PlaceKind;
use crate::reach::diagram::{Join, NO, Ref, YES};
use crate::reach::domain::{OWNERSHIPS, PROFILES, Variable};
use crate::reach::idle::everyone;
use crate::reach::{Asker, Reach, ReachError, Survey};

/// Something that must never open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// A system of tier 1 outside the city's rooms.
    Tier1InTheRooms,
    /// A system of tier 1 on a machine of one's own.
    Tier1NotOnOwnMachines,
    /// A system of tier 1 without our agent.
    Tier1WithTheAgent,
    /// Any system on a PC that has shown no state.
    StateShown,
    /// A system of tier 1 or 2 with a firewall that is off or of which nothing is known; the following likewise.
    Firewall,
    /// With a disk that is not encrypted.
    Disk,
    /// With security updates of unknown age.
    Updates,
    /// With a screen that does not lock.
    ScreenLock,
    /// With no antivirus program that runs.
    Antivirus,
    /// With programs that policy forbids.
    ForbiddenSoftware,
}

impl Control {
    /// Every control, in the order in which people read them.
    pub const ALL: &'static [Self] = &[
        Self::Tier1InTheRooms,
        Self::Tier1NotOnOwnMachines,
        Self::Tier1WithTheAgent,
        Self::StateShown,
        Self::Firewall,
        Self::Disk,
        Self::Updates,
        Self::ScreenLock,
        Self::Antivirus,
        Self::ForbiddenSoftware,
    ];

    /// The name in JSON and message files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tier1InTheRooms => "tier1-in-the-rooms",
            Self::Tier1NotOnOwnMachines => "tier1-not-on-own-machines",
            Self::Tier1WithTheAgent => "tier1-with-the-agent",
            Self::StateShown => "state-shown",
            Self::Firewall => "firewall",
            Self::Disk => "disk",
            Self::Updates => "updates",
            Self::ScreenLock => "screen-lock",
            Self::Antivirus => "antivirus",
            Self::ForbiddenSoftware => "forbidden-software",
        }
    }

    fn is_about(self, tier: Tier) -> bool {
        match self {
            Self::Tier1InTheRooms | Self::Tier1NotOnOwnMachines | Self::Tier1WithTheAgent => tier == Tier::Tier1,
            Self::StateShown => true,
            Self::Firewall
            | Self::Disk
            | Self::Updates
            | Self::ScreenLock
            | Self::Antivirus
            | Self::ForbiddenSoftware => tier != Tier::Tier3,
        }
    }

    fn claim(self) -> Option<ClaimName> {
        match self {
            Self::Firewall => Some(ClaimName::FirewallOn),
            Self::Disk => Some(ClaimName::DiskEncrypted),
            Self::Updates => Some(ClaimName::SecurityUpdateAgeDays),
            Self::ScreenLock => Some(ClaimName::ScreenLockOn),
            Self::Antivirus => Some(ClaimName::AntivirusRunning),
            Self::ForbiddenSoftware => Some(ClaimName::ForbiddenSoftware),
            Self::Tier1InTheRooms | Self::Tier1NotOnOwnMachines | Self::Tier1WithTheAgent | Self::StateShown => None,
        }
    }
}

/// What became of one control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Which.
    pub control: Control,
    /// How many systems it is about. Where it is none, it is met by there being nothing to protect.
    pub systems: usize,
    /// Whatever opens all the same. Empty is the proof: every question of the year was asked.
    pub exceptions: Vec<Reach>,
}

/// Holds `bundle` against every control, for everybody and the year from `from` on.
///
/// # Errors
/// [`ReachError`].
pub fn evidence(bundle: &Bundle, from: Timestamp) -> Result<Vec<Evidence>, ReachError> {
    let mut survey = Survey::new(vec![bundle], from)?;
    let kinds = survey.kinds(&everyone(bundle));
    let mut all = Vec::new();
    for control in Control::ALL {
        let wrong = survey.wrong(bundle, *control)?;
        let mut evidence = Evidence { control: *control, systems: 0, exceptions: Vec::new() };
        for resource in bundle.resources().filter(|resource| control.is_about(resource.tier)) {
            evidence.systems += 1;
            let mut by_answer: BTreeMap<Ref, Vec<Asker>> = BTreeMap::new();
            for (_, askers) in &kinds {
                let Some(first) = askers.first() else { continue };
                let opens = survey.allowed(0, first, &resource.id)?;
                let opens = survey.builder.diagrams.join(Join::And, wrong, opens)?;
                if opens != NO {
                    by_answer.entry(opens).or_default().extend(askers.iter().cloned());
                }
            }
            let exceptions = by_answer.into_iter().map(|(opens, askers)| survey.reach(&resource.id, askers, opens));
            evidence.exceptions.extend(exceptions);
        }
        all.push(evidence);
    }
    Ok(all)
}

/// Whether a value is the one that nobody wants, whatever rules say. How old updates may be is for rules to say.
fn is_bad(value: &ClaimValue) -> bool {
    match value {
        ClaimValue::Bool(good) => !good,
        ClaimValue::TextList(found) => !found.is_empty(),
        ClaimValue::Integer(_) | ClaimValue::Text(_) => false,
        ClaimValue::Unknown(_) => true,
    }
}

impl Survey<'_> {
    /// The circumstances under which nothing that a control is about may open.
    fn wrong(&mut self, bundle: &Bundle, control: Control) -> Result<Ref, ReachError> {
        if let Some(claim) = control.claim() {
            let classes = self.builder.domain.claim(claim).iter();
            let bad: Vec<bool> = classes.map(|class| class.as_ref().is_none_or(|known| is_bad(&known.value))).collect();
            return Ok(self.builder.only(Variable::Claim(claim), |class| bad.get(class).copied().unwrap_or(true))?);
        }
        let profile = |wanted: Profile| move |class: usize| PROFILES.get(class) == Some(&wanted);
        let wrong = match control {
            Control::Tier1InTheRooms => {
                let outside = |id: Option<&hitotsu_model::ids::PlaceId>| {
                    let kind = id.and_then(|id| bundle.place(id)).map_or(PlaceKind::Unknown, |place| place.kind);
                    !matches!(kind, PlaceKind::Office | PlaceKind::CityHall)
                };
                let classes: Vec<bool> = self
                    .builder
                    .domain
                    .places
                    .iter()
                    .map(|class| outside(class.ids.first().and_then(Option::as_ref)))
                    .collect();
                self.builder.only(Variable::Place, |class| classes.get(class).copied().unwrap_or(true))?
            }
            Control::Tier1NotOnOwnMachines => {
                self.builder.only(Variable::Ownership, |class| OWNERSHIPS.get(class) == Some(&Ownership::Byod))?
            }
            Control::Tier1WithTheAgent => self.builder.only(Variable::Profile, profile(Profile::Relay))?,
            Control::StateShown => {
                let device = self.builder.only(Variable::Profile, profile(Profile::Device))?;
                let none = self.builder.only(Variable::Evidence, |class| class == 0)?;
                self.builder.diagrams.join(Join::And, device, none)?
            }
            Control::Firewall
            | Control::Disk
            | Control::Updates
            | Control::ScreenLock
            | Control::Antivirus
            | Control::ForbiddenSoftware => YES,
        };
        Ok(wrong)
    }
}
