//! From a finished handshake to an admitted flow, in proof types.
//!
//! ```text
//! Handshaken -> identify -> Identified | Refused
//!               evidence -> Evidence (attested, or agentless for a relay certificate)
//!               name     -> NamePermitted   may this person ask for this name at all? Before any resolving.
//!               upstream::resolve -> Resolved
//!               admit    -> Admitted        its audit record is safe; durable for tier 1
//! ```
//!
//! Each type has a private field and one constructor, so holding one proves that the checks before it were made. Only
//! `upstream::connect` opens sockets, and it takes an [`Admitted`] by value.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hitotsu_model::audit::{AuditEvent, AuditRecord, Durability};
use hitotsu_model::code::Code;
use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, PersonId, PlaceId, ResourceId, RuleId, Serial};
use hitotsu_model::resource::{Target, Tier};
use hitotsu_model::time::Timestamp;
use hitotsu_pki::peer::{PeerFault, PeerIdentity, verify_peer};
use hitotsu_policy::bundle::Bundle;
use rustls_pki_types::CertificateDer;

use crate::audit::OpenIntent;
use crate::denied::Denied;
use crate::gateway::Gateway;
use crate::registry::Registry;
use crate::session::{AdmittedTo, LiveFlow, Session};
use crate::upstream::Resolved;

/// What a connection turned out to be.
#[derive(Debug)]
pub enum Identity {
    /// A device of ours, in good standing.
    Identified(Identified),
    /// Of ours, but not to be served: it is told why and nothing else.
    Refused(Refused),
}

/// Proof that, after this handshake: the chain leads to our root by every rule of ours, its time is now, and neither
/// certificate nor device is revoked or unknown.
#[derive(Debug, Clone)]
pub struct Identified {
    peer: PeerIdentity,
    person: Option<PersonId>,
    ownership: Ownership,
    level: AssuranceLevel,
    place: Option<PlaceId>,
    source: IpAddr,
}

impl Identified {
    /// What the certificate says.
    #[must_use]
    pub fn peer(&self) -> &PeerIdentity {
        &self.peer
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.peer.name.id
    }

    /// The certificate's kind.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.peer.name.profile
    }

    /// The person bound to the device.
    #[must_use]
    pub fn person(&self) -> Option<&PersonId> {
        self.person.as_ref()
    }

    /// Whose the device is.
    #[must_use]
    pub fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// How sure we are which machine it is.
    #[must_use]
    pub fn level(&self) -> AssuranceLevel {
        self.level
    }

    /// The place of the handshake's path.
    #[must_use]
    pub fn place(&self) -> Option<&PlaceId> {
        self.place.as_ref()
    }

    /// The address of the handshake's path.
    #[must_use]
    pub fn source(&self) -> IpAddr {
        self.source
    }
}

/// Why a connection is not served.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The reason that its user is told.
    pub code: Code,
    /// The device and certificate that it named, where the chain is ours.
    pub named: Option<(DeviceId, Serial)>,
}

/// Verifies a peer after its handshake: chain, time, revocation, device record. Resumed handshakes come here too, for
/// TLS itself checks a client's certificate only in full ones.
#[must_use]
pub fn identify(
    chain: &[CertificateDer<'_>],
    source: IpAddr,
    gateway: &Gateway,
    bundle: &Bundle,
    now: Timestamp,
) -> Identity {
    let refused = |code, peer: Option<&PeerIdentity>| {
        Identity::Refused(Refused { code, named: peer.map(|peer| (peer.name.id, peer.serial.clone())) })
    };
    let peer = match verify_peer(chain, &gateway.trust, now) {
        Ok(peer) => peer,
        Err(PeerFault::Expired(peer)) => return refused(Code::CertificateExpired, Some(&peer)),
        Err(PeerFault::NotYetValid(peer)) => return refused(Code::CertificateNotYetValid, Some(&peer)),
        Err(PeerFault::Untrusted { .. } | PeerFault::Unfit { .. }) => return refused(Code::CertificateUnfit, None),
    };
    match standing(&peer, &gateway.registry) {
        Ok(standing) => Identity::Identified(Identified {
            person: standing.person,
            ownership: standing.ownership,
            level: standing.level,
            place: bundle.place_of(source).cloned(),
            source,
            peer,
        }),
        Err(code) => refused(code, Some(&peer)),
    }
}

struct Standing {
    person: Option<PersonId>,
    ownership: Ownership,
    level: AssuranceLevel,
}

/// Whether the certificate and its device are in good standing now, and whose the device is.
fn standing(peer: &PeerIdentity, registry: &Registry) -> Result<Standing, Code> {
    let snapshot = registry.snapshot();
    if snapshot.is_revoked(&peer.serial) {
        return Err(Code::CertificateRevoked);
    }
    match peer.name.profile {
        Profile::Device | Profile::Relay => {}
        Profile::Gateway | Profile::Staff => return Err(Code::CertificateUnfit),
    }
    let record = snapshot.device(&peer.name.id).ok_or(Code::DeviceUnknown)?;
    if record.profile != peer.name.profile {
        return Err(Code::CertificateUnfit);
    }
    if record.revoked.is_some() {
        return Err(Code::DeviceRevoked);
    }
    Ok(Standing { person: record.person.clone(), ownership: record.ownership, level: record.level })
}

/// Whether a session's certificate and device are still in good standing.
///
/// # Errors
/// The code with which the session must end.
pub fn still_standing(session: &Session, registry: &Registry, now: Timestamp) -> Result<(), Code> {
    let peer = session.identity.peer();
    if now >= peer.not_after {
        return Err(Code::CertificateExpired);
    }
    standing(peer, registry).map(|_| ())
}

/// Proof that a session may be asked about at all: it has fresh evidence, or its certificate needs none.
#[derive(Debug)]
pub struct Evidence<'s> {
    session: &'s Session,
}

/// Checks that the session's evidence is there and fresh.
///
/// # Errors
/// [`Code::EvidenceMissing`] or [`Code::EvidenceStale`].
pub fn evidence<'s>(session: &'s Session, bundle: &Bundle, at: Instant) -> Result<Evidence<'s>, Denied> {
    match session.identity.profile() {
        Profile::Relay => Ok(Evidence { session }),
        Profile::Device => {
            let believed = session.believed().ok_or_else(|| Denied::new(Code::EvidenceMissing))?;
            if at.saturating_duration_since(believed.at) > bundle.evidence_max_age() {
                return Err(Denied::new(Code::EvidenceStale));
            }
            Ok(Evidence { session })
        }
        Profile::Gateway | Profile::Staff => Err(Denied::new(Code::CertificateUnfit)),
    }
}

/// What the rules say of a set of resources, all of which must be permitted.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The deciding rules, without repetition.
    pub rules: Vec<RuleId>,
    /// Ask again no later than this.
    pub expires_at: Timestamp,
}

/// Asks the rules about every one of `resources`; the first refusal refuses the whole. No resource is a refusal.
///
/// # Errors
/// The refusal.
pub fn judge(
    evidence: &Evidence<'_>,
    gateway: &Gateway,
    bundle: &Bundle,
    resources: &[ResourceId],
    now: Timestamp,
) -> Result<Verdict, Denied> {
    if resources.is_empty() {
        return Err(Denied::new(Code::NotPermitted));
    }
    let session = evidence.session;
    let prepared = session.subject(bundle, now);
    let mut verdict = Verdict { rules: Vec::new(), expires_at: Timestamp::MAX };
    for resource in resources {
        let decision = session.with_memo(|memo| memo.decide(bundle, &prepared.subject, resource, now));
        if !decision.errors.is_empty() {
            gateway.policy_failed(&decision.errors);
        }
        if !decision.allowed {
            return Err(Denied::by_policy(&decision.codes, decision.claim, decision.rules));
        }
        verdict.expires_at = verdict.expires_at.min(decision.expires_at);
        for rule in decision.rules {
            if !verdict.rules.contains(&rule) {
                verdict.rules.push(rule);
            }
        }
    }
    Ok(verdict)
}

/// Proof that this session may ask for this name: every resource that the name selects is permitted.
#[derive(Debug)]
pub struct NamePermitted {
    target: Target,
    resources: Vec<ResourceId>,
}

impl NamePermitted {
    /// What was asked for.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The resources that the name selects.
    #[must_use]
    pub fn resources(&self) -> &[ResourceId] {
        &self.resources
    }
}

/// Whether this session may ask for this name. Nothing is resolved before, so the answer tells nothing of what exists,
/// and no question leaves the gateway for those who may not ask it.
///
/// # Errors
/// The refusal. Unknown and forbidden names answer alike.
pub fn name(
    evidence: &Evidence<'_>,
    gateway: &Gateway,
    bundle: &Bundle,
    target: &Target,
    now: Timestamp,
) -> Result<NamePermitted, Denied> {
    let resources: Vec<ResourceId> = bundle.named(target).into_iter().cloned().collect();
    judge(evidence, gateway, bundle, &resources, now)?;
    Ok(NamePermitted { target: target.clone(), resources })
}

/// Proof that a flow was admitted to one address, that its intent is in the audit log, and that it is registered, so
/// that a later change finds and cuts it.
#[derive(Debug)]
pub struct Admitted {
    flow: Arc<LiveFlow>,
    address: IpAddr,
    intent: OpenIntent,
    generation: u64,
    oversize_as_capsule: bool,
}

impl Admitted {
    /// The flow.
    #[must_use]
    pub fn flow(&self) -> &Arc<LiveFlow> {
        &self.flow
    }

    /// The one address that may be dialled.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The generation of the inputs that the decision was made from.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a datagram that does not fit may travel as a capsule, by choice of the resource.
    #[must_use]
    pub fn oversize_as_capsule(&self) -> bool {
        self.oversize_as_capsule
    }

    /// Hands over the open audit intent, for the outcome.
    pub fn into_intent(self) -> OpenIntent {
        self.intent
    }
}

/// Admits a registered flow to one resolved address: the decision must hold for **every** resource that contains the
/// address and port, besides those that the name selected. Writes the audit intent before it returns.
///
/// # Errors
/// The refusal; [`Code::AuditUnavailable`] if the intent cannot be written.
pub async fn admit(
    evidence: &Evidence<'_>,
    gateway: &Gateway,
    resolved: &Resolved,
    address: IpAddr,
    flow: &Arc<LiveFlow>,
    now: Timestamp,
) -> Result<Admitted, Denied> {
    let generation = gateway.generation();
    let bundle = gateway.bundle();
    let target = resolved.target();
    if !resolved.addresses().contains(&address) {
        return Err(Denied::new(Code::AddressNotPermitted));
    }
    // INVARIANT (question before answer): a sweep that comes after the inputs were read finds the question here.
    let asked = AdmittedTo { address, named: resolved.resources().to_vec(), resources: Vec::new() };
    flow.admit_to(asked.clone());
    let (resources, verdict) = readmit(evidence, gateway, &bundle, target, &asked, now)?;
    let tier1 = resources.iter().filter_map(|id| bundle.resource(id)).any(|resource| resource.tier == Tier::Tier1);
    let durability = if tier1 { Durability::Durable } else { Durability::Safe };
    let oversize_as_capsule =
        resources.iter().filter_map(|id| bundle.resource(id)).any(|resource| resource.oversize_as_capsule);
    let Some(first) = resources.first().cloned() else {
        return Err(Denied::new(Code::NotPermitted));
    };
    let zone = bundle.tiers_apart().then(|| Zone::of(&bundle, &resources));
    flow.admit_to(AdmittedTo { resources, ..asked });
    // INVARIANT (each after its own): of two flows that are admitted at once, one finds the other.
    if zone.is_some_and(|zone| zone.is_beside_its_opposite(evidence.session, gateway, &bundle, flow)) {
        return Err(Denied::new(Code::TiersTogether));
    }
    gateway.expires_at(verdict.expires_at);
    let record = AuditRecord {
        at: now,
        event: AuditEvent::FlowIntent {
            flow: flow.id,
            session: evidence.session.id,
            target: target.clone(),
            address,
            resource: first,
            rules: verdict.rules,
            bundle: bundle.version().to_owned(),
        },
    };
    let intent =
        gateway.audit.begin(flow.id, record, durability).await.map_err(|_| Denied::new(Code::AuditUnavailable))?;
    Ok(Admitted { flow: flow.clone(), address, intent, generation, oversize_as_capsule })
}

/// On which side of the separation of tiers a flow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    /// It reaches a system of tier 1.
    MyNumber,
    /// It reaches systems of tier 3, and none of tier 1.
    Internet,
    /// Neither.
    Between,
}

impl Zone {
    fn of(bundle: &Bundle, resources: &[ResourceId]) -> Self {
        let has = |tier: Tier| resources.iter().any(|id| bundle.resource(id).is_some_and(|found| found.tier == tier));
        if has(Tier::Tier1) {
            Self::MyNumber
        } else if has(Tier::Tier3) {
            Self::Internet
        } else {
            Self::Between
        }
    }

    /// Whether another flow of the same device stands on the other side.
    fn is_beside_its_opposite(self, session: &Session, gateway: &Gateway, bundle: &Bundle, flow: &LiveFlow) -> bool {
        let opposite = match self {
            Self::MyNumber => Self::Internet,
            Self::Internet => Self::MyNumber,
            Self::Between => return false,
        };
        let sessions = gateway.live.sessions_of(session.identity.device());
        let others = sessions.iter().flat_map(|session| session.flows()).filter(|other| other.id != flow.id);
        others.filter_map(|other| other.admitted_to()).any(|admitted| {
            let asked = if admitted.resources.is_empty() { &admitted.named } else { &admitted.resources };
            Self::of(bundle, asked) == opposite
        })
    }
}

/// Decides about an address from nothing but the inputs of now: every resource that the name selects, selected when it
/// was asked for, or that contains the address, must permit it, and the address must still be theirs.
///
/// # Errors
/// The refusal.
pub fn readmit(
    evidence: &Evidence<'_>,
    gateway: &Gateway,
    bundle: &Bundle,
    target: &Target,
    asked: &AdmittedTo,
    now: Timestamp,
) -> Result<(Vec<ResourceId>, Verdict), Denied> {
    still_standing(evidence.session, &gateway.registry, now).map_err(Denied::new)?;
    let mut named = asked.named.clone();
    for id in bundle.named(target) {
        if !named.contains(id) {
            named.push(id.clone());
        }
    }
    let resources = resources_at(bundle, &named, target, asked.address);
    let verdict = judge(evidence, gateway, bundle, &resources, now)?;
    let theirs = named.iter().all(|id| bundle.resource(id).is_some_and(|resource| resource.may_have(asked.address)));
    if !theirs || !gateway.may_dial(bundle, &resources, asked.address, target.port) {
        return Err(Denied::new(Code::AddressNotPermitted));
    }
    Ok((resources, verdict))
}

/// The resources that the name selected and every other one that contains the address and port.
fn resources_at(bundle: &Bundle, named: &[ResourceId], target: &Target, address: IpAddr) -> Vec<ResourceId> {
    let mut resources = named.to_vec();
    for id in bundle.containing(address, target.port, target.transport) {
        if !resources.contains(id) {
            resources.push(id.clone());
        }
    }
    resources
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Who a test's session is, without a handshake.
    pub(crate) fn identified(place: Option<&str>) -> Identified {
        let name = hitotsu_model::identity::HolderName {
            org: "test.example".parse().unwrap(),
            profile: Profile::Device,
            id: DeviceId(uuid::Uuid::nil()),
        };
        let serial: Serial = "01".parse().unwrap();
        let peer = PeerIdentity {
            name,
            authority: serial.clone(),
            serial,
            not_before: Timestamp(0),
            not_after: Timestamp::MAX,
            spki: Vec::new(),
            spki_sha256: [0; 32],
        };
        Identified {
            peer,
            person: Some("p-1".parse().unwrap()),
            ownership: Ownership::Issued,
            level: AssuranceLevel::L1,
            place: place.map(|place| place.parse().unwrap()),
            source: IpAddr::from([192, 0, 2, 1]),
        }
    }

    #[test]
    fn a_name_that_selects_nothing_still_counts_every_system_at_the_address() {
        let bundle = hitotsu_policy::sample::sample(&hitotsu_policy::sample::SampleSettings {
            org: "test.example".parse().unwrap(),
            demo: None,
            firewall_for_tier3: true,
        });
        let bundle = Bundle::compile(&bundle).unwrap();
        let target = Target::parse("chat.city.internal:443", hitotsu_model::resource::Transport::Tcp).unwrap();
        let named: Vec<ResourceId> = bundle.named(&target).into_iter().cloned().collect();
        assert_eq!(named.len(), 1);
        let address = IpAddr::from([10, 10, 1, 7]);
        assert_eq!(resources_at(&bundle, &named, &target, address), named, "no system is counted twice");
        assert_eq!(resources_at(&bundle, &[], &target, address), named, "the address alone selects it too");
    }
}
