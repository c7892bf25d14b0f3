//! The running agent, put together.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hitotsu_model::control::Catalogue;
use hitotsu_model::message::Messages;
use hitotsu_pki::export::from_pkcs8_pem;
use hitotsu_pki::key::{PrivateKey, Signer};
use hitotsu_pki::tls::{GatewayVerifier, certified_key};
use hitotsu_pki::trust::Trust;
use rustls::sign::SingleCertAndKey;
use tokio::task::JoinHandle;

use crate::capture::{FrontError, Fronts, Listening};
use crate::config::{Config, ConfigError, GatewayAddress};
use crate::control::{Answerer, ControlError, Server};
use crate::identity::{FileStore, Identity, IdentityError, IdentityStore};
use crate::limits::CONTROL_BODY_BYTES_MAX;
use crate::posture::{Collectors, Machine, Watch};
use crate::session::{Feed, FeedSource, Link, Session, SessionConfig, SessionHandle, Timing, feed};
use crate::{clock, platform};

/// The last known catalogue, for `why` and `catalogue` while there is no tunnel.
const CATALOGUE_FILE: &str = "catalogue.json";

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No identity, or not a good one.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A port cannot be had.
    #[error(transparent)]
    Front(#[from] FrontError),
    /// Another agent runs, or local control cannot start.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// What enrolment left cannot be used.
    #[error("this computer's identity cannot be used: {0}; enrol it again")]
    Unusable(String),
}

/// A running agent. Dropping it ends everything that it does.
#[derive(Debug)]
pub struct Agent {
    session: Session,
    fronts: Fronts,
    _control: Server,
    tasks: Vec<JoinHandle<()>>,
}

impl Agent {
    /// Starts the agent of a state directory. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`RunError`] says what to mend.
    pub async fn start(state_dir: &Path, messages: Arc<Messages>) -> Result<Self, RunError> {
        let mut control = Server::claim(state_dir)?;
        let config = Config::load(state_dir)?;
        let (identity, key) = FileStore::new(state_dir.to_owned()).load()?;
        let key = from_pkcs8_pem(key.expose()).map_err(|error| RunError::Unusable(error.to_string()))?;
        let (posture, source) = feed();
        // Collecting takes a while; the tunnel is dialled meanwhile.
        let watch = tokio::spawn(watch_posture(state_dir.to_owned(), source));
        let (session, fronts) = start_parts(&config, &identity, key, messages, posture).await?;
        let handle = session.handle();
        if let Some(catalogue) = load_catalogue(state_dir) {
            handle.seed_catalogue(catalogue);
        }
        let saver = tokio::spawn(save_catalogues(state_dir.to_owned(), handle.clone()));
        control.serve(Answerer {
            session: handle,
            listening: Arc::new(fronts.listening().clone()),
            org: identity.org,
            device: identity.device,
            started: clock::now(),
        });
        Ok(Self { session, fronts, _control: control, tasks: vec![watch, saver] })
    }

    /// Where the fronts listen.
    #[must_use]
    pub fn listening(&self) -> &Listening {
        self.fronts.listening()
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> SessionHandle {
        self.session.handle()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn start_parts(
    config: &Config,
    identity: &Identity,
    key: PrivateKey,
    messages: Arc<Messages>,
    posture: Feed,
) -> Result<(Session, Fronts), RunError> {
    let signer: Arc<dyn Signer> = Arc::new(key);
    let session = SessionConfig {
        link: Link::new(gateway(config, identity)?, client_tls(identity, Arc::clone(&signer))?)
            .with_congestion(config.congestion),
        org: identity.org.clone(),
        device: identity.device,
        signer,
        messages,
        timing: Timing::default(),
    };
    let session = Session::start(session, posture);
    let fronts = Fronts::start(config, session.handle()).await?;
    Ok((session, fronts))
}

/// The gateway that the configuration or else enrolment names.
///
/// # Errors
/// [`RunError::Unusable`] when enrolment left none that can be read.
pub fn gateway(config: &Config, identity: &Identity) -> Result<GatewayAddress, RunError> {
    match &config.gateway {
        Some(gateway) => Ok(gateway.clone()),
        None => identity.gateway.parse().map_err(|error| RunError::Unusable(format!("its gateway: {error}"))),
    }
}

/// TLS as this device: only gateways of its organisation are believed, and it shows its certificate.
///
/// # Errors
/// [`RunError::Unusable`].
pub fn client_tls(identity: &Identity, signer: Arc<dyn Signer>) -> Result<rustls::ClientConfig, RunError> {
    let trust =
        Trust::new(&identity.root, identity.org.clone()).map_err(|error| RunError::Unusable(error.to_string()))?;
    let certificate = certified_key(identity.chain.clone(), signer);
    let tls = rustls::ClientConfig::builder_with_provider(hitotsu_tunnel::crypto::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| RunError::Unusable(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(GatewayVerifier::new(Arc::new(trust))))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
    Ok(tls)
}

async fn watch_posture(state_dir: PathBuf, source: FeedSource) {
    let machine = Arc::new(Machine::this());
    source.run(Watch::start(Collectors::of_this_platform(&state_dir), machine, Vec::new()).await).await;
}

fn load_catalogue(state_dir: &Path) -> Option<Catalogue> {
    let path = state_dir.join(CATALOGUE_FILE);
    let length = std::fs::metadata(&path).ok()?.len();
    if length > CONTROL_BODY_BYTES_MAX as u64 {
        return None;
    }
    serde_json::from_slice(&std::fs::read(&path).ok()?).ok()
}

async fn save_catalogues(state_dir: PathBuf, session: SessionHandle) {
    let mut catalogues = session.catalogue();
    while catalogues.changed().await.is_ok() {
        let catalogue = catalogues.borrow_and_update().clone();
        let Some(bytes) = catalogue.and_then(|catalogue| serde_json::to_vec(catalogue.as_ref()).ok()) else { continue };
        if let Err(error) = platform::create_private(&state_dir.join(CATALOGUE_FILE), &bytes) {
            tracing::warn!(%error, "the catalogue could not be kept");
        }
    }
}
