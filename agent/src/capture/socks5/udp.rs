//! UDP ASSOCIATE (RFC 1928 §7): one UDP port for one application, for as long as its TCP connection lasts.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hitotsu_model::resource::{Target, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::super::udp_hub::{Hub, Key};
use super::super::{Context, owner};
use super::NOWHERE;
use super::wire::{self, Reply, Request};
use crate::limits::UDP_PAYLOAD_BYTES_MAX;

/// Serves one association until its TCP connection ends.
pub(super) async fn associate(mut stream: TcpStream, request: Request, context: &Context) {
    let socket = match stream.local_addr() {
        Ok(local) => UdpSocket::bind((local.ip(), 0)).await,
        Err(error) => Err(error),
    };
    let bound = socket.and_then(|socket| socket.local_addr().map(|address| (Arc::new(socket), address)));
    let (socket, address) = match bound {
        Ok(bound) => bound,
        Err(error) => {
            tracing::warn!(%error, "no UDP port for an association");
            let _ = stream.write_all(&wire::reply(Reply::Failure, NOWHERE)).await;
            return;
        }
    };
    if stream.write_all(&wire::reply(Reply::Succeeded, address)).await.is_err() {
        return;
    }
    tokio::select! {
        () = ended(&mut stream) => {}
        () = carry(&socket, address, request.port, context) => {}
    }
}

/// "A UDP association terminates when the TCP connection that the UDP ASSOCIATE request arrived on terminates."
async fn ended(stream: &mut TcpStream) {
    let mut ignored = [0; 256];
    while let Ok(1..) = stream.read(&mut ignored).await {}
}

async fn carry(socket: &Arc<UdpSocket>, address: SocketAddr, announced_port: u16, context: &Context) {
    let mut hub =
        Hub::new(Arc::clone(socket), context.clone(), |target| wire::datagram_header(&target.host, target.port).into());
    // The client may announce the port that it will send from; else the first one of this user's is the client's.
    let mut client: Option<SocketAddr> = None;
    let mut buffer = vec![0; UDP_PAYLOAD_BYTES_MAX];
    loop {
        let (length, source) = tokio::select! {
            received = socket.recv_from(&mut buffer) => match received {
                Ok(received) => received,
                // An ICMP error about an earlier answer.
                Err(_) => continue,
            },
            () = hub.tidy() => continue,
        };
        let expected = match client {
            Some(client) => client == source,
            None => announced_port == 0 || announced_port == source.port(),
        };
        if !expected || (client.is_none() && !owner::udp_is_own(address, source)) {
            tracing::debug!("a datagram that is not the client's is dropped");
            continue;
        }
        client = Some(source);
        let Some(datagram) = buffer.get(..length).and_then(wire::datagram).filter(|datagram| datagram.port != 0) else {
            continue;
        };
        let target = Arc::new(Target { host: datagram.host, port: datagram.port, transport: Transport::Udp });
        hub.deliver(Key { source, target }, Bytes::copy_from_slice(datagram.payload));
    }
}
