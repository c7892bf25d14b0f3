//! Serves one connection to its end.

use std::sync::Arc;

use std::net::SocketAddr;

use hitotsu_model::audit::{AuditEvent, AuditRecord, Durability};
use hitotsu_model::code::Code;
use hitotsu_model::ids::SessionId;
use hitotsu_tunnel::listener::Handshaken;
use hitotsu_tunnel::server::{CloseCode, Exchange, Request, ServerConnection, TransportKind};
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use super::Session;
use crate::admission::{Identity, Refused, identify};
use crate::clock;
use crate::control;
use crate::denied::{Denied, asked_for, response};
use crate::flow::{serve_tcp, serve_udp};
use crate::gateway::Gateway;
use crate::limits::{LAST_WORDS_WAIT, REFUSED_LINGER, REFUSED_REQUESTS_MAX, TASKS_END_WAIT};
use crate::watch::sweep;

/// Serves a connection: identifies it, then answers its requests until it ends.
pub async fn serve(gateway: Arc<Gateway>, handshaken: Handshaken) {
    let Handshaken { peer_certificates, binding, remote, transport, connection, .. } = handshaken;
    let now = clock::now();
    let identity = identify(&peer_certificates, remote.ip().to_canonical(), &gateway, &gateway.bundle(), now);
    // What was only needed to begin with would be held for as long as the session lasts; so would the room of futures that
    // are polled once, so these are boxed.
    drop(peer_certificates);
    match identity {
        Identity::Refused(refused) => {
            Box::pin(serve_refused(&gateway, &connection.refuse(), &refused, remote.ip())).await;
        }
        Identity::Identified(identity) => {
            let session = Session::new(SessionId(Uuid::new_v4()), identity, word(transport), now);
            let Some(place) = gateway.live.enter(session) else {
                return connection.refuse().close(CloseCode::ExcessiveLoad, "too many sessions");
            };
            let connection = connection.trust();
            let session = place.session().clone();
            gateway.expires_at(session.identity.peer().not_after);
            // What changed between reading the inputs and entering the table was swept without this session.
            sweep(&gateway, &gateway.bundle(), &session, clock::now());
            serve_session(&gateway, &session, &connection, (binding, remote)).await;
        }
    }
}

fn word(transport: TransportKind) -> &'static str {
    match transport {
        TransportKind::H3 => "h3",
        TransportKind::H2 => "h2",
        TransportKind::H1 => "h1",
    }
}

async fn serve_session(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    connection: &ServerConnection,
    (binding, remote): ([u8; 32], SocketAddr),
) {
    if !Box::pin(record_opening(gateway, session)).await {
        return connection.close(CloseCode::Internal, Code::AuditUnavailable.slug());
    }
    // Tasks of this connection end with it.
    let mut tasks = JoinSet::new();
    answer_requests(gateway, session, connection, (binding, remote), &mut tasks).await;
    Box::pin(async move {
        end(session, connection, tasks).await;
        tracing::info!(session = %session.id, "session closed");
        let closed = AuditEvent::SessionClosed { session: session.id, code: session.end_code() };
        gateway.records.record_surely(closed).await;
    })
    .await;
}

/// Writes who came. False if that cannot be written.
async fn record_opening(gateway: &Gateway, session: &Session) -> bool {
    gateway.metrics.sessions_opened.inc();
    let identity = &session.identity;
    tracing::info!(session = %session.id, device = %identity.device(), transport = session.transport, "session opened");
    // INVARIANT (who before what): every flow's record names this session, so this one is safe before any of them.
    let opened = AuditEvent::SessionOpened {
        session: session.id,
        device: identity.device(),
        person: identity.person().cloned(),
        serial: identity.peer().serial.clone(),
        profile: identity.profile(),
        source: identity.source(),
        place: identity.place().cloned(),
        transport: session.transport.to_owned(),
    };
    let opened = AuditRecord { at: session.opened_at, event: opened };
    if let Err(error) = gateway.audit.append(opened, Durability::Safe).await {
        gateway.metrics.audit_failures.inc();
        tracing::error!(%error, "a session could not be recorded, so it is not served");
        return false;
    }
    true
}

/// Ends what is left of a session: flows at once, the connection as soon as its last words are said, tasks when they have
/// written their outcomes.
async fn end(session: &Session, connection: &ServerConnection, mut tasks: JoinSet<()>) {
    session.ended.cancel();
    for flow in session.flows() {
        flow.cut.cancel();
    }
    let done = timeout(LAST_WORDS_WAIT, all_of(&mut tasks)).await.is_ok();
    match session.end_code() {
        // A drain is nobody's fault: the peer shall dial again (RFC 9114 §5.2).
        Some(Code::Draining) | None => connection.close(CloseCode::NoError, ""),
        Some(code) => connection.close(CloseCode::Denied, code.slug()),
    }
    if !done && timeout(TASKS_END_WAIT, all_of(&mut tasks)).await.is_err() {
        tracing::warn!(session = %session.id, "tasks of a closed session had to be stopped");
    }
}

async fn all_of(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

async fn answer_requests(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    connection: &ServerConnection,
    (binding, remote): ([u8; 32], SocketAddr),
    tasks: &mut JoinSet<()>,
) {
    let mut known = remote;
    let mut told_to_go = false;
    loop {
        tokio::select! {
            exchange = connection.next_exchange() => match exchange {
                Some(exchange) => dispatch(gateway, session, connection, binding, exchange, tasks),
                None => break,
            },
            moved = connection.path_changed(known) => {
                known = moved;
                let bundle = gateway.bundle();
                if session.path_moved(moved.ip().to_canonical(), &bundle) {
                    tracing::info!(session = %session.id, "the path moved away from its place");
                    sweep(gateway, &bundle, session, clock::now());
                }
            }
            () = gateway.drain_begun(), if !told_to_go => {
                // Clients without our agent read no notices: this is how every one of them learns of it.
                told_to_go = true;
                connection.goaway();
            }
            () = session.ended.cancelled() => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}

fn dispatch(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    connection: &ServerConnection,
    binding: [u8; 32],
    exchange: Exchange,
    tasks: &mut JoinSet<()>,
) {
    let (gateway, session) = (gateway.clone(), session.clone());
    let stream = exchange.stream;
    match exchange.request {
        Request::Tcp { authority, pending, .. } => {
            tasks.spawn(serve_tcp(gateway, session, stream, authority, pending));
        }
        Request::Udp { host, port, pending, .. } => {
            tasks.spawn(serve_udp(gateway, session, stream, (host, port), pending));
        }
        Request::Http { method, path, headers, pending, .. } => {
            let connection = connection.clone();
            let request = control::Asked { method, path, headers, binding };
            tasks.spawn(async move { control::serve(&gateway, &session, &connection, request, pending).await });
        }
    }
}

/// Tells a refused peer why, whatever it asks, and nothing else.
async fn serve_refused(gateway: &Gateway, connection: &ServerConnection, refused: &Refused, source: std::net::IpAddr) {
    // Refused peers are told why one by one, but never by the thousand.
    let Some(_place) = gateway.refused_door.enter(Some(source)) else {
        return connection.close(CloseCode::ExcessiveLoad, refused.code.slug());
    };
    gateway.metrics.sessions_refused.inc();
    tracing::info!(code = %refused.code, "connection refused");
    if let Some((device, serial)) = &refused.named {
        gateway.record(AuditEvent::SessionRefused {
            device: *device,
            serial: serial.clone(),
            source,
            code: refused.code,
        });
    }
    let answer = async {
        for _ in 0..REFUSED_REQUESTS_MAX {
            let Some(exchange) = connection.next_exchange().await else { return };
            refuse(gateway, exchange, refused.code).await;
        }
    };
    // A peer that asks nothing for so long has nothing to be told.
    let _ = timeout(REFUSED_LINGER, answer).await;
    connection.close(CloseCode::Denied, refused.code.slug());
}

async fn refuse(gateway: &Gateway, exchange: Exchange, code: Code) {
    let denied = Denied::new(code);
    let told = |headers: &http::HeaderMap| response(&denied.problem(asked_for(&gateway.sentences, headers), None));
    match exchange.request {
        Request::Tcp { headers, pending, .. } => pending.refuse(told(&headers)).await,
        Request::Udp { headers, pending, .. } => pending.refuse(told(&headers)).await,
        Request::Http { headers, pending, .. } => pending.respond(told(&headers)).await,
    }
}
