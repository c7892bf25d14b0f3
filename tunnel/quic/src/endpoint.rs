//! A socket with its worker.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

use futures_util::task::AtomicWaker;
use quinn_proto::{
    ClientConfig, ConnectError, ConnectionError, ConnectionHandle, EndpointConfig, ServerConfig, Transmit,
};
use rustc_hash::FxHashMap;

use crate::connection::{Connection, Inner};
use crate::limits;
use crate::socket::Socket;
use crate::steering::Steering;
use crate::wakers::{Waiting, lock, wait};
use crate::worker::{self, Worker};

/// A socket that takes connections, dials them, or both. Clones are the same; when the last one is dropped, nobody new is
/// taken, the connections live on and the socket closes after the last of them.
#[derive(Debug, Clone)]
pub struct Endpoint {
    held: Arc<Held>,
}

/// What users hold of an endpoint, as opposed to the worker and the connections.
#[derive(Debug)]
struct Held {
    shared: Arc<Shared>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.routes().forget_incoming();
        self.shared.held.store(false, Ordering::Release);
        self.shared.worker.wake();
    }
}

/// What the worker shares with the users of the endpoint and of its connections.
///
/// INVARIANT (locks): the worker alone waits for the lock of a connection that others know while it holds that of the routes, or
/// the other way round; nobody else can be in its way. Users lock the routes or a connection, then the inbox. A new connection
/// is locked under the routes before anybody else knows it. Nobody takes another lock under that of the inbox.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Wakes the worker.
    pub(crate) worker: AtomicWaker,
    /// Users hold the endpoint.
    pub(crate) held: AtomicBool,
    pub(crate) routes: Mutex<Routes>,
    inbox: Mutex<Inbox>,
}

/// Which packets go where.
pub(crate) struct Routes {
    pub(crate) proto: quinn_proto::Endpoint,
    pub(crate) connections: FxHashMap<ConnectionHandle, Arc<Inner>>,
    pub(crate) incoming: VecDeque<quinn_proto::Incoming>,
    /// Tasks that wait for an incoming connection, and for the last connection to go.
    pub(crate) accepting: Waiting,
    pub(crate) idle: Waiting,
    /// The worker's: the socket closes with it, whoever still holds a connection.
    socket: Weak<Socket>,
    /// There is no worker any more, so nothing may be added.
    pub(crate) over: bool,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").field("connections", &self.connections.len()).finish_non_exhaustive()
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        self.forget_incoming();
    }
}

/// What the worker is asked for.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Connections that have something to send, each once.
    pub(crate) ready: Vec<Arc<Inner>>,
    pub(crate) moved_to: Option<Arc<Socket>>,
}

impl Shared {
    /// The worker shall look at this connection.
    pub(crate) fn ready(&self, connection: Arc<Inner>) {
        let mut inbox = self.inbox();
        inbox.ready.push(connection);
        let first = inbox.ready.len() == 1;
        drop(inbox);
        if first {
            self.worker.wake();
        }
    }

    pub(crate) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        lock(&self.inbox)
    }

    pub(crate) fn routes(&self) -> MutexGuard<'_, Routes> {
        lock(&self.routes)
    }
}

impl Routes {
    /// Nobody takes connections any more.
    fn forget_incoming(&mut self) {
        self.proto.set_server_config(None);
        for incoming in self.incoming.drain(..) {
            self.proto.ignore(incoming);
        }
    }

    /// Sends an answer that belongs to no connection, if the kernel has room: whoever asked asks again.
    pub(crate) fn respond(&self, transmit: &Transmit, octets: &[u8]) {
        if let (Some(octets), Some(socket)) = (octets.get(..transmit.size), self.socket.upgrade()) {
            let _ = socket.try_send(&worker::of_udp(transmit, octets));
        }
    }

    fn insert(
        &mut self,
        shared: &Arc<Shared>,
        handle: ConnectionHandle,
        connection: quinn_proto::Connection,
    ) -> Connecting {
        let inner = Inner::new(Arc::clone(shared), connection, handle);
        self.connections.insert(handle, Arc::clone(&inner));
        inner.ready(&mut inner.lock());
        Connecting { connection: Some(Connection::new(inner)) }
    }
}

impl Endpoint {
    /// Starts to work on `socket`; takes connections if there is a `server` configuration.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub fn new(config: EndpointConfig, server: Option<ServerConfig>, socket: std::net::UdpSocket) -> io::Result<Self> {
        Self::steered(config, server, socket, None)
    }

    /// The same as one of several that share the address of `socket`.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub fn steered(
        config: EndpointConfig,
        server: Option<ServerConfig>,
        socket: std::net::UdpSocket,
        steering: Option<Steering>,
    ) -> io::Result<Self> {
        let socket = Arc::new(Socket::new(socket)?);
        let may_discover = !socket.may_fragment();
        let routes = Routes {
            proto: quinn_proto::Endpoint::new(Arc::new(config), server.map(Arc::new), may_discover, None),
            connections: FxHashMap::default(),
            incoming: VecDeque::new(),
            accepting: Waiting::default(),
            idle: Waiting::default(),
            socket: Arc::downgrade(&socket),
            over: false,
        };
        let shared = Arc::new(Shared {
            worker: AtomicWaker::new(),
            held: AtomicBool::new(true),
            routes: Mutex::new(routes),
            inbox: Mutex::default(),
        });
        tokio::spawn(Worker::new(Arc::clone(&shared), socket, steering));
        Ok(Self { held: Arc::new(Held { shared }) })
    }

    /// The next connection that somebody wants; `None` when there is no worker any more. Cancel-safe.
    pub async fn accept(&self) -> Option<Incoming> {
        let shared = &self.held.shared;
        let look = |routes: &mut Routes| {
            if routes.over {
                return Poll::Ready(None);
            }
            routes.incoming.pop_front().map_or(Poll::Pending, |incoming| Poll::Ready(Some(incoming)))
        };
        let incoming = wait(&shared.routes, |routes| &mut routes.accepting, look).await?;
        let remote = incoming.remote_address();
        Some(Incoming { incoming: Some(incoming), remote, shared: Arc::clone(shared) })
    }

    /// Dials. The name is checked against the peer's certificate.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect_with(
        &self,
        config: ClientConfig,
        address: SocketAddr,
        server_name: &str,
    ) -> Result<Connecting, ConnectError> {
        let mut routes = self.held.shared.routes();
        if routes.over {
            return Err(ConnectError::EndpointStopping);
        }
        let (handle, connection) = routes.proto.connect(worker::now(), config, address, server_name)?;
        Ok(routes.insert(&self.held.shared, handle, connection))
    }

    /// Goes on with another socket: connections that were dialled move to it.
    ///
    /// # Errors
    /// The socket cannot be used, or there is no worker any more; then everything stays as it was.
    pub fn rebind(&self, socket: std::net::UdpSocket) -> io::Result<()> {
        let socket = Arc::new(Socket::new(socket)?);
        let mut routes = self.held.shared.routes();
        if routes.over {
            return Err(io::ErrorKind::NotConnected.into());
        }
        routes.socket = Arc::downgrade(&socket);
        let replaced = self.held.shared.inbox().moved_to.replace(socket);
        drop(routes);
        drop(replaced);
        self.held.shared.worker.wake();
        Ok(())
    }

    /// The address of the socket.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let socket = self.held.shared.routes().socket.upgrade();
        socket.ok_or(io::ErrorKind::NotConnected)?.local_addr()
    }

    /// Takes new connections by this configuration, or none.
    pub fn set_server_config(&self, server: Option<ServerConfig>) {
        self.held.shared.routes().proto.set_server_config(server.map(Arc::new));
    }

    /// Completes when no connection is left, and what closed ones had to say has been sent. Closes none.
    pub async fn wait_idle(&self) {
        let look = |routes: &mut Routes| {
            if routes.over || routes.connections.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        };
        wait(&self.held.shared.routes, |routes| &mut routes.idle, look).await;
    }
}

/// Somebody wants a connection; nothing was computed for him yet. Dropping it says nothing to him.
#[derive(Debug)]
pub struct Incoming {
    /// Taken by the decision.
    incoming: Option<quinn_proto::Incoming>,
    remote: SocketAddr,
    shared: Arc<Shared>,
}

impl Incoming {
    /// Where the first packet says that it comes from.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.remote
    }

    /// Whether he has proven that he receives at that address.
    #[must_use]
    pub fn remote_address_validated(&self) -> bool {
        self.incoming.as_ref().is_some_and(quinn_proto::Incoming::remote_address_validated)
    }

    /// Whether he may be asked to prove it.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.incoming.as_ref().is_some_and(quinn_proto::Incoming::may_retry)
    }

    /// Begins the handshake.
    ///
    /// # Errors
    /// The first packet is unfit, or there is no worker any more.
    pub fn accept_with(mut self, config: Arc<ServerConfig>) -> Result<Connecting, ConnectionError> {
        let incoming = self.incoming.take().ok_or(ConnectionError::LocallyClosed)?;
        let mut routes = self.shared.routes();
        if routes.over {
            routes.proto.ignore(incoming);
            return Err(worker::ended());
        }
        let mut answer = Vec::new();
        match routes.proto.accept(incoming, worker::now(), &mut answer, Some(config)) {
            Ok((handle, connection)) => Ok(routes.insert(&self.shared, handle, connection)),
            Err(error) => {
                if let Some(transmit) = error.response {
                    routes.respond(&transmit, &answer);
                }
                Err(error.cause)
            }
        }
    }

    /// Asks him to prove his address (RFC 9000 §8.1.2).
    ///
    /// # Errors
    /// He has done so before: then nothing is said.
    pub fn retry(mut self) -> Result<(), RetryError> {
        let Some(incoming) = self.incoming.take() else { return Ok(()) };
        let mut routes = self.shared.routes();
        let mut answer = Vec::new();
        match routes.proto.retry(incoming, &mut answer) {
            Ok(transmit) => {
                routes.respond(&transmit, &answer);
                Ok(())
            }
            Err(error) => {
                routes.proto.ignore(error.into_incoming());
                Err(RetryError)
            }
        }
    }

    /// Says no.
    pub fn refuse(mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        let mut routes = self.shared.routes();
        let mut answer = Vec::new();
        let transmit = routes.proto.refuse(incoming, &mut answer);
        routes.respond(&transmit, &answer);
    }

    /// Says nothing.
    pub fn ignore(self) {
        drop(self);
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            self.shared.routes().proto.ignore(incoming);
        }
    }
}

/// Somebody who proved his address already was asked to prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address is proven already")]
pub struct RetryError;

/// A handshake. Dropping it ends the connection.
#[derive(Debug)]
pub struct Connecting {
    /// Taken when it is done.
    connection: Option<Connection>,
}

impl Future for Connecting {
    type Output = Result<Connection, ConnectionError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(connection) = &self.connection else { return Poll::Ready(Err(ConnectionError::LocallyClosed)) };
        std::task::ready!(connection.poll_connected(cx))?;
        Poll::Ready(self.connection.take().ok_or(ConnectionError::LocallyClosed))
    }
}

/// Takes in a connection that somebody wants, if not too many wait.
pub(crate) fn take_in(routes: &mut Routes, incoming: quinn_proto::Incoming, woken: &mut Vec<Waker>) {
    if routes.incoming.len() < limits::INCOMING_MAX {
        routes.incoming.push_back(incoming);
        routes.accepting.take(woken);
    } else {
        routes.proto.ignore(incoming);
    }
}
