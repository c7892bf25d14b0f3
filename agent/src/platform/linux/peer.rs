//! Who is at the other end of a TCP connection on loopback (`sock_diag(7)`).

use std::io;
use std::net::SocketAddr;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{
    AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2,
};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr as NetlinkAddress};

/// One answer about one socket is under 500 bytes; the kernel cuts a longer one into parts of this size.
const ANSWER_BYTES_MAX: usize = 4096;
/// Parts of an answer about all sockets on one UDP port; a part holds about 20.
const DUMP_PARTS_MAX: usize = 32;
/// "Any cookie" (`INET_DIAG_NOCOOKIE`).
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// The user id that this process acts as.
#[must_use]
pub fn own_user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The user id that owns the other end of a TCP connection on loopback.
///
/// `local` is our end, `peer` the other, as the accepted socket tells them. Fails closed: no answer, an answer about
/// another socket, or a socket that no program holds any more is an error. Takes about 30 µs and never waits.
///
/// # Errors
/// The kernel does not know such a connection, or could not be asked.
pub fn peer_uid(local: SocketAddr, peer: SocketAddr) -> io::Result<u32> {
    let (local, peer) = (canonical(local), canonical(peer));
    if !local.ip().is_loopback() || !peer.ip().is_loopback() {
        return Err(refused("the connection does not come over loopback"));
    }
    // The peer's own socket: its source is `peer`, its destination is `local`.
    let socket_id = SocketId {
        source_port: peer.port(),
        destination_port: local.port(),
        source_address: peer.ip(),
        destination_address: local.ip(),
        interface_id: 0,
        cookie: NO_COOKIE,
    };
    let socket = ask(NLM_F_REQUEST, if peer.is_ipv4() { AF_INET } else { AF_INET6 }, IPPROTO_TCP, socket_id)?;
    let mut answer = vec![0; ANSWER_BYTES_MAX];
    let length = socket.recv(&mut answer.as_mut_slice(), 0)?;
    owner(answer.get(..length).unwrap_or_default(), local, peer)
}

/// The user id that owns the socket from which a datagram came to us over loopback.
///
/// A datagram names its sender's address only, so every socket of this computer that could have sent it counts: they
/// must all belong to one user. Fails closed. Takes about 100 µs and never waits; remember it for a sender rather than
/// ask for each datagram.
///
/// # Errors
/// The kernel knows no such socket, several users have one, or it could not be asked.
pub fn udp_peer_uid(local: SocketAddr, peer: SocketAddr) -> io::Result<u32> {
    let (local, peer) = (canonical(local), canonical(peer));
    if !local.ip().is_loopback() || !peer.ip().is_loopback() {
        return Err(refused("the datagram does not come over loopback"));
    }
    let mut owner = None;
    // A socket of IPv6 may send to IPv4, so both families are asked.
    for family in [AF_INET, AF_INET6] {
        for found in udp_sockets(family, peer.port())? {
            if !could_send(&found, peer) {
                continue;
            }
            if found.inode == 0 || owner.is_some_and(|user| user != found.uid) {
                return Err(refused("the datagram's sender is not one user"));
            }
            owner = Some(found.uid);
        }
    }
    owner.ok_or_else(|| refused("the kernel knows no such socket"))
}

/// A socket bound to that address, or to none in particular.
fn could_send(found: &InetResponseHeader, from: SocketAddr) -> bool {
    let bound = canonical(SocketAddr::new(found.socket_id.source_address, found.socket_id.source_port));
    let anywhere = bound.ip().is_unspecified() && (bound.is_ipv6() || from.is_ipv4());
    bound.port() == from.port() && (bound.ip() == from.ip() || anywhere)
}

/// All UDP sockets of a family on a local port.
fn udp_sockets(family: u8, port: u16) -> io::Result<Vec<InetResponseHeader>> {
    let any = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
    let socket_id = SocketId { source_port: port, ..any };
    let socket = ask(NLM_F_REQUEST | NLM_F_DUMP, family, IPPROTO_UDP, socket_id)?;
    let mut found = Vec::new();
    for _ in 0..DUMP_PARTS_MAX {
        let mut part = vec![0; ANSWER_BYTES_MAX];
        let length = socket.recv(&mut part.as_mut_slice(), 0)?;
        let mut rest = part.get(..length).unwrap_or_default();
        while !rest.is_empty() {
            let message = parsed(rest)?;
            let length = usize::try_from(message.header.length).unwrap_or(usize::MAX).next_multiple_of(4);
            match message.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => found.push(response.header),
                NetlinkPayload::Done(_) => return Ok(found),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(_) | NetlinkPayload::Noop | NetlinkPayload::Overrun(_) | _ => {
                    return Err(refused("the kernel's answer is not about a socket"));
                }
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    Err(refused("too many sockets share the sender's port"))
}

/// Asks the kernel, and leaves its answer to be received. The kernel answers within the send: what is not there after
/// it will not come, so nothing here waits.
fn ask(flags: u16, family: u8, protocol: u8, socket_id: SocketId) -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&NetlinkAddress::new(0, 0))?;
    socket.set_non_blocking(true)?;
    let (extensions, states) = (ExtensionFlags::empty(), StateFlags::all());
    let request = InetRequest { family, protocol, extensions, states, socket_id };
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(SockDiagMessage::InetRequest(request)));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    Ok(socket)
}

fn parsed(bytes: &[u8]) -> io::Result<NetlinkMessage<SockDiagMessage>> {
    NetlinkMessage::deserialize(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

fn owner(answer: &[u8], local: SocketAddr, peer: SocketAddr) -> io::Result<u32> {
    match parsed(answer)?.payload {
        NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
            owner_of(&response.header, local, peer)
        }
        NetlinkPayload::Error(error) => Err(error.to_io()),
        NetlinkPayload::InnerMessage(_)
        | NetlinkPayload::Done(_)
        | NetlinkPayload::Noop
        | NetlinkPayload::Overrun(_)
        | _ => Err(refused("the kernel's answer is not about a connection")),
    }
}

fn owner_of(found: &InetResponseHeader, local: SocketAddr, peer: SocketAddr) -> io::Result<u32> {
    let id = &found.socket_id;
    let source = canonical(SocketAddr::new(id.source_address, id.source_port));
    let destination = canonical(SocketAddr::new(id.destination_address, id.destination_port));
    // The kernel falls back to a listener on the port when there is no such connection.
    if (source, destination) != (peer, local) {
        return Err(refused("the kernel knows no such connection"));
    }
    // INVARIANT (an owner is a program): a socket that its program has let go of, such as one in TIME_WAIT, is
    // reported with user 0 and no inode; it must not pass for root.
    let held = matches!(found.state, TCP_ESTABLISHED | TCP_FIN_WAIT1 | TCP_FIN_WAIT2 | TCP_CLOSE_WAIT);
    if !held || found.inode == 0 {
        return Err(refused("the other end is closed already"));
    }
    Ok(found.uid)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn connected(address: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(address).expect("bind");
        let port = listener.local_addr().expect("address").port();
        let ip = if address.starts_with("[::]") {
            "127.0.0.1".parse()
        } else {
            listener.local_addr().unwrap().ip().to_string().parse()
        };
        let client = TcpStream::connect(SocketAddr::new(ip.expect("ip"), port)).expect("connect");
        (client, listener.accept().expect("accept").0)
    }

    fn asked(accepted: &TcpStream) -> io::Result<u32> {
        peer_uid(accepted.local_addr().expect("local"), accepted.peer_addr().expect("peer"))
    }

    #[test]
    fn our_own_connections_are_ours_over_both_families_and_mapped() {
        for address in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let (_client, accepted) = connected(address);
            assert_eq!(asked(&accepted).expect(address), own_user_id(), "{address}");
        }
    }

    #[test]
    fn a_half_closed_connection_still_has_its_owner() {
        let (client, accepted) = connected("127.0.0.1:0");
        client.shutdown(std::net::Shutdown::Write).expect("shutdown");
        assert_eq!(asked(&accepted).expect("owner"), own_user_id());
    }

    #[test]
    fn a_connection_that_its_program_has_closed_has_no_owner() {
        let (client, accepted) = connected("127.0.0.1:0");
        drop(client);
        asked(&accepted).expect_err("closed");
    }

    #[test]
    fn a_connection_that_does_not_exist_has_no_owner_even_where_a_listener_is() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let here = listener.local_addr().expect("address");
        peer_uid("127.0.0.1:9".parse().expect("address"), here).expect_err("a listener is no connection");
        peer_uid("192.0.2.1:9".parse().expect("address"), "192.0.2.2:9".parse().expect("address"))
            .expect_err("not loopback");
    }

    #[test]
    fn a_datagrams_sender_is_the_owner_of_the_socket_on_its_port() {
        use std::net::UdpSocket;
        for (bound, seen) in
            [("127.0.0.1:0", "127.0.0.1"), ("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "127.0.0.1"), ("[::1]:0", "::1")]
        {
            let sender = UdpSocket::bind(bound).expect("bind");
            let from = SocketAddr::new(seen.parse().expect("ip"), sender.local_addr().expect("address").port());
            let here = SocketAddr::new(seen.parse().expect("ip"), 9);
            assert_eq!(udp_peer_uid(here, from).expect(bound), own_user_id(), "{bound}");
            drop(sender);
            udp_peer_uid(here, from).expect_err("closed");
        }
    }

    #[test]
    fn netns_another_users_connection_is_that_users() {
        assert!(rustix::process::geteuid().is_root(), "needs root: it connects as another user");
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; read -r line <&3");
        let mut client =
            Command::new("bash").args(["-c", &script]).uid(65534).stdin(Stdio::null()).spawn().expect("bash");
        let (accepted, _) = listener.accept().expect("accept");
        let uid = asked(&accepted);
        drop(accepted);
        client.wait().expect("ended");
        assert_eq!(uid.expect("owner"), 65534);
    }
}
