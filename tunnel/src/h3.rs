//! HTTP/3 over QUIC: what all streams of one connection share.

pub(crate) mod client;
mod control;
pub(crate) mod demux;
pub(crate) mod recv;
pub(crate) mod send;
pub(crate) mod server;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hitotsu_proto::error::{Code, Error};
use hitotsu_proto::frame::Side;
use hitotsu_proto::settings::Settings;
use hitotsu_quic::{ConnectionError, VarInt};
use tokio::sync::{Notify, watch};

use self::demux::Demux;
use crate::endpoint;
use crate::fault::{Closed, FlowError, ResetReason};

/// One connection, as its streams see it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) quic: hitotsu_quic::Connection,
    side: Side,
    /// What the peer announced, once it has.
    settings: watch::Sender<Option<Settings>>,
    /// Both sides take HTTP datagrams.
    datagrams_agreed: AtomicBool,
    pub(crate) demux: Demux,
    /// Datagrams that did not fit.
    pub(crate) oversize: AtomicU64,
    /// Why we closed the connection, if we did.
    verdict: OnceLock<Closed>,
    /// Requests whose streams are not over.
    open: AtomicUsize,
    settled: Notify,
    /// GOAWAY with its id: to be sent as the server, received as the client.
    pub(crate) drain: watch::Sender<Option<u64>>,
    /// The server shall drain.
    pub(crate) drain_wanted: Notify,
    /// Requests that were opened so far.
    requests: AtomicU64,
}

impl Shared {
    pub(crate) fn new(quic: hitotsu_quic::Connection, side: Side) -> Arc<Self> {
        Arc::new(Self {
            quic,
            side,
            settings: watch::Sender::new(None),
            datagrams_agreed: AtomicBool::new(false),
            demux: Demux::default(),
            oversize: AtomicU64::new(0),
            verdict: OnceLock::new(),
            open: AtomicUsize::new(0),
            settled: Notify::new(),
            drain: watch::Sender::new(None),
            drain_wanted: Notify::new(),
            requests: AtomicU64::new(0),
        })
    }

    /// Ends the connection because of what the peer did.
    pub(crate) fn fail(&self, error: Error) -> Closed {
        let closed = Closed::PeerMisbehaved(error.to_string());
        let _ = self.verdict.set(closed.clone());
        tracing::debug!(%error, code = %error.code(), "the peer broke HTTP/3");
        self.quic.close(var_int(error.code()), error.to_string().as_bytes());
        closed
    }

    /// Ends the connection in order.
    pub(crate) fn close(&self, code: Code, reason: &str) {
        let _ = self.verdict.set(Closed::Here);
        self.quic.close(var_int(code), reason.as_bytes());
    }

    /// What the end of the connection means.
    pub(crate) fn closed(&self, error: &ConnectionError) -> Closed {
        endpoint::closed(error, self.verdict.get())
    }

    /// What goes on one stream and what of it concerns the connection.
    pub(crate) fn stream_fault(&self, error: Error) -> FlowError {
        match error.scope() {
            hitotsu_proto::error::Scope::Connection => FlowError::Connection(self.fail(error)),
            hitotsu_proto::error::Scope::Stream => match error {
                Error::HeadOverLimit(what) | Error::StreamOverLimit(what) | Error::ConnectionOverLimit(what) => {
                    FlowError::OverLimit(what)
                }
                Error::RequestIncomplete => FlowError::PeerMisbehaved("the stream ended before the request"),
                Error::Message(what)
                | Error::Frame(what)
                | Error::Settings(what)
                | Error::ClosedCriticalStream(what)
                | Error::StreamCreation(what)
                | Error::Id(what)
                | Error::Decompression(what)
                | Error::EncoderStream(what)
                | Error::DecoderStream(what)
                | Error::Datagram(what) => FlowError::PeerMisbehaved(what),
                Error::FrameUnexpected(_) => FlowError::PeerMisbehaved("a frame must not come here"),
                Error::MissingSettings => FlowError::PeerMisbehaved("settings are missing"),
            },
        }
    }

    /// Whether HTTP datagrams may be sent now.
    pub(crate) fn datagrams_agreed(&self) -> bool {
        self.datagrams_agreed.load(Ordering::Relaxed)
    }

    /// Datagrams that were dropped: of no flow, of a slow flow, too large to send.
    pub(crate) fn datagrams_dropped(&self) -> [u64; 3] {
        [&self.demux.unknown, &self.demux.overflowed, &self.oversize].map(|count| count.load(Ordering::Relaxed))
    }

    /// Completes when no request is open.
    pub(crate) async fn settled(&self) {
        loop {
            let mut notified = std::pin::pin!(self.settled.notified());
            notified.as_mut().enable();
            if self.open.load(Ordering::Acquire) == 0 {
                return;
            }
            notified.await;
        }
    }

    fn on_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn requests_seen(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn on_settings(&self, settings: Settings) -> Result<(), Error> {
        settings.check(self.quic.max_datagram_size().is_some())?;
        self.datagrams_agreed.store(settings.h3_datagram, Ordering::Relaxed);
        self.settings.send_replace(Some(settings));
        Ok(())
    }
}

/// One part of what drives a connection.
pub(crate) type Part = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Drives a connection until it is over: its control streams, its datagrams, and as a server its requests.
pub(crate) async fn drive(shared: Arc<Shared>, requests: Option<Part>) {
    // Each part has its own waker, so that a datagram does not poll the acceptors.
    let mut parts: FuturesUnordered<Part> = requests.into_iter().collect();
    let peer = Arc::clone(&shared);
    parts.push(Box::pin(async move { control::read(&peer).await }));
    let own = Arc::clone(&shared);
    parts.push(Box::pin(async move { control::write(&own).await }));
    let datagrams = Arc::clone(&shared);
    parts.push(Box::pin(async move { demux::run(&datagrams).await }));
    while let Some(ended) = parts.next().await {
        if let Err(error) = ended {
            shared.fail(error);
            return;
        }
    }
}

/// Counts a request for as long as one of its streams lives.
#[derive(Debug)]
pub(crate) struct OpenGuard(Arc<Shared>);

impl OpenGuard {
    /// Also gives how many are open now.
    fn new(shared: &Arc<Shared>) -> (Arc<Self>, usize) {
        let open = shared.open.fetch_add(1, Ordering::AcqRel) + 1;
        (Arc::new(Self(Arc::clone(shared))), open)
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.settled.notify_waiters();
        }
    }
}

pub(crate) fn var_int(code: Code) -> VarInt {
    VarInt::from_u64(code.value()).unwrap_or(VarInt::MAX)
}

/// The code for a reason.
pub(crate) fn code(reason: ResetReason) -> VarInt {
    var_int(match reason {
        ResetReason::Connect => Code::H3_CONNECT_ERROR,
        ResetReason::Cancelled => Code::H3_REQUEST_CANCELLED,
        ResetReason::Rejected => Code::H3_REQUEST_REJECTED,
        ResetReason::Message => Code::H3_MESSAGE_ERROR,
        ResetReason::Datagram => Code::H3_DATAGRAM_ERROR,
        ResetReason::ExcessiveLoad => Code::H3_EXCESSIVE_LOAD,
        ResetReason::Internal => Code::H3_INTERNAL_ERROR,
        ResetReason::NoError => Code::H3_NO_ERROR,
        ResetReason::Other(code) => Code::from_wire(code),
    })
}

/// The reason for a code.
pub(crate) fn reason(code: VarInt) -> ResetReason {
    match Code::from_wire(code.into_inner()) {
        Code::H3_CONNECT_ERROR => ResetReason::Connect,
        Code::H3_REQUEST_CANCELLED => ResetReason::Cancelled,
        Code::H3_REQUEST_REJECTED => ResetReason::Rejected,
        Code::H3_MESSAGE_ERROR => ResetReason::Message,
        Code::H3_DATAGRAM_ERROR => ResetReason::Datagram,
        Code::H3_EXCESSIVE_LOAD => ResetReason::ExcessiveLoad,
        Code::H3_INTERNAL_ERROR => ResetReason::Internal,
        Code::H3_NO_ERROR => ResetReason::NoError,
        code => ResetReason::Other(code.value()),
    }
}
