//! What a draft would have done with flows that really happened.
//!
//! The log tells who asked from where, when and for what, but not in which state the device was. So a flow is not decided
//! again for one state that was guessed, but for all of them: lost is what the draft refuses in every state in which the
//! rules of now allow it; what it refuses in some of them is told apart.

use std::net::IpAddr;
use std::time::Duration;

use hitotsu_model::code::Code;
use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, ResourceId, RuleId};
use hitotsu_model::posture::{Claim, ClaimName, Posture};
use hitotsu_model::resource::Target;
use hitotsu_model::time::Timestamp;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::place::PlaceKind;
use crate::reach::diagram::{Join, NO, Ref, TooLarge, YES};
use crate::reach::domain::Variable;
use crate::reach::{Asker, ReachError, Survey};
use crate::subject::Subject;

/// A flow that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// Who asked. Without a device nothing is known of it.
    pub asker: Asker,
    /// Where the connection came from.
    pub source: IpAddr,
    /// When.
    pub at: Timestamp,
    /// For what.
    pub target: Target,
    /// The address that was admitted.
    pub address: Option<IpAddr>,
}

/// What becomes of a flow under the draft.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Both sets of rules answer alike, whatever the state of the device.
    Same,
    /// It does not open any more.
    Lost(Reason),
    /// It does not open any more with a device in some states in which it opens now.
    Depends(Reason),
    /// It opens, in states in which it does not now.
    Gained,
}

/// Why the draft refuses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reason {
    /// The system of the draft that refuses; none where it knows no such system.
    pub resource: Option<ResourceId>,
    /// What the person would read, most important first.
    pub codes: Vec<Code>,
    /// The deciding rules of the draft; none where no permit is left.
    pub rules: Vec<RuleId>,
}

/// Compares the rules of now with a draft, flow by flow.
pub struct Replay<'b> {
    survey: Survey<'b>,
    now: &'b Bundle,
    draft: &'b Bundle,
}

impl<'b> Replay<'b> {
    /// For flows from `since` on.
    ///
    /// # Errors
    /// [`ReachError`].
    pub fn new(now: &'b Bundle, draft: &'b Bundle, since: Timestamp) -> Result<Self, ReachError> {
        Ok(Self { survey: Survey::new(vec![now, draft], since)?, now, draft })
    }

    /// What becomes of `flow`.
    ///
    /// # Errors
    /// [`ReachError`].
    pub fn fate(&mut self, flow: &Flow) -> Result<Fate, ReachError> {
        let (old, _) = self.answer(0, self.now, flow)?;
        let (new, resources) = self.answer(1, self.draft, flow)?;
        let lost = self.survey.builder.diagrams.without(old, new)?;
        if lost != NO {
            let reason = self.reason(flow, &resources, lost);
            return Ok(if new == NO { Fate::Lost(reason) } else { Fate::Depends(reason) });
        }
        Ok(if old == new { Fate::Same } else { Fate::Gained })
    }

    /// In which states of the device the flow opens, and the systems that are asked.
    fn answer(&mut self, side: usize, bundle: &Bundle, flow: &Flow) -> Result<(Ref, Vec<ResourceId>), ReachError> {
        let resources = resources(bundle, flow);
        let mut all = if resources.is_empty() { NO } else { YES };
        for resource in &resources {
            let allowed = self.survey.allowed(side, &flow.asker, resource)?;
            all = self.survey.builder.diagrams.join(Join::And, all, allowed)?;
        }
        Ok((self.given(all, bundle, flow)?, resources))
    }

    /// With everything that the log and the approvals of `bundle` tell.
    fn given(&mut self, function: Ref, bundle: &Bundle, flow: &Flow) -> Result<Ref, TooLarge> {
        let places = vec![self.now.place_of(flow.source).cloned(), self.draft.place_of(flow.source).cloned()];
        let clock = self.now.engine.calendar.clock(flow.at, &[], PlaceKind::Unknown);
        let holiday = [self.now, self.draft].map(|bundle| bundle.engine.calendar.holidays.contains(&clock.date));
        let at = bundle.place_of(flow.source).and_then(|id| bundle.place(id));
        let at = at.map_or(PlaceKind::Unknown, |place| place.kind);
        let approvals = flow.asker.person.as_ref().map_or(&[][..], |person| bundle.approvals(person));
        let approved = bundle.engine.calendar.clock(flow.at, approvals, at).approved;
        let domain = &self.survey.builder.domain;
        let place = domain.places.iter().position(|class| class.ids == places).unwrap_or(usize::MAX);
        let day = domain.day_of(clock.date, clock.weekday, &holiday).unwrap_or(usize::MAX);
        let minute = domain.minute_of(clock.minute);
        let class = |number: u16| {
            let known = [
                (Variable::Place, place),
                (Variable::Day, day),
                (Variable::Minute, minute),
                (Variable::Approved, usize::from(approved)),
            ];
            known.into_iter().find(|(variable, _)| variable.number() == number).map(|(_, class)| class)
        };
        self.survey.builder.diagrams.given(function, &class)
    }

    /// Asks the draft as the person would, with a device in a state that it now refuses.
    fn reason(&self, flow: &Flow, resources: &[ResourceId], lost: Ref) -> Reason {
        let subject = self.draft.prepare(self.subject(flow, lost));
        for resource in resources {
            let decision = self.draft.decide(&subject, resource, flow.at);
            if !decision.allowed {
                return Reason { resource: Some(resource.clone()), codes: decision.codes, rules: decision.rules };
            }
        }
        Reason { resource: resources.first().cloned(), codes: vec![Code::NotPermitted], rules: Vec::new() }
    }

    fn subject(&self, flow: &Flow, lost: Ref) -> Subject {
        let path = self.way_to_yes(lost);
        let class =
            |variable: Variable| path.iter().find(|(number, _)| *number == variable.number()).map(|(_, class)| *class);
        let domain = &self.survey.builder.domain;
        let profile = flow.asker.profile.unwrap_or(Profile::Device);
        let shows = profile == Profile::Device;
        let mut posture = Posture::default();
        for name in ClaimName::ALL {
            let chosen = class(Variable::Claim(*name)).and_then(|class| domain.claim(*name).get(class)?.clone());
            if let Some(found) = chosen {
                let age = Duration::from_secs(u64::try_from(found.age).unwrap_or(0));
                let claim = Claim { value: found.value, source: found.source, observed_at: flow.at.minus(age) };
                // INVARIANT (claims): the classes of a claim are of its kind.
                let _ = posture.insert(*name, claim);
            }
        }
        let age = class(Variable::Evidence).map_or(Some(0), |class| domain.evidence.get(class).copied().flatten());
        let attested_at = age.map(|age| flow.at.minus(Duration::from_secs(u64::try_from(age).unwrap_or(0))));
        Subject {
            person: flow.asker.person.clone(),
            device: flow.asker.device.unwrap_or(DeviceId(uuid::Uuid::nil())),
            profile,
            ownership: flow.asker.ownership.unwrap_or(Ownership::Issued),
            level: flow.asker.level.unwrap_or(AssuranceLevel::L1),
            place: self.draft.place_of(flow.source).cloned(),
            posture: shows.then_some(posture),
            attested_at: attested_at.filter(|_| shows),
            approvals: Vec::new(),
        }
    }

    /// One choice of classes for which `function` answers yes.
    fn way_to_yes(&self, mut function: Ref) -> Vec<(u16, usize)> {
        let mut path = Vec::new();
        while let Some((variable, children)) = self.survey.builder.diagrams.first(function) {
            // INVARIANT (diagrams): every node leads to some other answer than no.
            let Some(class) = children.iter().rposition(|child| *child != NO) else { break };
            path.push((variable, class));
            function = children.get(class).copied().unwrap_or(NO);
        }
        path
    }
}

/// Every system that has a say in a flow, as admission finds them.
fn resources(bundle: &Bundle, flow: &Flow) -> Vec<ResourceId> {
    let mut resources: Vec<ResourceId> = bundle.named(&flow.target).into_iter().cloned().collect();
    if let Some(address) = flow.address {
        for id in bundle.containing(address, flow.target.port, flow.target.transport) {
            if !resources.contains(id) {
                resources.push(id.clone());
            }
        }
    }
    resources
}
