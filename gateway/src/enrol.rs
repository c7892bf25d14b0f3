//! Enrolment: one request of a machine that has nothing but its code.
//!
//! On this door anybody may knock, so everything is bounded: time, bytes, requests a connection, requests a source.
//! What a code gave and why it did not is durable in the audit log before the machine is told.

mod knocks;
mod request;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::BASE64;
use hitotsu_model::audit::{AuditEvent, AuditRecord, Durability};
use hitotsu_model::code::Code;
use hitotsu_model::control::{EnrolRequest, EnrolResponse, Problem, ProtocolVersion};
use hitotsu_model::identity::Profile;
use hitotsu_model::message::Sentences;
use hitotsu_pki::csr::{VerifiedCsr, verify_csr};
use hitotsu_pki::enrol::EnrolSecret;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::admin::AdminState;
use crate::clock;
use crate::denied::{asked_for, response};
use crate::issuer::{IssueRequest, IssuerFault};
use crate::registry::Revocation;
use crate::store::{RedeemError, Redeemed, StoredCertificate};
use knocks::Knocks;

/// Longest life of an enrolment connection. One request, even over a poor line, with an issuer that restarts meanwhile.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(30);
/// Longest head of a request in bytes; hyper needs 8 KiB at least.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Serves enrolment connections. Clones share it.
#[derive(Debug, Clone)]
pub struct Enrolment {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: AdminState,
    sentences: Sentences,
    knocks: Mutex<Knocks>,
}

impl Enrolment {
    /// With all that it needs.
    #[must_use]
    pub fn new(state: AdminState, sentences: Sentences) -> Self {
        Self { inner: Arc::new(Inner { state, sentences, knocks: Mutex::default() }) }
    }

    /// Serves one connection to its end, bounded in time and size.
    pub async fn serve<S>(&self, stream: S, remote: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| {
            let this = self.clone();
            async move { Ok::<_, std::convert::Infallible>(this.respond(request, remote.ip().to_canonical()).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(CONNECTION_LIFE_MAX)
            .keep_alive(false)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        match timeout(CONNECTION_LIFE_MAX, connection).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "an enrolment connection ended"),
            Err(_) => tracing::debug!("an enrolment connection took too long"),
        }
    }

    async fn respond(&self, request: http::Request<Incoming>, source: IpAddr) -> Response<Full<Bytes>> {
        let inner = &self.inner;
        let messages = asked_for(&inner.sentences, request.headers());
        match inner.answer(request, source).await {
            Ok(enrolled) => json(&enrolled),
            Err(code) => {
                let mut refused = response(&Problem::new(code, messages)).map(Full::new);
                if code == Code::OverLimit {
                    let seconds = HeaderValue::from(knocks::REFILL.as_secs());
                    refused.headers_mut().insert(header::RETRY_AFTER, seconds);
                }
                refused
            }
        }
    }
}

impl Inner {
    async fn answer(&self, request: http::Request<Incoming>, source: IpAddr) -> Result<EnrolResponse, Code> {
        // A plain panic elsewhere leaves the table of counters usable.
        let knocks = self.knocks.lock().unwrap_or_else(PoisonError::into_inner).allows(source, Instant::now());
        if !knocks {
            // Not in the audit log, or anybody could fill it.
            tracing::debug!(%source, "too many enrolment requests");
            return Err(Code::OverLimit);
        }
        match self.enrol(request).await {
            Ok(enrolled) => Ok(enrolled),
            Err(refusal) => {
                tracing::info!(code = %refusal.code, why = refusal.why, "an enrolment was refused");
                self.record(AuditEvent::EnrolRefused { source, code: refusal.code }).await?;
                Err(refusal.code)
            }
        }
    }

    async fn enrol(&self, request: http::Request<Incoming>) -> Result<EnrolResponse, Refusal> {
        let wanted = request::read(request).await?;
        let csr_der = BASE64
            .decode(wanted.csr.as_bytes())
            .map_err(|_| Refusal::new(Code::EnrolRequestInvalid, "the certificate request is not Base64"))?;
        let csr = verify_csr(&csr_der).map_err(|error| Refusal::new(Code::EnrolRequestInvalid, error))?;
        let redeemed = self.redeem(&wanted, &csr).await?;
        let device = &redeemed.device;
        let issued = self
            .state
            .issuer
            .issue(IssueRequest { profile: Profile::Device, holder: device.id, level: device.level, csr: csr_der })
            .await
            .map_err(|fault| match &fault {
                IssuerFault::Unavailable(_) | IssuerFault::Refused(_) => {
                    tracing::error!(%fault, "a device could not be given its certificate");
                    Refusal::new(Code::IssuerUnavailable, fault)
                }
            })?;
        // Recorded again for a machine that asks again: its first answer may have failed before its record.
        let enrolled = AuditEvent::DeviceEnrolled {
            device: device.id,
            person: device.person.clone(),
            ownership: device.ownership,
            code_id: redeemed.code_id.clone(),
        };
        self.record(enrolled).await?;
        let certificate = AuditEvent::CertificateIssued {
            serial: issued.serial.clone(),
            profile: Profile::Device,
            holder: device.id,
            not_after: issued.not_after,
        };
        self.record(certificate).await?;
        let stored = StoredCertificate {
            serial: issued.serial.clone(),
            profile: Profile::Device,
            holder: device.id,
            der: issued.certificate.clone(),
            issued_at: clock::now(),
            not_after: issued.not_after,
            revoked: None,
        };
        let _one_at_a_time = self.state.changing.lock().await;
        self.state.store.record_certificate(&stored).await.map_err(unavailable)?;
        self.state.refresh().await.map_err(unavailable)?;
        tracing::info!(again = redeemed.again, "a device enrolled");
        Ok(EnrolResponse {
            version: ProtocolVersion::CURRENT,
            org: issued.org,
            device: device.id,
            person: device.person.clone(),
            chain: vec![BASE64.encode(&issued.certificate), BASE64.encode(&issued.authority)],
            root: BASE64.encode(&self.state.root),
            not_after: issued.not_after,
        })
    }

    async fn redeem(&self, wanted: &EnrolRequest, csr: &VerifiedCsr) -> Result<Redeemed, Refusal> {
        let secret: EnrolSecret = wanted.secret.parse().map_err(|error| Refusal::new(Code::EnrolCodeUnknown, error))?;
        // A device whose enrolment could not be recorded must not be on record either.
        let state = self.state.audit.state().borrow().clone();
        if state != crate::audit::AuditState::Writing {
            return Err(Refusal::new(Code::AuditUnavailable, "the audit log takes no records"));
        }
        let redeemed =
            self.state.store.redeem(&secret.hash(), &csr.spki_sha256(), &wanted.platform, clock::now()).await;
        let redeemed = redeemed.map_err(|error| match &error {
            RedeemError::Unknown => Refusal::new(Code::EnrolCodeUnknown, error),
            RedeemError::Used => Refusal::new(Code::EnrolCodeUsed, error),
            RedeemError::Expired => Refusal::new(Code::EnrolCodeExpired, error),
            RedeemError::Store(_) => {
                tracing::error!(%error, "an enrolment code could not be redeemed");
                Refusal::new(Code::StoreUnavailable, error)
            }
        })?;
        // A code never brings a revoked device back, nor one whose revocation the database does not have yet.
        let device = Revocation::Device(redeemed.device.id);
        if redeemed.device.revoked.is_some() || self.state.registry.snapshot().revoked(&device).is_some() {
            return Err(Refusal::new(Code::EnrolCodeUsed, "its device was revoked"));
        }
        Ok(redeemed)
    }

    async fn record(&self, event: AuditEvent) -> Result<(), Code> {
        match self.state.audit.append(AuditRecord { at: clock::now(), event }, Durability::Durable).await {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "an enrolment could not be recorded");
                Err(Code::AuditUnavailable)
            }
        }
    }
}

/// Why somebody was not enrolled: what they are told, and what the operator needs.
#[derive(Debug)]
struct Refusal {
    code: Code,
    why: String,
}

impl Refusal {
    fn new(code: Code, why: impl ToString) -> Self {
        Self { code, why: why.to_string() }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code, code.slug())
    }
}

fn unavailable(error: crate::store::StoreError) -> Refusal {
    tracing::error!(%error, "an enrolment could not be stored");
    Refusal::new(Code::StoreUnavailable, error)
}

fn json(enrolled: &EnrolResponse) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(enrolled).map_or_else(|_| Bytes::new(), Bytes::from);
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests;
