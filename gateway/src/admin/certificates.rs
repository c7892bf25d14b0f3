//! Certificates: issued, put on record, listed for outsiders.

use axum::Json;
use axum::extract::{Path, State};
use data_encoding::BASE64;
use hitotsu_model::audit::AuditEvent;
use hitotsu_model::identity::Profile;
use hitotsu_model::ids::Serial;
use hitotsu_model::time::Timestamp;
use hitotsu_pki::profile::CaKind;
use hitotsu_pki::revocation::{CrlEntry, RevocationReason};
use serde::{Deserialize, Serialize};

use super::{AdminState, ChangeError};
use crate::clock;
use crate::issuer::{CrlRequest, IssueRequest, Issued};
use crate::registry::Device;
use crate::store::StoredCertificate;
use crate::words::Words;

/// A certificate that a command issued with an authority's key, to be put on record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordRequest {
    /// The certificate.
    pub certificate: StoredCertificate,
    /// Its holder, where that is a client.
    pub holder: Option<Device>,
}

/// A request for a certificate of a client without our agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RelayRequest {
    /// Its holder, to be put on record.
    pub holder: Device,
    /// The PKCS#10 request, DER, Base64.
    pub csr: String,
}

/// What a revocation list is made of, and the list itself where the gateway's own issuer signs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CrlMade {
    /// Its number.
    pub number: u64,
    /// What is revoked.
    pub entries: Vec<CrlEntry>,
    /// The list, DER, Base64; absent where a command signs it with the authority's key.
    pub der: Option<String>,
}

/// What a command asks of a revocation list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CrlAsked {
    /// When the next one is due.
    pub next_update: Timestamp,
}

impl AdminState {
    /// Puts a certificate, and its holder where that is a client, on record: durable in the audit log first.
    ///
    /// # Errors
    /// [`ChangeError`]; the certificate must then not be handed out.
    pub async fn record_certificate(&self, request: &RecordRequest) -> Result<(), ChangeError> {
        let certificate = &request.certificate;
        if let Some(holder) = &request.holder
            && (holder.id != certificate.holder || holder.profile != certificate.profile)
        {
            return Err(ChangeError::Asked(Words::new("ca-other-holder", &[])));
        }
        let _one_at_a_time = self.changing.lock().await;
        self.record(AuditEvent::CertificateIssued {
            serial: certificate.serial.clone(),
            profile: certificate.profile,
            holder: certificate.holder,
            not_after: certificate.not_after,
        })
        .await?;
        if let Some(holder) = &request.holder {
            self.store.insert_device(holder).await?;
        }
        self.store.record_certificate(certificate).await?;
        self.refresh().await?;
        Ok(())
    }

    /// Has the issuer certify a client without our agent, and puts both on record.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn issue_relay(&self, request: RelayRequest) -> Result<Issued, ChangeError> {
        let csr = BASE64
            .decode(request.csr.as_bytes())
            .map_err(|_| ChangeError::Asked(Words::new("ca-request-not-base64", &[])))?;
        if request.holder.profile != Profile::Relay {
            return Err(ChangeError::Asked(Words::new("ca-relays-only", &[])));
        }
        let wanted =
            IssueRequest { profile: Profile::Relay, holder: request.holder.id, level: request.holder.level, csr };
        let issued = self.issuer.issue(wanted).await?;
        let certificate = StoredCertificate {
            serial: issued.serial.clone(),
            profile: Profile::Relay,
            holder: request.holder.id,
            der: issued.certificate.clone(),
            issued_at: clock::now(),
            not_after: issued.not_after,
            revoked: None,
        };
        self.record_certificate(&RecordRequest { certificate, holder: Some(request.holder) }).await?;
        Ok(issued)
    }

    /// What a revocation list of one authority must hold now, under a fresh number: certificates that were revoked by
    /// themselves or with their holder and have not ended.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn revocations(&self, kind: CaKind) -> Result<(u64, Vec<CrlEntry>), ChangeError> {
        let now = clock::now();
        let snapshot = self.registry.snapshot();
        let mut entries = Vec::new();
        for certificate in self.certificates().await? {
            if !kind.profiles().contains(&certificate.profile) || certificate.not_after < now {
                continue;
            }
            let holder = || snapshot.device(&certificate.holder).and_then(|device| device.revoked.clone());
            if let Some(revoked) = certificate.revoked.clone().or_else(holder) {
                let reason = reason(&revoked.reason);
                entries.push(CrlEntry { serial: certificate.serial, revoked_at: revoked.at, reason });
            }
        }
        Ok((self.store.next_crl_number().await?, entries))
    }
}

/// The RFC 5280 reason that these words name, or that nobody said.
fn reason(words: &str) -> RevocationReason {
    serde_json::from_value(serde_json::Value::String(words.to_owned())).unwrap_or(RevocationReason::Unspecified)
}

pub(super) async fn record(
    State(state): State<AdminState>,
    Json(request): Json<RecordRequest>,
) -> Result<Json<Serial>, ChangeError> {
    state.record_certificate(&request).await?;
    Ok(Json(request.certificate.serial))
}

pub(super) async fn relay(
    State(state): State<AdminState>,
    Json(request): Json<RelayRequest>,
) -> Result<Json<Issued>, ChangeError> {
    Ok(Json(state.issue_relay(request).await?))
}

pub(super) async fn crl(
    State(state): State<AdminState>,
    Path(kind): Path<String>,
    Json(asked): Json<CrlAsked>,
) -> Result<Json<CrlMade>, ChangeError> {
    let kind = CaKind::ALL.into_iter().find(|known| known.as_str() == kind);
    let kind = kind.ok_or_else(|| ChangeError::Asked(Words::new("ca-kinds", &[])))?;
    let (number, entries) = state.revocations(kind).await?;
    let der = match kind {
        CaKind::Devices => {
            let request = CrlRequest { entries: entries.clone(), number, next_update: asked.next_update };
            Some(BASE64.encode(&state.issuer.crl(request).await?))
        }
        CaKind::Gateways | CaKind::Staff => None,
    };
    Ok(Json(CrlMade { number, entries, der }))
}
