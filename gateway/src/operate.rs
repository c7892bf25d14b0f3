//! What security staff do with a running gateway: see and end sessions, reload and explain policy.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hitotsu_model::audit::{AuditEvent, AuditRecord, Durability};
use hitotsu_model::code::Code;
use hitotsu_model::identity::Profile;
use hitotsu_model::ids::{DeviceId, FlowId, PersonId, PlaceId, ResourceId, SessionId};
use hitotsu_model::resource::Target;
use hitotsu_model::time::Timestamp;
use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::explain::Explanation;
use hitotsu_policy::subject::{PreparedSubject, Subject};
use serde::{Deserialize, Serialize};

use crate::bundle_dir::{self, BundleDirError};
use crate::clock;
use crate::control::ask_to_attest;
use crate::gateway::Gateway;
use crate::session::Session;
use crate::watch::end_session;
use crate::words::Words;

/// The routes, to be merged into the admin socket's.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/sessions", get(sessions))
        .route("/v1/sessions/{id}/kill", post(kill))
        .route("/v1/policy/reload", post(reload))
        .route("/v1/policy/explain", post(explain))
        .route("/v1/policy/people/{id}", get(person))
        .with_state(gateway)
}

/// One session, for people.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its id.
    pub session: SessionId,
    /// The device.
    pub device: DeviceId,
    /// The person bound to it.
    pub person: Option<PersonId>,
    /// The certificate's kind.
    pub profile: Profile,
    /// `h3`, `h2` or `h1`.
    pub transport: String,
    /// The place of its path.
    pub place: Option<PlaceId>,
    /// Since when.
    pub opened_at: Timestamp,
    /// When evidence was last believed.
    pub attested_at: Option<Timestamp>,
    /// Its flows.
    pub flows: Vec<FlowRow>,
}

/// One flow, for people.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FlowRow {
    /// Its id.
    pub flow: FlowId,
    /// What was asked for.
    pub target: Target,
    /// The resources that it was admitted to; empty while it is being opened.
    pub resources: Vec<ResourceId>,
    /// Since when.
    pub opened_at: Timestamp,
    /// Bytes from the device to the system.
    pub bytes_up: u64,
    /// Bytes from the system to the device.
    pub bytes_down: u64,
}

async fn sessions(State(gateway): State<Arc<Gateway>>) -> Json<Vec<SessionRow>> {
    let now = clock::now();
    Json(gateway.live.sessions().iter().map(|session| row(session, now)).collect())
}

fn row(session: &Session, now: Timestamp) -> SessionRow {
    let flows = session.flows();
    SessionRow {
        session: session.id,
        device: session.identity.device(),
        person: session.identity.person().cloned(),
        profile: session.identity.profile(),
        transport: session.transport.to_owned(),
        place: session.place(),
        opened_at: session.opened_at,
        attested_at: session.believed().map(|believed| now.minus(believed.at.elapsed())),
        flows: flows
            .iter()
            .map(|flow| FlowRow {
                flow: flow.id,
                target: flow.target.clone(),
                resources: flow.admitted_to().map(|admitted| admitted.resources.clone()).unwrap_or_default(),
                opened_at: flow.opened_at,
                bytes_up: flow.counters.to_socket(),
                bytes_down: flow.counters.to_tunnel(),
            })
            .collect(),
    }
}

/// What a command is told when it cannot be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// What is wrong and how to mend it.
    pub error: String,
    /// The same as a sentence that has a name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Words>,
}

fn failure(status: StatusCode, error: impl ToString) -> Response {
    (status, Json(Failure { error: error.to_string(), words: None })).into_response()
}

fn told(status: StatusCode, id: &str, arguments: &[(&str, &str)]) -> Response {
    let words = Words::new(id, arguments);
    (status, Json(Failure { error: words.to_string(), words: Some(words) })).into_response()
}

async fn kill(State(gateway): State<Arc<Gateway>>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<SessionId>() else {
        return told(StatusCode::BAD_REQUEST, "not-a-session-id", &[("id", &id)]);
    };
    match gateway.live.session(id) {
        Some(session) => {
            let flows = session.flow_count();
            end_session(&gateway, &session, Code::SessionKilled);
            Json(serde_json::json!({ "session": id, "flows_cut": flows })).into_response()
        }
        None => told(StatusCode::NOT_FOUND, "no-such-session", &[("id", &id.to_string())]),
    }
}

/// What a reload did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reloaded {
    /// The version in effect.
    pub bundle: String,
    /// The version before.
    pub before: String,
}

async fn reload(State(gateway): State<Arc<Gateway>>) -> Response {
    match reload_policy(&gateway).await {
        Ok(reloaded) => Json(reloaded).into_response(),
        Err(ReloadError::Bundle(error)) => failure(StatusCode::UNPROCESSABLE_ENTITY, error),
        Err(error @ ReloadError::Audit(_)) => failure(StatusCode::SERVICE_UNAVAILABLE, error),
    }
}

/// Why a reload did not take effect.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The bundle is wrong.
    #[error(transparent)]
    Bundle(#[from] BundleDirError),
    /// The change could not be recorded, so it was not made.
    #[error("the change of policy was not made, because it could not be recorded: {0}")]
    Audit(#[from] crate::audit::AuditError),
}

/// Reads the bundle anew and puts it into effect; its audit record is on the disk first. A broken bundle changes
/// nothing.
///
/// # Errors
/// [`ReloadError`].
pub async fn reload_policy(gateway: &Arc<Gateway>) -> Result<Reloaded, ReloadError> {
    let dir = gateway.bundle_dir.clone();
    let loading = tokio::task::spawn_blocking(move || bundle_dir::load(&dir));
    let loaded = loading.await.unwrap_or_else(|failed| {
        let error = std::io::Error::other(failed);
        Err(BundleDirError::Read { path: gateway.bundle_dir.clone(), error })
    });
    let before = gateway.bundle().version().to_owned();
    let bundle = match loaded {
        Ok(bundle) => Arc::new(bundle),
        Err(error) => {
            gateway.metrics.policy_refused.inc();
            let errors = match &error {
                BundleDirError::Compile(errors) => u32::try_from(errors.0.len()).unwrap_or(u32::MAX),
                BundleDirError::Read { .. }
                | BundleDirError::TooLarge(_)
                | BundleDirError::TooMany(_)
                | BundleDirError::NotText(_) => 1,
            };
            tracing::error!(%error, "the policy bundle was refused; version {before} stays in effect");
            gateway.records.record_surely(AuditEvent::PolicyRefused { errors }).await;
            return Err(error.into());
        }
    };
    let version = bundle.version().to_owned();
    let event = AuditEvent::PolicyLoaded { bundle: version.clone(), before: Some(before.clone()) };
    gateway.audit.append(AuditRecord { at: clock::now(), event }, Durability::Durable).await?;
    gateway.set_bundle(bundle);
    for session in gateway.live.sessions() {
        session.notify(hitotsu_model::control::Notice::CatalogueChanged);
        ask_to_attest(gateway, &session, Instant::now());
    }
    tracing::info!(bundle = version, before, "policy bundle in effect");
    Ok(Reloaded { bundle: version, before })
}

/// Whether the rules in effect know a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PersonKnown {
    /// They do.
    pub known: bool,
    /// The file of the bundle that lists people.
    pub file: PathBuf,
}

async fn person(State(gateway): State<Arc<Gateway>>, Path(id): Path<PersonId>) -> Json<PersonKnown> {
    let known = gateway.bundle().person(&id).is_some();
    Json(PersonKnown { known, file: gateway.bundle_dir.join("people.toml") })
}

/// A question about the rules.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExplainRequest {
    /// The device that asks.
    pub device: DeviceId,
    /// What it asks for.
    pub target: Target,
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainResponse {
    /// Version of the bundle.
    pub bundle: String,
    /// Whether the device has a session now; without one, its state is unknown.
    pub connected: bool,
    /// For each system that the target selects, what the rules say.
    pub explanations: Vec<Explanation>,
}

async fn explain(State(gateway): State<Arc<Gateway>>, Json(request): Json<ExplainRequest>) -> Response {
    let bundle = gateway.bundle();
    let now = clock::now();
    let session = gateway.live.sessions().into_iter().find(|session| session.identity.device() == request.device);
    let resources: Vec<ResourceId> = bundle.named(&request.target).into_iter().cloned().collect();
    if resources.is_empty() {
        return told(StatusCode::NOT_FOUND, "explain-no-system", &[("target", &request.target.to_string())]);
    }
    let explanations = match &session {
        Some(session) => {
            let prepared = session.subject(&bundle, now);
            resources.iter().map(|id| bundle.explain(&prepared.subject, id, now)).collect()
        }
        None => match absent(&gateway, &bundle, request.device) {
            Some(subject) => resources.iter().map(|id| bundle.explain(&subject, id, now)).collect(),
            None => {
                return told(
                    StatusCode::NOT_FOUND,
                    "no-such-device",
                    &[("id", &request.device.to_string()), ("list", "hitotsu-gateway device list")],
                );
            }
        },
    };
    let connected = session.is_some();
    Json(ExplainResponse { bundle: bundle.version().to_owned(), connected, explanations }).into_response()
}

/// A device that has no session now: what is on record, and nothing of its state.
fn absent(gateway: &Gateway, bundle: &Bundle, device: DeviceId) -> Option<PreparedSubject> {
    let snapshot = gateway.registry.snapshot();
    let record = snapshot.device(&device)?;
    Some(bundle.prepare(Subject {
        person: record.person.clone(),
        device,
        profile: record.profile,
        ownership: record.ownership,
        level: record.level,
        place: None,
        posture: None,
        attested_at: None,
        approvals: Vec::new(),
    }))
}
