//! One flow: from the request to its outcome in the audit log.

use std::sync::Arc;
use std::time::Instant;

use hitotsu_model::audit::{AuditEvent, FlowEnd};
use hitotsu_model::code::Code;
use hitotsu_model::resource::{Target, TargetError, Transport};
use hitotsu_tunnel::datagram::UdpOptions;
use hitotsu_tunnel::fault::FlowError;
use hitotsu_tunnel::relay::{self, RelayEnd};
use hitotsu_tunnel::server::{PendingFlow, PendingUdp};
use tokio::time::timeout;

use crate::admission::{self, Admitted};
use crate::clock;
use crate::denied::{Denied, response};
use crate::gateway::Gateway;
use crate::limits::{ADDRESSES_TRIED_MAX, EVIDENCE_WAIT, UDP_IDLE, UDP_IDLE_DNS};
use crate::session::{LiveFlow, Session};
use crate::upstream::{self, NotConnected};
use crate::watch::{ask, cut, end_session};

/// Serves one request for a byte stream.
pub async fn serve_tcp(
    gateway: Arc<Gateway>,
    session: Arc<Session>,
    stream: u64,
    authority: String,
    mut pending: PendingFlow,
) {
    let opened = Instant::now();
    let flow = match Target::parse(&authority, Transport::Tcp) {
        Ok(target) => new_flow(&gateway, stream, target),
        Err(error) => return pending.refuse(malformed(&gateway, &session, &error)).await,
    };
    let opening = open(&gateway, &session, &flow, upstream::connect_tcp);
    match unless_abandoned(opening, pending.abandoned(), &flow).await {
        Ok((socket, admitted, _place)) => {
            gateway.metrics.flow_open_seconds.observe(opened.elapsed().as_secs_f64());
            let end = match unless_cut(pending.accept(http::HeaderMap::new()), &flow).await {
                Ok((send, receive)) => {
                    relay::tcp(socket, send, receive, flow.counters.clone(), flow.cut.clone()).await.end
                }
                Err(error) => left_before_it_began(error),
            };
            finish(&flow, &session, admitted, &end);
        }
        Err(denied) => pending.refuse(refusal(&gateway, &session, &flow, &denied)).await,
    }
}

/// Serves one request for datagrams (RFC 9298).
pub async fn serve_udp(
    gateway: Arc<Gateway>,
    session: Arc<Session>,
    stream: u64,
    (host, port): (String, u16),
    mut pending: PendingUdp,
) {
    let opened = Instant::now();
    let flow = match host.parse() {
        Ok(host) => new_flow(&gateway, stream, Target { host, port, transport: Transport::Udp }),
        Err(error) => return pending.refuse(malformed(&gateway, &session, &error)).await,
    };
    let opening = open(&gateway, &session, &flow, upstream::connect_udp);
    match unless_abandoned(opening, pending.abandoned(), &flow).await {
        Ok((socket, admitted, _place)) => {
            gateway.metrics.flow_open_seconds.observe(opened.elapsed().as_secs_f64());
            let idle = if port == 53 { UDP_IDLE_DNS } else { UDP_IDLE };
            let options = UdpOptions { oversize_as_capsule: admitted.oversize_as_capsule() };
            let end = match unless_cut(pending.accept(http::HeaderMap::new(), options), &flow).await {
                Ok(udp) => relay::udp(socket, udp, flow.counters.clone(), flow.cut.clone(), idle).await.end,
                Err(error) => left_before_it_began(error),
            };
            finish(&flow, &session, admitted, &end);
        }
        Err(denied) => pending.refuse(refusal(&gateway, &session, &flow, &denied)).await,
    }
}

/// Opens, and stops at the next step if the device gives up meanwhile. It is never just dropped: what was begun in the
/// audit log is completed there.
async fn unless_abandoned<T>(
    opening: impl Future<Output = T>,
    abandoned: impl Future<Output = ()>,
    flow: &LiveFlow,
) -> T {
    let mut opening = std::pin::pin!(opening);
    tokio::select! {
        outcome = &mut opening => return outcome,
        () = abandoned => {}
    }
    flow.cut(ABANDONED);
    opening.await
}

/// The code of a flow that its device no longer wants.
const ABANDONED: Code = Code::TunnelLost;

fn end_of_cut(code: Code) -> FlowEnd {
    if code == ABANDONED { FlowEnd::ResetByDevice } else { FlowEnd::Cut { code } }
}

fn malformed(gateway: &Gateway, session: &Session, error: &TargetError) -> http::Response<bytes::Bytes> {
    tracing::debug!(%error, "a request names no usable target");
    response(&Denied::new(Code::BadRequest).problem(gateway.sentences.of(session.language()), None))
}

/// Answers the device, unless the flow is cut first: a device that gives no room for the answer holds nothing open.
async fn unless_cut<T>(answer: impl Future<Output = Result<T, FlowError>>, flow: &LiveFlow) -> Result<T, FlowError> {
    tokio::select! {
        biased;
        () = flow.cut.cancelled() => Err(FlowError::Finished),
        answered = answer => answered,
    }
}

fn left_before_it_began(error: FlowError) -> RelayEnd {
    tracing::debug!(%error, "the device left before its flow began");
    RelayEnd::Tunnel(error)
}

fn new_flow(gateway: &Gateway, stream: u64, target: Target) -> Arc<LiveFlow> {
    Arc::new(LiveFlow::new(gateway.next_flow(), stream, target, clock::now()))
}

/// Registers a flow, decides, dials, and checks that nothing changed meanwhile.
async fn open<'g, S, F>(
    gateway: &'g Gateway,
    session: &Arc<Session>,
    flow: &Arc<LiveFlow>,
    connect: impl Fn(Admitted) -> F,
) -> Result<(S, Admitted, crate::live::FlowPlace<'g>), Denied>
where
    F: Future<Output = Result<(S, Admitted), NotConnected>>,
{
    if gateway.is_draining() {
        return Err(Denied::new(Code::Draining));
    }
    // INVARIANT (registered before read): every input of the decision is read after this line.
    let place = gateway.live.register(session, flow.clone()).ok_or_else(|| Denied::new(Code::OverLimit))?;
    or_cut(wait_for_first_evidence(session), flow).await?;
    let begun = Instant::now();
    let bundle = gateway.bundle();
    let now = clock::now();
    let evidence = admission::evidence(session, &bundle, Instant::now())?;
    let permitted = admission::name(&evidence, gateway, &bundle, &flow.target, now)?;
    let resolved = or_cut(upstream::resolve(&gateway.resolver, &bundle, permitted), flow).await??;
    let mut refused = Denied::new(Code::AddressNotPermitted);
    for address in resolved.addresses().iter().take(ADDRESSES_TRIED_MAX) {
        let admitted = match admission::admit(&evidence, gateway, &resolved, *address, flow, clock::now()).await {
            Ok(admitted) => admitted,
            Err(denied) => {
                refused = denied;
                if flow.cut_code().is_some() {
                    break;
                }
                continue;
            }
        };
        let generation = admitted.generation();
        gateway.metrics.admission_seconds.observe(begun.elapsed().as_secs_f64());
        match connect(admitted).await {
            Ok((socket, admitted)) => match still_true(gateway, session, flow, generation) {
                Ok(()) => return Ok((socket, admitted, place)),
                Err(denied) => {
                    complete(flow, admitted, end_of_cut(denied.code()));
                    return Err(denied);
                }
            },
            Err(NotConnected { code, admitted }) => {
                let end = match flow.cut_code() {
                    Some(code) => end_of_cut(code),
                    None => FlowEnd::NotConnected { code },
                };
                complete(flow, admitted, end);
                refused = Denied::new(code);
                if flow.cut_code().is_some() {
                    break;
                }
            }
        }
    }
    Err(refused)
}

/// Waits for something before the flow is admitted; its cut ends the wait, and nothing later is begun.
async fn or_cut<T>(waited: impl Future<Output = T>, flow: &LiveFlow) -> Result<T, Denied> {
    tokio::select! {
        biased;
        () = flow.cut.cancelled() => Err(Denied::new(flow.cut_code().unwrap_or(ABANDONED))),
        came = waited => Ok(came),
    }
}

/// The first evidence travels beside the first flows, so these wait for it, for a bounded time.
async fn wait_for_first_evidence(session: &Session) {
    if session.identity.profile() == hitotsu_model::identity::Profile::Device && session.believed().is_none() {
        let mut first = session.first_evidence();
        let believed = first.wait_for(|believed| *believed);
        // Whoever comes too late is told so by the check that follows.
        let _ = timeout(EVIDENCE_WAIT, believed).await;
    }
}

/// After the dial and before the first byte: if any input changed since the decision, it is made again.
fn still_true(gateway: &Gateway, session: &Session, flow: &LiveFlow, generation: u64) -> Result<(), Denied> {
    if let Some(code) = flow.cut_code() {
        return Err(Denied::new(code));
    }
    if gateway.generation() == generation {
        return Ok(());
    }
    let bundle = gateway.bundle();
    let admitted = flow.admitted_to().ok_or_else(|| Denied::new(Code::NotPermitted))?;
    let answer = ask(gateway, &bundle, session, &flow.target, &admitted, clock::now());
    if let Err(denied) = &answer {
        cut(gateway, session, flow, denied);
    }
    answer.map(|_| ())
}

fn refusal(gateway: &Gateway, session: &Session, flow: &LiveFlow, denied: &Denied) -> http::Response<bytes::Bytes> {
    gateway.metrics.flow_denied(denied.code());
    if session.refused_too_often(Instant::now()) {
        end_session(gateway, session, Code::OverLimit);
    }
    tracing::info!(session = %session.id, flow = %flow.id, code = %denied.code(), rules = ?denied.rules, "flow refused");
    gateway.record(AuditEvent::FlowDenied {
        flow: flow.id,
        session: session.id,
        target: flow.target.clone(),
        codes: denied.codes(),
        rules: denied.rules.clone(),
        bundle: gateway.bundle().version().to_owned(),
    });
    response(&denied.problem(gateway.sentences.of(session.language()), Some(flow.id)))
}

fn finish(flow: &LiveFlow, session: &Session, admitted: Admitted, end: &RelayEnd) {
    let end = match (flow.cut_code(), session.end_code(), end) {
        (Some(code), _, _) | (None, Some(code), _) => end_of_cut(code),
        (None, None, RelayEnd::Finished) => FlowEnd::Finished,
        (None, None, RelayEnd::ResetByPeer(_)) => FlowEnd::ResetByDevice,
        (None, None, RelayEnd::ResetBySocket) => FlowEnd::ResetBySystem,
        (None, None, RelayEnd::Idle) => FlowEnd::Idle,
        (None, None, RelayEnd::Cut | RelayEnd::Tunnel(_)) => FlowEnd::SessionEnded,
    };
    complete(flow, admitted, end);
}

fn complete(flow: &LiveFlow, admitted: Admitted, end: FlowEnd) {
    let (up, down) = (flow.counters.to_socket(), flow.counters.to_tunnel());
    admitted.into_intent().complete(clock::now(), up, down, end);
}
