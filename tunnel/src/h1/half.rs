//! The two directions of an HTTP/1.1 connection while one exchange has them.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use hitotsu_proto::error::Error;
use hitotsu_proto::h1::{Body, ChunkedReader};
use socket2::Socket;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::server::TlsStream;

use crate::fault::{FlowError, ResetReason};
use crate::flow::Batch;
use crate::link::{self, Link};

pub(crate) type Reader = ReadHalf<TlsStream<TcpStream>>;
pub(crate) type Writer = WriteHalf<TlsStream<TcpStream>>;

/// Octets read at a time: one TLS record.
const READ_OCTETS: usize = 16 * 1024;

/// The connection under both directions.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) socket: Socket,
    pub(crate) link: Arc<Link>,
}

impl Wire {
    /// Ends both directions for everybody who holds them.
    pub(crate) fn cut(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn reset(&self) {
        // Zero linger makes the last close send a TCP reset.
        let _ = self.socket.set_linger(Some(Duration::ZERO));
    }

    fn fault(&self, error: &io::Error) -> FlowError {
        FlowError::Connection(self.link.closed_now().unwrap_or_else(|| link::closed(error)))
    }
}

/// How a body is delimited that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A flow: until TLS ends.
    Flow,
    /// As long as its head says.
    Length,
    /// In chunks.
    Chunked,
    /// The answer has no body, whatever is sent.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct SendHalf {
    /// `None` once it was given back.
    writer: Option<Writer>,
    framing: Framing,
    queue: BytesMut,
    home: Option<oneshot::Sender<Writer>>,
    wire: Arc<Wire>,
}

impl SendHalf {
    /// `head` is sent before everything else.
    pub(crate) fn new(
        writer: Writer,
        framing: Framing,
        head: BytesMut,
        home: oneshot::Sender<Writer>,
        wire: Arc<Wire>,
    ) -> Self {
        Self { writer: Some(writer), framing, queue: head, home: Some(home), wire }
    }

    pub(crate) async fn send(&mut self, octets: Bytes) -> Result<(), FlowError> {
        self.flush().await?;
        match self.framing {
            Framing::Flow | Framing::Length => self.queue.extend_from_slice(&octets),
            Framing::Chunked if !octets.is_empty() => {
                self.queue.extend_from_slice(format!("{:x}\r\n", octets.len()).as_bytes());
                self.queue.extend_from_slice(&octets);
                self.queue.extend_from_slice(b"\r\n");
            }
            Framing::Chunked | Framing::Nothing => {}
        }
        self.flush().await
    }

    pub(crate) async fn finish(&mut self) -> Result<(), FlowError> {
        self.flush().await?;
        match self.framing {
            Framing::Flow => {
                if let Some(writer) = &mut self.writer {
                    // TLS's close_notify is FIN; the other direction goes on.
                    writer.shutdown().await.map_err(|error| self.wire.fault(&error))?;
                }
                self.writer = None;
                return Ok(());
            }
            Framing::Chunked => self.queue.extend_from_slice(b"0\r\n\r\n"),
            Framing::Length | Framing::Nothing => {}
        }
        self.flush().await?;
        if let (Some(writer), Some(home)) = (self.writer.take(), self.home.take()) {
            let _ = home.send(writer);
        }
        Ok(())
    }

    pub(crate) fn reset(&mut self, _reason: ResetReason) {
        if self.writer.take().is_some() {
            self.wire.reset();
            self.wire.cut();
        }
    }

    // Cancel-safe: what TLS has not taken stays in the queue.
    pub(crate) async fn flush(&mut self) -> Result<(), FlowError> {
        let Some(writer) = &mut self.writer else { return Err(FlowError::Finished) };
        while self.queue.has_remaining() {
            match writer.write(&self.queue).await {
                Ok(0) => return Err(FlowError::Finished),
                Ok(count) => self.queue.advance(count),
                Err(error) => {
                    self.writer = None;
                    return Err(self.wire.fault(&error));
                }
            }
        }
        writer.flush().await.map_err(|error| self.wire.fault(&error))
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        self.reset(ResetReason::Cancelled);
    }
}

#[derive(Debug)]
pub(crate) struct RecvHalf {
    /// `None` once it was given back.
    reader: Option<Reader>,
    /// Read, not yet handed out.
    held: Bytes,
    body: BodyReader,
    home: Option<oneshot::Sender<(Reader, Bytes)>>,
    wire: Arc<Wire>,
}

#[derive(Debug)]
enum BodyReader {
    Flow,
    Length(u64),
    Chunked(ChunkedReader),
    /// FIN was seen.
    Ended,
}

impl RecvHalf {
    /// `held` came with the head.
    pub(crate) fn new(
        reader: Reader,
        held: Bytes,
        body: Body,
        home: oneshot::Sender<(Reader, Bytes)>,
        wire: Arc<Wire>,
    ) -> Self {
        let body = match body {
            Body::Tunnel | Body::UntilClose => BodyReader::Flow,
            Body::Empty => BodyReader::Length(0),
            Body::Length(length) => BodyReader::Length(length),
            Body::Chunked => BodyReader::Chunked(ChunkedReader::default()),
        };
        Self { reader: Some(reader), held, body, home: Some(home), wire }
    }

    // Cancel-safe: octets that were read are held.
    pub(crate) async fn recv(&mut self) -> Result<Option<Batch>, FlowError> {
        loop {
            if let Some(piece) = self.parse().map_err(|error| self.fault(error))? {
                let mut batch = Batch::default();
                batch.push(piece);
                return Ok(Some(batch));
            }
            if self.is_complete() {
                self.body = BodyReader::Ended;
                return Ok(None);
            }
            let Some(reader) = &mut self.reader else { return Err(FlowError::Finished) };
            let mut buffer = BytesMut::with_capacity(READ_OCTETS);
            match reader.read_buf(&mut buffer).await {
                Ok(0) => match self.body {
                    BodyReader::Flow => self.body = BodyReader::Ended,
                    BodyReader::Length(_) | BodyReader::Chunked(_) | BodyReader::Ended => {
                        return Err(FlowError::PeerMisbehaved("the body was cut off"));
                    }
                },
                Ok(_) => self.held = buffer.freeze(),
                Err(error) => {
                    self.reader = None;
                    return Err(self.wire.fault(&error));
                }
            }
        }
    }

    /// The exchange needs no more; if its body is complete, the next request may be read.
    pub(crate) fn stop(&mut self) {
        // A body that has come whole, but was not wanted.
        while let Ok(Some(_)) = self.parse() {}
        if let (true, Some(reader), Some(home)) = (self.is_complete(), self.reader.take(), self.home.take()) {
            let _ = home.send((reader, std::mem::take(&mut self.held)));
        }
    }

    /// The next octets of the body in what is here.
    fn parse(&mut self) -> Result<Option<Bytes>, Error> {
        match &mut self.body {
            BodyReader::Flow if self.held.is_empty() => Ok(None),
            BodyReader::Flow => Ok(Some(std::mem::take(&mut self.held))),
            BodyReader::Length(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(self.held.len());
                *left -= count as u64;
                Ok((count > 0).then(|| self.held.split_to(count)))
            }
            BodyReader::Chunked(reader) => reader.read(&mut self.held),
            BodyReader::Ended => Ok(None),
        }
    }

    fn is_complete(&self) -> bool {
        match &self.body {
            BodyReader::Flow => false,
            BodyReader::Length(left) => *left == 0,
            BodyReader::Chunked(reader) => reader.is_ended(),
            BodyReader::Ended => true,
        }
    }

    fn fault(&mut self, error: Error) -> FlowError {
        self.reader = None;
        tracing::debug!(%error, "a malformed body");
        if let Error::StreamOverLimit(what) = error {
            FlowError::OverLimit(what)
        } else {
            FlowError::PeerMisbehaved("a malformed body")
        }
    }
}

impl Drop for RecvHalf {
    fn drop(&mut self) {
        self.stop();
    }
}
