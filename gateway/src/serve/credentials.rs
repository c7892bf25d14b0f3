//! The certificates and keys that `serve` itself uses. The root's key and the issuing keys are never among them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hitotsu_pki::key::PrivateKey;
use hitotsu_pki::tls::{ClientVerifier, certified_key};
use hitotsu_pki::trust::Trust;
use hitotsu_tunnel::crypto;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::SingleCertAndKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::SecretString;

use crate::config::Config;
use crate::files::write_private;
use crate::words::{InWords, Words};

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file cannot be read.
    #[error("`{path}`: {error}; check `hitotsu-gateway check`")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file holds something else.
    #[error("`{path}`: {why}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// TLS cannot be set up with them.
    #[error("tls cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl InWords for CredentialError {
    fn words(&self) -> Words {
        match self {
            Self::Read { path, error } => Words::file("credential-unreadable", path, error),
            Self::Content { path, why } => {
                Words::new("credential-content", &[("path", &path.display().to_string()), ("why", why)])
            }
            Self::Tls(error) => Words::new("credential-tls", &[("why", &error.to_string())]),
        }
    }
}

/// What the listener needs.
pub(crate) struct Credentials {
    pub(crate) trust: Arc<Trust>,
    pub(crate) client_verifier: Arc<dyn ClientCertVerifier>,
    pub(crate) certificates: Arc<dyn ResolvesServerCert>,
    pub(crate) enrol_tls: Arc<rustls::ServerConfig>,
}

pub(crate) fn load(config: &Config) -> Result<Credentials, CredentialError> {
    let roots = certificates(&config.root)?;
    let [root] = roots.as_slice() else {
        return Err(content(&config.root, "must hold exactly one certificate, the root's"));
    };
    let trust = Trust::new(root, config.org.clone()).map_err(|error| content(&config.root, error))?;
    let trust = Arc::new(trust);
    let chain = certificates(&config.server_chain)?;
    let key = Arc::new(server_key(config)?);
    // A machine that enrols knows the root by its fingerprint only, so there the chain ends with the root itself.
    let enrol_chain: Vec<_> = chain.iter().cloned().chain([root.clone()]).collect();
    let enrol_certificates = Arc::new(SingleCertAndKey::from(certified_key(enrol_chain, key.clone())));
    let certificates: Arc<dyn ResolvesServerCert> = Arc::new(SingleCertAndKey::from(certified_key(chain, key)));
    let mut enrol_tls = rustls::ServerConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(enrol_certificates);
    enrol_tls.alpn_protocols = vec![hitotsu_model::control::ENROL_ALPN.to_vec()];
    // Shares no resumption with anything: an enrolment connection is used once.
    enrol_tls.session_storage = Arc::new(NoServerSessionStorage {});
    enrol_tls.send_tls13_tickets = 0;
    let client_verifier = Arc::new(ClientVerifier::new(trust.clone()));
    Ok(Credentials { trust, client_verifier, certificates, enrol_tls: Arc::new(enrol_tls) })
}

/// Name of the file, beside the database, that holds the key of stateless resets.
pub(crate) const RESET_KEY: &str = "reset.key";

/// The key of stateless resets: made at the first start, the same ever after, so that a restarted gateway can tell the
/// agents of the one that died that it forgot them. A disk that does not keep it costs them only that.
pub(crate) fn reset_key(path: &Path) -> Result<[u8; 32], CredentialError> {
    if let Ok(kept) = std::fs::read(path)
        && let Ok(key) = kept.try_into()
    {
        return Ok(key);
    }
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).map_err(|_| content(path, "the system gives no randomness"))?;
    if let Err(error) = write_private(path, &key) {
        tracing::warn!(%error, "the key of stateless resets is not kept; after a restart agents take seconds to notice");
    }
    Ok(key)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(content(path, "holds no certificate")),
        Err(error) => Err(content(path, format!("is not PEM: {error:?}"))),
    }
}

fn server_key(config: &Config) -> Result<PrivateKey, CredentialError> {
    let pem = read(&config.server_key)?;
    let key = match &config.server_key_passphrase {
        Some(path) => {
            let passphrase = SecretString::from(read(path)?.trim_end().to_owned());
            PrivateKey::from_encrypted_pem(&pem, &passphrase)
        }
        None => hitotsu_pki::export::from_pkcs8_pem(&pem),
    };
    key.map_err(|error| content(&config.server_key, error))
}

fn read(path: &Path) -> Result<String, CredentialError> {
    std::fs::read_to_string(path).map_err(|error| CredentialError::Read { path: path.to_path_buf(), error })
}

fn content(path: &Path, why: impl ToString) -> CredentialError {
    CredentialError::Content { path: path.to_path_buf(), why: why.to_string() }
}
