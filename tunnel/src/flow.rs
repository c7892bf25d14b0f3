//! A TCP flow: two halves, each used by one task.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::Response;

use crate::fault::{FlowError, ResetReason};
use crate::{h1, h2, h3, message};

/// The half of a flow that sends to the peer. Dropping it unfinished resets the flow.
#[derive(Debug)]
pub struct FlowSend {
    inner: SendInner,
}

#[derive(Debug)]
enum SendInner {
    H3(h3::send::SendHalf),
    H2(h2::half::SendHalf),
    H1(h1::half::SendHalf),
}

impl FlowSend {
    pub(crate) fn h3(half: h3::send::SendHalf) -> Self {
        Self { inner: SendInner::H3(half) }
    }

    pub(crate) fn h2(half: h2::half::SendHalf) -> Self {
        Self { inner: SendInner::H2(half) }
    }

    pub(crate) fn h1(half: h1::half::SendHalf) -> Self {
        Self { inner: SendInner::H1(half) }
    }

    /// Sends octets, waiting for as long as the peer gives no credit. Cancelling it is safe: what was not yet taken is
    /// kept and sent before the next call's octets.
    ///
    /// # Errors
    /// [`FlowError::Reset`] when the peer does not want more, [`FlowError::Connection`] when the connection is gone.
    pub async fn send(&mut self, octets: Bytes) -> Result<(), FlowError> {
        match &mut self.inner {
            SendInner::H3(half) => half.send(octets).await,
            SendInner::H2(half) => half.send(octets).await,
            SendInner::H1(half) => half.send(octets).await,
        }
    }

    /// Ends this half in order (FIN); the other half goes on.
    ///
    /// # Errors
    /// As [`FlowSend::send`].
    pub async fn finish(&mut self) -> Result<(), FlowError> {
        match &mut self.inner {
            SendInner::H3(half) => half.finish().await,
            SendInner::H2(half) => half.finish().await,
            SendInner::H1(half) => half.finish().await,
        }
    }

    /// Ends the flow abruptly.
    pub fn reset(mut self, reason: ResetReason) {
        match &mut self.inner {
            SendInner::H3(half) => half.reset(reason),
            SendInner::H2(half) => half.reset(reason),
            SendInner::H1(half) => half.reset(reason),
        }
    }

    /// Completes when the peer does not want more, or the connection is gone; never when neither happens. Cancel-safe.
    pub async fn stopped(&mut self) -> FlowError {
        match &mut self.inner {
            SendInner::H3(half) => half.stopped().await,
            SendInner::H2(half) => half.stopped().await,
            // The other half hears of it.
            SendInner::H1(_) => std::future::pending().await,
        }
    }
}

/// The half of a flow that receives from the peer. Dropping it before the end asks the peer to stop.
#[derive(Debug)]
pub struct FlowRecv {
    inner: RecvInner,
}

#[derive(Debug)]
enum RecvInner {
    H3(h3::recv::RecvHalf),
    H2(h2::half::RecvHalf),
    H1(h1::half::RecvHalf),
}

impl FlowRecv {
    pub(crate) fn h3(half: h3::recv::RecvHalf) -> Self {
        Self { inner: RecvInner::H3(half) }
    }

    pub(crate) fn h2(half: h2::half::RecvHalf) -> Self {
        Self { inner: RecvInner::H2(half) }
    }

    pub(crate) fn h1(half: h1::half::RecvHalf) -> Self {
        Self { inner: RecvInner::H1(half) }
    }

    /// The next octets, at most [`crate::limits::BATCH_OCTETS_MAX`] and a packet; `None` is the peer's FIN. Cancel-safe.
    ///
    /// # Errors
    /// [`FlowError::Reset`] when the peer resets the flow, and everything else that ends it.
    pub async fn recv(&mut self) -> Result<Option<Batch>, FlowError> {
        match &mut self.inner {
            RecvInner::H3(half) => half.recv().await,
            RecvInner::H2(half) => half.recv().await,
            RecvInner::H1(half) => half.recv().await,
        }
    }

    /// Tells the peer that nothing more will be read.
    pub fn stop(mut self, reason: ResetReason) {
        self.abort(reason);
    }

    pub(crate) fn abort(&mut self, reason: ResetReason) {
        match &mut self.inner {
            RecvInner::H3(half) => half.stop(reason),
            RecvInner::H2(half) => half.stop(),
            RecvInner::H1(half) => half.stop(),
        }
    }

    /// Completes when the peer resets this half; never when it does not. Reads nothing.
    pub(crate) async fn received_reset(&mut self) {
        match &mut self.inner {
            RecvInner::H3(half) => half.received_reset().await,
            RecvInner::H2(half) => half.received_reset().await,
            RecvInner::H1(_) => std::future::pending().await,
        }
    }

    /// The head of the answer to our request.
    pub(crate) async fn response(&mut self) -> Result<Response<()>, FlowError> {
        match &mut self.inner {
            RecvInner::H3(half) => Ok(message::response(&half.response().await?)),
            RecvInner::H2(half) => half.response().await,
            // We are never the client of HTTP/1.1.
            RecvInner::H1(_) => Err(FlowError::Finished),
        }
    }

    /// The answer was yes: what follows is the flow.
    pub(crate) fn tunnel(&mut self) {
        match &mut self.inner {
            RecvInner::H3(half) => half.tunnel(),
            RecvInner::H2(_) | RecvInner::H1(_) => {}
        }
    }

    /// What comes before FIN, an error or the limit.
    pub(crate) async fn body_prefix(&mut self, limit: usize) -> Bytes {
        let mut body = BytesMut::new();
        while let Ok(Some(batch)) = self.recv().await {
            body.put(batch.take(limit - body.len()));
            if body.len() == limit {
                break;
            }
        }
        body.freeze()
    }

    /// Everything up to FIN.
    pub(crate) async fn body(&mut self, limit: usize) -> Result<Bytes, FlowError> {
        let mut body = BytesMut::new();
        while let Some(batch) = self.recv().await? {
            if body.len() + batch.len() > limit {
                self.abort(ResetReason::ExcessiveLoad);
                return Err(FlowError::OverLimit("octets of the body"));
            }
            body.put(batch);
        }
        Ok(body.freeze())
    }
}

/// Received octets as they came, uncopied: a list of pieces that `writev` can take at once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pieces: VecDeque<Bytes>,
    length: usize,
}

impl Batch {
    /// All octets in one piece; copies only if there are several.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        let length = self.length;
        self.copy_to_bytes(length)
    }

    /// How many octets are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether none are left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes the first piece.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.length -= piece.len();
        Some(piece)
    }

    /// Adds a piece at the end.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push_back(piece);
        }
    }
}

impl Buf for Batch {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let Some(front) = self.pieces.front_mut() else { return };
            let step = count.min(front.len());
            front.advance(step);
            self.length -= step;
            count -= step;
            if front.is_empty() {
                self.pieces.pop_front();
            }
        }
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slot, piece) in into.iter_mut().zip(&self.pieces) {
            *slot = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        if let Some(front) = self.pieces.front_mut()
            && front.len() >= length
        {
            let taken = front.split_to(length);
            self.length -= length;
            if front.is_empty() {
                self.pieces.pop_front();
            }
            return taken;
        }
        let mut joined = BytesMut::with_capacity(length);
        joined.put(self.take(length));
        joined.freeze()
    }
}
