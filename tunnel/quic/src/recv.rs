//! The receiving half of a stream.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use quinn_proto::{ClosedStream, ConnectionError, StreamId, VarInt};

use crate::connection::Connection;

/// The receiving half of a stream. Dropping it before its end stops the stream with code 0.
#[derive(Debug)]
pub struct RecvStream {
    connection: Connection,
    id: StreamId,
    over: Option<Over>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Read,
    Reset(VarInt),
    Stopped,
}

/// Why nothing more can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The peer gave the stream up.
    #[error("the peer reset the stream with code {0}")]
    Reset(VarInt),
    /// The connection is over.
    #[error(transparent)]
    ConnectionLost(#[from] ConnectionError),
    /// It was stopped.
    #[error("the stream is over")]
    ClosedStream,
}

impl RecvStream {
    pub(crate) fn new(connection: Connection, id: StreamId) -> Self {
        Self { connection, id, over: None }
    }

    /// Which stream.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Fills `slots` with what is here, at least one piece; gives their number, or `None` at the end of the stream.
    /// Cancel-safe: gives pieces only when it completes.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read_chunks(&mut self, slots: &mut [Bytes]) -> Result<Option<usize>, ReadError> {
        poll_fn(|cx| self.poll_read(cx, slots, usize::MAX)).await
    }

    /// The next piece, of no more than `octets_max`; `None` at the end of the stream. Cancel-safe.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read_chunk(&mut self, octets_max: usize) -> Result<Option<Bytes>, ReadError> {
        let mut slot = [Bytes::new()];
        let read = poll_fn(|cx| self.poll_read(cx, &mut slot, octets_max)).await?;
        let [piece] = slot;
        Ok(read.map(|_| piece))
    }

    fn poll_read(
        &mut self,
        cx: &Context<'_>,
        slots: &mut [Bytes],
        octets_max: usize,
    ) -> Poll<Result<Option<usize>, ReadError>> {
        match self.over {
            None => {}
            Some(Over::Read) => return Poll::Ready(Ok(None)),
            Some(Over::Reset(code)) => return Poll::Ready(Err(ReadError::Reset(code))),
            Some(Over::Stopped) => return Poll::Ready(Err(ReadError::ClosedStream)),
        }
        let inner = &self.connection.held.inner;
        let mut state = inner.lock();
        let mut stream = state.proto.recv_stream(self.id);
        let Ok(mut chunks) = stream.read(true) else { return Poll::Ready(Err(ReadError::ClosedStream)) };
        let mut count = 0;
        let mut blocked = false;
        for slot in slots.iter_mut() {
            match chunks.next(octets_max) {
                Ok(Some(chunk)) => {
                    *slot = chunk.bytes;
                    count += 1;
                    continue;
                }
                Ok(None) => self.over = Some(Over::Read),
                Err(quinn_proto::ReadError::Reset(code)) => self.over = Some(Over::Reset(code)),
                Err(quinn_proto::ReadError::Blocked) => blocked = true,
            }
            break;
        }
        // Reading makes room, which the peer may have to be told.
        if chunks.finalize().should_transmit() {
            inner.ready(&mut state);
        }
        match self.over {
            _ if count > 0 => Poll::Ready(Ok(Some(count))),
            Some(Over::Read | Over::Stopped) => Poll::Ready(Ok(None)),
            Some(Over::Reset(code)) => Poll::Ready(Err(ReadError::Reset(code))),
            None if blocked => {
                state.alive()?;
                state.readers.add(self.id, cx);
                Poll::Pending
            }
            None => Poll::Ready(Ok(Some(0))),
        }
    }

    /// Asks the peer to send no more, and drops what is here.
    ///
    /// # Errors
    /// It is over already.
    pub fn stop(&mut self, code: VarInt) -> Result<(), ClosedStream> {
        if self.over.is_some() {
            return Err(ClosedStream::default());
        }
        self.over = Some(Over::Stopped);
        let inner = &self.connection.held.inner;
        let mut state = inner.lock();
        state.readers.forget(self.id);
        state.proto.recv_stream(self.id).stop(code)?;
        inner.ready(&mut state);
        Ok(())
    }

    /// Completes when the peer resets the stream, with its code; with `None` when it can be reset no more. Cancel-safe.
    ///
    /// # Errors
    /// Why the connection is over.
    pub async fn received_reset(&mut self) -> Result<Option<VarInt>, ConnectionError> {
        poll_fn(|cx| {
            match self.over {
                Some(Over::Reset(code)) => return Poll::Ready(Ok(Some(code))),
                Some(Over::Read | Over::Stopped) => return Poll::Ready(Ok(None)),
                None => {}
            }
            let inner = &self.connection.held.inner;
            let mut state = inner.lock();
            match state.proto.recv_stream(self.id).received_reset() {
                Err(_) => Poll::Ready(Ok(None)),
                Ok(Some(code)) => {
                    self.over = Some(Over::Reset(code));
                    // Its place is free again, which the peer may have to be told.
                    inner.ready(&mut state);
                    Poll::Ready(Ok(Some(code)))
                }
                Ok(None) => {
                    state.alive()?;
                    state.readers.add(self.id, cx);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.stop(VarInt::from_u32(0));
    }
}
