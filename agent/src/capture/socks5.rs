//! The SOCKS5 front (RFC 1928): CONNECT and UDP ASSOCIATE.

mod udp;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use hitotsu_model::code::Code;
use hitotsu_model::resource::{Target, Transport};
use hitotsu_tunnel::relay;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::listening::{Guest, reset};
use super::{Context, direct};
use crate::limits::{FRONT_HANDSHAKE_TIME_MAX, SOCKS_MESSAGE_BYTES_MAX};
use crate::route::Route;
use wire::{Command, METHOD_NONE, METHOD_REFUSED, Reply, Request, Step, VERSION};

/// What a reply says where no address was bound; RFC 1928 wants one, and clients ignore it.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Serves one connection.
pub(crate) async fn serve(mut stream: TcpStream, mut guest: Guest, context: &Context) {
    if !guest.is_own() {
        reset(stream);
        return;
    }
    let negotiated = tokio::time::timeout(FRONT_HANDSHAKE_TIME_MAX, negotiate(&mut stream)).await;
    let (request, early) = match negotiated {
        Ok(Ok(Some(negotiated))) => negotiated,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a SOCKS5 client left");
            return;
        }
        Err(_) => {
            tracing::debug!("a SOCKS5 client did not say what it wants");
            return;
        }
    };
    guest.settled();
    match request.command {
        Command::Connect => connect(stream, request, early, context).await,
        Command::UdpAssociate => udp::associate(stream, request, context).await,
    }
}

/// Reads greeting and request; `None` when the client was told that it cannot be served. What came after the request
/// is the application's.
async fn negotiate(stream: &mut TcpStream) -> io::Result<Option<(Request, Bytes)>> {
    let mut buffer = Vec::with_capacity(SOCKS_MESSAGE_BYTES_MAX);
    let Ok(plain) = message(stream, &mut buffer, wire::greeting).await? else {
        return Ok(None);
    };
    if !plain {
        stream.write_all(&[VERSION, METHOD_REFUSED]).await?;
        return Ok(None);
    }
    stream.write_all(&[VERSION, METHOD_NONE]).await?;
    match message(stream, &mut buffer, wire::request).await? {
        Ok(request) => Ok(Some((request, buffer.into()))),
        Err(fault) => {
            if fault != wire::Fault::Version {
                stream.write_all(&wire::reply(fault.into(), NOWHERE)).await?;
            }
            Ok(None)
        }
    }
}

/// Reads until `parse` has its message, and takes it out of the buffer.
async fn message<T>(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    parse: impl Fn(&[u8]) -> Step<T>,
) -> io::Result<Result<T, wire::Fault>> {
    loop {
        match parse(buffer) {
            Step::Done(value, used) => {
                buffer.drain(..used);
                return Ok(Ok(value));
            }
            Step::Fault(fault) => return Ok(Err(fault)),
            // INVARIANT (a full buffer decides): no message is longer, so this reads a bounded number of bytes.
            Step::Incomplete if stream.read_buf(buffer).await? == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Step::Incomplete => {}
        }
    }
}

async fn connect(mut stream: TcpStream, request: Request, early: Bytes, context: &Context) {
    if request.port == 0 {
        let _ = stream.write_all(&wire::reply(Reply::HostUnreachable, NOWHERE)).await;
        return;
    }
    let target = Target { host: request.host, port: request.port, transport: Transport::Tcp };
    match context.route(&target) {
        Route::Tunnel => through_tunnel(stream, &target, early, context).await,
        Route::Direct => straight(stream, &target, early).await,
        Route::Block => {
            let refused = context.refused(Code::NotRouted);
            context.session.flows().refused(&target, &refused.problem);
            refuse(&mut stream, Code::NotRouted).await;
        }
    }
}

async fn through_tunnel(mut stream: TcpStream, target: &Target, early: Bytes, context: &Context) {
    let mut flow = match context.session.open_tcp(target).await {
        Ok(flow) => flow,
        Err(refused) => return refuse(&mut stream, refused.problem.code).await,
    };
    if stream.write_all(&wire::reply(Reply::Succeeded, NOWHERE)).await.is_err() {
        return;
    }
    let ticket = flow.ticket;
    ticket.add_up(early.len());
    if !early.is_empty() && flow.send.send(early).await.is_err() {
        return reset(stream);
    }
    let outcome = relay::tcp(stream, flow.send, flow.recv, ticket.counters(), ticket.cut()).await;
    tracing::debug!(%target, ?outcome, "a flow ended");
}

async fn straight(mut stream: TcpStream, target: &Target, early: Bytes) {
    let mut far = match direct::dial(target).await {
        Ok(far) => far,
        Err(code) => return refuse(&mut stream, code).await,
    };
    if stream.write_all(&wire::reply(Reply::Succeeded, NOWHERE)).await.is_ok() && far.write_all(&early).await.is_ok() {
        direct::relay(stream, far).await;
    }
}

async fn refuse(stream: &mut TcpStream, code: Code) {
    let _ = stream.write_all(&wire::reply(Reply::of(code), NOWHERE)).await;
    let _ = stream.shutdown().await;
}
