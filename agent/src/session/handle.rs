//! What fronts and local control ask of the session.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use hitotsu_model::code::Code;
use hitotsu_model::control::{Catalogue, Problem, ProtocolVersion, WhyRequest, WhyResponse};
use hitotsu_model::message::Messages;
use hitotsu_model::resource::Target;
use hitotsu_tunnel::client::{ClientConnection, ClientFlow, PendingOpen};
use hitotsu_tunnel::datagram::{UdpFlow, UdpOptions};
use hitotsu_tunnel::fault::{FlowError, OpenError, Refusal};
use hitotsu_tunnel::flow::{FlowRecv, FlowSend};
use http::{HeaderMap, HeaderValue};
use tokio::sync::{mpsc, watch};

use super::flows::{FlowTicket, Flows};
use super::requests::{self, RequestFailure};
use super::tunnel::{Failure, Phase, Tunnel};
use super::{Nudge, SessionConfig, Timing};
use crate::config::GatewayAddress;
use crate::limits::OPEN_ANSWER_TIME_MAX;

/// Tunnels on which one flow is asked for before it is given up: the one that drained, and its successor twice.
const OPEN_ATTEMPTS_MAX: usize = 3;

/// What the supervisor, the keepers and the handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) messages: Arc<Messages>,
    pub(crate) timing: Timing,
    pub(crate) flows: Flows,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) catalogue: watch::Sender<Option<Arc<Catalogue>>>,
    pub(crate) waiting: AtomicU64,
    pub(crate) gateway: GatewayAddress,
    last_failure: RwLock<Option<Failure>>,
    nudges: mpsc::Sender<Nudge>,
}

impl Shared {
    pub(crate) fn new(
        config: &SessionConfig,
        phase: watch::Sender<Phase>,
        catalogue: watch::Sender<Option<Arc<Catalogue>>>,
        nudges: mpsc::Sender<Nudge>,
    ) -> Self {
        Self {
            messages: Arc::clone(&config.messages),
            timing: config.timing,
            flows: Flows::default(),
            phase,
            catalogue,
            waiting: AtomicU64::new(0),
            gateway: config.link.gateway().clone(),
            last_failure: RwLock::new(None),
            nudges,
        }
    }

    pub(crate) fn problem(&self, code: Code) -> Problem {
        Problem::new(code, &self.messages)
    }

    pub(crate) fn note_failure(&self, failure: Option<Failure>) {
        *self.last_failure.write().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    pub(crate) async fn fetch_catalogue(
        &self,
        connection: &ClientConnection,
    ) -> Result<Arc<Catalogue>, RequestFailure> {
        let catalogue: Catalogue = requests::get(connection, "catalogue", self.messages.language()).await?;
        let catalogue = Arc::new(catalogue);
        self.catalogue.send_if_modified(|known| {
            let new = known.as_ref() != Some(&catalogue);
            *known = Some(Arc::clone(&catalogue));
            new
        });
        Ok(catalogue)
    }

    fn nudge(&self, nudge: Nudge) {
        // A full queue means that the supervisor is about to look anyway.
        let _ = self.nudges.try_send(nudge);
    }
}

/// Counts who waits for a tunnel.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A flow or request that was refused, by the gateway or by the agent itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why, for the user.
    pub problem: Box<Problem>,
    /// What the proxies on the way said (RFC 9209), nearest to the target first; empty when the agent refused.
    pub proxy_status: Vec<HeaderValue>,
}

impl Refused {
    /// A refusal of the agent's own.
    #[must_use]
    pub fn here(problem: Problem) -> Self {
        Self { problem: Box::new(problem), proxy_status: Vec::new() }
    }
}

/// A TCP flow that the gateway accepted.
#[derive(Debug)]
pub struct TcpFlow {
    /// Towards the system.
    pub send: FlowSend,
    /// From the system.
    pub recv: FlowRecv,
    /// Its place among the open flows; to be kept as long as it lives.
    pub ticket: FlowTicket,
}

/// A TCP flow that was asked for; what is written before the answer travels with the question.
#[derive(Debug)]
pub struct PendingTcp {
    /// Towards the system.
    pub send: FlowSend,
    /// Its place among the open flows.
    pub ticket: FlowTicket,
    answer: PendingAnswer,
}

/// The answer that is still out.
#[derive(Debug)]
pub struct PendingAnswer {
    response: PendingOpen,
    tunnel: Arc<Tunnel>,
    shared: Arc<Shared>,
    target: Target,
}

/// A UDP flow that the gateway accepted.
#[derive(Debug)]
pub struct UdpFlowOpen {
    /// The datagrams.
    pub flow: UdpFlow,
    /// Its place among the open flows.
    pub ticket: FlowTicket,
}

/// What became of one attempt to open a flow.
enum Attempt<T> {
    Open(T),
    Refused(Refused),
    /// Nothing was done with it; ask on the next tunnel.
    Elsewhere,
}

/// A handle to the session. Clones are the same session.
#[derive(Debug, Clone)]
pub struct SessionHandle(Arc<Shared>);

impl SessionHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    pub(crate) fn stop(&self) {
        self.0.phase.send_replace(Phase::Stopped);
    }

    /// Opens a TCP flow and waits for the gateway's answer. A tunnel that drains or dies meanwhile is replaced without
    /// the application's noticing: nothing was written yet.
    ///
    /// # Errors
    /// [`Refused`], by the gateway or because there is no tunnel in time.
    pub async fn open_tcp(&self, target: &Target) -> Result<TcpFlow, Refused> {
        let result = self.open_tcp_quietly(target).await;
        self.note(target, result)
    }

    /// Asks for a TCP flow without waiting for the answer.
    ///
    /// # Errors
    /// [`Refused`] when there is no tunnel in time or too much is open.
    pub async fn begin_tcp(&self, target: &Target) -> Result<PendingTcp, Refused> {
        let result = self.begin_tcp_quietly(target).await;
        self.note(target, result)
    }

    /// Opens a UDP flow.
    ///
    /// # Errors
    /// As [`SessionHandle::open_tcp`].
    pub async fn open_udp(&self, target: &Target) -> Result<UdpFlowOpen, Refused> {
        let result = self.open_udp_quietly(target).await;
        self.note(target, result)
    }

    /// Asks the gateway whether `target` would open now.
    ///
    /// # Errors
    /// The gateway's problem, or that there is no tunnel.
    pub async fn why(&self, target: &Target) -> Result<WhyResponse, RequestFailure> {
        let tunnel = self.tunnel().await.map_err(|refused| RequestFailure::Problem(refused.problem))?;
        let request = WhyRequest { version: ProtocolVersion::CURRENT, target: target.clone() };
        requests::post(&tunnel.connection, "why", self.0.messages.language(), &request).await
    }

    /// Asks the gateway for the catalogue now, and remembers it.
    ///
    /// # Errors
    /// As [`SessionHandle::why`].
    pub async fn fetch_catalogue(&self) -> Result<Arc<Catalogue>, RequestFailure> {
        let tunnel = self.tunnel().await.map_err(|refused| RequestFailure::Problem(refused.problem))?;
        self.0.fetch_catalogue(&tunnel.connection).await
    }

    /// The last known catalogue, and its changes.
    #[must_use]
    pub fn catalogue(&self) -> watch::Receiver<Option<Arc<Catalogue>>> {
        self.0.catalogue.subscribe()
    }

    /// Remembers a catalogue of an earlier run, unless there is a newer one.
    pub fn seed_catalogue(&self, catalogue: Catalogue) {
        self.0.catalogue.send_if_modified(|known| {
            let unknown = known.is_none();
            if unknown {
                *known = Some(Arc::new(catalogue));
            }
            unknown
        });
    }

    /// What the session has now, and its changes.
    #[must_use]
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.0.phase.subscribe()
    }

    /// Why the last attempt to bring up a tunnel failed, if it did.
    #[must_use]
    pub fn last_failure(&self) -> Option<Failure> {
        self.0.last_failure.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The open flows.
    #[must_use]
    pub fn flows(&self) -> &Flows {
        &self.0.flows
    }

    /// The gateway that is dialled.
    #[must_use]
    pub fn gateway(&self) -> &GatewayAddress {
        &self.0.gateway
    }

    /// Sentences in the user's language.
    #[must_use]
    pub fn messages(&self) -> &Arc<Messages> {
        &self.0.messages
    }

    /// A problem with its sentence.
    #[must_use]
    pub fn problem(&self, code: Code) -> Problem {
        self.0.problem(code)
    }

    async fn open_tcp_quietly(&self, target: &Target) -> Result<TcpFlow, Refused> {
        let ticket = self.register(target)?;
        for _ in 0..OPEN_ATTEMPTS_MAX {
            let tunnel = self.tunnel().await?;
            let (send, answer) = match self.ask_tcp(&tunnel, target, &ticket).await {
                Attempt::Open(flow) => (flow.send, self.pending(flow.response, tunnel, target)),
                Attempt::Refused(refused) => return Err(refused),
                Attempt::Elsewhere => continue,
            };
            match answer.wait().await {
                Attempt::Open(recv) => return Ok(TcpFlow { send, recv, ticket }),
                Attempt::Refused(refused) => return Err(refused),
                Attempt::Elsewhere => {}
            }
        }
        Err(self.refused(Code::GatewayUnreachable))
    }

    async fn begin_tcp_quietly(&self, target: &Target) -> Result<PendingTcp, Refused> {
        let ticket = self.register(target)?;
        for _ in 0..OPEN_ATTEMPTS_MAX {
            let tunnel = self.tunnel().await?;
            match self.ask_tcp(&tunnel, target, &ticket).await {
                Attempt::Open(flow) => {
                    let answer = self.pending(flow.response, tunnel, target);
                    return Ok(PendingTcp { send: flow.send, ticket, answer });
                }
                Attempt::Refused(refused) => return Err(refused),
                Attempt::Elsewhere => {}
            }
        }
        Err(self.refused(Code::GatewayUnreachable))
    }

    async fn open_udp_quietly(&self, target: &Target) -> Result<UdpFlowOpen, Refused> {
        let ticket = self.register(target)?;
        let host = target.host.to_string();
        for _ in 0..OPEN_ATTEMPTS_MAX {
            let tunnel = self.tunnel().await?;
            let headers = requests::headers(self.0.messages.language());
            let asked = tunnel.connection.open_udp(&host, target.port, headers, UdpOptions::default());
            match answered(&self.0, &tunnel, asked).await {
                Attempt::Open(udp) => {
                    ticket.carried_by(tunnel.number, udp.stream);
                    return Ok(UdpFlowOpen { flow: udp.flow, ticket });
                }
                Attempt::Refused(refused) => return Err(refused),
                Attempt::Elsewhere => {}
            }
        }
        Err(self.refused(Code::GatewayUnreachable))
    }

    /// A tunnel that takes new flows, waiting a bounded time for one.
    async fn tunnel(&self) -> Result<Arc<Tunnel>, Refused> {
        if let Phase::Up(tunnel) = &*self.0.phase.borrow()
            && tunnel.takes_flows()
        {
            return Ok(Arc::clone(tunnel));
        }
        let _waiting = Waiting::begin(&self.0.waiting);
        self.0.nudge(Nudge::Wanted);
        let mut phase = self.0.phase.subscribe();
        let decided = phase.wait_for(|phase| match phase {
            Phase::Up(tunnel) => tunnel.takes_flows(),
            Phase::Refused(_) | Phase::Stopped => true,
            Phase::Down(_) => false,
        });
        match tokio::time::timeout(self.0.timing.held_open_time_max, decided).await {
            Ok(Ok(phase)) => match &*phase {
                Phase::Up(tunnel) => Ok(Arc::clone(tunnel)),
                Phase::Refused(problem) => Err(Refused::here(problem.as_ref().clone())),
                Phase::Down(_) | Phase::Stopped => Err(self.refused(Code::GatewayUnreachable)),
            },
            Ok(Err(_)) | Err(_) => Err(self.refused(Code::GatewayUnreachable)),
        }
    }

    async fn ask_tcp(&self, tunnel: &Arc<Tunnel>, target: &Target, ticket: &FlowTicket) -> Attempt<ClientFlow> {
        let headers = requests::headers(self.0.messages.language());
        let authority = target.authority();
        let asked = tunnel.connection.open_tcp(&authority, headers);
        let attempt = answered(&self.0, tunnel, asked).await;
        if let Attempt::Open(flow) = &attempt {
            ticket.carried_by(tunnel.number, flow.stream);
        }
        attempt
    }

    fn pending(&self, response: PendingOpen, tunnel: Arc<Tunnel>, target: &Target) -> PendingAnswer {
        PendingAnswer { response, tunnel, shared: Arc::clone(&self.0), target: target.clone() }
    }

    fn register(&self, target: &Target) -> Result<FlowTicket, Refused> {
        self.0.flows.register(target).ok_or_else(|| self.refused(Code::OverLimit))
    }

    fn refused(&self, code: Code) -> Refused {
        Refused::here(self.0.problem(code))
    }

    fn note<T>(&self, target: &Target, result: Result<T, Refused>) -> Result<T, Refused> {
        if let Err(refused) = &result {
            self.0.flows.refused(target, &refused.problem);
            tracing::info!(code = refused.problem.help_code, "a flow was refused");
            tracing::debug!(%target, code = refused.problem.help_code, "refused");
        }
        result
    }
}

impl PendingTcp {
    /// The parts: the half to write at once, the place among the open flows, and the answer to wait for.
    #[must_use]
    pub fn into_parts(self) -> (FlowSend, FlowTicket, PendingAnswer) {
        (self.send, self.ticket, self.answer)
    }
}

impl PendingAnswer {
    /// Waits for the gateway's answer. There is no second tunnel any more: what was written is gone with the first.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn ready(self) -> Result<FlowRecv, Refused> {
        let (shared, target) = (Arc::clone(&self.shared), self.target.clone());
        let handle = SessionHandle(shared);
        let result = match self.wait().await {
            Attempt::Open(recv) => Ok(recv),
            Attempt::Refused(refused) => Err(refused),
            Attempt::Elsewhere => Err(handle.refused(Code::TunnelLost)),
        };
        handle.note(&target, result)
    }

    async fn wait(self) -> Attempt<FlowRecv> {
        let ready = async { self.response.ready().await.map(|(_, recv)| recv) };
        answered(&self.shared, &self.tunnel, ready).await
    }
}

/// Waits for an answer; doubts the tunnel aloud when none comes for a while, and leaves it when it is given up.
async fn answered<T>(
    shared: &Shared,
    tunnel: &Tunnel,
    asked: impl Future<Output = Result<T, OpenError>>,
) -> Attempt<T> {
    let give_up = tokio::time::sleep(OPEN_ANSWER_TIME_MAX);
    let doubt = tokio::time::sleep(shared.timing.suspect_after);
    tokio::pin!(asked, give_up, doubt);
    let mut doubted = false;
    loop {
        tokio::select! {
            biased;
            answer = &mut asked => return judged(shared, tunnel, answer),
            () = tunnel.abandoned.cancelled() => return Attempt::Elsewhere,
            () = &mut doubt, if !doubted => {
                doubted = true;
                shared.nudge(Nudge::Suspect(tunnel.number));
            }
            () = &mut give_up => return Attempt::Refused(Refused::here(shared.problem(Code::UpstreamTimeout))),
        }
    }
}

fn judged<T>(shared: &Shared, tunnel: &Tunnel, answer: Result<T, OpenError>) -> Attempt<T> {
    let here = |code| Attempt::Refused(Refused::here(shared.problem(code)));
    match answer {
        Ok(open) => Attempt::Open(open),
        Err(OpenError::Refused(refusal)) => Attempt::Refused(from_gateway(shared, *refusal)),
        Err(OpenError::Draining) => {
            tunnel.leaving.cancel();
            Attempt::Elsewhere
        }
        Err(OpenError::Flow(FlowError::Connection(closed))) => {
            tracing::debug!(%closed, "the tunnel ended under a question");
            tunnel.abandon();
            Attempt::Elsewhere
        }
        Err(OpenError::Flow(FlowError::Reset(_))) => here(Code::UpstreamReset),
        Err(OpenError::BadRequest(_)) => here(Code::BadRequest),
        Err(OpenError::Flow(
            error @ (FlowError::PeerMisbehaved(_) | FlowError::OverLimit { .. } | FlowError::Finished),
        )) => {
            tracing::warn!(%error, "the gateway's answer cannot be used");
            here(Code::Internal)
        }
        Err(OpenError::Unsupported(what)) => {
            tracing::warn!(what, "the gateway lacks something");
            here(Code::Internal)
        }
    }
}

/// The gateway's own words where it sent a problem document; otherwise what its status says.
fn from_gateway(shared: &Shared, refusal: Refusal) -> Refused {
    let problem = requests::problem(&refusal.headers, &refusal.body).unwrap_or_else(|| {
        let status = refusal.status.as_u16();
        let code = match status {
            403 => Code::NotPermitted,
            502 => Code::UpstreamUnreachable,
            504 => Code::UpstreamTimeout,
            400 => Code::BadRequest,
            _ => Code::Internal,
        };
        tracing::warn!(status, "the gateway refused without a problem document");
        shared.problem(code)
    });
    Refused { problem: Box::new(problem), proxy_status: proxy_status(&refusal.headers) }
}

fn proxy_status(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all("proxy-status").iter().cloned().collect()
}
