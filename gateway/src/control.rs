//! Control requests of a device, the same on every transport: attest, notices, catalogue, why.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hitotsu_model::audit::AuditEvent;
use hitotsu_model::code::Code;
use hitotsu_model::control::{
    AttestRequest, AttestResponse, CONTROL_PATH, Notice, ProtocolVersion, WhyRequest, WhyResponse,
};
use hitotsu_model::identity::Profile;
use hitotsu_model::message::{Language, Messages};
use hitotsu_tunnel::fault::FlowError;
use hitotsu_tunnel::server::{BodySender, PendingHttp, ServerConnection};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use tokio::time::timeout;

use crate::admission;
use crate::catalogue;
use crate::clock;
use crate::denied::{Denied, asked_for, response};
use crate::gateway::Gateway;
use crate::limits::{CONTROL_BODY_BYTES_MAX, CONTROL_BODY_TIMEOUT};
use crate::session::evidence::{AttestOutcome, StatementDigest, attest};
use crate::session::{AdmittedTo, Session};
use crate::watch::sweep;

/// A request and the connection's exporter value.
#[derive(Debug)]
pub struct Asked {
    /// Method.
    pub method: Method,
    /// Path with query.
    pub path: String,
    /// Headers.
    pub headers: HeaderMap,
    /// The exporter value of the connection that it came on.
    pub binding: [u8; 32],
}

/// Answers one request.
pub async fn serve(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    connection: &ServerConnection,
    asked: Asked,
    pending: PendingHttp,
) {
    let what = asked.path.strip_prefix(CONTROL_PATH).unwrap_or("");
    if (&asked.method, what) == (&Method::GET, "/notices") {
        let language = asked_for(&gateway.sentences, &asked.headers).language();
        // This one lasts as long as the session, so it holds nothing but what it needs.
        drop(asked);
        notices(gateway, session, connection, language, pending).await;
    } else {
        Box::pin(answer(gateway, session, asked, pending)).await;
    }
}

/// Answers a request that is answered at once.
async fn answer(gateway: &Arc<Gateway>, session: &Arc<Session>, asked: Asked, mut pending: PendingHttp) {
    let messages = asked_for(&gateway.sentences, &asked.headers);
    let what = asked.path.strip_prefix(CONTROL_PATH).unwrap_or("");
    let coming = async {
        tokio::select! {
            () = session.ended.cancelled() => Err(FlowError::Finished),
            came = timeout(CONTROL_BODY_TIMEOUT, pending.body(CONTROL_BODY_BYTES_MAX)) => {
                came.unwrap_or(Err(FlowError::Finished))
            }
        }
    };
    let body = match coming.await {
        Ok(body) => body,
        Err(FlowError::OverLimit { .. }) => {
            return pending.respond(refusal(Code::BadRequest, StatusCode::PAYLOAD_TOO_LARGE, messages)).await;
        }
        Err(error) => {
            tracing::debug!(%error, "a control request ended early");
            return;
        }
    };
    let answer = match (&asked.method, what) {
        (&Method::POST, "/attest") => answer_attest(gateway, session, asked.binding, &body, messages),
        (&Method::GET, "/catalogue") => json(&catalogue::of(gateway, session, messages, clock::now())),
        (&Method::POST, "/why") => tokio::select! {
            () = session.ended.cancelled() => return,
            answer = answer_why(gateway, session, &body, messages) => answer,
        },
        (_, "/attest" | "/catalogue" | "/why" | "/notices") => {
            refusal(Code::BadRequest, StatusCode::METHOD_NOT_ALLOWED, messages)
        }
        _ => refusal(Code::BadRequest, StatusCode::NOT_FOUND, messages),
    };
    pending.respond(answer).await;
}

fn answer_attest(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    binding: [u8; 32],
    body: &[u8],
    messages: &Messages,
) -> Response<Bytes> {
    let request: AttestRequest = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            tracing::debug!(%error, "a statement could not be read");
            return refusal(Code::EvidenceInvalid, StatusCode::BAD_REQUEST, messages);
        }
    };
    if session.identity.profile() != Profile::Device || request.version != ProtocolVersion::CURRENT {
        return refusal(Code::EvidenceInvalid, StatusCode::BAD_REQUEST, messages);
    }
    let (now, at) = (clock::now(), Instant::now());
    let outcome = match attest(session, binding, &request, now, at) {
        Ok(outcome) => outcome,
        Err(code) => {
            gateway.metrics.evidence_refused.inc();
            tracing::warn!(session = %session.id, %code, "evidence refused");
            gateway.record(AuditEvent::Evidence { session: session.id, refused: Some(code), findings: Vec::new() });
            return response(&Denied::new(code).problem(messages, None));
        }
    };
    let bundle = gateway.bundle();
    let findings = catalogue::findings(session, &bundle, now);
    if outcome != AttestOutcome::Repeated {
        gateway.metrics.evidence_believed.inc();
        gateway.expires_at(now.plus(bundle.evidence_max_age()));
    }
    if outcome == AttestOutcome::Changed {
        tracing::info!(session = %session.id, ?findings, "device state changed");
        gateway.record(AuditEvent::Evidence { session: session.id, refused: None, findings: findings.clone() });
        sweep(gateway, &bundle, session, now);
        session.notify(Notice::CatalogueChanged);
    }
    let given = match outcome {
        AttestOutcome::Repeated => session.with_nonces(|nonces| nonces.of_last_answer()),
        AttestOutcome::Changed | AttestOutcome::Unchanged => None,
    };
    let Some(nonce) = given.or_else(|| fresh_nonce(session, at)) else {
        return refusal(Code::Internal, StatusCode::INTERNAL_SERVER_ERROR, messages);
    };
    session.with_nonces(|nonces| nonces.answered(StatementDigest::of(&request), nonce));
    json(&AttestResponse {
        version: ProtocolVersion::CURRENT,
        level: session.identity.level(),
        nonce: data_encoding::HEXLOWER.encode(&nonce),
        next_within_seconds: next_within_seconds(&bundle),
        forbidden_software: bundle.forbidden_software().to_vec(),
        findings,
        gateway_time: now,
    })
}

/// Half of the age at which evidence grows stale, so that one lost answer cuts nobody.
fn next_within_seconds(bundle: &hitotsu_policy::bundle::Bundle) -> u32 {
    u32::try_from(bundle.evidence_max_age().as_secs() / 2).unwrap_or(u32::MAX)
}

/// A nonce that this session may answer; none if the system gives no randomness.
pub fn fresh_nonce(session: &Session, at: Instant) -> Option<[u8; 32]> {
    let mut nonce = [0; 32];
    if SystemRandom::new().fill(&mut nonce).is_err() {
        tracing::error!("the system gives no randomness");
        return None;
    }
    session.with_nonces(|nonces| nonces.give(nonce, at));
    Some(nonce)
}

async fn answer_why(gateway: &Gateway, session: &Session, body: &[u8], messages: &Messages) -> Response<Bytes> {
    let request: WhyRequest = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            tracing::debug!(%error, "a question could not be read");
            return refusal(Code::BadRequest, StatusCode::BAD_REQUEST, messages);
        }
    };
    let bundle = gateway.bundle();
    let now = clock::now();
    let verdict = async {
        let evidence = admission::evidence(session, &bundle, Instant::now())?;
        let permitted = admission::name(&evidence, gateway, &bundle, &request.target, now)?;
        let resolved = crate::upstream::resolve(&gateway.resolver, &bundle, permitted).await?;
        let mut last = Denied::new(Code::AddressNotPermitted);
        for address in resolved.addresses() {
            let named = resolved.resources().to_vec();
            let asked = AdmittedTo { address: *address, named, resources: Vec::new() };
            match admission::readmit(&evidence, gateway, &bundle, &request.target, &asked, now) {
                Ok((_, verdict)) => return Ok(verdict),
                Err(denied) => last = denied,
            }
        }
        Err(last)
    };
    let answer = match verdict.await {
        Ok(verdict) => WhyResponse {
            version: ProtocolVersion::CURRENT,
            target: request.target,
            allowed: true,
            rules: verdict.rules,
            problems: Vec::new(),
            valid_until: verdict.expires_at,
        },
        Err(denied) => WhyResponse {
            version: ProtocolVersion::CURRENT,
            target: request.target,
            allowed: false,
            rules: if denied.code() == Code::NotPermitted { Vec::new() } else { denied.rules.clone() },
            problems: catalogue::problems(&denied, messages),
            valid_until: now,
        },
    };
    json(&answer)
}

/// Streams notices until the device leaves or the session ends; what is queued then is still told.
async fn notices(
    gateway: &Gateway,
    session: &Session,
    connection: &ServerConnection,
    language: Language,
    pending: PendingHttp,
) {
    let mut queue = session.open_notices(language);
    let mut head = Response::new(());
    head.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    head.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut body = match pending.respond_stream(head).await {
        Ok(body) => body,
        Err(error) => {
            tracing::debug!(%error, "the device left before its notices began");
            return;
        }
    };
    let hello = Notice::Hello { version: ProtocolVersion::CURRENT, org: gateway.bundle().org().clone() };
    let mut live = tell(&mut body, &hello).await;
    if gateway.is_draining() {
        live = live && tell(&mut body, &Notice::Draining).await;
        connection.goaway();
    }
    while live {
        tokio::select! {
            biased;
            notice = queue.recv() => match notice {
                Some(notice) => live = tell(&mut body, &notice).await,
                None => break,
            },
            () = session.ended.cancelled() => {
                queue.close();
                while let Some(notice) = queue.recv().await {
                    if !tell(&mut body, &notice).await {
                        return;
                    }
                }
                break;
            }
            () = body.abandoned() => return,
        }
    }
    if let Err(error) = body.finish().await {
        tracing::debug!(%error, "the device left before its notices ended");
    }
}

async fn tell(body: &mut BodySender, notice: &Notice) -> bool {
    let Ok(mut line) = serde_json::to_vec(notice) else { return false };
    line.push(b'\n');
    body.send(Bytes::from(line)).await.is_ok()
}

fn json<T: Serialize>(value: &T) -> Response<Bytes> {
    let Ok(body) = serde_json::to_vec(value) else {
        let mut failed = Response::new(Bytes::new());
        *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return failed;
    };
    let mut response = Response::new(Bytes::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refusal(code: Code, status: StatusCode, messages: &Messages) -> Response<Bytes> {
    let mut problem = Denied::new(code).problem(messages, None);
    problem.status = status.as_u16();
    response(&problem)
}

/// Asks every device of `sessions` to attest again: the list of forbidden programs, or the clock, has changed.
pub fn ask_to_attest(gateway: &Gateway, session: &Session, at: Instant) {
    let bundle = gateway.bundle();
    if session.identity.profile() != Profile::Device {
        return;
    }
    if let Some(nonce) = fresh_nonce(session, at) {
        session.notify(Notice::Reattest {
            nonce: data_encoding::HEXLOWER.encode(&nonce),
            within_seconds: next_within_seconds(&bundle),
            forbidden_software: bundle.forbidden_software().to_vec(),
        });
    }
}
