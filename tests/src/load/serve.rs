//! The systems that answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Instant;

use rustix::net::sockopt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bulk::{self, LAST, Order, PIECE_OCTETS};
use super::{page, runtime};

/// How much one datagram may carry.
const DATAGRAM_OCTETS_MAX: usize = 2048;

/// What the kernel may hold for the one socket of all calls: 1,000 calls send 8.6 MB a second, so this is half a second
/// of a server that cannot run.
const VOICE_BUFFER_OCTETS: usize = 8 << 20;

/// A page of 100 octets.
pub(super) const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n\
                               0123456789012345678901234567890123456789012345678\n\
                               0123456789012345678901234567890123456789012345678\n";

/// Where they listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Systems {
    /// Takes or gives as much as it can.
    pub bulk: SocketAddr,
    /// Sends back what comes, over TCP.
    pub echo: SocketAddr,
    /// The same over UDP.
    pub voice: SocketAddr,
    /// One page, over connections that stay.
    pub http: SocketAddr,
}

/// Serves on this address, on ports that are free, says which on a line of JSON, and goes on until it is killed.
pub(super) fn run(address: SocketAddr) -> io::Result<Value> {
    let systems = start(address)?;
    println!(
        "{}",
        json!({
            "bulk": systems.bulk.port(),
            "echo": systems.echo.port(),
            "voice": systems.voice.port(),
            "http": systems.http.port(),
        })
    );
    loop {
        thread::park();
    }
}

/// Starts all of them, each on threads of its own.
///
/// # Errors
/// One cannot bind.
pub fn start(address: SocketAddr) -> io::Result<Systems> {
    let bulk = TcpListener::bind(address)?;
    let voice = UdpSocket::bind(address)?;
    let (echo, http) = (TcpListener::bind(address)?, TcpListener::bind(address)?);
    let systems = Systems {
        bulk: bulk.local_addr()?,
        echo: echo.local_addr()?,
        voice: voice.local_addr()?,
        http: http.local_addr()?,
    };
    // Beyond what the machine allows is root's to have; others get as much as it allows.
    if sockopt::set_socket_recv_buffer_size_force(&voice, VOICE_BUFFER_OCTETS).is_err() {
        sockopt::set_socket_recv_buffer_size(&voice, VOICE_BUFFER_OCTETS)?;
    }
    thread::spawn(move || give_and_take(&bulk));
    thread::spawn(move || send_back(&voice));
    thread::spawn(move || accept(echo, echoed));
    thread::spawn(move || accept(http, pages));
    Ok(systems)
}

fn give_and_take(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        thread::spawn(move || carry_out(stream));
    }
}

fn carry_out(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_OCTETS];
    match Order::read(&mut stream)? {
        Order::Take => while stream.read(&mut buffer).is_ok_and(|read| read > 0 && buffer[read - 1] != LAST) {},
        Order::Count(lasting) => {
            let octets = bulk::count(&mut stream, lasting)?;
            stream.write_all(&octets.to_be_bytes())?;
            stream.set_read_timeout(None)?;
            // More may come until the peer has the count and resets.
            while stream.read(&mut buffer)? > 0 {}
            return Ok(());
        }
        Order::Give(lasting) => {
            let begun = Instant::now();
            while begun.elapsed() < lasting {
                stream.write_all(&buffer)?;
            }
        }
    }
    stream.write_all(&[LAST])?;
    // The peer closes first.
    stream.read(&mut buffer).map(drop)
}

fn send_back(socket: &UdpSocket) {
    let mut buffer = [0; DATAGRAM_OCTETS_MAX];
    loop {
        if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], peer);
        }
    }
}

fn accept<S, R>(listener: TcpListener, serve: S)
where
    S: Fn(tokio::net::TcpStream) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let serving = async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream));
            }
        }
    };
    let ended: io::Result<()> = runtime().and_then(|runtime| runtime.block_on(serving));
    ended.expect("the system goes on");
}

async fn echoed(mut stream: tokio::net::TcpStream) {
    let mut buffer = [0; DATAGRAM_OCTETS_MAX];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn pages(mut stream: tokio::net::TcpStream) {
    let mut buffer = [0; DATAGRAM_OCTETS_MAX];
    let mut held = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer[held..]).await {
        held += read;
        if buffer[..held].ends_with(b"\r\n\r\n") {
            let sent = match page::asked_for(&buffer[..held]) {
                None => stream.write_all(PAGE.as_bytes()).await,
                Some(octets) => stream.write_all(&page::object(octets)).await,
            };
            held = 0;
            if sent.is_err() {
                return;
            }
        }
    }
}
