//! Runs a gateway: puts the parts together, serves until it is told to stop, drains.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hitotsu_model::audit::{AuditEvent, AuditRecord, Durability};
use hitotsu_model::control::{ATTEST_EXPORTER_LABEL, ENROL_ALPN, Notice};
use hitotsu_model::message::Sentences;
use hitotsu_tunnel::fault::ListenError;
use hitotsu_tunnel::listener::{HandshakeLimits, ListenerConfig, OtherProtocol, Port};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::admin::{self, AdminState};
use crate::audit::{AuditLog, Recovery};
use crate::bundle_dir;
use crate::clock;
use crate::config::Config;
use crate::enrol::Enrolment;
use crate::gateway::{Gateway, Parts};
use crate::issuer::{self, IssuerClient};
use crate::memory;
use crate::metrics::{self, Metrics};
use crate::operate;
use crate::registry::{Registry, RegistryCopy, RegistrySnapshot};
use crate::revocation::{self, Ledgers, Owed};
use crate::store::Store;
use crate::watch;
use crate::words::{InWords, Words};

pub(crate) mod credentials;
mod workers;

use self::workers::Workers;

/// Why a gateway did not start, or stopped. Each says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Credentials(#[from] credentials::CredentialError),
    /// The audit log cannot be opened.
    #[error(transparent)]
    AuditOpen(#[from] crate::audit::AuditOpenError),
    /// The first audit record cannot be written.
    #[error(transparent)]
    Audit(#[from] crate::audit::AuditError),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The policy bundle is wrong.
    #[error(
        "{0}\nthe gateway does not start without a policy; mend the bundle, then run `hitotsu-gateway policy check`"
    )]
    Policy(#[from] bundle_dir::BundleDirError),
    /// Message files are broken.
    #[error(transparent)]
    Messages(#[from] hitotsu_model::message::MessageFileError),
    /// The port cannot be listened on.
    #[error(transparent)]
    Listen(#[from] hitotsu_tunnel::fault::ListenError),
    /// The resolver cannot be made.
    #[error("the resolver could not be made: {0}; set `dns.servers` in the configuration")]
    Resolver(String),
    /// The watch over live flows ended by itself.
    #[error("the watch over live flows ended by itself; see the log, and restart the gateway")]
    WatchEnded,
    /// A thread that carries connections ended by itself.
    #[error("a worker thread ended by itself; see the log, and restart the gateway")]
    WorkerEnded,
    /// A local listener cannot be made.
    #[error("{what}: {error}")]
    Local {
        /// Which.
        what: String,
        /// Why.
        error: std::io::Error,
    },
}

impl InWords for ServeError {
    fn words(&self) -> Words {
        match self {
            Self::Credentials(error) => error.words(),
            Self::AuditOpen(error) => error.words(),
            Self::Audit(error) => error.words(),
            Self::Store(error) => error.words(),
            Self::Policy(error) => Words::new("serve-no-policy", &[]).with("why", error.words()),
            Self::Messages(error) => Words::plain(error),
            Self::Listen(ListenError::Bind { address, source }) => {
                Words::new("serve-port", &[("address", &address.to_string())]).with("error", Words::system(source))
            }
            Self::Listen(ListenError::Misconfigured(why)) => Words::new("credential-tls", &[("why", why)]),
            Self::Resolver(why) => Words::new("serve-resolver", &[("why", why)]),
            Self::WatchEnded => Words::new("serve-watch-ended", &[]),
            Self::WorkerEnded => Words::new("serve-worker-ended", &[]),
            Self::Local { what, error } => {
                Words::new("serve-port", &[("address", what)]).with("error", Words::system(error))
            }
        }
    }
}

/// What is told once everything listens.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Ready {
    /// UDP and TCP.
    pub listen: SocketAddr,
    /// Metrics and health.
    pub metrics: Option<SocketAddr>,
    /// Version of the policy bundle.
    pub bundle: String,
}

/// Serves until SIGTERM or SIGINT, then drains. Calls `ready` once everything listens.
///
/// # Errors
/// [`ServeError`] when a part cannot start.
pub async fn run(config: Config, ready: impl FnOnce(&Ready)) -> Result<(), ServeError> {
    raise_open_files();
    let credentials = credentials::load(&config)?;
    let bundle = Arc::new(bundle_dir::load(&config.policy_dir)?);
    let (audit, recovery) = AuditLog::open(&config.audit_dir, clock::now())?;
    tell(&recovery);
    let started = AuditEvent::GatewayStarted {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        closed_intents: recovery.orphans.clone(),
    };
    audit.append(AuditRecord { at: clock::now(), event: started }, Durability::Durable).await?;
    let loaded = AuditEvent::PolicyLoaded { bundle: bundle.version().to_owned(), before: None };
    audit.append(AuditRecord { at: clock::now(), event: loaded }, Durability::Durable).await?;
    let (store, snapshot) = recall(&config).await?;
    let registry = Registry::new(snapshot);

    let listening = ListenerConfig {
        address: config.listen,
        client_verifier: credentials.client_verifier,
        certificates: credentials.certificates,
        exporter_label: ATTEST_EXPORTER_LABEL,
        other: Some(OtherProtocol { alpn: ENROL_ALPN, tls: credentials.enrol_tls }),
        reset_key: credentials::reset_key(&config.database.with_file_name(credentials::RESET_KEY))?,
        handshakes: HandshakeLimits::default(),
        congestion: config.congestion,
    };
    let port = Port::bind(&listening, workers::count())?;
    let listen = port.local_addr();
    let metrics_listener = match config.metrics_listen {
        Some(address) => Some(bind_local(address).await?),
        None => None,
    };
    let metrics_address = metrics_listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let gateway = Gateway::new(Parts {
        trust: credentials.trust,
        registry: registry.clone(),
        audit: audit.clone(),
        next_flow: recovery.next_flow,
        resolver: resolver(&config.dns_servers)?,
        metrics: Metrics::default(),
        front_doors: port.doors(),
        sentences: Sentences::new(&[], &[])?,
        bundle_dir: config.policy_dir.clone(),
        bundle: bundle.clone(),
        own_listeners: std::iter::once(listen).chain(metrics_address).collect(),
        own_addresses: own_addresses(),
    });

    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let mut watching = tokio::spawn(watch::run(gateway.clone(), clock::now, stop.clone()));
    let counted = gateway.clone();
    tasks.spawn(memory::give_back(move || counted.live.counts().0, stop.clone()));
    if config.issuer_spawn {
        tasks.spawn(issuer::supervise(config.file.clone(), stop.clone()));
    }
    if let Some(listener) = metrics_listener {
        let router = metrics::router(gateway.clone());
        let stopped = stop.clone().cancelled_owned();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "the metrics listener failed");
            }
        });
    }
    let admin_state = AdminState {
        store,
        registry,
        copy: RegistryCopy::beside(&config.database),
        owed: Owed::counted_by(gateway.metrics.revocations_owed.clone()),
        audit: audit.clone(),
        issuer: IssuerClient::new(&config.issuer_socket),
        root: gateway.trust.root().clone(),
        authority: authority(&config.name, listen.port()),
        changing: Arc::default(),
    };
    let ledgers =
        Ledgers { audit: audit.clone(), store: admin_state.store.clone(), registry: admin_state.registry.clone() };
    tasks.spawn(admin_state.owed.clone().settle(ledgers, stop.clone()));
    let admin_router = admin::router(admin_state.clone()).merge(operate::router(gateway.clone()));
    let admin_listener = crate::local::bind(&config.admin_socket).map_err(|error| ServeError::Local {
        what: format!("admin socket `{}`", config.admin_socket.display()),
        error,
    })?;
    let stopped = stop.clone().cancelled_owned();
    tasks.spawn(async move {
        if let Err(error) = axum::serve(admin_listener, admin_router).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the admin socket failed");
        }
    });

    let enrolment = Enrolment::new(admin_state, Sentences::new(&[], &[])?);
    let mut workers = Workers::start(port.seats(), &gateway, &enrolment).await?;
    ready(&Ready { listen, metrics: metrics_address, bundle: bundle.version().to_owned() });
    tracing::info!("serving");
    let drain_max = Duration::from_secs(config.drain_seconds_max.into());
    let outcome = watch_over(&gateway, &mut workers, drain_max, &mut watching).await;
    stop.cancel();
    finish(&gateway, tasks).await?;
    outcome
}

/// Waits for what still runs, for a bounded time, and writes the last record.
async fn finish(gateway: &Gateway, mut tasks: JoinSet<()>) -> Result<(), ServeError> {
    let finishing = async { while tasks.join_next().await.is_some() {} };
    if timeout(Duration::from_secs(5), finishing).await.is_err() {
        tracing::warn!("some parts did not stop in time");
    }
    gateway.records.finish().await;
    let stopped = AuditRecord { at: clock::now(), event: AuditEvent::GatewayStopped };
    gateway.audit.append(stopped, Durability::Durable).await?;
    tracing::info!("stopped");
    Ok(())
}

/// The database and what it holds; where it does not answer, what it held last.
async fn recall(config: &Config) -> Result<(Store, RegistrySnapshot), ServeError> {
    let copy = RegistryCopy::beside(&config.database);
    // A database that was there and is gone is a lost one: an empty new one would lock everybody out.
    let lost = !config.database.exists() && copy.exists();
    let opened = match Store::open_unless(lost, &config.database).await {
        Ok(store) => revocation::known(&store, &copy).await.map(|snapshot| (store, snapshot)),
        Err(error) => Err(error),
    };
    match opened {
        Ok((store, snapshot)) => {
            if let Err(error) = copy.write(&snapshot) {
                tracing::warn!(%error, "the copy of the registry could not be written");
            }
            Ok((store, snapshot))
        }
        Err(error) => match copy.read() {
            Ok(snapshot) => {
                tracing::error!(%error, "serving those who are enrolled from the copy of the registry; mend the database");
                Ok((Store::absent(&config.database), snapshot))
            }
            Err(_) => Err(error.into()),
        },
    }
}

/// Says what the audit log was found like.
fn tell(recovery: &Recovery) {
    for damage in &recovery.damage {
        tracing::error!(%damage, "the audit log is damaged; see `hitotsu-gateway audit verify`");
    }
    if let Some(torn) = &recovery.torn_tail {
        let kept_as = torn.kept_as.display();
        tracing::warn!(bytes = torn.bytes, %kept_as, "the last run died while it wrote the audit log; the torn end is kept");
    }
    if !recovery.orphans.is_empty() {
        tracing::warn!(flows = recovery.orphans.len(), "flows of the last run are closed: it did not stop in order");
    }
}

/// Lets the workers serve until told to stop, then drains.
///
/// # Errors
/// [`ServeError::WatchEnded`]: without the watch nothing would ever be cut again, so nothing is served either.
/// [`ServeError::WorkerEnded`]: the connections that it would have taken would wait in vain.
async fn watch_over(
    gateway: &Arc<Gateway>,
    workers: &mut Workers,
    drain_max: Duration,
    watching: &mut JoinHandle<()>,
) -> Result<(), ServeError> {
    let mut reloads = JoinSet::new();
    let mut outcome = Ok(());
    let mut signals = Signals::new();
    loop {
        tokio::select! {
            () = workers.one_over() => {
                tracing::error!("a worker ended by itself; the gateway stops");
                outcome = Err(ServeError::WorkerEnded);
                break;
            }
            Some(_) = reloads.join_next(), if !reloads.is_empty() => {}
            _ = &mut *watching => {
                tracing::error!("the watch over live flows ended; the gateway stops");
                outcome = Err(ServeError::WatchEnded);
                break;
            }
            signal = signals.next() => match signal {
                Told::Stop => break,
                Told::Reload => {
                    let gateway = gateway.clone();
                    // The error is logged and counted there; the old bundle stays.
                    reloads.spawn(async move { drop(operate::reload_policy(&gateway).await) });
                }
            }
        }
    }
    drain(gateway, workers, &mut signals, drain_max).await;
    outcome
}

/// Takes nothing new, asks every device to dial elsewhere, and waits for flows to end, for a bounded time. A second
/// signal ends the wait.
async fn drain(gateway: &Arc<Gateway>, workers: &mut Workers, signals: &mut Signals, longest: Duration) {
    gateway.begin_drain();
    workers.stop();
    let (session_count, flow_count) = gateway.live.counts();
    tracing::info!(sessions = session_count, flows = flow_count, "draining");
    for session in gateway.live.sessions() {
        session.notify(Notice::Draining);
    }
    let flows_end = async {
        while gateway.live.counts().1 > 0 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = flows_end => {}
        () = sleep(longest) => tracing::warn!("flows were still open when the drain ended"),
        _ = signals.next() => tracing::warn!("the drain was cut short"),
    }
    for session in gateway.live.sessions() {
        session.end(hitotsu_model::code::Code::Draining);
    }
    if timeout(Duration::from_secs(3), workers.all_over()).await.is_err() {
        workers.abort();
        let _ = timeout(Duration::from_secs(2), workers.all_over()).await;
    }
}

enum Told {
    Stop,
    Reload,
}

struct Signals {
    terminate: Option<tokio::signal::unix::Signal>,
    interrupt: Option<tokio::signal::unix::Signal>,
    hang_up: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    fn new() -> Self {
        let listen = |kind| match signal(kind) {
            Ok(signal) => Some(signal),
            Err(error) => {
                tracing::error!(%error, "a signal cannot be listened for");
                None
            }
        };
        Self {
            terminate: listen(SignalKind::terminate()),
            interrupt: listen(SignalKind::interrupt()),
            hang_up: listen(SignalKind::hangup()),
        }
    }

    async fn next(&mut self) -> Told {
        async fn one(signal: &mut Option<tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => {
                    signal.recv().await;
                }
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(&mut self.terminate) => Told::Stop,
            () = one(&mut self.interrupt) => Told::Stop,
            () = one(&mut self.hang_up) => Told::Reload,
        }
    }
}

/// `host:port` that agents dial; an IPv6 address stands in brackets.
fn authority(name: &str, port: u16) -> String {
    if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") }
}

/// Every flow takes a file descriptor, and the usual limit of 1,024 is an interactive user's. The system's own bound is
/// the administrator's to set.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays low; raise it for many devices");
    }
}

async fn bind_local(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| ServeError::Local { what: format!("metrics listener `{address}`"), error })
}

fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, ServeError> {
    let failed = |error: &dyn std::fmt::Display| ServeError::Resolver(error.to_string());
    let builder = if servers.is_empty() {
        TokioResolver::builder_tokio().map_err(|error| failed(&error))?
    } else {
        let servers = servers.iter().map(|server| {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            config
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    builder.build().map_err(|error| failed(&error))
}

/// Every address of this machine; a system may not be one of them unless its resource says so.
fn own_addresses() -> BTreeSet<IpAddr> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces.into_iter().map(|interface| interface.ip().to_canonical()).collect(),
        Err(error) => {
            tracing::error!(%error, "this machine's addresses cannot be read; only loopback counts as its own");
            BTreeSet::new()
        }
    }
}
