//! A TCP flow: two halves, each used by one task.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::fault::{FlowError, ResetReason};

/// The half of a flow that sends to the peer. Dropping it unfinished resets the flow.
#[derive(Debug)]
pub struct FlowSend {
    inner: SendInner,
}

#[derive(Debug)]
enum SendInner {}

impl FlowSend {
    /// Sends octets, waiting for as long as the peer gives no credit. Cancelling it is safe: what was not yet taken is
    /// kept and sent before the next call's octets.
    ///
    /// # Errors
    /// [`FlowError::Reset`] when the peer does not want more, [`FlowError::Connection`] when the connection is gone.
    pub async fn send(&mut self, _octets: Bytes) -> Result<(), FlowError> {
        match self.inner {}
    }

    /// Ends this half in order (FIN); the other half goes on.
    ///
    /// # Errors
    /// As [`FlowSend::send`].
    pub async fn finish(&mut self) -> Result<(), FlowError> {
        match self.inner {}
    }

    /// Ends the flow abruptly.
    pub fn reset(self, _reason: ResetReason) {
        match self.inner {}
    }

    /// Completes when the peer resets this half; never when it does not.
    pub async fn stopped(&mut self) -> FlowError {
        match self.inner {}
    }
}

/// The half of a flow that receives from the peer. Dropping it before the end asks the peer to stop.
#[derive(Debug)]
pub struct FlowRecv {
    inner: RecvInner,
}

#[derive(Debug)]
enum RecvInner {}

impl FlowRecv {
    /// The next octets, at most [`crate::limits::BATCH_OCTETS_MAX`]; `None` is the peer's FIN. Cancel-safe.
    ///
    /// # Errors
    /// [`FlowError::Reset`] when the peer resets the flow, and everything else that ends it.
    pub async fn recv(&mut self) -> Result<Option<Batch>, FlowError> {
        match self.inner {}
    }

    /// Tells the peer that nothing more will be read.
    pub fn stop(self, _reason: ResetReason) {
        match self.inner {}
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
        let mut joined = bytes::BytesMut::with_capacity(length);
        bytes::BufMut::put(&mut joined, self.take(length));
        joined.freeze()
    }
}
