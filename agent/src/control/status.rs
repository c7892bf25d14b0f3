//! What `hitotsu status` shows.

use hitotsu_model::code::Code;
use hitotsu_model::control::Problem;
use hitotsu_model::identity::AssuranceLevel;
use hitotsu_model::ids::{DeviceId, OrgId, PersonId, PlaceId};
use hitotsu_model::time::Timestamp;
use hitotsu_tunnel::server::TransportKind;
use serde::{Deserialize, Serialize};

use super::Answerer;
use crate::capture::Listening;
use crate::session::{Event, FlowSums, OpenFlow, Phase, Tunnel};

/// Most open flows that are listed one by one; the sums count all.
const FLOWS_SHOWN_MAX: usize = 100;

/// How things are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The agent's version.
    pub version: String,
    /// When it began.
    pub started: Timestamp,
    /// This computer's clock now.
    pub now: Timestamp,
    /// The organisation.
    pub org: OrgId,
    /// This device.
    pub device: DeviceId,
    /// The person bound to it, as far as the catalogue told.
    pub person: Option<PersonId>,
    /// The place that the gateway sees, as far as the catalogue told.
    pub place: Option<PlaceId>,
    /// The gateway that is dialled, `host:port`.
    pub gateway: String,
    /// The tunnel.
    pub connection: ConnectionStatus,
    /// Sums over the flows.
    pub flows: FlowSums,
    /// The oldest open flows.
    pub open: Vec<OpenFlow>,
    /// The last refusals and cuts, newest first.
    pub recent: Vec<Event>,
    /// Where the fronts listen.
    pub listening: Listening,
}

/// The tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ConnectionStatus {
    /// Attested and ready.
    Connected {
        /// `h3`, `h2` or `h1`.
        transport: String,
        /// Since when.
        since: Timestamp,
        /// The gateway drains, and the next tunnel is being dialled.
        leaving: bool,
        /// The last statement that was believed.
        attested: Option<AttestedStatus>,
    },
    /// Being dialled.
    Connecting {
        /// Why the last attempt failed.
        failure: Option<FailureStatus>,
    },
    /// The gateway does not want this device.
    Refused {
        /// Why.
        problem: Problem,
    },
}

/// A statement that was believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestedStatus {
    /// When.
    pub at: Timestamp,
    /// The level that the gateway gives.
    pub level: AssuranceLevel,
    /// What is wrong now, in words.
    pub findings: Vec<Problem>,
    /// Statements that were believed on this tunnel.
    pub count: u64,
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureStatus {
    /// For the user.
    pub problem: Problem,
    /// For the operator.
    pub detail: String,
}

/// Looks around.
pub(super) fn status(answerer: &Answerer) -> Status {
    let session = &answerer.session;
    let catalogue = session.catalogue().borrow().clone();
    let mut open = session.flows().open();
    open.truncate(FLOWS_SHOWN_MAX);
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: answerer.started,
        now: crate::clock::now(),
        org: answerer.org.clone(),
        device: answerer.device,
        person: catalogue.as_ref().and_then(|catalogue| catalogue.person.clone()),
        place: catalogue.as_ref().and_then(|catalogue| catalogue.place.clone()),
        gateway: session.gateway().to_string(),
        connection: connection(answerer),
        flows: session.flows().sums(),
        open,
        recent: session.flows().recent(),
        listening: answerer.listening.as_ref().clone(),
    }
}

fn connection(answerer: &Answerer) -> ConnectionStatus {
    let failure = || {
        let failure = answerer.session.last_failure()?;
        Some(FailureStatus { problem: failure.problem, detail: failure.detail })
    };
    match &*answerer.session.phase().borrow() {
        Phase::Up(tunnel) if tunnel.abandoned.is_cancelled() => ConnectionStatus::Connecting { failure: failure() },
        Phase::Up(tunnel) => connected(tunnel, |code| answerer.session.problem(code)),
        Phase::Refused(problem) => ConnectionStatus::Refused { problem: problem.as_ref().clone() },
        Phase::Down(_) | Phase::Stopped => ConnectionStatus::Connecting { failure: failure() },
    }
}

fn connected(tunnel: &Tunnel, problem: impl Fn(Code) -> Problem) -> ConnectionStatus {
    let attested = tunnel.attested.borrow().as_ref().map(|attested| AttestedStatus {
        at: attested.at,
        level: attested.level,
        findings: attested.findings.iter().map(|code| problem(*code)).collect(),
        count: attested.count,
    });
    let transport = match tunnel.connection.transport() {
        TransportKind::H3 => "h3",
        TransportKind::H2 => "h2",
        TransportKind::H1 => "h1",
    };
    ConnectionStatus::Connected {
        transport: transport.to_owned(),
        since: tunnel.since,
        leaving: !tunnel.takes_flows(),
        attested,
    }
}
