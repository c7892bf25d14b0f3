//! The sending half of a stream.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use quinn_proto::{ClosedStream, ConnectionError, FinishError, StreamId, VarInt, Written};

use crate::connection::Connection;
use crate::wakers::Turn;

/// The sending half of a stream. Dropping it finishes the stream.
#[derive(Debug)]
pub struct SendStream {
    connection: Connection,
    id: StreamId,
    /// When it last wrote.
    wrote: Turn,
}

/// Why nothing more can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The peer wants no more.
    #[error("the peer stopped the stream with code {0}")]
    Stopped(VarInt),
    /// The connection is over.
    #[error(transparent)]
    ConnectionLost(#[from] ConnectionError),
    /// It was finished or reset.
    #[error("the stream is over")]
    ClosedStream,
}

/// Why it is not known whether the peer wants more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoppedError {
    /// The connection is over.
    #[error(transparent)]
    ConnectionLost(#[from] ConnectionError),
}

impl SendStream {
    pub(crate) fn new(connection: Connection, id: StreamId) -> Self {
        Self { connection, id, wrote: Turn::default() }
    }

    /// Which stream.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Writes as many octets of `chunks` as there is room for, at least one; written ones are taken out of the chunks.
    /// Cancel-safe: takes nothing until it completes.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write_chunks(&mut self, chunks: &mut [Bytes]) -> Result<Written, WriteError> {
        let inner = &self.connection.held.inner;
        poll_fn(|cx| {
            let mut state = inner.lock();
            state.alive()?;
            match state.proto.send_stream(self.id).write_chunks(chunks) {
                Ok(written) => {
                    self.wrote = state.writers.wrote();
                    inner.ready(&mut state);
                    Poll::Ready(Ok(written))
                }
                Err(quinn_proto::WriteError::Blocked) => {
                    state.writers.add(self.id, self.wrote, cx);
                    Poll::Pending
                }
                Err(quinn_proto::WriteError::Stopped(code)) => Poll::Ready(Err(WriteError::Stopped(code))),
                Err(quinn_proto::WriteError::ClosedStream) => Poll::Ready(Err(WriteError::ClosedStream)),
            }
        })
        .await
    }

    /// Writes all of `chunk`. Not cancel-safe.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write_chunk(&mut self, chunk: Bytes) -> Result<(), WriteError> {
        let mut chunks = [chunk];
        while chunks.iter().any(|chunk| !chunk.is_empty()) {
            self.write_chunks(&mut chunks).await?;
        }
        Ok(())
    }

    /// Nothing follows what was written; it goes on being delivered.
    ///
    /// # Errors
    /// It was finished or reset before.
    pub fn finish(&mut self) -> Result<(), ClosedStream> {
        let inner = &self.connection.held.inner;
        let mut state = inner.lock();
        let finished = state.proto.send_stream(self.id).finish();
        inner.ready(&mut state);
        match finished {
            // Who stopped the stream wants its end no more than the rest.
            Ok(()) | Err(FinishError::Stopped(_)) => Ok(()),
            Err(FinishError::ClosedStream) => Err(ClosedStream::default()),
        }
    }

    /// Gives the stream up; what the peer does not have yet is not sent any more.
    ///
    /// # Errors
    /// It was finished and delivered, or reset before.
    pub fn reset(&mut self, code: VarInt) -> Result<(), ClosedStream> {
        let inner = &self.connection.held.inner;
        let mut state = inner.lock();
        state.proto.send_stream(self.id).reset(code)?;
        inner.ready(&mut state);
        Ok(())
    }

    /// Streams of higher priority are sent first; 0 is usual.
    ///
    /// # Errors
    /// The stream is over.
    pub fn set_priority(&self, priority: i32) -> Result<(), ClosedStream> {
        self.connection.held.inner.lock().proto.send_stream(self.id).set_priority(priority)
    }

    /// Completes when the peer stops the stream, with its code, or has received all of a finished one, also when the stream
    /// was dropped meanwhile. For a stream that was reset it may not complete before the connection is over.
    ///
    /// # Errors
    /// See [`StoppedError`].
    pub fn stopped(&self) -> impl Future<Output = Result<Option<VarInt>, StoppedError>> + Send + use<> {
        let mut wait = Stopped { connection: self.connection.clone(), id: self.id, name: None };
        poll_fn(move |cx| wait.poll(cx))
    }
}

/// A task that waits for the end of a stream.
struct Stopped {
    connection: Connection,
    id: StreamId,
    /// In the list of those who wait.
    name: Option<u64>,
}

impl Stopped {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Option<VarInt>, StoppedError>> {
        let mut state = self.connection.held.inner.lock();
        match state.proto.send_stream(self.id).stopped() {
            Err(_) => Poll::Ready(Ok(None)),
            Ok(Some(code)) => Poll::Ready(Ok(Some(code))),
            Ok(None) => {
                state.alive()?;
                state.stopped.add(self.id, &mut self.name, cx);
                Poll::Pending
            }
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(name) = self.name {
            let _left = self.connection.held.inner.lock().stopped.leave(self.id, name);
        }
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        let inner = &self.connection.held.inner;
        let mut state = inner.lock();
        state.writers.forget(self.id);
        if state.error.is_none() {
            let mut stream = state.proto.send_stream(self.id);
            if let Err(FinishError::Stopped(code)) = stream.finish() {
                // RFC 9000 §3.5: a stopped stream is answered with a reset of the same code. It may be over already.
                let _ = stream.reset(code);
            }
            inner.ready(&mut state);
        }
    }
}
