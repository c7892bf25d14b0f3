//! One connection.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use quinn_proto::{ConnectionError, ConnectionHandle, ConnectionStats, Dir, Event, StreamEvent, StreamId, VarInt};

use crate::endpoint::Shared;
use crate::recv::RecvStream;
use crate::send::SendStream;
use crate::wakers::{AllByStream, ByStream, Turn, Waiting, Writers, lock, wait};
use crate::worker;

/// A connection. Clones are the same connection; it is closed with code 0 when the last clone and the last stream are
/// dropped.
#[derive(Debug, Clone)]
pub struct Connection {
    pub(crate) held: Arc<Held>,
}

/// What users hold of a connection, as opposed to the worker.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) inner: Arc<Inner>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.inner.close(VarInt::from_u32(0), Bytes::new());
    }
}

/// A connection as its users and the worker share it.
#[derive(Debug)]
pub(crate) struct Inner {
    endpoint: Arc<Shared>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) proto: quinn_proto::Connection,
    pub(crate) handle: ConnectionHandle,
    /// Set once and for all when the connection ends.
    pub(crate) error: Option<ConnectionError>,
    pub(crate) connected: bool,
    /// The worker will look at it.
    pub(crate) queued: bool,
    /// The worker will tell the users what came.
    pub(crate) unheard: bool,
    /// The worker has forgotten it.
    pub(crate) drained: bool,
    /// The entry in the worker's timers.
    pub(crate) scheduled: Option<Instant>,
    pub(crate) readers: ByStream,
    pub(crate) writers: Writers,
    pub(crate) stopped: AllByStream,
    accepting: [Waiting; 2],
    opening: [Waiting; 2],
    datagrams: Waiting,
    connecting: Option<Waker>,
    ending: Waiting,
    /// Where the peer was when that was last told.
    remote: SocketAddr,
    moving: Waiting,
}

impl Inner {
    pub(crate) fn new(endpoint: Arc<Shared>, proto: quinn_proto::Connection, handle: ConnectionHandle) -> Arc<Self> {
        let state = State {
            remote: proto.remote_address(),
            moving: Waiting::default(),
            proto,
            handle,
            error: None,
            connected: false,
            queued: false,
            unheard: false,
            drained: false,
            scheduled: None,
            readers: ByStream::default(),
            writers: Writers::default(),
            stopped: AllByStream::default(),
            accepting: Default::default(),
            opening: Default::default(),
            datagrams: Waiting::default(),
            connecting: None,
            ending: Waiting::default(),
        };
        Arc::new(Self { endpoint, state: Mutex::new(state) })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Tells the worker that the connection has something to send, or its timers have changed.
    pub(crate) fn ready(self: &Arc<Self>, state: &mut State) {
        if !state.queued && !state.drained {
            state.queued = true;
            self.endpoint.ready(Arc::clone(self));
        }
    }

    pub(crate) fn close(self: &Arc<Self>, code: VarInt, reason: Bytes) {
        let mut woken = Vec::new();
        let mut state = self.lock();
        if state.error.is_none() {
            state.proto.close(worker::now(), code, reason);
            state.end(ConnectionError::LocallyClosed, &mut woken);
            self.ready(&mut state);
        }
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// Whether it still lives.
    pub(crate) fn alive(&self) -> Result<(), ConnectionError> {
        self.error.clone().map_or(Ok(()), Err)
    }

    /// The connection is over; everybody who waits for something shall hear of it. The first reason stays.
    pub(crate) fn end(&mut self, error: ConnectionError, woken: &mut Vec<Waker>) {
        self.error.get_or_insert(error);
        for waiting in self.accepting.iter_mut().chain(&mut self.opening) {
            waiting.take(woken);
        }
        self.datagrams.take(woken);
        woken.extend(self.connecting.take());
        self.ending.take(woken);
        self.readers.take_all(woken);
        self.writers.take_all(woken);
        self.stopped.take_all(woken);
    }

    /// Takes what QUIC has to tell the users and collects those who wait for it.
    pub(crate) fn tell(&mut self, woken: &mut Vec<Waker>) {
        // quinn-proto has no event for a peer that moves.
        let remote = self.proto.remote_address();
        if remote != self.remote {
            self.remote = remote;
            self.moving.take(woken);
        }
        let mut room = Vec::new();
        while let Some(event) = self.proto.poll() {
            match event {
                Event::HandshakeDataReady | Event::DatagramsUnblocked => {}
                Event::Connected => {
                    self.connected = true;
                    woken.extend(self.connecting.take());
                }
                Event::ConnectionLost { reason } => self.end(reason, woken),
                Event::DatagramReceived => self.datagrams.take(woken),
                Event::Stream(event) => self.tell_of_stream(event, woken, &mut room),
            }
        }
        // What may be under way on the connection is one room for all of its streams, and who is woken first takes what it
        // can. quinn-proto names first who asked last, so that streams between two others would never get any.
        room.sort_unstable_by_key(|(turn, _)| *turn);
        woken.extend(room.into_iter().map(|(_, waker)| waker));
    }

    fn tell_of_stream(&mut self, event: StreamEvent, woken: &mut Vec<Waker>, room: &mut Vec<(Turn, Waker)>) {
        match event {
            StreamEvent::Opened { dir } => of(&mut self.accepting, dir).take(woken),
            StreamEvent::Available { dir } => of(&mut self.opening, dir).take(woken),
            StreamEvent::Readable { id } => self.readers.take(id, woken),
            StreamEvent::Writable { id } => self.writers.take(id, room),
            StreamEvent::Finished { id } => self.stopped.take(id, woken),
            StreamEvent::Stopped { id, .. } => {
                self.stopped.take(id, woken);
                self.writers.take(id, room);
            }
        }
    }
}

fn of([bi, uni]: &mut [Waiting; 2], dir: Dir) -> &mut Waiting {
    match dir {
        Dir::Bi => bi,
        Dir::Uni => uni,
    }
}

/// Why a datagram was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendDatagramError {
    /// The peer takes none.
    #[error("the peer takes no datagrams")]
    UnsupportedByPeer,
    /// We take none, so we send none.
    #[error("datagrams are switched off")]
    Disabled,
    /// It fits no packet of this path.
    #[error("the datagram is too large for this path")]
    TooLarge,
    /// The connection is over.
    #[error(transparent)]
    ConnectionLost(#[from] ConnectionError),
}

impl Connection {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { held: Arc::new(Held { inner }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.held.inner.lock()
    }

    /// Opens a stream both ways; waits while the peer permits no more. Cancel-safe.
    ///
    /// # Errors
    /// Why the connection is over.
    pub async fn open_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        let id = self.open(Dir::Bi).await?;
        Ok((SendStream::new(self.clone(), id), RecvStream::new(self.clone(), id)))
    }

    /// Opens a stream to the peer; waits while the peer permits no more. Cancel-safe.
    ///
    /// # Errors
    /// Why the connection is over.
    pub async fn open_uni(&self) -> Result<SendStream, ConnectionError> {
        let id = self.open(Dir::Uni).await?;
        Ok(SendStream::new(self.clone(), id))
    }

    async fn open(&self, dir: Dir) -> Result<StreamId, ConnectionError> {
        let look = |state: &mut State| {
            state.alive()?;
            state.proto.streams().open(dir).map_or(Poll::Pending, |id| Poll::Ready(Ok(id)))
        };
        wait(&self.held.inner.state, |state| of(&mut state.opening, dir), look).await
    }

    /// The next stream both ways that the peer opened. Cancel-safe.
    ///
    /// # Errors
    /// Why the connection is over.
    pub async fn accept_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        let id = self.accept(Dir::Bi).await?;
        Ok((SendStream::new(self.clone(), id), RecvStream::new(self.clone(), id)))
    }

    /// The next stream that the peer opened to us. Cancel-safe.
    ///
    /// # Errors
    /// Why the connection is over.
    pub async fn accept_uni(&self) -> Result<RecvStream, ConnectionError> {
        let id = self.accept(Dir::Uni).await?;
        Ok(RecvStream::new(self.clone(), id))
    }

    async fn accept(&self, dir: Dir) -> Result<StreamId, ConnectionError> {
        let inner = &self.held.inner;
        let look = |state: &mut State| {
            if let Some(id) = state.proto.streams().accept(dir) {
                // The peer may have to be told that it can open another one.
                inner.ready(state);
                return Poll::Ready(Ok(id));
            }
            state.alive()?;
            Poll::Pending
        };
        wait(&inner.state, |state| of(&mut state.accepting, dir), look).await
    }

    /// The next datagram that came. Cancel-safe.
    ///
    /// # Errors
    /// Why the connection is over.
    pub async fn read_datagram(&self) -> Result<Bytes, ConnectionError> {
        self.received(|state| state.proto.datagrams().recv()).await
    }

    /// Adds the datagrams that came to `into`, at least one. Cancel-safe.
    ///
    /// # Errors
    /// Why the connection is over.
    pub async fn read_datagrams(&self, into: &mut Vec<Bytes>) -> Result<(), ConnectionError> {
        self.received(|state| {
            let before = into.len();
            into.extend(std::iter::from_fn(|| state.proto.datagrams().recv()));
            (into.len() > before).then_some(())
        })
        .await
    }

    async fn received<T>(&self, mut take: impl FnMut(&mut State) -> Option<T>) -> Result<T, ConnectionError> {
        let look = |state: &mut State| {
            if let Some(taken) = take(state) {
                return Poll::Ready(Ok(taken));
            }
            state.alive()?;
            Poll::Pending
        };
        wait(&self.held.inner.state, |state| &mut state.datagrams, look).await
    }

    /// Sends a datagram; the oldest that still waits goes when there is no room.
    ///
    /// # Errors
    /// See [`SendDatagramError`].
    pub fn send_datagram(&self, datagram: Bytes) -> Result<(), SendDatagramError> {
        let mut state = self.lock();
        state.alive()?;
        match state.proto.datagrams().send(datagram, true) {
            // Blocked is what happens only where nothing may be dropped.
            Ok(()) | Err(quinn_proto::SendDatagramError::Blocked(_)) => {
                self.held.inner.ready(&mut state);
                Ok(())
            }
            Err(quinn_proto::SendDatagramError::UnsupportedByPeer) => Err(SendDatagramError::UnsupportedByPeer),
            Err(quinn_proto::SendDatagramError::Disabled) => Err(SendDatagramError::Disabled),
            Err(quinn_proto::SendDatagramError::TooLarge) => Err(SendDatagramError::TooLarge),
        }
    }

    /// Octets of the largest datagram that fits now; `None` where datagrams are not agreed.
    #[must_use]
    pub fn max_datagram_size(&self) -> Option<usize> {
        self.lock().proto.datagrams().max_size()
    }

    /// Completes when the connection is over, for whatever reason.
    pub async fn closed(&self) -> ConnectionError {
        let look = |state: &mut State| state.error.clone().map_or(Poll::Pending, Poll::Ready);
        wait(&self.held.inner.state, |state| &mut state.ending, look).await
    }

    /// Completes when the peer is elsewhere than at `known`, and says where. Its new address may be forged until the path is
    /// validated (RFC 9000 §9.3). Cancel-safe.
    pub async fn path_changed(&self, known: SocketAddr) -> SocketAddr {
        let look = |state: &mut State| match state.proto.remote_address() {
            same if same == known => Poll::Pending,
            other => Poll::Ready(other),
        };
        wait(&self.held.inner.state, |state| &mut state.moving, look).await
    }

    /// Why the connection is over, if it is.
    #[must_use]
    pub fn close_reason(&self) -> Option<ConnectionError> {
        self.lock().error.clone()
    }

    /// Ends it at once; what was not sent is lost. The peer may read `reason`.
    pub fn close(&self, code: VarInt, reason: &[u8]) {
        self.held.inner.close(code, Bytes::copy_from_slice(reason));
    }

    /// Where the peer is now.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.lock().proto.remote_address()
    }

    /// Our own address, as the first packet of the peer named it; `None` as the one who dialled.
    #[must_use]
    pub fn local_ip(&self) -> Option<IpAddr> {
        self.lock().proto.local_ip()
    }

    /// Counters, and what is known of the path.
    #[must_use]
    pub fn stats(&self) -> ConnectionStats {
        self.lock().proto.stats()
    }

    /// The certificates that the peer has proven, as a `Vec<CertificateDer<'static>>`.
    #[must_use]
    pub fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.lock().proto.crypto_session().peer_identity()
    }

    /// What TLS agreed on, as a `quinn_proto::crypto::rustls::HandshakeData`.
    #[must_use]
    pub fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.lock().proto.crypto_session().handshake_data()
    }

    /// Keying material that only the two ends know (RFC 8446 §7.5).
    ///
    /// # Errors
    /// The length is not possible.
    pub fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), quinn_proto::crypto::ExportKeyingMaterialError> {
        self.lock().proto.crypto_session().export_keying_material(output, label, context)
    }

    /// Streams both ways that the peer may have open at once.
    pub fn set_max_concurrent_bi_streams(&self, count: VarInt) {
        let mut state = self.lock();
        state.proto.set_max_concurrent_streams(Dir::Bi, count);
        self.held.inner.ready(&mut state);
    }

    /// Octets that the peer may have sent on all streams before they are read.
    pub fn set_receive_window(&self, octets: VarInt) {
        let mut state = self.lock();
        state.proto.set_receive_window(octets);
        self.held.inner.ready(&mut state);
    }

    /// Completes when the handshake is done. Only one task asks: the one that connects.
    pub(crate) fn poll_connected(&self, cx: &Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let mut state = self.lock();
        state.alive()?;
        if state.connected {
            return Poll::Ready(Ok(()));
        }
        state.connecting = Some(cx.waker().clone());
        Poll::Pending
    }
}
