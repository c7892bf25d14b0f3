//! A computer with an agent whose posture the test holds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hitotsu_agent::capture::{Fronts, Listening};
use hitotsu_agent::config::Config;
use hitotsu_agent::identity::Identity;
use hitotsu_agent::session::{
    BackoffBounds, FeedRequest, FeedSource, Link, Phase, Session, SessionConfig, SessionHandle, Timing, Tunnel, feed,
};
use hitotsu_agent::{clock, message, run};
use hitotsu_model::message::Language;
use hitotsu_model::posture::{Claim, ClaimName, ClaimValue, Posture, Source};
use hitotsu_tunnel::dialer::Preference;
use tokio::sync::watch;

use super::city::{City, device};
use super::soon;

/// A running session with its fronts.
pub(crate) struct Pc {
    pub(crate) session: Session,
    pub(crate) posture: watch::Sender<Posture>,
    pub(crate) told: tokio::sync::mpsc::UnboundedReceiver<FeedRequest>,
    fronts: Option<Fronts>,
}

/// Quick enough for tests, and still in the order of the real ones.
pub(crate) fn timing() -> Timing {
    Timing {
        attest_retry: Duration::from_millis(50),
        suspect_after: Duration::from_millis(100),
        probe_time_max: Duration::from_millis(300),
        notices_retry: Duration::from_millis(50),
        refused_retry: Duration::from_millis(200),
        backoff: BackoffBounds {
            shortest: Duration::from_millis(20),
            longest_wanted: Duration::from_millis(100),
            longest_idle: Duration::from_millis(200),
        },
        ..Timing::default()
    }
}

pub(crate) fn identity(city: &City, gateway: SocketAddr) -> (Identity, Arc<dyn hitotsu_pki::key::Signer>) {
    let holder = city.device(device(1));
    let identity = Identity {
        org: city.org.clone(),
        device: device(1),
        gateway: gateway.to_string(),
        root: city.root.clone(),
        chain: holder.chain,
    };
    (identity, holder.key)
}

impl Pc {
    pub(crate) fn start(city: &City, gateway: SocketAddr) -> Self {
        Self::start_with(city, gateway, timing(), Preference::QuicFirst)
    }

    pub(crate) fn start_with(city: &City, gateway: SocketAddr, timing: Timing, preference: Preference) -> Self {
        let (identity, signer) = identity(city, gateway);
        let tls = run::client_tls(&identity, Arc::clone(&signer)).unwrap();
        let config = SessionConfig {
            link: Link::new(gateway.to_string().parse().unwrap(), tls).with_preference(preference),
            org: identity.org,
            device: identity.device,
            signer,
            messages: Arc::new(message::messages(Language::Ja).unwrap()),
            timing,
        };
        let (feed, source) = feed();
        let (posture, shown) = watch::channel(firewall(true));
        let (tell, told) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(collect(source, shown, tell));
        Self { session: Session::start(config, feed), posture, told, fronts: None }
    }

    /// Starts the fronts, on free ports unless the configuration names others.
    pub(crate) async fn with_fronts(mut self, config: &str) -> Self {
        let mut config: Config = config.parse().unwrap();
        let free = "127.0.0.1:0".parse().unwrap();
        config.socks5 = config.socks5.map(|_| free);
        config.http = config.http.map(|_| free);
        self.fronts = Some(Fronts::start(&config, self.session.handle()).await.unwrap());
        self
    }

    pub(crate) fn handle(&self) -> SessionHandle {
        self.session.handle()
    }

    pub(crate) fn listening(&self) -> &Listening {
        self.fronts.as_ref().unwrap().listening()
    }

    pub(crate) fn socks5(&self) -> SocketAddr {
        self.listening().socks5.unwrap()
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.listening().http.unwrap()
    }

    /// Waits for a tunnel that takes flows.
    pub(crate) async fn up(&self) -> Arc<Tunnel> {
        let mut phase = self.handle().phase();
        let up = phase.wait_for(|phase| matches!(phase, Phase::Up(tunnel) if tunnel.takes_flows()));
        match &*soon("a tunnel", up).await.unwrap() {
            Phase::Up(tunnel) => Arc::clone(tunnel),
            Phase::Down(_) | Phase::Refused(_) | Phase::Stopped => panic!("not up"),
        }
    }
}

/// Stands for the collectors: publishes what the test says, and answers requests with it.
async fn collect(
    mut source: FeedSource,
    mut shown: watch::Receiver<Posture>,
    told: tokio::sync::mpsc::UnboundedSender<FeedRequest>,
) {
    source.publish(shown.borrow_and_update().clone());
    loop {
        tokio::select! {
            changed = shown.changed() => match changed {
                Ok(()) => source.publish(shown.borrow_and_update().clone()),
                Err(_) => return,
            },
            request = source.request() => match request {
                Some(FeedRequest::Recollect(answer)) => {
                    let _ = answer.send(shown.borrow().clone());
                }
                Some(other) => {
                    let _ = told.send(other);
                }
                None => return,
            },
        }
    }
}

pub(crate) fn firewall(on: bool) -> Posture {
    let mut posture = Posture::default();
    let claim = Claim { value: ClaimValue::Bool(on), source: Source::Os, observed_at: clock::now() };
    posture.insert(ClaimName::FirewallOn, claim).unwrap();
    posture
}
