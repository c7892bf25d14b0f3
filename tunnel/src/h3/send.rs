//! The sending half of a request stream.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hitotsu_proto::error::Code;
use hitotsu_proto::frame;
use hitotsu_quic::{StoppedError, WriteError};

use super::{OpenGuard, Shared, code, reason, var_int};
use crate::fault::{FlowError, ResetReason};
use crate::gate::Gated;

/// Rests of fewer octets are copied, which costs less than sending them.
const REST_COPIED_BELOW: usize = 16 * 1024;

/// Frames go out uncopied: a header and the caller's octets.
#[derive(Debug)]
pub(crate) struct SendHalf {
    stream: hitotsu_quic::SendStream,
    /// Taken from the caller, not yet by the stream.
    queue: VecDeque<Bytes>,
    ended: bool,
    /// Set while somebody asks whether the peer wants more.
    stopping: Option<Gated<BoxFuture<'static, FlowError>>>,
    shared: Arc<Shared>,
    _open: Arc<OpenGuard>,
}

impl SendHalf {
    pub(crate) fn new(stream: hitotsu_quic::SendStream, shared: Arc<Shared>, open: Arc<OpenGuard>) -> Self {
        Self { stream, queue: VecDeque::with_capacity(2), ended: false, stopping: None, shared, _open: open }
    }

    /// Sends a frame as it is.
    pub(crate) async fn frame(&mut self, frame: Bytes) -> Result<(), FlowError> {
        self.flush().await?;
        self.queue.push_back(frame);
        self.flush().await
    }

    /// Sends a DATA frame.
    pub(crate) async fn send(&mut self, octets: Bytes) -> Result<(), FlowError> {
        self.flush().await?;
        if octets.is_empty() {
            return Ok(());
        }
        self.queue.push_back(frame::data_header(octets.len()));
        self.queue.push_back(octets);
        self.flush().await
    }

    pub(crate) async fn finish(&mut self) -> Result<(), FlowError> {
        self.flush().await?;
        self.ended = true;
        self.stream.finish().map_err(|_| FlowError::Finished)
    }

    pub(crate) fn reset(&mut self, reason: ResetReason) {
        self.reset_raw(code(reason));
    }

    pub(crate) fn reset_with(&mut self, code: Code) {
        self.reset_raw(var_int(code));
    }

    fn reset_raw(&mut self, code: hitotsu_quic::VarInt) {
        if !self.ended {
            self.ended = true;
            let _ = self.stream.reset(code);
        }
    }

    /// Completes when the peer does not want more. Cancel-safe: asked again, it goes on.
    pub(crate) async fn stopped(&mut self) -> FlowError {
        let stopping = self.stopping.get_or_insert_with(|| {
            let stopped = stopped(self.stream.stopped(), Arc::clone(&self.shared));
            Gated::new(stopped.boxed())
        });
        let error = stopping.await;
        self.stopping = None;
        error
    }

    // Cancel-safe: `write_chunks` takes octets only when it resolves, and what it leaves stays in the queue.
    async fn flush(&mut self) -> Result<(), FlowError> {
        if self.ended {
            return Err(FlowError::Finished);
        }
        while !self.queue.is_empty() {
            match self.stream.write_chunks(self.queue.make_contiguous()).await {
                Ok(written) => {
                    drop(self.queue.drain(..written.chunks));
                    self.keep_little();
                }
                Err(error) => {
                    self.ended = true;
                    self.queue.clear();
                    return Err(match error {
                        WriteError::Stopped(code) => {
                            // RFC 9000 §3.5: a stopped stream is answered with a reset of the same code.
                            let _ = self.stream.reset(code);
                            FlowError::Reset(reason(code))
                        }
                        WriteError::ConnectionLost(error) => FlowError::Connection(self.shared.closed(&error)),
                        WriteError::ClosedStream => FlowError::Finished,
                    });
                }
            }
        }
        Ok(())
    }

    /// What the stream did not take waits for the peer, maybe for long. A short rest shall not keep all of a large piece.
    fn keep_little(&mut self) {
        if let Some(rest) = self.queue.front_mut().filter(|rest| rest.len() < REST_COPIED_BELOW) {
            *rest = Bytes::copy_from_slice(rest);
        }
    }
}

async fn stopped(
    stopped: impl Future<Output = Result<Option<hitotsu_quic::VarInt>, StoppedError>>,
    shared: Arc<Shared>,
) -> FlowError {
    match stopped.await {
        Ok(Some(code)) => FlowError::Reset(reason(code)),
        // Finished, and the peer has it all: there is nothing left to stop.
        Ok(None) => std::future::pending().await,
        Err(StoppedError::ConnectionLost(error)) => FlowError::Connection(shared.closed(&error)),
    }
}

impl Drop for SendHalf {
    // It would be finished, and the peer would take a cut for the end.
    fn drop(&mut self) {
        self.reset(ResetReason::Cancelled);
    }
}
