//! A UDP flow: datagrams both ways, as QUIC datagrams where both sides have them, else as capsules.

use bytes::Bytes;

use crate::fault::FlowError;

/// A UDP flow of CONNECT-UDP (RFC 9298).
#[derive(Debug)]
pub struct UdpFlow {
    send: UdpSend,
    recv: UdpRecv,
}

impl UdpFlow {
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
    /// The queue was full; it was dropped and counted.
    Dropped,
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
    inner: Inner,
}

/// The half that receives from the peer.
#[derive(Debug)]
pub struct UdpRecv {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {}

impl UdpSend {
    /// Sends one UDP payload.
    ///
    /// # Errors
    /// When the flow or its connection is over.
    pub async fn send(&mut self, _payload: Bytes) -> Result<Sent, FlowError> {
        match self.inner {}
    }

    /// The largest payload that fits at this moment; it changes with the path.
    #[must_use]
    pub fn payload_max(&self) -> usize {
        match self.inner {}
    }

    /// Ends the flow in order.
    ///
    /// # Errors
    /// When the flow or its connection is over already.
    pub async fn finish(self) -> Result<(), FlowError> {
        match self.inner {}
    }

    /// Ends the flow abruptly.
    pub fn reset(self, _reason: crate::fault::ResetReason) {
        match self.inner {}
    }
}

impl UdpRecv {
    /// The next UDP payload; `None` when the peer ended the flow. Cancel-safe.
    ///
    /// # Errors
    /// When the flow was reset or its connection is gone.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, FlowError> {
        match self.inner {}
    }
}
