//! The receiving half of a request stream.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use hitotsu_proto::error::{Code, Error};
use hitotsu_proto::frame::{Event, FrameReader};
use hitotsu_proto::head::{self, RequestHead, ResponseHead};
use hitotsu_proto::qpack;
use hitotsu_quic::ReadError;

use super::{OpenGuard, Shared, code, reason, var_int};
use crate::fault::{FlowError, ResetReason};
use crate::flow::Batch;
use crate::limits::{BATCH_OCTETS_MAX, BATCH_PIECES_MAX, HEAD_READ_OCTETS};

/// Pieces come out as they came. INVARIANT (flat): no more than one read of the stream is held, whatever the frames in it
/// are; the rest stays in the stream window, where it stops the sender.
#[derive(Debug)]
pub(crate) struct RecvHalf {
    stream: hitotsu_quic::RecvStream,
    reader: FrameReader,
    pieces: VecDeque<Bytes>,
    fin: bool,
    ended: bool,
    shared: Arc<Shared>,
    _open: Arc<OpenGuard>,
}

impl RecvHalf {
    pub(crate) fn new(stream: hitotsu_quic::RecvStream, shared: Arc<Shared>, open: Arc<OpenGuard>) -> Self {
        let reader = FrameReader::new(shared.side);
        Self { stream, reader, pieces: VecDeque::new(), fin: false, ended: false, shared, _open: open }
    }

    /// The head of a request. Errors are still those of the wire, so that a server can answer some of them.
    pub(crate) async fn request(&mut self) -> Result<Result<RequestHead, Error>, FlowError> {
        Ok(match self.head().await? {
            Ok(section) => qpack::decode(&section).and_then(RequestHead::from_h3).inspect(|head| {
                if let Some(length) = head.content_length {
                    self.reader.expect_body(length);
                }
            }),
            Err(error) => Err(error),
        })
    }

    /// The head of the final response.
    pub(crate) async fn response(&mut self) -> Result<ResponseHead, FlowError> {
        loop {
            let head = match self.head().await? {
                Ok(section) => qpack::decode(&section).and_then(ResponseHead::from_h3),
                Err(error) => Err(error),
            };
            let head = head.map_err(|error| self.fault(error))?;
            if !head.is_interim() {
                return Ok(head);
            }
            self.reader.interim().map_err(|error| self.fault(error))?;
        }
    }

    /// From here on there is only DATA.
    pub(crate) fn tunnel(&mut self) {
        self.reader.tunnel();
    }

    /// The next octets of the body.
    pub(crate) async fn recv(&mut self) -> Result<Option<Batch>, FlowError> {
        if self.ended {
            return if self.fin { Ok(None) } else { Err(FlowError::Finished) };
        }
        let mut batch = Batch::default();
        loop {
            while batch.len() < BATCH_OCTETS_MAX {
                match self.parse() {
                    Ok(Some(Event::Data(piece))) => batch.push(piece),
                    Ok(Some(Event::Trailers(section))) => {
                        let trailers = qpack::decode(&section).and_then(head::trailers_from_h3);
                        trailers.map_err(|error| self.fault(error))?;
                    }
                    Ok(Some(Event::Head(_))) => return Err(self.fault(Error::Message("a second head"))),
                    Ok(None) => break,
                    Err(error) => return Err(self.fault(error)),
                }
            }
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
            if self.fin {
                self.reader.finish().map_err(|error| self.fault(error))?;
                self.ended = true;
                return Ok(None);
            }
            self.fill().await?;
        }
    }

    /// Completes when the peer resets this half, or when that cannot happen any more never.
    pub(crate) async fn received_reset(&mut self) {
        match self.stream.received_reset().await {
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => std::future::pending().await,
        }
    }

    pub(crate) fn stop(&mut self, reason: ResetReason) {
        self.stop_raw(code(reason));
    }

    pub(crate) fn stop_with(&mut self, code: Code) {
        self.stop_raw(var_int(code));
    }

    fn stop_raw(&mut self, code: hitotsu_quic::VarInt) {
        if !self.ended {
            self.ended = true;
            let _ = self.stream.stop(code);
        }
    }

    /// The compressed section of the next head.
    async fn head(&mut self) -> Result<Result<Bytes, Error>, FlowError> {
        loop {
            match self.parse() {
                Ok(Some(Event::Head(section))) => return Ok(Ok(section)),
                Ok(Some(Event::Data(_) | Event::Trailers(_))) => return Ok(Err(Error::Message("no head"))),
                Ok(None) if self.fin => return Ok(self.reader.finish().and(Err(Error::RequestIncomplete))),
                Ok(None) => self.fill_a_little().await?,
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// The next event in what is here.
    fn parse(&mut self) -> Result<Option<Event>, Error> {
        while let Some(piece) = self.pieces.front_mut() {
            if let Some(event) = self.reader.read(piece)? {
                return Ok(Some(event));
            }
            self.pieces.pop_front();
        }
        Ok(None)
    }

    // Cancel-safe: pieces are given only when it resolves.
    async fn fill(&mut self) -> Result<(), FlowError> {
        let mut slots = [const { Bytes::new() }; BATCH_PIECES_MAX];
        match self.stream.read_chunks(&mut slots).await {
            Ok(Some(count)) => self.pieces.extend(slots.into_iter().take(count)),
            Ok(None) => self.fin = true,
            Err(error) => return Err(self.lost(error)),
        }
        Ok(())
    }

    /// For a head: what follows it stays in the stream window until somebody wants it. Cancel-safe as well.
    async fn fill_a_little(&mut self) -> Result<(), FlowError> {
        match self.stream.read_chunk(HEAD_READ_OCTETS).await {
            Ok(Some(piece)) => self.pieces.push_back(piece),
            Ok(None) => self.fin = true,
            Err(error) => return Err(self.lost(error)),
        }
        Ok(())
    }

    fn lost(&mut self, error: ReadError) -> FlowError {
        self.ended = true;
        match error {
            ReadError::Reset(code) => FlowError::Reset(reason(code)),
            ReadError::ConnectionLost(error) => FlowError::Connection(self.shared.closed(&error)),
            ReadError::ClosedStream => FlowError::Finished,
        }
    }

    fn fault(&mut self, error: Error) -> FlowError {
        if !self.ended {
            self.ended = true;
            self.fin = false;
            let _ = self.stream.stop(var_int(error.code()));
        }
        self.shared.stream_fault(error)
    }
}

impl Drop for RecvHalf {
    // It would be stopped with code 0, which HTTP/3 does not have.
    fn drop(&mut self) {
        if !self.fin {
            self.stop(ResetReason::Cancelled);
        }
    }
}
