//! A UDP flow: datagrams both ways, as QUIC datagrams where both sides have them, else as capsules.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use hitotsu_proto::capsule::{self, CapsuleReader};
use hitotsu_proto::datagram::{self, udp_payload};
use hitotsu_proto::error::Error;
use hitotsu_proto::limits::UDP_PAYLOAD_BYTES_MAX;
use hitotsu_quic::SendDatagramError;

use crate::fault::{FlowError, ResetReason};
use crate::flow::{Batch, FlowRecv, FlowSend};
use crate::gate::Gate;
use crate::h3;
use crate::h3::demux::Datagrams;

/// A UDP flow of CONNECT-UDP (RFC 9298).
#[derive(Debug)]
pub struct UdpFlow {
    send: UdpSend,
    recv: UdpRecv,
}

impl UdpFlow {
    pub(crate) fn new(send: FlowSend, recv: FlowRecv, path: Option<DatagramPath>, options: UdpOptions) -> Self {
        let (path, datagrams) = match path {
            Some(DatagramPath { path, datagrams }) => (Some(path), Some(datagrams)),
            None => (None, None),
        };
        Self {
            send: UdpSend { stream: send, path: path.clone(), options },
            recv: UdpRecv {
                stream: recv,
                capsules: CapsuleReader::default(),
                held: Bytes::new(),
                batch: Batch::default(),
                datagrams,
                gate: Gate::new(),
                _path: path,
            },
        }
    }

    /// See [`UdpSend::send`].
    ///
    /// # Errors
    /// As [`UdpSend::send`].
    pub async fn send(&mut self, payload: Bytes) -> Result<Sent, FlowError> {
        self.send.send(payload).await
    }

    /// See [`UdpRecv::recv`].
    ///
    /// # Errors
    /// As [`UdpRecv::recv`].
    pub async fn recv(&mut self) -> Result<Option<Bytes>, FlowError> {
        self.recv.recv().await
    }

    /// Two halves for two tasks.
    #[must_use]
    pub fn split(self) -> (UdpSend, UdpRecv) {
        (self.send, self.recv)
    }
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way; it may still be lost, as datagrams are.
    Queued,
    /// It does not fit the path and was dropped and counted; the sender should be told "packet too big".
    TooLarge {
        /// The largest payload that fits at this moment.
        limit: usize,
    },
}

/// How a UDP flow treats what does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UdpOptions {
    /// Send a payload that is too large for a QUIC datagram as a capsule. RFC 9298 §6.1 advises against it, because it
    /// hides the path's real size; some old applications that never probe the path need it.
    pub oversize_as_capsule: bool,
}

/// The half that sends to the peer.
#[derive(Debug)]
pub struct UdpSend {
    stream: FlowSend,
    path: Option<Arc<Path>>,
    options: UdpOptions,
}

/// The half that receives from the peer.
#[derive(Debug)]
pub struct UdpRecv {
    stream: FlowRecv,
    capsules: CapsuleReader,
    /// Octets of capsules that were not read yet.
    held: Bytes,
    batch: Batch,
    datagrams: Option<Datagrams>,
    /// Before the stream, which is seldom of interest while there are datagrams.
    gate: Arc<Gate>,
    _path: Option<Arc<Path>>,
}

impl UdpSend {
    /// Sends one UDP payload.
    ///
    /// # Errors
    /// When the flow or its connection is over.
    pub async fn send(&mut self, payload: Bytes) -> Result<Sent, FlowError> {
        if let Some(path) = self.agreed_path() {
            match path.send(&payload)? {
                Sent::TooLarge { .. } if self.options.oversize_as_capsule => {}
                sent @ Sent::TooLarge { .. } => {
                    path.shared.oversize.fetch_add(1, Ordering::Relaxed);
                    return Ok(sent);
                }
                Sent::Queued => return Ok(Sent::Queued),
            }
        }
        if payload.len() > UDP_PAYLOAD_BYTES_MAX {
            return Ok(Sent::TooLarge { limit: UDP_PAYLOAD_BYTES_MAX });
        }
        self.stream.send(capsule::encode_udp(&payload)).await?;
        Ok(Sent::Queued)
    }

    /// The largest payload that fits at this moment; it changes with the path.
    #[must_use]
    pub fn payload_max(&self) -> usize {
        self.agreed_path().map_or(UDP_PAYLOAD_BYTES_MAX, Path::payload_max)
    }

    /// Ends the flow in order.
    ///
    /// # Errors
    /// When the flow or its connection is over already.
    pub async fn finish(mut self) -> Result<(), FlowError> {
        self.stream.finish().await
    }

    /// Ends the flow abruptly.
    pub fn reset(self, reason: ResetReason) {
        self.stream.reset(reason);
    }

    /// Completes when the peer does not want more, or the connection is gone. Cancel-safe.
    pub async fn stopped(&mut self) -> FlowError {
        self.stream.stopped().await
    }

    fn agreed_path(&self) -> Option<&Path> {
        self.path.as_deref().filter(|path| path.shared.datagrams_agreed())
    }
}

impl UdpRecv {
    /// The next UDP payload; `None` when the peer ended the flow. Cancel-safe.
    ///
    /// # Errors
    /// When the flow was reset or its connection is gone.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, FlowError> {
        loop {
            if let Some(payload) = self.parse().map_err(|error| self.fault(error))? {
                return Ok(Some(payload));
            }
            match self.next().await {
                Piece::Datagram(datagram) => {
                    if let Some(payload) = udp_payload(datagram).map_err(|error| self.fault(error))? {
                        return Ok(Some(payload));
                    }
                }
                Piece::OfStream(Some(batch)) => self.batch = batch,
                Piece::OfStream(None) => {
                    self.capsules.finish().map_err(|error| self.fault(error))?;
                    return Ok(None);
                }
                Piece::Lost(error) => return Err(error),
            }
        }
    }

    async fn next(&mut self) -> Piece {
        if self.datagrams.is_some() { poll_fn(|cx| self.poll_next(cx)).await } else { self.stream.recv().await.into() }
    }

    /// Over HTTP/3, whose streams keep the waker of a read that was given up.
    fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Piece> {
        if let Some(datagrams) = &mut self.datagrams
            && let Poll::Ready(datagram) = datagrams.poll_recv(cx)
        {
            return Poll::Ready(Piece::Datagram(datagram));
        }
        let stream = &mut self.stream;
        self.gate.poll(cx, |cx| pin!(stream.recv()).poll(cx)).map(Piece::from)
    }

    /// Tells the peer that nothing more will be read.
    pub fn stop(self, reason: ResetReason) {
        self.stream.stop(reason);
    }

    /// The next payload in the capsules that are here.
    fn parse(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            while let Some(value) = self.capsules.read(&mut self.held)? {
                if let Some(payload) = udp_payload(value)? {
                    return Ok(Some(payload));
                }
            }
            match self.batch.pop() {
                Some(piece) => self.held = piece,
                None => return Ok(None),
            }
        }
    }

    fn fault(&mut self, error: Error) -> FlowError {
        tracing::debug!(%error, "a malformed capsule or datagram");
        if let Error::StreamOverLimit(what) = error {
            self.stream.abort(ResetReason::ExcessiveLoad);
            FlowError::OverLimit(what)
        } else {
            self.stream.abort(ResetReason::Message);
            FlowError::PeerMisbehaved("a malformed capsule or datagram")
        }
    }
}

/// What comes to a flow.
enum Piece {
    Datagram(Bytes),
    OfStream(Option<Batch>),
    Lost(FlowError),
}

impl From<Result<Option<Batch>, FlowError>> for Piece {
    fn from(received: Result<Option<Batch>, FlowError>) -> Self {
        received.map_or_else(Self::Lost, Self::OfStream)
    }
}

/// The way of one flow's datagrams on an HTTP/3 connection, before the flow is accepted.
#[derive(Debug)]
pub(crate) struct DatagramPath {
    path: Arc<Path>,
    datagrams: Datagrams,
}

impl DatagramPath {
    /// From now on datagrams for the stream are taken.
    pub(crate) fn new(shared: Arc<h3::Shared>, stream: u64) -> Self {
        let datagrams = shared.demux.register(stream);
        Self { path: Arc::new(Path { shared, stream }), datagrams }
    }
}

/// While a half of the flow lives, its datagrams are taken.
#[derive(Debug)]
struct Path {
    shared: Arc<h3::Shared>,
    stream: u64,
}

impl Path {
    fn send(&self, payload: &[u8]) -> Result<Sent, FlowError> {
        match self.shared.quic.send_datagram(datagram::encode_udp(self.stream, payload)) {
            Ok(()) => Ok(Sent::Queued),
            Err(SendDatagramError::TooLarge) => Ok(Sent::TooLarge { limit: self.payload_max() }),
            Err(SendDatagramError::UnsupportedByPeer | SendDatagramError::Disabled) => Ok(Sent::TooLarge { limit: 0 }),
            Err(SendDatagramError::ConnectionLost(error)) => Err(FlowError::Connection(self.shared.closed(&error))),
        }
    }

    fn payload_max(&self) -> usize {
        self.shared.quic.max_datagram_size().unwrap_or_default().saturating_sub(datagram::udp_overhead(self.stream))
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.shared.demux.remove(self.stream);
    }
}
