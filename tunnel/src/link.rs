//! What a connection over TCP has beside its streams: HTTP/2 and HTTP/1.1 alike.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

use crate::endpoint;
use crate::fault::Closed;
use crate::server::CloseCode;

/// Shared by the handle of a connection and the task that drives it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) remote: SocketAddr,
    pub(crate) local: Option<SocketAddr>,
    /// The driver shall close.
    close: watch::Sender<Option<CloseCode>>,
    /// The driver shall drain.
    pub(crate) drain_wanted: Notify,
    /// The peer drains.
    pub(crate) draining: watch::Sender<bool>,
    closed: watch::Sender<Option<Closed>>,
    /// What TLS said was wrong; `h2` keeps only its text.
    tls_fault: OnceLock<Closed>,
}

impl Link {
    pub(crate) fn new(remote: SocketAddr, local: Option<SocketAddr>) -> Arc<Self> {
        Arc::new(Self {
            remote,
            local,
            close: watch::Sender::new(None),
            drain_wanted: Notify::new(),
            draining: watch::Sender::new(false),
            closed: watch::Sender::new(None),
            tls_fault: OnceLock::new(),
        })
    }

    pub(crate) fn close(&self, code: CloseCode) {
        self.close.send_if_modified(|close| {
            let first = close.is_none();
            close.get_or_insert(code);
            first
        });
    }

    /// Completes when the handle wants to close.
    pub(crate) async fn close_wanted(&self) -> CloseCode {
        match self.close.subscribe().wait_for(Option::is_some).await.map(|code| *code) {
            Ok(Some(code)) => code,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// The driver is done. The first reason counts.
    pub(crate) fn set_closed(&self, reason: Closed) {
        let reason = self.tls_fault.get().cloned().unwrap_or(reason);
        self.draining.send_replace(true);
        self.closed.send_if_modified(|closed| {
            let first = closed.is_none();
            closed.get_or_insert(reason);
            first
        });
    }

    pub(crate) async fn closed(&self) -> Closed {
        let closed = self.closed.subscribe().wait_for(Option::is_some).await.map(|closed| closed.clone());
        closed.ok().flatten().unwrap_or(Closed::Here)
    }

    /// The reason, if it is over already.
    pub(crate) fn closed_now(&self) -> Option<Closed> {
        self.closed.borrow().clone()
    }
}

/// A TLS stream that remembers what TLS said was wrong.
#[derive(Debug)]
pub(crate) struct Remembering<S> {
    stream: S,
    link: Arc<Link>,
}

impl<S> Remembering<S> {
    pub(crate) fn new(stream: S, link: Arc<Link>) -> Self {
        Self { stream, link }
    }

    fn note<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &polled
            && let fault @ (Closed::NotAccepted(_) | Closed::Tls(_)) = closed(error)
        {
            let _ = self.link.tls_fault.set(fault);
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Remembering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.note(polled)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Remembering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, octets);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Sets a TCP connection of the tunnel up: keystrokes go at once, and a dead peer is noticed within a minute, as QUIC does.
pub(crate) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(20)).with_interval(Duration::from_secs(10));
    #[cfg(not(windows))]
    let keepalive = keepalive.with_retries(4);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&keepalive);
    // Keepalive waits while octets are under way, and Linux sends those again for a quarter of an hour.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(crate::limits::IDLE));
}

/// What an IO error of a TLS stream means.
pub(crate) fn closed(error: &io::Error) -> Closed {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return if let rustls::Error::AlertReceived(alert) = error {
            endpoint::alert_received(*alert)
        } else {
            Closed::Tls(error.to_string())
        };
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        // The TCP connection ended without TLS saying so.
        return Closed::Network("the peer cut the connection off".to_owned());
    }
    Closed::Network(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_dead_peer_is_noticed_in_a_minute_whether_octets_are_under_way_or_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();

        prepare(&stream);

        let socket = SockRef::from(&stream);
        let probes = socket.tcp_keepalive_interval().unwrap() * socket.tcp_keepalive_retries().unwrap();
        assert_eq!(socket.tcp_keepalive_time().unwrap() + probes, crate::limits::IDLE);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(crate::limits::IDLE));
    }
}
