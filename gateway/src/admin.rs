//! What commands may ask of devices, enrolment codes, certificates and the audit log, as JSON over the admin socket.
//!
//! Every change that gives something is durable in the audit log before it takes effect, and takes effect in the database
//! before the registry in memory tells the watch of it. A revocation goes the other way, see [`crate::revocation`].

pub mod certificates;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hitotsu_model::audit::{AuditEvent, AuditRecord, Durability};
use hitotsu_model::identity::Ownership;
use hitotsu_model::ids::{DeviceId, PersonId, Serial};
use hitotsu_model::time::Timestamp;
use hitotsu_pki::enrol::{EnrolCode, EnrolSecret};
use ring::rand::SystemRandom;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::timeout;
use uuid::Uuid;

use crate::audit::{AuditError, AuditLog};
use crate::clock;
use crate::issuer::{IssuerClient, IssuerFault};
use crate::limits::CERTIFICATE_LOOK_WAIT;
use crate::registry::{Registry, RegistryCopy, Revocation};
use crate::revocation::{Owed, RevocationAnswer};
use crate::store::{NewEnrolCode, Store, StoreError, StoredCertificate};
use crate::words::{InWords, Words};

/// Longest time that an enrolment code may be valid: a week covers a parcel to a home.
const CODE_LIFE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the routes need.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// The database.
    pub store: Store,
    /// The live registry.
    pub registry: Registry,
    /// Its copy on disk, for a start without the database.
    pub copy: RegistryCopy,
    /// Revocations that are in effect and still to be written.
    pub owed: Owed,
    /// The audit log.
    pub audit: AuditLog,
    /// The issuer.
    pub issuer: IssuerClient,
    /// The root certificate, whose fingerprint travels in enrolment codes.
    pub root: CertificateDer<'static>,
    /// `host:port` that agents dial.
    pub authority: String,
    /// One change at a time, so that the registry never goes back to an older snapshot.
    pub changing: Arc<Mutex<()>>,
}

/// The routes; to be merged with those for sessions and policy.
pub fn router(state: AdminState) -> Router {
    Router::new()
        .route("/v1/enrol-codes", get(enrol_codes).post(make_enrol_code))
        .route("/v1/devices", get(devices))
        .route("/v1/devices/{id}", get(device))
        .route("/v1/devices/{id}/revoke", post(revoke_device))
        .route("/v1/certificates", get(all_certificates).post(certificates::record))
        .route("/v1/certificates/relay", post(certificates::relay))
        .route("/v1/crl/{kind}", post(certificates::crl))
        .route("/v1/certificates/{serial}/revoke", post(revoke_certificate))
        .with_state(state)
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It could not be recorded, so it was not made.
    #[error("the change was not made, because it could not be recorded: {0}")]
    Audit(#[from] AuditError),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The issuer did not do its part.
    #[error(transparent)]
    Issuer(#[from] IssuerFault),
    /// What was asked for cannot be.
    #[error("{0}")]
    Asked(Words),
}

impl ChangeError {
    fn words(&self) -> Option<Words> {
        match self {
            Self::Audit(AuditError::Full) => Some(Words::new("not-recorded-full", &[])),
            Self::Audit(error) => Some(Words::new("not-recorded", &[]).with("detail", error.words())),
            Self::Store(error) => Some(error.words()),
            Self::Issuer(_) => Some(Words::new("issuer-failed", &[("detail", &self.to_string())])),
            Self::Asked(words) => Some(words.clone()),
        }
    }
}

impl IntoResponse for ChangeError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Audit(_)
            | Self::Store(StoreError::Unavailable(_) | StoreError::Lost(_) | StoreError::Content { .. }) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Issuer(_) => StatusCode::BAD_GATEWAY,
            Self::Store(StoreError::Missing { .. }) => StatusCode::NOT_FOUND,
            Self::Asked(_) => StatusCode::BAD_REQUEST,
        };
        (status, Json(serde_json::json!({ "error": self.to_string(), "words": self.words() }))).into_response()
    }
}

impl AdminState {
    /// Makes an event durable in the audit log.
    ///
    /// # Errors
    /// [`ChangeError::Audit`]; the change must then not be made.
    pub async fn record(&self, event: AuditEvent) -> Result<(), ChangeError> {
        self.audit.append(AuditRecord { at: clock::now(), event }, Durability::Durable).await?;
        Ok(())
    }

    /// Puts what the database holds now into the registry, then into its copy on disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.registry.replace(self.store.load_registry().await?);
        self.write_copy().await;
        Ok(())
    }

    /// Writes the registry's copy on disk. False if it could not be written.
    pub(crate) async fn write_copy(&self) -> bool {
        let (copy, registry) = (self.copy.clone(), self.registry.clone());
        let written = tokio::task::spawn_blocking(move || copy.write_current(&registry)).await;
        let written = written.unwrap_or_else(|failed| Err(std::io::Error::other(failed)));
        if let Err(error) = &written {
            tracing::warn!(%error, "the copy of the registry could not be written");
        }
        written.is_ok()
    }

    /// Every certificate, with revocations that the database does not have yet.
    async fn certificates(&self) -> Result<Vec<StoredCertificate>, StoreError> {
        let mut all = self.store.certificates().await?;
        let snapshot = self.registry.snapshot();
        for certificate in &mut all {
            let revoked = || snapshot.revoked(&Revocation::Certificate(certificate.serial.clone())).cloned();
            certificate.revoked = certificate.revoked.take().or_else(revoked);
        }
        Ok(all)
    }
}

/// A request for an enrolment code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrolCodeRequest {
    /// The person that the device will be bound to; none for a shared desk.
    pub person: Option<PersonId>,
    /// Whose the device will be.
    pub ownership: Ownership,
    /// For how long it may be redeemed.
    pub valid_seconds: u64,
}

/// A new enrolment code. This is the only time that its secret is shown.
#[derive(Clone, Serialize, Deserialize)]
pub struct EnrolCodeMade {
    /// Its id, which may be logged.
    pub id: String,
    /// The code itself, for the person's eyes.
    pub code: String,
    /// Until when it may be redeemed.
    pub expires_at: Timestamp,
}

async fn make_enrol_code(
    State(state): State<AdminState>,
    Json(request): Json<EnrolCodeRequest>,
) -> Result<Json<EnrolCodeMade>, ChangeError> {
    let asked = |id: &str| ChangeError::Asked(Words::new(id, &[]));
    match (request.ownership, &request.person) {
        (Ownership::SharedDesk, Some(_)) => {
            return Err(asked("code-desk-has-no-person"));
        }
        (Ownership::Issued | Ownership::Byod, None) => {
            return Err(asked("code-needs-a-person"));
        }
        (Ownership::SharedDesk, None) | (Ownership::Issued | Ownership::Byod, Some(_)) => {}
    }
    let life = Duration::from_secs(request.valid_seconds);
    if life.is_zero() || life > CODE_LIFE_MAX {
        return Err(asked("code-life"));
    }
    let secret = EnrolSecret::draw(&SystemRandom::new())
        .map_err(|error| ChangeError::Asked(Words::new("code-no-secret", &[("detail", &error.to_string())])))?;
    let secret_hash = secret.hash();
    let code = EnrolCode::new(&state.authority, &state.root, secret)
        .map_err(|error| ChangeError::Asked(Words::new("code-no-address", &[("detail", &error.to_string())])))?;
    let now = clock::now();
    let new = NewEnrolCode {
        id: Uuid::new_v4().simple().to_string(),
        secret_hash,
        person: request.person.clone(),
        ownership: request.ownership,
        created_at: now,
        expires_at: now.plus(life),
    };
    state
        .record(AuditEvent::EnrolCodeMade {
            code_id: new.id.clone(),
            person: request.person,
            ownership: request.ownership,
            expires_at: new.expires_at,
        })
        .await?;
    state.store.insert_enrol_code(&new).await?;
    Ok(Json(EnrolCodeMade { id: new.id, code: code.to_string(), expires_at: new.expires_at }))
}

async fn enrol_codes(State(state): State<AdminState>) -> Result<Response, ChangeError> {
    Ok(Json(state.store.enrol_codes().await?).into_response())
}

async fn devices(State(state): State<AdminState>) -> Response {
    let snapshot = state.registry.snapshot();
    let all: Vec<_> = snapshot.devices().map(|device| (**device).clone()).collect();
    Json(all).into_response()
}

async fn device(State(state): State<AdminState>, Path(id): Path<String>) -> Result<Response, ChangeError> {
    let id = device_id(&id)?;
    let snapshot = state.registry.snapshot();
    let list = "hitotsu-gateway device list";
    let device = snapshot.device(&id).ok_or(StoreError::Missing { what: "device", id: id.to_string(), list })?;
    let mut certificates = state.certificates().await?;
    certificates.retain(|certificate| certificate.holder == id);
    Ok(Json(serde_json::json!({ "device": **device, "certificates": certificates })).into_response())
}

/// Why something is revoked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RevokeRequest {
    /// In the words of who does it.
    pub reason: String,
}

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 500;

fn reason(request: RevokeRequest) -> Result<String, ChangeError> {
    let reason = request.reason.trim().to_owned();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(ChangeError::Asked(Words::new("reason-length", &[("max", &REASON_BYTES_MAX.to_string())])));
    }
    Ok(reason)
}

async fn revoke_device(
    State(state): State<AdminState>,
    Path(id): Path<String>,
    Json(request): Json<RevokeRequest>,
) -> Result<Response, ChangeError> {
    let device = device_id(&id)?;
    let reason = reason(request)?;
    if state.registry.snapshot().device(&device).is_none() {
        let list = "hitotsu-gateway device list";
        return Err(StoreError::Missing { what: "device", id, list }.into());
    }
    Ok(revoked(&state.revoke(Revocation::Device(device), reason).await))
}

fn revoked(answer: &RevocationAnswer) -> Response {
    let status = if answer.awaits.is_none() { StatusCode::OK } else { StatusCode::ACCEPTED };
    (status, Json(answer)).into_response()
}

async fn all_certificates(State(state): State<AdminState>) -> Result<Response, ChangeError> {
    Ok(Json(state.certificates().await?).into_response())
}

async fn revoke_certificate(
    State(state): State<AdminState>,
    Path(serial): Path<String>,
    Json(request): Json<RevokeRequest>,
) -> Result<Response, ChangeError> {
    let reason = reason(request)?;
    let serial: Serial =
        serial.parse().map_err(|_| ChangeError::Asked(Words::new("not-a-serial", &[("id", &serial)])))?;
    // Only a clear no is one: a database that does not answer keeps nobody's access.
    if let Ok(Ok(false)) = timeout(CERTIFICATE_LOOK_WAIT, state.store.has_certificate(&serial)).await {
        let list = "hitotsu-gateway ca list";
        return Err(StoreError::Missing { what: "certificate", id: serial.to_string(), list }.into());
    }
    Ok(revoked(&state.revoke(Revocation::Certificate(serial), reason).await))
}

fn device_id(text: &str) -> Result<DeviceId, ChangeError> {
    text.parse().map_err(|_| ChangeError::Asked(Words::new("not-a-device-id", &[("id", text)])))
}
