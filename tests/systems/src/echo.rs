//! The smallest systems: echoes, and a slow one.

use std::io;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::{Where, announce};

/// Largest UDP payload (RFC 768 over IPv4).
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Sends back every byte until the peer half-closes, then half-closes too.
///
/// # Errors
/// The port cannot be had.
pub(crate) async fn tcp(place: &Where) -> io::Result<()> {
    each(place, "tcp-echo", |mut stream| async move {
        let (mut from, mut to) = stream.split();
        tokio::io::copy(&mut from, &mut to).await?;
        to.shutdown().await
    })
    .await
}

/// Sends back every datagram to where it came from.
///
/// # Errors
/// The port cannot be had.
pub(crate) async fn udp(place: &Where) -> io::Result<()> {
    let socket = UdpSocket::bind(place.listen).await?;
    announce::say(socket.local_addr()?, json!({ "system": "udp-echo" }))?;
    let mut buffer = vec![0_u8; DATAGRAM_BYTES_MAX];
    let echo = async {
        loop {
            // A port that is gone answers with an error on the next receive; others still want their echo.
            if let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let _lost = socket.send_to(buffer.get(..length).unwrap_or_default(), from).await;
            }
        }
    };
    tokio::select! {
        () = echo => Ok(()),
        ended = announce::end(place) => ended,
    }
}

/// Sends a numbered line every `every_ms`, `lines` times or without end.
///
/// # Errors
/// The port cannot be had.
pub(crate) async fn slow(place: &Where, every_ms: u64, lines: u64) -> io::Result<()> {
    each(place, "slow", move |mut stream| async move {
        let mut clock = tokio::time::interval(Duration::from_millis(every_ms.max(1)));
        let mut line = 0_u64;
        while lines == 0 || line < lines {
            clock.tick().await;
            stream.write_all(format!("{line}\n").as_bytes()).await?;
            line += 1;
        }
        stream.shutdown().await
    })
    .await
}

/// Runs `talk` for each connection; all of them end with the server.
async fn each<T, F>(place: &Where, system: &str, talk: T) -> io::Result<()>
where
    T: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = announce::tcp(place, json!({ "system": system })).await?;
    let accept = async {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            while connections.try_join_next().is_some() {}
            connections.spawn(talk(stream));
        }
    };
    tokio::select! {
        served = accept => served,
        ended = announce::end(place) => ended,
    }
}
