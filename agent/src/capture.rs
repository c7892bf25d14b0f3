//! The fronts: where applications of this computer hand their flows to the agent.
//!
//! Each listens on loopback only, and each connection is asked for its owner before a byte of it is read; the flows of
//! other users of the machine are not carried.

mod direct;
mod forward;
mod http_connect;
mod listening;
mod owner;
mod pac;
mod page;
mod pump;
mod socks5;
mod udp_hub;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hitotsu_model::code::Code;
use hitotsu_model::control::Catalogue;
use hitotsu_model::message::{Language, MessageFileError, Sentences};
use hitotsu_model::resource::{Target, Transport};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::config::{Config, Forward};
use crate::limits::{FRONT_CONNECTIONS_MAX, PENDING_ACCEPTS_MAX};
use crate::message;
use crate::route::{Route, RouteRules, RouteTable};
use crate::session::{Refused, SessionHandle};

pub use page::refusal_response;

/// Where the fronts really listen, for people and tests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Listening {
    /// SOCKS5.
    pub socks5: Option<SocketAddr>,
    /// HTTP proxy and PAC file.
    pub http: Option<SocketAddr>,
    /// Static forwards, in the order of the configuration.
    pub forwards: Vec<ListeningForward>,
}

/// Where one forward really listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListeningForward {
    /// On this machine.
    pub listen: SocketAddr,
    /// Where it leads.
    pub to: Target,
}

/// Why the fronts could not start.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// A port cannot be listened on.
    #[error(
        "key `{key}`: cannot listen on `{address}`: {source}; stop the program that uses it or choose another port"
    )]
    Bind {
        /// The key in the configuration.
        key: String,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A built-in file is broken.
    #[error(transparent)]
    Messages(#[from] MessageFileError),
}

/// The running fronts. Dropping them closes the listeners and every flow that came through them.
#[derive(Debug)]
pub struct Fronts {
    listening: Listening,
    _tasks: JoinSet<()>,
}

impl Fronts {
    /// Listens as the configuration says. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`FrontError`] names the key of the port that cannot be had.
    pub async fn start(config: &Config, session: SessionHandle) -> Result<Self, FrontError> {
        let context = Context::new(config.routes.clone(), session)?;
        let mut tasks = JoinSet::new();
        let mut listening = Listening::default();
        if let Some(address) = config.socks5 {
            let listener = bind_tcp("listen.socks5", address).await?;
            listening.socks5 = listener.local_addr().ok();
            let accept = listening::accept(listener, context.clone(), |stream, guest, context| async move {
                socks5::serve(stream, guest, &context).await;
            });
            tasks.spawn(accept);
        }
        if let Some(address) = config.http {
            let listener = bind_tcp("listen.http", address).await?;
            listening.http = listener.local_addr().ok();
            let accept = listening::accept(listener, context.clone(), |stream, guest, context| async move {
                http_connect::serve(stream, guest, &context).await;
            });
            tasks.spawn(accept);
        }
        for (index, forward) in config.forwards.iter().enumerate() {
            let listen = start_forward(index, forward, &context, &mut tasks).await?;
            listening.forwards.push(ListeningForward { listen, to: forward.to.clone() });
        }
        Ok(Self { listening, _tasks: tasks })
    }

    /// Where they listen.
    #[must_use]
    pub fn listening(&self) -> &Listening {
        &self.listening
    }
}

async fn start_forward(
    index: usize,
    forward: &Forward,
    context: &Context,
    tasks: &mut JoinSet<()>,
) -> Result<SocketAddr, FrontError> {
    let key = format!("forward[{index}].listen");
    let failed = |source| FrontError::Bind { key: key.clone(), address: forward.listen, source };
    match forward.to.transport {
        Transport::Tcp => {
            let listener = bind_tcp(&key, forward.listen).await?;
            let address = listener.local_addr().map_err(failed)?;
            let to = Arc::new(forward.to.clone());
            let accept = listening::accept(listener, context.clone(), move |stream, guest, context| {
                let to = Arc::clone(&to);
                async move { forward::serve_tcp(stream, guest, &to, &context).await }
            });
            tasks.spawn(accept);
            Ok(address)
        }
        Transport::Udp => {
            let socket = UdpSocket::bind(forward.listen).await.map_err(failed)?;
            let address = socket.local_addr().map_err(failed)?;
            let (to, context) = (forward.to.clone(), context.clone());
            tasks.spawn(async move { forward::serve_udp(socket, to, context).await });
            Ok(address)
        }
    }
}

async fn bind_tcp(key: &str, address: SocketAddr) -> Result<TcpListener, FrontError> {
    TcpListener::bind(address).await.map_err(|source| FrontError::Bind { key: key.to_owned(), address, source })
}

/// What every front needs. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    session: SessionHandle,
    routes: Arc<Mutex<Routes>>,
    catalogue: watch::Receiver<Option<Arc<Catalogue>>>,
    sentences: Arc<Sentences>,
    pending: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

/// The routes for one catalogue; made anew when there is another.
#[derive(Debug)]
struct Routes {
    rules: RouteRules,
    catalogue: Option<Arc<Catalogue>>,
    table: RouteTable,
}

impl Context {
    fn new(rules: RouteRules, session: SessionHandle) -> Result<Self, MessageFileError> {
        Ok(Self {
            catalogue: session.catalogue(),
            session,
            routes: Arc::new(Mutex::new(Routes {
                table: RouteTable::new(rules.clone(), None),
                rules,
                catalogue: None,
            })),
            sentences: Arc::new(message::sentences()?),
            pending: Arc::new(Semaphore::new(PENDING_ACCEPTS_MAX)),
            connections: Arc::new(Semaphore::new(FRONT_CONNECTIONS_MAX)),
        })
    }

    /// Where a target goes, by the rules and the last known catalogue.
    fn route(&self, target: &Target) -> Route {
        let catalogue = self.catalogue.borrow().clone();
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let same = match (&routes.catalogue, &catalogue) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same {
            routes.table = RouteTable::new(routes.rules.clone(), catalogue.as_deref());
            routes.catalogue = catalogue;
        }
        routes.table.route(target)
    }

    fn refused(&self, code: Code) -> Refused {
        Refused::here(self.session.problem(code))
    }

    fn language(&self) -> Language {
        self.session.messages().language()
    }
}
