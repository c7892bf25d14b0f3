//! The two halves of an HTTP/2 stream.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use http::Response;

use super::{code, flow_error, reason};
use crate::fault::{FlowError, ResetReason};
use crate::flow::Batch;
use crate::limits::BATCH_OCTETS_MAX;
use crate::link::Link;

#[derive(Debug)]
pub(crate) struct SendHalf {
    stream: h2::SendStream<Bytes>,
    /// Taken from the caller, not yet by `h2`.
    queue: Bytes,
    ended: bool,
    link: Arc<Link>,
}

impl SendHalf {
    pub(crate) fn new(stream: h2::SendStream<Bytes>, link: Arc<Link>) -> Self {
        Self { stream, queue: Bytes::new(), ended: false, link }
    }

    pub(crate) async fn send(&mut self, octets: Bytes) -> Result<(), FlowError> {
        self.flush().await?;
        self.queue = octets;
        self.flush().await
    }

    pub(crate) async fn finish(&mut self) -> Result<(), FlowError> {
        self.flush().await?;
        self.ended = true;
        self.stream.send_data(Bytes::new(), true).map_err(|error| flow_error(&error, &self.link))
    }

    pub(crate) fn reset(&mut self, reason: ResetReason) {
        if !self.ended {
            self.ended = true;
            self.stream.send_reset(code(reason));
        }
    }

    pub(crate) async fn stopped(&mut self) -> FlowError {
        match poll_fn(|cx| self.stream.poll_reset(cx)).await {
            Ok(code) => match self.link.closed_now() {
                Some(closed) => FlowError::Connection(closed),
                None => FlowError::Reset(reason(code)),
            },
            Err(error) => flow_error(&error, &self.link),
        }
    }

    // Cancel-safe: what `h2` has not taken stays in the queue.
    async fn flush(&mut self) -> Result<(), FlowError> {
        if self.ended {
            return Err(FlowError::Finished);
        }
        while !self.queue.is_empty() {
            // `h2` would buffer without bound; only what the peer has given credit for may go.
            let mut capacity = self.stream.capacity();
            if capacity == 0 {
                self.stream.reserve_capacity(self.queue.len());
                capacity = match poll_fn(|cx| self.stream.poll_capacity(cx)).await {
                    Some(Ok(capacity)) => capacity,
                    Some(Err(error)) => return Err(self.failed(&error)),
                    None => {
                        self.ended = true;
                        return Err(self.stopped().await);
                    }
                };
            }
            let piece = self.queue.split_to(capacity.min(self.queue.len()));
            if let Err(error) = self.stream.send_data(piece, false) {
                return Err(self.failed(&error));
            }
        }
        Ok(())
    }

    fn failed(&mut self, error: &h2::Error) -> FlowError {
        self.ended = true;
        flow_error(error, &self.link)
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        self.reset(ResetReason::Cancelled);
    }
}

#[derive(Debug)]
pub(crate) struct RecvHalf {
    state: State,
    /// Octets that were handed out; the peer gets credit for them when the next ones are asked for.
    unreleased: usize,
    link: Arc<Link>,
}

#[derive(Debug)]
enum State {
    /// A client waits for the head of the answer.
    Head(h2::client::ResponseFuture),
    Body(h2::RecvStream),
    Fin,
    Ended,
}

impl RecvHalf {
    pub(crate) fn of_request(stream: h2::RecvStream, link: Arc<Link>) -> Self {
        Self { state: State::Body(stream), unreleased: 0, link }
    }

    pub(crate) fn of_response(response: h2::client::ResponseFuture, link: Arc<Link>) -> Self {
        Self { state: State::Head(response), unreleased: 0, link }
    }

    /// The head of the answer; once.
    pub(crate) async fn response(&mut self) -> Result<Response<()>, FlowError> {
        let State::Head(response) = &mut self.state else { return Err(FlowError::Finished) };
        match response.await {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                self.state = State::Body(body);
                Ok(Response::from_parts(parts, ()))
            }
            Err(error) => {
                self.state = State::Ended;
                Err(flow_error(&error, &self.link))
            }
        }
    }

    // Cancel-safe: nothing is awaited after octets were taken.
    pub(crate) async fn recv(&mut self) -> Result<Option<Batch>, FlowError> {
        let stream = match &mut self.state {
            State::Body(stream) => stream,
            State::Fin => return Ok(None),
            State::Head(_) | State::Ended => return Err(FlowError::Finished),
        };
        if self.unreleased > 0 {
            let _ = stream.flow_control().release_capacity(std::mem::take(&mut self.unreleased));
        }
        let mut batch = Batch::default();
        let mut next = stream.data().await;
        loop {
            match next {
                Some(Ok(piece)) => {
                    self.unreleased += piece.len();
                    batch.push(piece);
                }
                Some(Err(error)) if batch.is_empty() => {
                    self.state = State::Ended;
                    return Err(flow_error(&error, &self.link));
                }
                None if batch.is_empty() => {
                    self.state = State::Fin;
                    return Ok(None);
                }
                // Comes again with the next call.
                Some(Err(_)) | None => return Ok(Some(batch)),
            }
            if batch.len() >= BATCH_OCTETS_MAX {
                return Ok(Some(batch));
            }
            match stream.data().now_or_never() {
                Some(more) => next = more,
                None if !batch.is_empty() => return Ok(Some(batch)),
                // An empty frame came.
                None => next = stream.data().await,
            }
        }
    }

    /// HTTP/2 resets both halves at once, and the sending one hears of it.
    pub(crate) async fn received_reset(&mut self) {
        std::future::pending().await
    }

    /// HTTP/2 cannot stop one half; the reset goes with the sending one.
    pub(crate) fn stop(&mut self) {
        self.state = State::Ended;
    }
}
