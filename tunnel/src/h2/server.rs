//! The gateway's side of an HTTP/2 connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use super::half::{RecvHalf, SendHalf};
use super::{closed, flow_error};
use crate::fault::{Closed, FlowError};
use crate::flow::{FlowRecv, FlowSend};
use crate::limits;
use crate::link::Link;
use crate::message::{self, Ask};
use crate::server::{CloseCode, Exchange, Responder, Standing, assemble};

/// Serves until the connection is over.
pub(crate) async fn drive(
    stream: TlsStream<TcpStream>,
    link: Arc<Link>,
    exchanges: mpsc::Sender<Box<Exchange>>,
    standing: Standing,
) {
    let reason = serve(stream, &link, exchanges, standing).await;
    link.set_closed(reason);
}

async fn serve(
    stream: TlsStream<TcpStream>,
    link: &Arc<Link>,
    exchanges: mpsc::Sender<Box<Exchange>>,
    standing: Standing,
) -> Closed {
    let (streams, stream_window, window) = match standing {
        Standing::Trusted => {
            let (streams, window) = (limits::H2_STREAMS_MAX, limits::H2_GATEWAY_STREAM_WINDOW);
            (streams, window, window * streams)
        }
        Standing::Refused => (limits::UNTRUSTED_STREAMS, limits::UNTRUSTED_WINDOW, limits::UNTRUSTED_WINDOW),
    };
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(stream_window)
        .initial_connection_window_size(window)
        .max_concurrent_streams(streams)
        .max_frame_size(limits::H2_FRAME_OCTETS_MAX)
        .max_header_list_size(hitotsu_proto::limits::FIELD_SECTION_BYTES_MAX as u32)
        .max_send_buffer_size(limits::H2_SEND_OCTETS_MAX)
        .enable_connect_protocol();
    let connection = tokio::select! {
        shaken = tokio::time::timeout(limits::HEAD_PATIENCE, builder.handshake(stream)) => match shaken {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return closed(&error),
            Err(_) => return Closed::TimedOut,
        },
        _ = link.close_wanted() => return Closed::Here,
    };
    Serving { connection, link: Arc::clone(link), waiting: VecDeque::new(), streams }.run(exchanges).await
}

struct Serving {
    connection: Connection<TlsStream<TcpStream>, Bytes>,
    link: Arc<Link>,
    /// Requests that the gateway has not taken yet. INVARIANT (waiting): no more than streams are permitted. A stream that
    /// its client resets may be followed by another, but its request still waits here.
    waiting: VecDeque<Box<Exchange>>,
    /// Streams that are permitted.
    streams: u32,
}

impl Serving {
    async fn run(mut self, exchanges: mpsc::Sender<Box<Exchange>>) -> Closed {
        let link = Arc::clone(&self.link);
        let mut draining = false;
        loop {
            if self.waiting.len() > self.streams as usize {
                self.farewell(CloseCode::ExcessiveLoad).await;
                return Closed::PeerMisbehaved("it opens and resets requests faster than they are taken".to_owned());
            }
            tokio::select! {
                biased;
                code = link.close_wanted() => return self.farewell(code).await,
                () = link.drain_wanted.notified(), if !draining => {
                    draining = true;
                    self.connection.graceful_shutdown();
                }
                permit = exchanges.reserve(), if !self.waiting.is_empty() => {
                    if let (Ok(permit), Some(exchange)) = (permit, self.waiting.pop_front()) {
                        permit.send(exchange);
                    }
                }
                // Also moves the octets of all streams.
                accepted = self.connection.accept() => match accepted {
                    Some(Ok((request, respond))) => self.take(request, respond),
                    Some(Err(error)) => return closed(&error),
                    None if draining => return Closed::Here,
                    None => return Closed::Peer,
                },
            }
        }
    }

    fn take(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let stream = u64::from(respond.stream_id().as_u32());
        let asked = message::from_h2(&request).and_then(Ask::of);
        match asked {
            Ok(asked) => {
                let recv = FlowRecv::h2(RecvHalf::of_request(request.into_body(), Arc::clone(&self.link)));
                let responder = Responder::H2(Answer { respond, link: Arc::clone(&self.link) });
                if let Some(request) = assemble(asked, responder, recv, None) {
                    self.waiting.push_back(Box::new(Exchange { stream, request }));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a malformed request");
                respond.send_reset(Reason::PROTOCOL_ERROR);
            }
        }
    }

    async fn farewell(mut self, code: CloseCode) -> Closed {
        self.connection.abrupt_shutdown(match code {
            CloseCode::NoError => Reason::NO_ERROR,
            CloseCode::Denied => Reason::REFUSED_STREAM,
            CloseCode::ExcessiveLoad => Reason::ENHANCE_YOUR_CALM,
            CloseCode::Internal => Reason::INTERNAL_ERROR,
        });
        let _ = tokio::time::timeout(limits::FAREWELL, poll_fn(|cx| self.connection.poll_closed(cx))).await;
        Closed::Here
    }
}

/// Where the answer to a request goes.
#[derive(Debug)]
pub(crate) struct Answer {
    respond: SendResponse<Bytes>,
    link: Arc<Link>,
}

impl Answer {
    pub(crate) fn respond(mut self, response: Response<()>) -> Result<FlowSend, FlowError> {
        let (mut parts, ()) = response.into_parts();
        // Fields that HTTP/2 does not have are left out.
        parts.headers = message::headers(&message::fields(&parts.headers));
        match self.respond.send_response(Response::from_parts(parts, ()), false) {
            Ok(stream) => Ok(FlowSend::h2(SendHalf::new(stream, self.link))),
            Err(error) => Err(flow_error(&error, &self.link)),
        }
    }

    pub(crate) async fn stopped(&mut self) {
        let _ = poll_fn(|cx| self.respond.poll_reset(cx)).await;
    }
}
