//! QUIC endpoints: sockets, transport parameters, connection ids, and what QUIC's errors mean.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use hitotsu_quic::{
    ConnectionError, ConnectionId, ConnectionIdGenerator, IdleTimeout, InvalidCid, MtuDiscoveryConfig, TransportConfig,
    TransportErrorCode, VarInt,
};
use ring::rand::{SecureRandom, SystemRandom};
use socket2::{Domain, Protocol, Socket, Type};

use crate::congestion::Congestion;
use crate::fault::Closed;
use crate::limits;

/// The gateway's side, for a peer that nobody has judged.
pub(crate) fn server_transport(congestion: Congestion) -> Arc<TransportConfig> {
    let mut config = common_transport(congestion);
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(limits::UNTRUSTED_STREAMS))
        // Cannot be raised later, but grows. The connection's window bounds all streams together.
        .stream_receive_window(VarInt::from_u32(limits::GATEWAY_STREAM_WINDOW))
        .stream_receive_window_growth(
            VarInt::from_u32(limits::GATEWAY_STREAM_WINDOW_MAX),
            limits::GATEWAY_WINDOW_GROWTH.into(),
        )
        .receive_window(VarInt::from_u32(limits::UNTRUSTED_WINDOW));
    Arc::new(config)
}

/// The agent's side. Servers open no requests, so no stream of theirs is permitted.
pub(crate) fn client_transport(mtu_at_first: u16, congestion: Congestion) -> Arc<TransportConfig> {
    let mut config = common_transport(congestion);
    config
        .initial_mtu(mtu_at_first)
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(limits::AGENT_STREAM_WINDOW))
        .stream_receive_window_growth(
            VarInt::from_u32(limits::AGENT_STREAM_WINDOW_MAX),
            limits::AGENT_WINDOW_GROWTH.into(),
        )
        .receive_window(window(AGENT_FLOWS_AT_FIRST, limits::AGENT_STREAM_WINDOW, limits::AGENT_WINDOW_GROWTH))
        .keep_alive_interval(Some(limits::KEEP_ALIVE));
    Arc::new(config)
}

/// Flows that the agent's connection window allows for at first; it grows as flows are opened.
pub(crate) const AGENT_FLOWS_AT_FIRST: u32 = 32;

/// The connection window for so many streams of a trusted peer, which may grow by so much together. INVARIANT (window): all
/// of them together cannot use it up.
pub(crate) fn window(streams: u32, stream_window: u32, growth: u32) -> VarInt {
    VarInt::from_u64(u64::from(streams) * u64::from(stream_window) + u64::from(growth)).unwrap_or(VarInt::MAX)
}

fn common_transport(congestion: Congestion) -> TransportConfig {
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(limits::MTU_MAX).minimum_change(limits::MTU_CHANGE_MIN);
    let idle = u32::try_from(limits::IDLE.as_millis()).unwrap_or(u32::MAX);
    let mut config = TransportConfig::default();
    config
        .max_concurrent_uni_streams(VarInt::from_u32(limits::UNI_STREAMS_MAX))
        .send_window(limits::SEND_WINDOW)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))))
        .initial_mtu(limits::MTU_AT_FIRST)
        .mtu_discovery_config(Some(discovery))
        .datagram_receive_buffer_size(Some(limits::DATAGRAM_RECEIVE_OCTETS))
        .datagram_send_buffer_size(limits::DATAGRAM_SEND_OCTETS)
        .congestion_controller_factory(congestion.factory());
    config
}

/// A UDP socket with large buffers. IPv6 sockets take IPv6 only, so that an address means one thing.
/// One that shares its address takes the packets of the senders that the kernel chooses for it.
pub(crate) fn udp_socket(address: SocketAddr, shares: bool) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if shares {
        share(&socket)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // The system may grant less without saying so; a smaller buffer only costs speed.
    let _ = socket.set_recv_buffer_size(limits::UDP_SOCKET_OCTETS);
    let _ = socket.set_send_buffer_size(limits::UDP_SOCKET_OCTETS);
    let granted = socket.recv_buffer_size().unwrap_or_default();
    tracing::debug!(granted, wanted = limits::UDP_SOCKET_OCTETS, "udp receive buffer");
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(unix)]
fn share(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// Only gateways have several workers, and gateways run where this exists.
#[cfg(not(unix))]
fn share(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A TCP socket that listens. Connections of a process before do not keep its port.
pub(crate) fn tcp_listener(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::TCP_BACKLOG)?;
    Ok(socket.into())
}

/// The address that the system would send from. Nothing is sent: connecting a UDP socket only looks up the route.
pub(crate) fn route_from(remote: SocketAddr) -> io::Result<IpAddr> {
    let any = match remote {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

/// Connection ids of one worker: its number, then 9 random octets. Packets can be steered by the first octet; 72 random
/// bits are more than the 64 that quinn-proto's own ids have.
#[derive(Debug)]
pub(crate) struct WorkerIds {
    worker: u8,
    random: SystemRandom,
}

impl WorkerIds {
    const LENGTH: usize = 10;

    pub(crate) fn new(worker: u8) -> Self {
        Self { worker, random: SystemRandom::new() }
    }
}

impl ConnectionIdGenerator for WorkerIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut octets = [0; Self::LENGTH];
        // A failure leaves zeros: a collision, which quinn-proto notices and asks again.
        let _ = self.random.fill(&mut octets);
        let [worker, ..] = &mut octets;
        *worker = self.worker;
        ConnectionId::new(&octets)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        match id.first() {
            Some(worker) if *worker == self.worker => Ok(()),
            Some(_) | None => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        Self::LENGTH
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

/// What the end of a QUIC connection means. `verdict` is our own reason, if we closed it.
pub(crate) fn closed(error: &ConnectionError, verdict: Option<&Closed>) -> Closed {
    match error {
        ConnectionError::LocallyClosed => verdict.cloned().unwrap_or(Closed::Here),
        ConnectionError::TimedOut => Closed::TimedOut,
        ConnectionError::Reset => Closed::Forgotten,
        ConnectionError::CidsExhausted => Closed::Network("no connection ids are left".to_owned()),
        ConnectionError::VersionMismatch => Closed::PeerMisbehaved("it speaks no common QUIC version".to_owned()),
        ConnectionError::TransportError(error) => match tls_alert(error.code) {
            Some(_) => Closed::Tls(error.reason.clone()),
            None => Closed::PeerMisbehaved(error.to_string()),
        },
        ConnectionError::ConnectionClosed(close) => match tls_alert(close.error_code) {
            Some(alert) => alert_received(alert),
            None => Closed::PeerError { code: close.error_code.into(), reason: printable(&close.reason) },
        },
        ConnectionError::ApplicationClosed(close) => {
            match hitotsu_proto::error::Code::from_wire(close.error_code.into_inner()) {
                hitotsu_proto::error::Code::H3_NO_ERROR => Closed::Peer,
                code => Closed::PeerError { code: code.value(), reason: printable(&close.reason) },
            }
        }
    }
}

/// A TLS alert of the peer.
pub(crate) fn alert_received(alert: rustls::AlertDescription) -> Closed {
    use rustls::AlertDescription as Alert;
    let about_our_certificate = matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
            // A signature that does not verify (RFC 8446 §6.2): the issuer's on the certificate, or ours.
            | Alert::DecryptError
    );
    if about_our_certificate {
        Closed::NotAccepted(format!("{alert:?}"))
    } else {
        Closed::Tls(format!("the peer sent the alert {alert:?}"))
    }
}

/// The alert in a QUIC error code (RFC 9001 §4.8).
pub(crate) fn tls_alert(code: TransportErrorCode) -> Option<rustls::AlertDescription> {
    match u64::from(code) {
        code @ 0x100..=0x1ff => Some(rustls::AlertDescription::from((code & 0xff) as u8)),
        _ => None,
    }
}

/// A peer's words, cut and without control characters, so that they can be logged.
pub(crate) fn printable(octets: &[u8]) -> String {
    let octets = octets.get(..limits::CLOSE_REASON_MAX).unwrap_or(octets);
    String::from_utf8_lossy(octets).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
