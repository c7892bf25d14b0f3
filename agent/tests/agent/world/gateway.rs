//! A gateway that does as the test says: it believes evidence, tells what it saw, and carries flows to loopback.

mod serve;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hitotsu_model::code::Code;
use hitotsu_model::control::{
    ATTEST_EXPORTER_LABEL, Catalogue, CatalogueEntry, CataloguePorts, Notice, ProtocolVersion, Statement,
};
use hitotsu_model::identity::AssuranceLevel;
use hitotsu_model::resource::{Tier, Transport};
use hitotsu_pki::tls::{ClientVerifier, certified_key};
use hitotsu_tunnel::congestion::Congestion;
use hitotsu_tunnel::listener::{Arrival, HandshakeLimits, Listener, ListenerConfig};
use hitotsu_tunnel::server::{CloseCode, ServerConnection};
use rustls::sign::SingleCertAndKey;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::city::{City, device};
use super::{PATIENCE, soon};

/// What the gateway saw.
#[derive(Debug)]
pub(crate) enum Event {
    Attested { connection: usize, statement: Box<Statement> },
    Listening { connection: usize },
    Asked { connection: usize, stream: u64, authority: String },
    Closed { connection: usize },
}

/// How it behaves; the test may change it at any time.
pub(crate) struct Behaviour {
    /// Hosts that are refused, and why.
    pub(crate) refuse: BTreeMap<String, Code>,
    /// Every statement is refused with this.
    pub(crate) refuse_evidence: Option<Code>,
    /// So many answers to believed statements are lost on the way.
    pub(crate) lose_answers: u32,
    /// Findings of every answer to a statement.
    pub(crate) findings: Vec<Code>,
    /// `next_within_seconds` of every answer to a statement.
    pub(crate) next_within_seconds: u32,
    /// The catalogue.
    pub(crate) catalogue: Catalogue,
    /// Names that lead to a local address.
    pub(crate) names: BTreeMap<String, SocketAddr>,
}

pub(crate) struct Shared {
    pub(crate) behaviour: Mutex<Behaviour>,
    events: mpsc::UnboundedSender<Event>,
    live: Mutex<Vec<Live>>,
    trust: Arc<hitotsu_pki::trust::Trust>,
}

struct Live {
    connection: ServerConnection,
    notices: mpsc::UnboundedSender<Notice>,
}

/// A running gateway on a runtime of its own, so that it can die at once with everything that it holds.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    events: mpsc::UnboundedReceiver<Event>,
    runtime: Option<Runtime>,
}

impl Gateway {
    pub(crate) async fn start(city: &'static City) -> Self {
        Self::start_at(city, "127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn start_at(city: &'static City, address: SocketAddr) -> Self {
        let (events_in, events) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(Behaviour::new(city)),
            events: events_in,
            live: Mutex::default(),
            trust: Arc::clone(&city.trust),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let holder = city.gateway();
        let config = ListenerConfig {
            address,
            client_verifier: Arc::new(ClientVerifier::new(Arc::clone(&city.trust))),
            certificates: Arc::new(SingleCertAndKey::from(certified_key(holder.chain, holder.key))),
            exporter_label: ATTEST_EXPORTER_LABEL,
            other: None,
            reset_key: [7; 32],
            handshakes: HandshakeLimits::default(),
            congestion: Congestion::default(),
        };
        let state = Arc::clone(&shared);
        let listener = runtime.spawn(async move { Listener::bind(&config).unwrap() }).await.unwrap();
        let address = listener.local_addr();
        runtime.spawn(async move {
            while let Some(arrival) = listener.accept().await {
                if let Arrival::Connection(handshaken) = arrival {
                    tokio::spawn(serve::connection(Arc::clone(&state), *handshaken));
                }
            }
        });
        Self { address, shared, events, runtime: Some(runtime) }
    }

    /// Waits for the next event that `pick` takes; others are passed over.
    pub(crate) async fn saw<T>(&mut self, what: &str, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        soon(what, async {
            loop {
                let event = self.events.recv().await.expect("the gateway lives");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        })
        .await
    }

    /// Waits for the next believed statement.
    pub(crate) async fn attested(&mut self) -> (usize, Statement) {
        self.saw("a statement", |event| match event {
            Event::Attested { connection, statement } => Some((connection, *statement)),
            _ => None,
        })
        .await
    }

    /// Waits for a connection that has attested and listens to notices, in whatever order.
    pub(crate) async fn ready(&mut self) -> usize {
        let (mut attested, mut listening) = (BTreeSet::new(), BTreeSet::new());
        self.saw("a ready connection", |event| {
            let connection = match event {
                Event::Attested { connection, .. } => attested.insert(connection).then_some(connection),
                Event::Listening { connection } => listening.insert(connection).then_some(connection),
                Event::Asked { .. } | Event::Closed { .. } => None,
            };
            connection.filter(|connection| attested.contains(connection) && listening.contains(connection))
        })
        .await
    }

    /// Waits until a flow is asked for.
    pub(crate) async fn asked(&mut self) -> (usize, u64, String) {
        self.saw("a question", |event| match event {
            Event::Asked { connection, stream, authority } => Some((connection, stream, authority)),
            _ => None,
        })
        .await
    }

    pub(crate) fn notify(&self, connection: usize, notice: Notice) {
        self.shared.live.lock().unwrap()[connection].notices.send(notice).unwrap();
    }

    pub(crate) fn goaway(&self, connection: usize) {
        self.shared.live.lock().unwrap()[connection].connection.goaway();
    }

    pub(crate) fn close(&self, connection: usize) {
        self.shared.live.lock().unwrap()[connection].connection.close(CloseCode::NoError, "test");
    }

    pub(crate) fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour.lock().unwrap());
    }

    /// Dies as if killed: no goodbye on any connection.
    pub(crate) async fn kill(mut self) -> SocketAddr {
        let runtime = self.runtime.take().unwrap();
        // Waits until its sockets are closed, so that a successor can have the port.
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await.unwrap();
        self.address
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Behaviour {
    fn new(city: &City) -> Self {
        Self {
            refuse: BTreeMap::new(),
            refuse_evidence: None,
            lose_answers: 0,
            findings: Vec::new(),
            next_within_seconds: 600,
            names: BTreeMap::new(),
            catalogue: Catalogue {
                version: ProtocolVersion::CURRENT,
                org: city.org.clone(),
                device: device(1),
                person: Some("p-1024".parse().unwrap()),
                place: Some("home".parse().unwrap()),
                level: AssuranceLevel::L1,
                attested_at: None,
                entries: vec![CatalogueEntry {
                    resource: "files".parse().unwrap(),
                    title_ja: "文書庫".to_owned(),
                    title_en: "Documents".to_owned(),
                    tier: Tier::Tier3,
                    hosts: vec!["files.example".to_owned(), "127.0.0.0/8".to_owned()],
                    ports: vec![
                        CataloguePorts { transport: Transport::Tcp, first: 1, last: 65535 },
                        CataloguePorts { transport: Transport::Udp, first: 1, last: 65535 },
                    ],
                    allowed: true,
                    problems: Vec::new(),
                }],
            },
        }
    }
}
