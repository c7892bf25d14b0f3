//! The gateway's side of an HTTP/1.1 connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use hitotsu_proto::error::Error;
use hitotsu_proto::h1::{self, Body};
use hitotsu_proto::head::{RequestForm, RequestHead};
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use super::half::{Framing, Reader, RecvHalf, SendHalf, Wire, Writer};
use crate::fault::{Closed, FlowError};
use crate::flow::{FlowRecv, FlowSend};
use crate::limits;
use crate::link::{self, Link};
use crate::message::{self, Ask};
use crate::server::{Exchange, Responder, assemble};

/// Serves until the connection is over.
pub(crate) async fn drive(stream: TlsStream<TcpStream>, link: Arc<Link>, exchanges: mpsc::Sender<Box<Exchange>>) {
    let reason = match SockRef::from(stream.get_ref().0).try_clone() {
        Ok(socket) => {
            let wire = Arc::new(Wire { socket, link: Arc::clone(&link) });
            let (reader, writer) = tokio::io::split(stream);
            tokio::select! {
                reason = serve(reader, writer, &wire, &exchanges) => reason,
                _ = link.close_wanted() => {
                    wire.cut();
                    Closed::Here
                }
            }
        }
        Err(error) => Closed::Network(error.to_string()),
    };
    link.set_closed(reason);
}

async fn serve(
    mut reader: Reader,
    mut writer: Writer,
    wire: &Arc<Wire>,
    exchanges: &mpsc::Sender<Box<Exchange>>,
) -> Closed {
    let mut buffer = BytesMut::new();
    let mut stream = 0;
    loop {
        let request = tokio::select! {
            request = read_head(&mut reader, &mut buffer, (limits::H1_IDLE, limits::HEAD_PATIENCE)) => request,
            () = wire.link.drain_wanted.notified() => Ok(None),
        };
        let request = match request {
            Ok(Some(request)) => request,
            Ok(None) => {
                let _ = tokio::time::timeout(limits::FAREWELL, writer.shutdown()).await;
                return Closed::Peer;
            }
            Err(HeadFault::Malformed(error)) => return turn_away(writer, &error).await,
            Err(HeadFault::Closed(closed)) => return closed,
        };
        buffer.advance(request.bytes);
        let (to_reader, reader_home) = oneshot::channel();
        let (to_writer, writer_home) = oneshot::channel();
        let keep_alive = request.keep_alive && request.body != Body::Tunnel;
        let recv = RecvHalf::new(reader, buffer.split().freeze(), request.body, to_reader, Arc::clone(wire));
        let answer = Answer { writer, request: request.head.clone(), home: to_writer, wire: Arc::clone(wire) };
        match Ask::of(request.head) {
            Ok(asked) => {
                let assembled = assemble(asked, Responder::H1(Box::new(answer)), FlowRecv::h1(recv), None);
                if let Some(request) = assembled
                    && exchanges.send(Box::new(Exchange { stream, request })).await.is_err()
                {
                    return Closed::Here;
                }
            }
            Err(error) => return turn_away(answer.writer, &error).await,
        }
        stream += 1;
        // Both directions come back when the exchange is over in order; after a flow neither does.
        writer = match writer_home.await {
            Ok(writer) => writer,
            Err(_) => {
                let _ = reader_home.await;
                return Closed::Peer;
            }
        };
        let returned = reader_home.await;
        match returned {
            Ok((back, rest)) if keep_alive => {
                reader = back;
                buffer = BytesMut::from(rest);
            }
            Ok(_) | Err(_) => {
                let _ = tokio::time::timeout(limits::FAREWELL, writer.shutdown()).await;
                return Closed::Here;
            }
        }
    }
}

enum HeadFault {
    Malformed(Error),
    Closed(Closed),
}

/// The next request; `None` when the peer is done. It may be silent for `idle`, and take `patience` from the first octet of
/// the head to its last, however it spreads them.
async fn read_head(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    (idle, patience): (Duration, Duration),
) -> Result<Option<h1::Request>, HeadFault> {
    let mut deadline = Instant::now() + idle;
    let mut begun = false;
    loop {
        if let Some(request) = h1::read_request(buffer).map_err(HeadFault::Malformed)? {
            return Ok(Some(request));
        }
        if !begun && !buffer.is_empty() {
            begun = true;
            deadline = Instant::now() + patience;
        }
        // INVARIANT (head): the parser refuses a head that is over its limit.
        match tokio::time::timeout_at(deadline, reader.read_buf(buffer)).await {
            Ok(Ok(0)) if buffer.is_empty() => return Ok(None),
            Ok(Ok(0)) => return Err(HeadFault::Closed(Closed::Network("a request was cut off".to_owned()))),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(HeadFault::Closed(link::closed(&error))),
            Err(_) => return Err(HeadFault::Closed(Closed::TimedOut)),
        }
    }
}

/// Answers a malformed request and closes: what follows it cannot be trusted (RFC 9112 §9.6).
async fn turn_away(mut writer: Writer, error: &Error) -> Closed {
    let mut out = BytesMut::new();
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let (response, _) = message::with_length(message::bare(status));
    h1::write_response(&message::response_head(status, response.headers()), None, &mut out);
    let told = async {
        let _ = writer.write_all(&out).await;
        let _ = writer.shutdown().await;
    };
    // A peer that does not read is not waited for.
    let _ = tokio::time::timeout(limits::FAREWELL, told).await;
    Closed::PeerMisbehaved(error.to_string())
}

/// Where the answer to a request goes.
#[derive(Debug)]
pub(crate) struct Answer {
    writer: Writer,
    request: RequestHead,
    home: oneshot::Sender<Writer>,
    wire: Arc<Wire>,
}

impl Answer {
    pub(crate) async fn respond(self, response: Response<()>) -> Result<FlowSend, FlowError> {
        let status = response.status();
        let is_tunnel = match &self.request.form {
            RequestForm::Connect { .. } | RequestForm::Extended { .. } => status.is_success(),
            RequestForm::Ordinary { .. } => false,
        };
        let is_head = matches!(&self.request.form, RequestForm::Ordinary { method, .. } if *method == "HEAD");
        let framing = if is_tunnel {
            Framing::Flow
        } else if is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            Framing::Nothing
        } else if response.headers().contains_key(CONTENT_LENGTH) {
            Framing::Length
        } else {
            Framing::Chunked
        };
        let mut head = message::response_head(status, response.headers());
        if framing == Framing::Chunked {
            let _ = head.fields.push("transfer-encoding", "chunked");
        }
        let mut out = BytesMut::new();
        h1::write_response(&head, Some(&self.request), &mut out);
        let mut send = SendHalf::new(self.writer, framing, out, self.home, self.wire);
        send.flush().await?;
        Ok(FlowSend::h1(send))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::ReadBuf;
    use tokio::time::{Interval, interval, timeout};

    use super::*;

    /// A head without end, an octet at a time.
    struct Drip(Interval);

    impl AsyncRead for Drip {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            self.0.poll_tick(cx).map(|_| {
                buffer.put_slice(b"x");
                Ok(())
            })
        }
    }

    #[tokio::test]
    async fn a_head_that_comes_octet_by_octet_is_not_waited_for_longer_than_another() {
        let mut drip = Drip(interval(Duration::from_millis(1)));
        let patience = (Duration::from_secs(60), Duration::from_millis(50));
        let mut buffer = BytesMut::new();

        let read = timeout(Duration::from_secs(10), read_head(&mut drip, &mut buffer, patience)).await;

        assert!(matches!(read, Ok(Err(HeadFault::Closed(Closed::TimedOut)))));
        assert!(!buffer.is_empty());
    }
}
