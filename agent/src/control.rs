//! Local control: how commands talk to the running agent. One JSON object a line each way, over a Unix socket that
//! only its owner may open.

#[cfg(unix)]
#[path = "control/unix.rs"]
mod here;
#[cfg(not(unix))]
#[path = "control/other.rs"]
mod here;
mod status;

use std::io;
use std::sync::Arc;

use hitotsu_model::code::Code;
use hitotsu_model::control::{Catalogue, Problem, ProtocolVersion, WhyResponse};
use hitotsu_model::ids::{DeviceId, OrgId};
use hitotsu_model::resource::Target;
use hitotsu_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::capture::Listening;
use crate::route::{HostPattern, covers};
use crate::session::{Phase, RequestFailure, SessionHandle};

pub use here::{Server, ask};
pub use status::{AttestedStatus, ConnectionStatus, FailureStatus, Status};

/// Name of the socket in the state directory.
pub const SOCKET_FILE: &str = "control.sock";

/// What a command asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// How things are.
    Status,
    /// What may be reached.
    Catalogue,
    /// Whether a target would open.
    Why {
        /// The target.
        target: Target,
    },
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Ask::Status`].
    Status(Box<Status>),
    /// To [`Ask::Catalogue`].
    Catalogue {
        /// The catalogue.
        catalogue: Catalogue,
        /// Whether it comes from the gateway, now; otherwise it is the last known one.
        fresh: bool,
    },
    /// To [`Ask::Why`].
    Why {
        /// The answer.
        why: WhyResponse,
        /// Whether it comes from the gateway, now; otherwise it follows from the last known catalogue.
        fresh: bool,
    },
    /// It cannot be answered.
    Problem(Problem),
}

/// Why a command got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No agent runs with this state directory.
    #[error("the agent is not running; start it with `hitotsu run`")]
    NotRunning,
    /// Another one does already.
    #[error("another agent already runs with this state directory; stop it first")]
    AlreadyRunning,
    /// This platform has no local control yet.
    #[error("local control is not available on this system yet")]
    NotYet,
    /// The path is too long for a socket.
    #[error("the path `{0}` is too long for a socket; choose a shorter state directory")]
    PathTooLong(String),
    /// The socket failed.
    #[error("local control failed: {0}")]
    Io(#[from] io::Error),
    /// The agent is of another version.
    #[error("the running agent is of another version; restart it ({0})")]
    OtherVersion(String),
}

/// What local control needs to answer.
#[derive(Debug, Clone)]
pub struct Answerer {
    /// The session.
    pub session: SessionHandle,
    /// Where the fronts listen.
    pub listening: Arc<Listening>,
    /// The organisation.
    pub org: OrgId,
    /// This device.
    pub device: DeviceId,
    /// When the agent began.
    pub started: Timestamp,
}

impl Answerer {
    /// Answers one question.
    pub async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Status => Answer::Status(Box::new(status::status(self))),
            Ask::Catalogue => self.catalogue().await,
            Ask::Why { target } => self.why(target).await,
        }
    }

    async fn catalogue(&self) -> Answer {
        if self.is_up()
            && let Ok(catalogue) = self.session.fetch_catalogue().await
        {
            return Answer::Catalogue { catalogue: catalogue.as_ref().clone(), fresh: true };
        }
        let known = self.session.catalogue().borrow().clone();
        match known {
            Some(catalogue) => Answer::Catalogue { catalogue: catalogue.as_ref().clone(), fresh: false },
            None => Answer::Problem(self.why_down()),
        }
    }

    async fn why(&self, target: Target) -> Answer {
        if self.is_up() {
            match self.session.why(&target).await {
                Ok(why) => return Answer::Why { why, fresh: true },
                Err(RequestFailure::Problem(problem)) if problem.code != Code::GatewayUnreachable => {
                    return Answer::Problem(*problem);
                }
                Err(error) => tracing::info!(%error, "the gateway did not say why"),
            }
        }
        let known = self.session.catalogue().borrow().clone();
        match known {
            Some(catalogue) => Answer::Why { why: from_catalogue(&catalogue, target, &self.session), fresh: false },
            None => Answer::Problem(self.why_down()),
        }
    }

    fn is_up(&self) -> bool {
        matches!(&*self.session.phase().borrow(), Phase::Up(tunnel) if tunnel.takes_flows())
    }

    fn why_down(&self) -> Problem {
        match &*self.session.phase().borrow() {
            Phase::Down(Some(failure)) => failure.problem.clone(),
            Phase::Refused(problem) => problem.as_ref().clone(),
            Phase::Down(None) | Phase::Up(_) | Phase::Stopped => self.session.problem(Code::GatewayUnreachable),
        }
    }
}

/// What the last known catalogue says about a target. Without a tunnel nothing opens, and that is said first.
fn from_catalogue(catalogue: &Catalogue, target: Target, session: &SessionHandle) -> WhyResponse {
    let leads_to = |host: &String| host.parse::<HostPattern>().is_ok_and(|pattern| pattern.matches(&target.host));
    let entries: Vec<_> = catalogue
        .entries
        .iter()
        .filter(|entry| covers(&entry.ports, &target) && entry.hosts.iter().any(leads_to))
        .collect();
    let mut problems = vec![session.problem(Code::GatewayUnreachable)];
    if entries.is_empty() {
        problems.push(session.problem(Code::NotPermitted));
    }
    problems.extend(entries.iter().flat_map(|entry| entry.problems.iter().cloned()));
    WhyResponse {
        version: ProtocolVersion::CURRENT,
        target,
        allowed: false,
        rules: Vec::new(),
        problems,
        valid_until: crate::clock::now(),
    }
}
