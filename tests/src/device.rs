//! A device that a test drives by hand. It speaks the same protocol as our agent, but says whatever the test wants.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hitotsu_model::control::{
    ATTEST_EXPORTER_LABEL, AttestRequest, AttestResponse, CONTROL_PATH, Problem, ProtocolVersion, Statement,
};
use hitotsu_model::ids::{DeviceId, OrgId};
use hitotsu_model::posture::{Claim, ClaimName, ClaimValue, Posture, Source};
use hitotsu_model::time::Timestamp;
use hitotsu_pki::attest::sign_statement;
use hitotsu_pki::key::PrivateKey;
use hitotsu_pki::tls::{GatewayVerifier, certified_key};
use hitotsu_pki::trust::Trust;
use hitotsu_tunnel::client::{ClientConnection, ClientFlow};
use hitotsu_tunnel::congestion::Congestion;
use hitotsu_tunnel::crypto;
use hitotsu_tunnel::dialer::{DialConfig, Dialer, Preference, other_protocol};
use hitotsu_tunnel::fault::{DialError, OpenError};
use hitotsu_tunnel::flow::{FlowRecv, FlowSend};
use http::{HeaderMap, Method, StatusCode};
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::process::PATIENCE;

/// An enrolled device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Its key.
    pub key: Arc<PrivateKey>,
    /// Its certificate and the issuer's.
    pub chain: Vec<CertificateDer<'static>>,
    /// The organisation's root.
    pub root: CertificateDer<'static>,
    /// The organisation.
    pub org: OrgId,
    /// The gateway.
    pub gateway: SocketAddr,
}

/// The wall clock.
#[must_use]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp(i64::try_from(since.as_millis()).expect("in range"))
}

impl Device {
    /// How it dials.
    #[must_use]
    pub fn dialer(&self, preference: Preference) -> Dialer {
        self.dialer_from(preference, None)
    }

    /// How it dials from one local address.
    #[must_use]
    pub fn dialer_from(&self, preference: Preference, bind: Option<SocketAddr>) -> Dialer {
        self.dialer_judging(preference, bind, self.verifier())
    }

    /// How it dials, with another judge of the gateway's certificate.
    #[must_use]
    pub fn dialer_judging(
        &self,
        preference: Preference,
        bind: Option<SocketAddr>,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Dialer {
        Dialer::new(DialConfig {
            addresses: vec![self.gateway],
            authority: format!("localhost:{}", self.gateway.port()),
            server_name: ServerName::try_from("localhost").expect("a name"),
            tls: self.tls(verifier),
            bind,
            exporter_label: ATTEST_EXPORTER_LABEL,
            quic_patience: Duration::from_millis(1500),
            patience: Duration::from_secs(10),
            preference,
            congestion: Congestion::default(),
        })
        .expect("the configuration is good")
    }

    /// How it judges the gateway's certificate.
    #[must_use]
    pub fn verifier(&self) -> Arc<GatewayVerifier> {
        Arc::new(GatewayVerifier::new(Arc::new(Trust::new(&self.root, self.org.clone()).expect("the root is good"))))
    }

    fn tls(&self, verifier: Arc<dyn ServerCertVerifier>) -> rustls::ClientConfig {
        let certified = certified_key(self.chain.clone(), self.key.clone());
        rustls::ClientConfig::builder_with_provider(crypto::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("tls 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)))
    }

    /// This device on a connection that it dialled.
    #[must_use]
    pub fn on(&self, connection: ClientConnection) -> Connected {
        Connected { device: self.clone(), connection, sequence: 0, nonce: None }
    }

    /// One CONNECT over HTTP/1.1, on a connection of its own: the head and the body of the answer.
    ///
    /// # Panics
    /// If there is no whole answer.
    pub async fn connect_over_http1(&self, authority: &str) -> (String, Bytes) {
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = self.tls(self.verifier());
        let mut stream = other_protocol(self.gateway, name, b"http/1.1", tls, PATIENCE).await.expect("dials");
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = BytesMut::new();
        let head = loop {
            if let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
                break String::from_utf8(answer.split_to(end + 4).to_vec()).expect("text");
            }
            let read = timeout(PATIENCE, stream.read_buf(&mut answer)).await.expect("in time").expect("received");
            assert_ne!(read, 0, "a whole head");
        };
        let field =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let length: usize = field.unwrap_or(0);
        while answer.len() < length {
            let read = timeout(PATIENCE, stream.read_buf(&mut answer)).await.expect("in time").expect("received");
            assert_ne!(read, 0, "a whole body");
        }
        (head, answer.freeze())
    }

    /// Connects, without attesting.
    ///
    /// # Errors
    /// What the dialer says.
    pub async fn dial(&self, preference: Preference) -> Result<Connected, DialError> {
        let connection = self.dialer(preference).dial().await?;
        Ok(self.on(connection))
    }

    /// Connects from one local address and attests a good state.
    ///
    /// # Panics
    /// If either is refused.
    pub async fn connect_from(&self, address: SocketAddr) -> Connected {
        let dialer = self.dialer_from(Preference::QuicOnly, Some(address));
        let connection = dialer.dial().await.expect("dials");
        let mut connected = self.on(connection);
        connected.attest(good_posture()).await.expect("is believed");
        connected
    }

    /// Connects over QUIC and attests a good state.
    ///
    /// # Panics
    /// If either is refused.
    pub async fn connect(&self) -> Connected {
        let mut connected = self.dial(Preference::QuicOnly).await.expect("dials");
        connected.attest(good_posture()).await.expect("is believed");
        connected
    }
}

/// A device with a connection.
#[derive(Debug)]
pub struct Connected {
    /// The device.
    pub device: Device,
    /// The connection.
    pub connection: ClientConnection,
    /// Number of the next statement.
    pub sequence: u64,
    /// The last nonce that the gateway gave.
    pub nonce: Option<String>,
}

impl Connected {
    /// The statement that an honest agent would make now.
    #[must_use]
    pub fn statement(&self, posture: Posture) -> Statement {
        Statement {
            version: ProtocolVersion::CURRENT,
            device: self.device.id,
            binding: data_encoding::HEXLOWER.encode(&self.connection.binding()),
            nonce: self.nonce.clone(),
            sequence: self.sequence,
            made_at: now(),
            agent_version: "test".to_owned(),
            posture,
        }
    }

    /// Attests this state honestly.
    ///
    /// # Errors
    /// The gateway's problem document.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn attest(&mut self, posture: Posture) -> Result<AttestResponse, Box<Problem>> {
        let statement = self.statement(posture);
        let request = sign_statement(&*self.device.key, &statement).expect("signs");
        let answer = self.send_evidence(&request).await;
        if let Ok(response) = &answer {
            self.sequence += 1;
            self.nonce = Some(response.nonce.clone());
        }
        answer
    }

    /// Sends evidence as it is.
    ///
    /// # Errors
    /// The gateway's problem document.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn send_evidence(&self, request: &AttestRequest) -> Result<AttestResponse, Box<Problem>> {
        let body = serde_json::to_vec(request).expect("json");
        let (status, body) = self.post("attest", body).await;
        if status == StatusCode::OK {
            Ok(serde_json::from_slice(&body).expect("an attest response"))
        } else {
            Err(Box::new(problem(&body)))
        }
    }

    /// Sends a control request with a body.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn post(&self, what: &str, body: Vec<u8>) -> (StatusCode, Bytes) {
        let path = format!("{CONTROL_PATH}/{what}");
        let asked = self.connection.request(Method::POST, &path, HeaderMap::new(), Bytes::from(body));
        let response = timeout(PATIENCE, asked).await.expect("in time").expect("an answer");
        (response.status(), response.into_body())
    }

    /// Sends a control request without a body.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn get(&self, what: &str) -> (StatusCode, Bytes) {
        let path = format!("{CONTROL_PATH}/{what}");
        let asked = self.connection.request(Method::GET, &path, HeaderMap::new(), Bytes::new());
        let response = timeout(PATIENCE, asked).await.expect("in time").expect("an answer");
        (response.status(), response.into_body())
    }

    /// Opens a flow and waits for the gateway's answer.
    ///
    /// # Errors
    /// The gateway's problem document.
    ///
    /// # Panics
    /// If there is no answer, or one without a document.
    pub async fn open(&self, authority: &str) -> Result<(FlowSend, FlowRecv), Box<Problem>> {
        let opened = timeout(PATIENCE, self.connection.open_tcp(authority, HeaderMap::new())).await.expect("in time");
        let ClientFlow { send, response, .. } = opened.expect("a stream");
        match timeout(PATIENCE, response.ready()).await.expect("in time") {
            Ok((_, recv)) => Ok((send, recv)),
            Err(OpenError::Refused(refusal)) => Err(Box::new(problem(&refusal.body))),
            Err(error) => panic!("no answer to {authority}: {error}"),
        }
    }
}

/// Sends a text over an open flow to a system that sends it back, and waits for it.
///
/// # Panics
/// If it does not come back as it went.
pub async fn echoes((send, recv): &mut (FlowSend, FlowRecv), text: &'static str) {
    send.send(Bytes::from_static(text.as_bytes())).await.expect("sent");
    let mut got = Vec::new();
    while got.len() < text.len() {
        let batch = timeout(PATIENCE, recv.recv()).await.expect("in time").expect("received").expect("not ended");
        got.extend_from_slice(&batch.into_bytes());
    }
    assert_eq!(got, text.as_bytes());
}

/// A problem document.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn problem(body: &[u8]) -> Problem {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)))
}

/// A state that every floor of the tests' bundle accepts.
#[must_use]
pub fn good_posture() -> Posture {
    let mut posture = Posture::default();
    for (name, value) in [
        (ClaimName::FirewallOn, ClaimValue::Bool(true)),
        (ClaimName::DiskEncrypted, ClaimValue::Bool(true)),
        (ClaimName::AgentIntact, ClaimValue::Bool(true)),
        (ClaimName::ForbiddenSoftware, ClaimValue::TextList(Vec::new())),
        (ClaimName::SecurityUpdateAgeDays, ClaimValue::Integer(1)),
    ] {
        posture.insert(name, Claim { value, source: Source::Os, observed_at: now() }).expect("fits");
    }
    posture
}

/// The good state with one claim changed.
#[must_use]
pub fn posture_with(name: ClaimName, value: ClaimValue) -> Posture {
    let mut posture = good_posture();
    posture.insert(name, Claim { value, source: Source::Os, observed_at: now() }).expect("fits");
    posture
}
