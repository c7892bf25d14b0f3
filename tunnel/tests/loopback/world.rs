//! An organisation for one test: an authority, a gateway and a device.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hitotsu_tunnel::client::{ClientConnection, ClientFlow};
use hitotsu_tunnel::congestion::Congestion;
use hitotsu_tunnel::crypto;
use hitotsu_tunnel::dialer::{DialConfig, Dialer, Preference};
use hitotsu_tunnel::flow::{FlowRecv, FlowSend};
use hitotsu_tunnel::listener::{Arrival, HandshakeLimits, Handshaken, Listener, ListenerConfig};
use hitotsu_tunnel::server::{Exchange, Request, ServerConnection, TransportKind, Unjudged};
use http::HeaderMap;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

pub const LABEL: &[u8] = b"EXPORTER-hitotsu-test";

/// Keys and certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub root: CertificateDer<'static>,
}

pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), root }
    }

    pub fn issue(&self, name: &str) -> Identity {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        }
    }

    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        Arc::new(roots)
    }
}

/// The gateway's end of a connection, judged.
pub struct Judged {
    pub peer_certificates: Vec<CertificateDer<'static>>,
    pub binding: [u8; 32],
    pub remote: SocketAddr,
    pub local: SocketAddr,
    pub transport: TransportKind,
    pub connection: ServerConnection,
}

/// A gateway that listens, and everything to reach it.
pub struct World {
    pub authority: Authority,
    pub listener: Arc<Listener>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut ListenerConfig)) -> Self {
        let authority = Authority::new();
        let mut config = listener_config(&authority);
        change(&mut config);
        let listener = Arc::new(Listener::bind(&config).unwrap());
        Self { authority, listener }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    pub fn dial_config(&self, preference: Preference) -> DialConfig {
        dial_config(self.address(), client_tls(&self.authority, Some(self.authority.issue("device.test"))), preference)
    }

    /// A connected pair.
    pub async fn pair(&self, preference: Preference) -> (ClientConnection, Judged) {
        let dialer = Dialer::new(self.dial_config(preference)).unwrap();
        let (client, server) = tokio::join!(dialer.dial(), self.arrival());
        (client.unwrap(), server)
    }

    /// A connected pair whose client the gateway does not want.
    pub async fn refused_pair(&self, preference: Preference) -> (ClientConnection, Judged) {
        let dialer = Dialer::new(self.dial_config(preference)).unwrap();
        let (client, server) = tokio::join!(dialer.dial(), self.judged(Unjudged::refuse));
        (client.unwrap(), server)
    }

    /// The next connection; it is trusted.
    pub async fn arrival(&self) -> Judged {
        self.judged(Unjudged::trust).await
    }

    async fn judged(&self, judge: impl FnOnce(Unjudged) -> ServerConnection) -> Judged {
        judged(self.listener.accept().await.unwrap(), judge)
    }
}

pub fn judged(arrival: Arrival, judge: impl FnOnce(Unjudged) -> ServerConnection) -> Judged {
    match arrival {
        Arrival::Connection(handshaken) => {
            let Handshaken { peer_certificates, binding, remote, local, transport, connection } = *handshaken;
            Judged { peer_certificates, binding, remote, local, transport, connection: judge(connection) }
        }
        Arrival::Other { .. } => panic!("another protocol"),
    }
}

pub fn listener_config(authority: &Authority) -> ListenerConfig {
    let identity = authority.issue("localhost");
    let provider = crypto::provider();
    let key = provider.key_provider.load_private_key(identity.key).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(authority.roots(), provider).build().unwrap();
    ListenerConfig {
        address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
        client_verifier: verifier,
        certificates: Arc::new(SingleCertAndKey::from(CertifiedKey::new(identity.chain, key))),
        exporter_label: LABEL,
        other: None,
        reset_key: [7; 32],
        handshakes: HandshakeLimits::default(),
        congestion: Congestion::default(),
    }
}

pub fn client_tls(authority: &Authority, identity: Option<Identity>) -> rustls::ClientConfig {
    let builder = rustls::ClientConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(authority.roots());
    match identity {
        Some(identity) => builder.with_client_auth_cert(identity.chain, identity.key).unwrap(),
        None => builder.with_no_client_auth(),
    }
}

pub fn dial_config(address: SocketAddr, tls: rustls::ClientConfig, preference: Preference) -> DialConfig {
    DialConfig {
        addresses: vec![address],
        authority: "localhost:443".to_owned(),
        server_name: ServerName::try_from("localhost").unwrap(),
        tls,
        bind: None,
        exporter_label: LABEL,
        quic_patience: Duration::from_millis(1500),
        patience: Duration::from_secs(10),
        preference,
        congestion: Congestion::default(),
    }
}

/// Opens a TCP flow and accepts it: the client's two halves and the server's.
pub async fn flow(client: &ClientConnection, server: &Judged) -> ((FlowSend, FlowRecv), (FlowSend, FlowRecv)) {
    let ClientFlow { send, response, .. } = client.open_tcp("files.test:443", HeaderMap::new()).await.unwrap();
    let accepted = accept(server).await;
    let (_, recv) = response.ready().await.unwrap();
    ((send, recv), accepted)
}

pub async fn accept(server: &Judged) -> (FlowSend, FlowRecv) {
    let Exchange { request: Request::Tcp { authority, pending, .. }, .. } = exchange(server).await else {
        panic!("not a TCP flow")
    };
    assert_eq!(authority, "files.test:443");
    pending.accept(HeaderMap::new()).await.unwrap()
}

pub async fn exchange(server: &Judged) -> Exchange {
    server.connection.next_exchange().await.expect("the connection is over")
}

/// Everything up to FIN.
pub async fn read_all(recv: &mut FlowRecv) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(batch) = recv.recv().await.unwrap() {
        all.extend_from_slice(&batch.into_bytes());
    }
    all
}
