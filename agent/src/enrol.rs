//! Enrolment: a code becomes an identity.
//!
//! The code carries the fingerprint of the organisation's root, so nothing is trusted on first use. The key is made
//! here, never leaves, and is kept until the answer is there, so that a lost answer can be asked for again with the
//! same key and code.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
use hitotsu_model::code::Code;
use hitotsu_model::control::{ENROL_ALPN, EnrolRequest, EnrolResponse, Problem, ProtocolVersion};
use hitotsu_model::identity::Profile;
use hitotsu_model::message::{Language, Messages};
use hitotsu_model::time::Timestamp;
use hitotsu_pki::csr::make_csr;
use hitotsu_pki::enrol::EnrolCode;
use hitotsu_pki::export::{from_pkcs8_pem, to_pkcs8_pem};
use hitotsu_pki::key::{PrivateKey, Signer};
use hitotsu_pki::peer::verify_peer;
use hitotsu_pki::tls::EnrolVerifier;
use http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::identity::{Identity, IdentityError, IdentityStore, KeyPem};
use crate::limits::{ENROL_ANSWER_BYTES_MAX, ENROL_TIME_MAX, HTTP_FIELDS_MAX, HTTP_HEAD_BYTES_MAX};
use crate::platform;

/// Where the gateway answers to enrolment.
const ENROL_PATH: &str = "/enrol";

/// Begins the name of the file with a key whose enrolment has had no answer yet.
const PENDING_KEY: &str = "enrol-";

/// Why enrolment did not work.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The gateway says no.
    #[error("the gateway refused: {}", .0.code)]
    Problem(Box<Problem>),
    /// No connection to the gateway.
    #[error("`{gateway}` cannot be reached: {why}; check the network and the code's ending")]
    Unreachable {
        /// The gateway of the code.
        gateway: String,
        /// What failed.
        why: String,
    },
    /// The server is not the one that the code was made for.
    #[error("the server is not the one that the code was made for: {0}")]
    WrongGateway(String),
    /// The gateway's answer breaks a rule.
    #[error("the gateway's answer cannot be used: {0}; tell your IT desk")]
    Answer(String),
    /// This computer is enrolled already.
    #[error("this computer is enrolled already; add `--again` to replace its identity")]
    Already,
    /// The identity cannot be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A key cannot be made or used.
    #[error("the key cannot be made or used: {0}")]
    Key(String),
}

impl EnrolError {
    /// The reason code, where it is one that a help desk knows.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Problem(problem) => Some(problem.code),
            Self::Unreachable { .. } => Some(Code::GatewayUnreachable),
            Self::WrongGateway(_) | Self::Answer(_) => Some(Code::EnrolWrongGateway),
            Self::Already | Self::Identity(_) | Self::Key(_) => None,
        }
    }
}

/// What enrolment made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The identity, as it was kept.
    pub identity: Identity,
    /// The person that the device is bound to, if any.
    pub person: Option<hitotsu_model::ids::PersonId>,
    /// When the certificate ends.
    pub not_after: Timestamp,
}

/// Whether an existing identity may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and enrolment fails.
    Keep,
    /// It is replaced once the new one is there.
    Replace,
}

/// Enrols this computer and keeps its identity.
///
/// # Errors
/// [`EnrolError`]; until the very end nothing that was there is changed.
pub async fn enrol(
    code: &EnrolCode,
    store: &dyn IdentityStore,
    state_dir: &Path,
    existing: Existing,
    messages: &Messages,
    now: Timestamp,
) -> Result<Enrolled, EnrolError> {
    match (existing, store.load()) {
        (Existing::Replace, _) | (Existing::Keep, Err(IdentityError::NotEnrolled)) => {}
        (Existing::Keep, Ok(_)) => return Err(EnrolError::Already),
        (Existing::Keep, Err(error)) => return Err(error.into()),
    }
    let pending = pending_path(state_dir, code);
    let key = pending_key(&pending)?;
    let response = tokio::time::timeout(ENROL_TIME_MAX, exchange(code, &key, messages.language()))
        .await
        .map_err(|_| unreachable(code, "no answer in time"))??;
    let enrolled = checked(code, &key, response, now)?;
    let pem = to_pkcs8_pem(&key).map_err(|error| EnrolError::Key(error.to_string()))?;
    store.save(&enrolled.identity, &KeyPem::new(pem))?;
    // Kept by the store now; a copy that cannot be removed is as well protected as the store's own.
    let _ = std::fs::remove_file(&pending);
    if let Err(error) = platform::record_own_program(state_dir) {
        tracing::warn!(%error, "the agent's program could not be recorded; it will not count as intact");
    }
    Ok(enrolled)
}

/// One file for each code, named by a hash of it, so that another code never meets this key.
fn pending_path(state_dir: &Path, code: &EnrolCode) -> PathBuf {
    let hash = digest(&SHA256, &code.secret_hash());
    let name: String = data_encoding::HEXLOWER.encode(hash.as_ref()).chars().take(16).collect();
    state_dir.join(format!("{PENDING_KEY}{name}.pem"))
}

fn pending_key(path: &Path) -> Result<PrivateKey, EnrolError> {
    let io = |error| EnrolError::Identity(IdentityError::Io { path: path.to_owned(), error });
    let key_error = |error: hitotsu_pki::key::KeyError| EnrolError::Key(error.to_string());
    if path.exists() {
        platform::check_private(path).map_err(io)?;
        let pem = Zeroizing::new(std::fs::read_to_string(path).map_err(io)?);
        return from_pkcs8_pem(&pem).map_err(key_error);
    }
    let key = PrivateKey::generate_p256(&SystemRandom::new()).map_err(key_error)?;
    let pem = to_pkcs8_pem(&key).map_err(key_error)?;
    platform::create_private(path, pem.as_bytes()).map_err(io)?;
    Ok(key)
}

fn unreachable(code: &EnrolCode, why: impl ToString) -> EnrolError {
    EnrolError::Unreachable { gateway: code.gateway().to_owned(), why: why.to_string() }
}

async fn exchange(code: &EnrolCode, key: &PrivateKey, language: Language) -> Result<EnrolResponse, EnrolError> {
    let csr = make_csr(key).map_err(|error| EnrolError::Key(error.to_string()))?;
    let request = EnrolRequest {
        version: ProtocolVersion::CURRENT,
        secret: code.secret().text().to_string(),
        csr: BASE64.encode(&csr),
        platform: std::env::consts::OS.to_owned(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let body = serde_json::to_vec(&request).map_err(|error| EnrolError::Answer(error.to_string()))?;
    let response = post(code, body.into(), language).await?;
    if response.status() == StatusCode::OK {
        return serde_json::from_slice(response.body()).map_err(|error| EnrolError::Answer(error.to_string()));
    }
    match serde_json::from_slice::<Problem>(response.body()) {
        Ok(problem) => Err(EnrolError::Problem(Box::new(problem))),
        Err(_) => Err(EnrolError::Answer(format!("status {} without a reason", response.status().as_u16()))),
    }
}

async fn post(code: &EnrolCode, body: Bytes, language: Language) -> Result<Response<Bytes>, EnrolError> {
    let stream = TcpStream::connect((code.host(), code.port())).await.map_err(|error| unreachable(code, error))?;
    let server_name = ServerName::try_from(code.host().to_owned()).map_err(|error| unreachable(code, error))?;
    let tls = tls(code)?;
    let stream = TlsConnector::from(Arc::new(tls)).connect(server_name, stream).await.map_err(|error| {
        // rustls wraps its own errors; everything else is the network's.
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(why)) => EnrolError::WrongGateway(why.to_string()),
            Some(error) => EnrolError::WrongGateway(error.to_string()),
            None => unreachable(code, error),
        }
    })?;
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_headers(HTTP_FIELDS_MAX).max_buf_size(HTTP_HEAD_BYTES_MAX);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(code, error))?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(ENROL_PATH)
        .header(HOST, code.gateway())
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT_LANGUAGE, language.as_str())
        .body(Full::new(body))
        .map_err(|error| EnrolError::Answer(error.to_string()))?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(|error| unreachable(code, error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ENROL_ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| EnrolError::Answer(error.to_string()))?.to_bytes();
        Ok(Response::from_parts(parts, body))
    };
    tokio::pin!(answered);
    tokio::select! {
        biased;
        response = &mut answered => response,
        ended = connection => match ended {
            // Everything was read; the answer is ready now or never.
            Ok(()) => answered.await,
            Err(error) => Err(unreachable(code, error)),
        },
    }
}

fn tls(code: &EnrolCode) -> Result<rustls::ClientConfig, EnrolError> {
    let mut tls = rustls::ClientConfig::builder_with_provider(hitotsu_tunnel::crypto::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| EnrolError::Key(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(EnrolVerifier::new(code)))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ENROL_ALPN.to_vec()];
    // Nothing of an enrolment is ever resumed.
    tls.resumption = rustls::client::Resumption::disabled();
    Ok(tls)
}

/// Takes nothing from the answer that cannot be proven: the root has the code's fingerprint, the chain leads to it, the
/// name is the one that was said, and the key is ours.
fn checked(
    code: &EnrolCode,
    key: &PrivateKey,
    response: EnrolResponse,
    now: Timestamp,
) -> Result<Enrolled, EnrolError> {
    let answer = |what: &str| EnrolError::Answer(what.to_owned());
    if response.version != ProtocolVersion::CURRENT {
        return Err(EnrolError::Answer(format!("its version {} is not known", response.version.0)));
    }
    let decode = |text: &String| BASE64.decode(text.as_bytes()).map(CertificateDer::from);
    let root = decode(&response.root).map_err(|_| answer("its root is not Base64"))?;
    let chain: Vec<_> =
        response.chain.iter().map(decode).collect::<Result<_, _>>().map_err(|_| answer("its chain is not Base64"))?;
    let trust = code.trust(&root, response.org.clone()).map_err(|error| EnrolError::WrongGateway(error.to_string()))?;
    let peer = verify_peer(&chain, &trust, now).map_err(|fault| EnrolError::Answer(fault.to_string()))?;
    if peer.name.profile != Profile::Device || peer.name.id != response.device || peer.name.org != response.org {
        return Err(answer("its certificate is for somebody else"));
    }
    if peer.spki != key.public_spki_der() {
        return Err(answer("its certificate is for another key"));
    }
    let identity =
        Identity { org: response.org, device: response.device, gateway: code.gateway().to_owned(), root, chain };
    Ok(Enrolled { identity, person: response.person, not_after: peer.not_after })
}
