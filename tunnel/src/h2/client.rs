//! The agent's side of an HTTP/2 connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::PingPong;
use h2::client::{Connection, SendRequest};
use hitotsu_proto::head::{RequestForm, RequestHead};
use http::{Method, Request, Uri};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;

use super::half::{RecvHalf, SendHalf};
use super::{closed, flow_error};
use crate::client::open_error;
use crate::fault::{Closed, FlowError, OpenError};
use crate::limits;
use crate::link::{Link, Remembering};
use crate::message;
use crate::task::Task;

/// A connection that was dialled.
#[derive(Debug)]
pub(crate) struct Client {
    sender: SendRequest<Bytes>,
    pub(crate) link: Arc<Link>,
    /// The server's settings have come.
    settled: watch::Receiver<bool>,
    _task: Task,
}

impl Client {
    /// Sends the preface; requests may follow at once.
    pub(crate) async fn new(stream: TlsStream<TcpStream>, link: Arc<Link>) -> Result<Self, Closed> {
        let (sender, connection) = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(limits::H2_AGENT_STREAM_WINDOW)
            .initial_connection_window_size(limits::H2_AGENT_STREAM_WINDOW * limits::H2_STREAMS_MAX)
            .max_frame_size(limits::H2_FRAME_OCTETS_MAX)
            .max_header_list_size(hitotsu_proto::limits::FIELD_SECTION_BYTES_MAX as u32)
            .max_send_buffer_size(limits::H2_SEND_OCTETS_MAX)
            .handshake(Remembering::new(stream, Arc::clone(&link)))
            .await
            .map_err(|error| closed(&error))?;
        let (settled_sender, settled) = watch::channel(false);
        let task = Task::spawn(drive(connection, sender.clone(), Arc::clone(&link), settled_sender));
        Ok(Self { sender, link, settled, _task: task })
    }

    /// Opens a stream and sends the head.
    pub(crate) async fn open(&self, head: &RequestHead) -> Result<(u64, SendHalf, RecvHalf), OpenError> {
        let bad = || OpenError::BadRequest("the request".to_owned());
        let request = request(head).ok_or_else(bad)?;
        let mut draining = self.link.draining.subscribe();
        let mut sender = tokio::select! {
            biased;
            _ = draining.wait_for(|draining| *draining) => return Err(self.unusable()),
            ready = self.sender.clone().ready() => ready.map_err(|_| self.unusable())?,
        };
        let (response, stream) =
            sender.send_request(request, false).map_err(|error| open_error(flow_error(&error, &self.link)))?;
        let id = u64::from(stream.stream_id().as_u32());
        let send = SendHalf::new(stream, Arc::clone(&self.link));
        Ok((id, send, RecvHalf::of_response(response, Arc::clone(&self.link))))
    }

    /// Extended CONNECT may be used only after the server said so (RFC 8441 §3).
    pub(crate) async fn extended_connect(&self) -> Result<(), OpenError> {
        if !self.sender.is_extended_connect_protocol_enabled() {
            tokio::select! {
                _ = async { self.settled.clone().wait_for(|settled| *settled).await.is_ok() } => {}
                closed = self.link.closed() => return Err(FlowError::Connection(closed).into()),
            }
        }
        if self.sender.is_extended_connect_protocol_enabled() {
            Ok(())
        } else {
            Err(OpenError::Unsupported("extended connect"))
        }
    }

    fn unusable(&self) -> OpenError {
        match self.link.closed_now() {
            Some(closed) => FlowError::Connection(closed).into(),
            None => OpenError::Draining,
        }
    }
}

async fn drive(
    mut connection: Connection<Remembering<TlsStream<TcpStream>>, Bytes>,
    mut sender: SendRequest<Bytes>,
    link: Arc<Link>,
    settled: watch::Sender<bool>,
) {
    let pings = connection.ping_pong();
    let mut farewell = None;
    let io = poll_fn(|cx| {
        let polled = Pin::new(&mut connection).poll(cx);
        // `h2` has no event for GOAWAY; it shows in that no request can be sent any more.
        if farewell.is_none()
            && let Poll::Ready(Err(error)) = sender.poll_ready(cx)
        {
            farewell = Some(closed(&error));
            link.draining.send_replace(true);
        }
        polled
    });
    let reason = tokio::select! {
        ended = io => match ended {
            Ok(()) => farewell.unwrap_or(Closed::Peer),
            // After a farewell it does not matter how TCP ends.
            Err(error) if error.is_io() => farewell.unwrap_or_else(|| closed(&error)),
            Err(error) => closed(&error),
        },
        () = keep_alive(pings, &settled, limits::KEEP_ALIVE) => Closed::TimedOut,
        _ = link.close_wanted() => Closed::Here,
    };
    link.set_closed(reason);
}

/// Pings: the first answer shows that the server's settings have come, the others that it lives. Ends when one is not
/// answered in the interval.
async fn keep_alive(pings: Option<PingPong>, settled: &watch::Sender<bool>, interval: Duration) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        if pings.send_ping(h2::Ping::opaque()).is_err() {
            return std::future::pending().await;
        }
        match tokio::time::timeout(interval, poll_fn(|cx| pings.poll_pong(cx))).await {
            Ok(Ok(_)) => drop(settled.send_replace(true)),
            // The connection's own end says more.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => return,
        }
        tokio::time::sleep(interval).await;
    }
}

fn request(head: &RequestHead) -> Option<Request<()>> {
    let mut request = Request::new(());
    match &head.form {
        RequestForm::Connect { authority } => {
            *request.method_mut() = Method::CONNECT;
            *request.uri_mut() = Uri::builder().authority(authority.to_string()).build().ok()?;
        }
        RequestForm::Extended { protocol, scheme, authority, path } => {
            *request.method_mut() = Method::CONNECT;
            *request.uri_mut() = located(scheme, authority, path)?;
            request.extensions_mut().insert(h2::ext::Protocol::from(protocol.as_str()));
        }
        RequestForm::Ordinary { method, scheme, authority, path } => {
            *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
            *request.uri_mut() = located(scheme, authority, path)?;
        }
    }
    *request.headers_mut() = message::headers(&head.fields);
    Some(request)
}

fn located(scheme: &str, authority: &str, path: &str) -> Option<Uri> {
    Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build().ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;
    use tokio::time::timeout;

    use super::*;

    /// The client's pings, and a server that answers while it is polled.
    async fn pair() -> (PingPong, impl Future, h2::server::Connection<DuplexStream, Bytes>) {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (client, server) = tokio::join!(h2::client::handshake(near), h2::server::handshake(far));
        let (sender, mut connection): (SendRequest<Bytes>, _) = client.unwrap();
        let pings = connection.ping_pong().unwrap();
        let driving = async move {
            let _sender = sender;
            let _ = connection.await;
        };
        (pings, driving, server.unwrap())
    }

    #[tokio::test]
    async fn a_gateway_that_answers_no_ping_is_dead() {
        let (pings, driving, _silent) = pair().await;
        let settled = watch::Sender::new(false);

        let noticed = async {
            tokio::select! {
                () = keep_alive(Some(pings), &settled, Duration::from_millis(50)) => {}
                _ = driving => panic!("the connection ended by itself"),
            }
        };

        timeout(Duration::from_secs(10), noticed).await.expect("nobody noticed");
        assert!(!*settled.borrow());
    }

    #[tokio::test]
    async fn a_gateway_that_answers_pings_lives() {
        let (pings, driving, mut server) = pair().await;
        let settled = watch::Sender::new(false);
        let mut answered = settled.subscribe();

        tokio::select! {
            _ = answered.wait_for(|settled| *settled) => {}
            () = keep_alive(Some(pings), &settled, Duration::from_secs(10)) => panic!("it was taken for dead"),
            _ = driving => panic!("the connection ended by itself"),
            _ = poll_fn(|cx| server.poll_closed(cx)) => panic!("the gateway ended by itself"),
        }
    }
}
