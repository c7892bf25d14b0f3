//! A client and a gateway with our transport parameters, on a network and a clock of the test's own.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Endpoint, EndpointConfig, Event, ServerConfig,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::*;
use crate::crypto;

const GATEWAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 443);
const AGENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 50_000);
const ONE_WAY: Duration = Duration::from_millis(10);

/// One end of the connection.
struct Side {
    address: SocketAddr,
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    /// What is under way to it.
    inbox: VecDeque<(Instant, BytesMut)>,
    connected: bool,
    lost: Option<ConnectionError>,
}

impl Side {
    fn new(address: SocketAddr, server: Option<ServerConfig>) -> Self {
        let endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), server.map(Arc::new), true, Some([7; 32]));
        Self { address, endpoint, connection: None, inbox: VecDeque::new(), connected: false, lost: None }
    }

    /// When it next has something to do.
    fn next(&mut self) -> Option<Instant> {
        let arrival = self.inbox.front().map(|(at, _)| *at);
        let timer = self.connection.as_mut().and_then(|(_, connection)| connection.poll_timeout());
        arrival.into_iter().chain(timer).min()
    }

    /// Does what is due; what it sends goes to the other side.
    fn act(&mut self, now: Instant, from: SocketAddr) -> Vec<BytesMut> {
        let mut answer = Vec::new();
        while self.inbox.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, datagram)) = self.inbox.pop_front() else { break };
            match self.endpoint.handle(now, from, None, None, datagram, &mut answer) {
                Some(DatagramEvent::NewConnection(incoming)) => {
                    self.connection = Some(self.endpoint.accept(incoming, now, &mut answer, None).unwrap());
                }
                Some(DatagramEvent::ConnectionEvent(_, event)) => {
                    if let Some((_, connection)) = &mut self.connection {
                        connection.handle_event(event);
                    }
                }
                Some(DatagramEvent::Response(_)) | None => {}
            }
        }
        let Some((handle, connection)) = &mut self.connection else { return Vec::new() };
        if connection.poll_timeout().is_some_and(|at| at <= now) {
            connection.handle_timeout(now);
        }
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(*handle, event) {
                connection.handle_event(event);
            }
        }
        while let Some(event) = connection.poll() {
            match event {
                Event::Connected => self.connected = true,
                Event::ConnectionLost { reason } => self.lost = Some(reason),
                Event::HandshakeDataReady | Event::Stream(_) => {}
                Event::DatagramReceived | Event::DatagramsUnblocked => {}
            }
        }
        let mut sent = Vec::new();
        let mut packet = Vec::new();
        while let Some(transmit) = connection.poll_transmit(now, 1, &mut packet) {
            packet.truncate(transmit.size);
            sent.push(BytesMut::from(&packet[..]));
            packet.clear();
        }
        sent
    }
}

struct Network {
    now: Instant,
    agent: Side,
    gateway: Side,
    /// Nothing gets through.
    dead: bool,
}

impl Network {
    /// A connection that is up.
    fn new() -> Self {
        let (server, client) = configs();
        let now = Instant::now();
        let mut agent = Side::new(AGENT, None);
        agent.connection = Some(agent.endpoint.connect(now, client, GATEWAY, "localhost").unwrap());
        let mut network = Self { now, agent, gateway: Side::new(GATEWAY, Some(server)), dead: false };
        network.run(Duration::from_secs(1));
        assert!(network.agent.connected && network.gateway.connected);
        network
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            for (from_agent, sent) in [
                (true, self.agent.act(self.now, self.gateway.address)),
                (false, self.gateway.act(self.now, self.agent.address)),
            ] {
                let inbox = if from_agent { &mut self.gateway.inbox } else { &mut self.agent.inbox };
                if !self.dead {
                    inbox.extend(sent.into_iter().map(|datagram| (self.now + ONE_WAY, datagram)));
                }
            }
            match self.agent.next().into_iter().chain(self.gateway.next()).min() {
                Some(next) if next <= end => self.now = self.now.max(next),
                Some(_) | None => break,
            }
        }
        self.now = end;
    }

    fn lost(&self) -> [&Option<ConnectionError>; 2] {
        [&self.agent.lost, &self.gateway.lost]
    }
}

fn configs() -> (ServerConfig, ClientConfig) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let tls = rustls::ServerConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(crypto::VERSIONS)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    server.transport_config(server_transport(Congestion::default()));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let tls = rustls::ClientConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(crypto::VERSIONS)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    client.transport_config(client_transport(limits::MTU_AT_FIRST, Congestion::default()));
    (server, client)
}

#[test]
fn an_idle_tunnel_stays_up_all_night() {
    let mut network = Network::new();

    network.run(Duration::from_secs(12 * 60 * 60));

    assert_eq!(network.lost(), [&None, &None]);
}

#[test]
fn a_peer_that_is_gone_is_noticed_on_both_sides_within_two_idle_times() {
    let mut network = Network::new();
    network.run(limits::IDLE);
    network.dead = true;

    network.run(2 * limits::IDLE);

    assert_eq!(network.lost(), [&Some(ConnectionError::TimedOut); 2]);
}
