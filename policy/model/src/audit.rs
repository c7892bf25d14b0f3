//! What the audit log records. Ids only: no person's name, no mail address, no content.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::identity::{Ownership, Profile};
use crate::ids::{DeviceId, FlowId, PersonId, PlaceId, ResourceId, RuleId, Serial, SessionId};
use crate::resource::Target;
use crate::time::Timestamp;

/// One record as the log keeps it; the log adds position and hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// When, by the gateway's clock.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: AuditEvent,
}

/// When a record must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// The kernel has it before we go on: it survives our death.
    Safe,
    /// It is on the disk before we go on: it survives a power loss.
    Durable,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum AuditEvent {
    /// The gateway began to serve. Intents that its last run left open are closed by this.
    GatewayStarted {
        /// Version of the program.
        version: String,
        /// Flows of the last run whose end was never recorded.
        closed_intents: Vec<FlowId>,
    },
    /// The gateway stopped in order.
    GatewayStopped,
    /// A device connected.
    SessionOpened {
        /// The session.
        session: SessionId,
        /// The device.
        device: DeviceId,
        /// The person bound to it.
        person: Option<PersonId>,
        /// Its certificate.
        serial: Serial,
        /// Its certificate's kind.
        profile: Profile,
        /// Where the connection came from.
        source: IpAddr,
        /// The place that this address is in.
        place: Option<PlaceId>,
        /// `h3`, `h2` or `h1`.
        transport: String,
    },
    /// A connection was refused after its handshake.
    SessionRefused {
        /// The device that its certificate names.
        device: DeviceId,
        /// Its certificate.
        serial: Serial,
        /// Where it came from.
        source: IpAddr,
        /// Why.
        code: Code,
    },
    /// A session ended.
    SessionClosed {
        /// The session.
        session: SessionId,
        /// Why, where there is more to say than that the device left.
        code: Option<Code>,
    },
    /// Evidence was believed or refused.
    Evidence {
        /// The session.
        session: SessionId,
        /// Why it was refused; absent when it was believed.
        refused: Option<Code>,
        /// What is wrong with the device's state.
        findings: Vec<Code>,
    },
    /// A flow was admitted: written before the dial.
    FlowIntent {
        /// The flow.
        flow: FlowId,
        /// Its session.
        session: SessionId,
        /// What was asked for.
        target: Target,
        /// The address that was admitted.
        address: IpAddr,
        /// The system.
        resource: ResourceId,
        /// The deciding rules.
        rules: Vec<RuleId>,
        /// Version of the policy bundle.
        bundle: String,
    },
    /// A flow was refused.
    FlowDenied {
        /// The flow.
        flow: FlowId,
        /// Its session.
        session: SessionId,
        /// What was asked for.
        target: Target,
        /// Why.
        codes: Vec<Code>,
        /// The deciding rules.
        rules: Vec<RuleId>,
        /// Version of the policy bundle.
        bundle: String,
    },
    /// An admitted flow ended: the outcome that belongs to a `flow-intent`.
    FlowClosed {
        /// The flow.
        flow: FlowId,
        /// Bytes from the device to the system.
        bytes_up: u64,
        /// Bytes from the system to the device.
        bytes_down: u64,
        /// How it ended.
        end: FlowEnd,
    },
    /// An enrolment code was made.
    EnrolCodeMade {
        /// Id of the code, not its secret.
        code_id: String,
        /// Who may use it.
        person: Option<PersonId>,
        /// For what kind of machine.
        ownership: Ownership,
        /// Until when.
        expires_at: Timestamp,
    },
    /// A device enrolled.
    DeviceEnrolled {
        /// The device.
        device: DeviceId,
        /// The person bound to it.
        person: Option<PersonId>,
        /// For what kind of machine.
        ownership: Ownership,
        /// Id of the code.
        code_id: String,
    },
    /// An enrolment was refused.
    EnrolRefused {
        /// Where it came from.
        source: IpAddr,
        /// Why.
        code: Code,
    },
    /// A certificate was issued.
    CertificateIssued {
        /// The certificate.
        serial: Serial,
        /// Its kind.
        profile: Profile,
        /// Its holder.
        holder: DeviceId,
        /// Its end.
        not_after: Timestamp,
    },
    /// An issuing authority was given a new key and certificate.
    AuthorityIssued {
        /// Which: `devices`, `gateways` or `staff`.
        kind: String,
        /// Its certificate.
        serial: Serial,
        /// Its end.
        not_after: Timestamp,
    },
    /// A certificate was revoked.
    CertificateRevoked {
        /// The certificate.
        serial: Serial,
        /// The reason (RFC 5280 §5.3.1 name).
        reason: String,
    },
    /// A device was revoked.
    DeviceRevoked {
        /// The device.
        device: DeviceId,
        /// The reason, in the words of who did it.
        reason: String,
    },
    /// A policy bundle took effect.
    PolicyLoaded {
        /// Its version.
        bundle: String,
        /// The version before it.
        before: Option<String>,
    },
    /// A policy bundle was refused; the one before stays.
    PolicyRefused {
        /// How many errors it has.
        errors: u32,
    },
    /// Rules could not be evaluated; what they touch was refused.
    PolicyFailed {
        /// The rules.
        rules: Vec<RuleId>,
    },
    /// Records that nobody waited for came faster than the disk takes them, and some are missing here.
    RecordsDropped {
        /// How many.
        count: u64,
    },
}

/// How an admitted flow ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum FlowEnd {
    /// Both ends finished.
    Finished,
    /// The device reset it.
    ResetByDevice,
    /// The system reset it.
    ResetBySystem,
    /// The connection to the system could not be made.
    NotConnected {
        /// Why.
        code: Code,
    },
    /// The gateway cut it.
    Cut {
        /// Why.
        code: Code,
    },
    /// The session ended under it.
    SessionEnded,
    /// Nothing passed for too long (UDP).
    Idle,
    /// The gateway died; closed by the next start.
    Orphaned,
}
