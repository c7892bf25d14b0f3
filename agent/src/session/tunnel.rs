//! One connection to the gateway and what is known about it.

use std::sync::Arc;

use hitotsu_model::code::Code;
use hitotsu_model::control::Problem;
use hitotsu_model::identity::AssuranceLevel;
use hitotsu_model::time::Timestamp;
use hitotsu_tunnel::client::ClientConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::flows::TunnelNumber;

/// What the session has at this moment.
#[derive(Debug, Clone)]
pub enum Phase {
    /// No tunnel; it is being dialled or attested. With the reason why the last attempt failed.
    Down(Option<Failure>),
    /// A tunnel whose evidence was believed. It may be [`Tunnel::leaving`] while the next one is dialled.
    Up(Arc<Tunnel>),
    /// The gateway answers, and does not want this device. It is asked again from time to time.
    Refused(Box<Problem>),
    /// The session was dropped.
    Stopped,
}

/// Why there is no tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For the user.
    pub problem: Problem,
    /// For the operator: what the network or TLS said.
    pub detail: String,
}

/// What the gateway answered to the last statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// When, by this computer's clock.
    pub at: Timestamp,
    /// The level that it gave.
    pub level: AssuranceLevel,
    /// What is wrong now.
    pub findings: Vec<Code>,
    /// How many statements of this tunnel were believed.
    pub count: u64,
}

/// A connection with its state.
#[derive(Debug)]
pub struct Tunnel {
    /// Unique in this process.
    pub number: TunnelNumber,
    /// The connection.
    pub connection: ClientConnection,
    /// When it was dialled.
    pub since: Timestamp,
    /// Takes no new flows: the gateway drains, or the connection ended.
    pub leaving: CancellationToken,
    /// Answers nothing: what waits for an answer on it asks again on the next one.
    pub abandoned: CancellationToken,
    /// The last answer to a statement.
    pub attested: watch::Sender<Option<Attested>>,
}

impl Tunnel {
    /// A connection that was just dialled.
    #[must_use]
    pub fn new(number: TunnelNumber, connection: ClientConnection, since: Timestamp) -> Self {
        let (attested, _) = watch::channel(None);
        Self {
            number,
            connection,
            since,
            leaving: CancellationToken::new(),
            abandoned: CancellationToken::new(),
            attested,
        }
    }

    /// Whether new flows may be opened on it.
    #[must_use]
    pub fn takes_flows(&self) -> bool {
        !self.leaving.is_cancelled()
    }

    /// Nothing on it will be answered any more.
    pub fn abandon(&self) {
        self.leaving.cancel();
        self.abandoned.cancel();
    }
}
