//! Real TLS handshakes between rustls and rustls, in memory, on a clock of our own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hitotsu_model::identity::Profile;
use hitotsu_model::time::Timestamp;
use hitotsu_pki::enrol::{EnrolCode, EnrolSecret};
use hitotsu_pki::path::PathFault;
use hitotsu_pki::peer::{PeerFault, verify_peer};
use hitotsu_pki::revocation::{Revocation, RevocationReason, RevocationSet, Revoked};
use hitotsu_pki::rules::Misfit;
use hitotsu_pki::tls::{ClientVerifier, EnrolVerifier, GatewayVerifier, certified_key, fault};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring::default_provider;
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, HandshakeKind, ServerConfig,
    ServerConnection,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::forge;
use crate::world::{CITY, HOST, HOUR, Holder, NOW, World, name, p256, random};

#[test]
fn a_device_and_a_gateway_believe_each_other() {
    let clock = Clock::at(NOW);
    for profile in [Profile::Device, Profile::Relay, Profile::Staff] {
        let holder = CITY.holder(profile, 1);
        let server = gateway(&CITY.holder(Profile::Gateway, 2), &clock);
        let (client, server) = shake(&agent(&holder, &clock), &server, HOST).unwrap();
        let peer = verify_peer(server.peer_certificates().unwrap(), &CITY.trust, NOW).unwrap();
        assert_eq!(peer.name, name(profile, 1));
        assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
        let mut bindings = [[0_u8; 32]; 2];
        let label = hitotsu_model::control::ATTEST_EXPORTER_LABEL;
        client.export_keying_material(&mut bindings[0], label, None).unwrap();
        server.export_keying_material(&mut bindings[1], label, None).unwrap();
        assert_eq!(bindings[0], bindings[1]);
    }
}

#[test]
fn a_handshakes_verdict_is_good_for_its_own_chain_once_and_not_for_long() {
    let clock = Clock::at(NOW);
    let server = gateway(&CITY.holder(Profile::Gateway, 2), &clock);
    let device = CITY.holder_at(Profile::Device, 1, NOW, HOUR);
    let shaken = || {
        let (_, server) = shake(&agent(&device, &clock), &server, HOST).unwrap();
        server.peer_certificates().unwrap().iter().map(|der| der.clone().into_owned()).collect::<Vec<_>>()
    };
    let verified = |chain: &[CertificateDer<'_>], now| verify_peer(chain, &CITY.trust, now);
    let chain = shaken();
    let mut other = chain.clone();
    let mut changed = other[0].to_vec();
    *changed.last_mut().unwrap() ^= 1;
    other[0] = changed.into();
    assert!(matches!(verified(&other, NOW), Err(PeerFault::Untrusted { .. })), "another chain");
    let first = verified(&chain, NOW).unwrap();
    assert_eq!(verified(&chain, NOW).unwrap(), first, "without a verdict it is verified, and found the same");
    // The verdict was that it is in its time.
    shaken();
    let late = NOW.plus(HOUR * 2);
    assert!(matches!(verified(&chain, late), Err(PeerFault::Expired(_))));
    shaken();
    assert!(matches!(verified(&chain, Timestamp(NOW.0 - 8 * 24 * 3_600_000)), Err(PeerFault::NotYetValid(_))));
}

#[test]
fn a_gateway_is_reached_by_every_host_that_it_has() {
    let clock = Clock::at(NOW);
    let server = gateway(&CITY.holder(Profile::Gateway, 2), &clock);
    for host in [HOST, "localhost", "127.0.0.1", "::1"] {
        let device = CITY.holder(Profile::Device, 1);
        shake(&agent(&device, &clock), &server, host).unwrap();
    }
    let (error, _) = refused(&agent(&CITY.holder(Profile::Device, 1), &clock), &server, "other.example");
    assert_eq!(error, Error::InvalidCertificate(CertificateError::NotValidForName));
}

#[test]
fn a_device_out_of_its_time_passes_the_handshake_and_is_named_afterwards() {
    let clock = Clock::at(NOW);
    let gateway_holder = CITY.holder(Profile::Gateway, 2);
    for (made, lifetime) in [(NOW.minus(3 * HOUR), HOUR), (NOW.plus(HOUR), HOUR)] {
        let holder = CITY.holder_at(Profile::Device, 6, made, lifetime);
        let (_, server) = shake(&agent(&holder, &clock), &gateway(&gateway_holder, &clock), HOST).unwrap();
        match verify_peer(server.peer_certificates().unwrap(), &CITY.trust, NOW) {
            Err(PeerFault::Expired(peer) | PeerFault::NotYetValid(peer)) => {
                assert_eq!(peer.name, name(Profile::Device, 6));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_stranger_does_not_pass_the_handshake() {
    let clock = Clock::at(NOW);
    let server = gateway(&CITY.holder(Profile::Gateway, 2), &clock);
    let impostor = World::new("kawasaki.example");
    let stranger = impostor.holder(Profile::Device, 1);
    let (error, alert) = refused(&agent(&stranger, &clock), &server, HOST);
    assert_eq!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer));
    assert_eq!(alert, AlertDescription::UnknownCA);
    let expired_stranger = impostor.holder_at(Profile::Device, 1, NOW.minus(3 * HOUR), HOUR);
    let (error, _) = refused(&agent(&expired_stranger, &clock), &server, HOST);
    assert_eq!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer));
}

#[test]
fn a_client_without_a_certificate_does_not_pass_the_handshake() {
    let clock = Clock::at(NOW);
    let server = gateway(&CITY.holder(Profile::Gateway, 2), &clock);
    let verifier = Arc::new(GatewayVerifier::new(CITY.trust.clone()));
    let (error, _) = refused(&anonymous(verifier, &clock), &server, HOST);
    assert_eq!(error, Error::NoCertificatesPresented);
}

#[test]
fn a_gateways_certificate_does_not_pass_as_a_client() {
    let clock = Clock::at(NOW);
    let server = gateway(&CITY.holder(Profile::Gateway, 2), &clock);
    let (error, _) = refused(&agent(&CITY.holder(Profile::Gateway, 3), &clock), &server, HOST);
    assert_eq!(error, Error::InvalidCertificate(CertificateError::InvalidPurpose));
}

#[test]
fn a_misfit_does_not_pass_the_handshake_and_the_reason_is_told() {
    let clock = Clock::at(NOW);
    let server = gateway(&CITY.holder(Profile::Gateway, 2), &clock);
    let key = p256();
    let mut params = forge::leaf(&name(Profile::Device, 1), key.as_ref());
    params.subject_alt_names[1] = forge::dns(&name(Profile::Device, 2).dns_name());
    let der = forge::sign(&params, key.as_ref(), CITY.devices.certificate(), &CITY.devices_key);
    let chain = vec![der, CITY.devices.certificate().clone()];
    let client = with_certificate(chain, key, Arc::new(GatewayVerifier::new(CITY.trust.clone())), &clock);
    let (error, _) = refused(&client, &server, HOST);
    assert_eq!(fault(&error), Some(&PeerFault::Unfit { why: Misfit::NamesDisagree }));
}

#[test]
fn a_thief_of_the_certificate_without_the_key_does_not_pass_the_handshake() {
    let clock = Clock::at(NOW);
    let server = gateway(&CITY.holder(Profile::Gateway, 2), &clock);
    let victim = CITY.holder(Profile::Device, 1);
    let verifier = Arc::new(GatewayVerifier::new(CITY.trust.clone()));
    let client = with_certificate(victim.chain, p256(), verifier, &clock);
    let (error, _) = refused(&client, &server, HOST);
    assert_eq!(error, Error::InvalidCertificate(CertificateError::BadSignature));
}

#[test]
fn a_device_does_not_pass_as_a_gateway_and_neither_does_an_expired_or_foreign_one() {
    let clock = Clock::at(NOW);
    let client = agent(&CITY.holder(Profile::Device, 1), &clock);
    let answer = |server: &Holder| refused(&client, &gateway(server, &clock), HOST).0;
    let device = answer(&CITY.holder(Profile::Device, 2));
    assert_eq!(device, Error::InvalidCertificate(CertificateError::InvalidPurpose));
    let expired = answer(&CITY.holder_at(Profile::Gateway, 2, NOW.minus(3 * HOUR), HOUR));
    assert_eq!(expired, Error::InvalidCertificate(CertificateError::Expired));
    let foreign = answer(&World::new("kawasaki.example").holder(Profile::Gateway, 2));
    assert_eq!(foreign, Error::InvalidCertificate(CertificateError::UnknownIssuer));
}

#[test]
fn a_resumed_connection_is_verified_again_by_identify() {
    let clock = Clock::at(NOW);
    let holder = CITY.holder_at(Profile::Device, 4, NOW, HOUR);
    let client = agent(&holder, &clock);
    let server = gateway(&CITY.holder(Profile::Gateway, 2), &clock);
    shake(&client, &server, HOST).unwrap();

    let (_, resumed) = shake(&client, &server, HOST).unwrap();
    assert_eq!(resumed.handshake_kind(), Some(HandshakeKind::Resumed));
    let chain = resumed.peer_certificates().unwrap();
    let peer = verify_peer(chain, &CITY.trust, NOW).unwrap();
    assert_eq!(peer.name, name(Profile::Device, 4));
    let mut revoked = RevocationSet::default();
    let revocation = Revocation { revoked_at: NOW, reason: RevocationReason::KeyCompromise };
    revoked.revoke_device(peer.name.id, revocation);
    assert_eq!(revoked.check(&peer), Some(Revoked::Device(revocation)));

    clock.advance(2 * HOUR);
    let (_, late) = shake(&client, &server, HOST).unwrap();
    assert_eq!(late.handshake_kind(), Some(HandshakeKind::Resumed));
    let judged = verify_peer(late.peer_certificates().unwrap(), &CITY.trust, clock.now());
    assert!(matches!(judged, Err(PeerFault::Expired(_))), "{judged:?}");
}

#[test]
fn enrolment_needs_the_root_of_the_code() {
    let clock = Clock::at(NOW);
    let code = code(&CITY);
    let client = anonymous(Arc::new(EnrolVerifier::new(&code)), &clock);
    let own = CITY.holder(Profile::Gateway, 2);
    let (connection, _) = shake(&client, &enrolment(&own, CITY.root.certificate(), &clock), code.host()).unwrap();
    let root = connection.peer_certificates().unwrap().last().unwrap().clone();
    assert!(code.trust(&root, crate::world::org()).is_ok());

    let impostor = World::new("kawasaki.example");
    let theirs = impostor.holder(Profile::Gateway, 2);
    let other_root = |config: &Arc<ServerConfig>| {
        let error = refused(&client, config, code.host()).0;
        assert_eq!(fault(&error), Some(&PeerFault::Untrusted { why: PathFault::OtherRoot }));
    };
    other_root(&enrolment(&theirs, impostor.root.certificate(), &clock));
    other_root(&gateway_without_clients(&own.chain, &own, &clock));

    // The right root beside a chain of another one does not help.
    let error = refused(&client, &enrolment(&theirs, CITY.root.certificate(), &clock), code.host()).0;
    assert_eq!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer));
}

#[test]
fn enrolment_demands_a_gateway_and_the_host_of_the_code() {
    let clock = Clock::at(NOW);
    let code = code(&CITY);
    let client = anonymous(Arc::new(EnrolVerifier::new(&code)), &clock);
    let device = CITY.holder(Profile::Device, 2);
    let error = refused(&client, &enrolment(&device, CITY.root.certificate(), &clock), code.host()).0;
    assert_eq!(error, Error::InvalidCertificate(CertificateError::InvalidPurpose));
    let own = CITY.holder(Profile::Gateway, 2);
    let error = refused(&client, &enrolment(&own, CITY.root.certificate(), &clock), "evil.example").0;
    assert_eq!(error, Error::InvalidCertificate(CertificateError::NotValidForName));
}

#[test]
fn too_long_a_chain_is_refused() {
    let clock = Clock::at(NOW);
    let server = gateway(&CITY.holder(Profile::Gateway, 2), &clock);
    let holder = CITY.holder(Profile::Device, 1);
    let chain: Vec<CertificateDer<'static>> =
        std::iter::once(holder.chain[0].clone()).chain(std::iter::repeat_n(holder.chain[1].clone(), 9)).collect();
    let client = with_certificate(chain, holder.key, Arc::new(GatewayVerifier::new(CITY.trust.clone())), &clock);
    let (error, _) = refused(&client, &server, HOST);
    assert_eq!(fault(&error), Some(&PeerFault::Untrusted { why: PathFault::TooMany }));
}

fn code(world: &World) -> EnrolCode {
    let secret = EnrolSecret::draw(&random()).unwrap();
    EnrolCode::new(&format!("{HOST}:443"), world.root.certificate(), secret).unwrap()
}

/// A clock that the test turns.
#[derive(Debug, Clone)]
struct Clock(Arc<AtomicI64>);

impl Clock {
    fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.0)))
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.now().unix_seconds()).unwrap();
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

fn agent(holder: &Holder, clock: &Clock) -> Arc<ClientConfig> {
    let verifier = Arc::new(GatewayVerifier::new(CITY.trust.clone()));
    with_certificate(holder.chain.clone(), holder.key.clone(), verifier, clock)
}

fn with_certificate(
    chain: Vec<CertificateDer<'static>>,
    key: Arc<hitotsu_pki::key::PrivateKey>,
    verifier: Arc<dyn ServerCertVerifier>,
    clock: &Clock,
) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_details(Arc::new(default_provider()), Arc::new(clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified_key(chain, key))));
    Arc::new(config)
}

fn anonymous(verifier: Arc<dyn ServerCertVerifier>, clock: &Clock) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_details(Arc::new(default_provider()), Arc::new(clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Arc::new(config)
}

fn gateway(holder: &Holder, clock: &Clock) -> Arc<ServerConfig> {
    let key = certified_key(holder.chain.clone(), holder.key.clone());
    let config = ServerConfig::builder_with_details(Arc::new(default_provider()), Arc::new(clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(ClientVerifier::new(CITY.trust.clone())))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    Arc::new(config)
}

fn enrolment(holder: &Holder, root: &CertificateDer<'static>, clock: &Clock) -> Arc<ServerConfig> {
    gateway_without_clients(&[holder.chain.clone(), vec![root.clone()]].concat(), holder, clock)
}

fn gateway_without_clients(chain: &[CertificateDer<'static>], holder: &Holder, clock: &Clock) -> Arc<ServerConfig> {
    let key = certified_key(chain.to_vec(), holder.key.clone());
    let config = ServerConfig::builder_with_details(Arc::new(default_provider()), Arc::new(clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    Arc::new(config)
}

/// What the refusing side says, and what the other side makes of the alert.
type Refusal = (Error, Option<Error>);

/// Carries bytes both ways until there are none, tickets too.
fn shake(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    host: &str,
) -> Result<(ClientConnection, ServerConnection), Box<Refusal>> {
    let host = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = ClientConnection::new(client.clone(), host).unwrap();
    let mut server = ServerConnection::new(server.clone()).unwrap();
    loop {
        let mut up = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut up).unwrap();
        }
        let at_server = feed(&up, |bytes| server.read_tls(bytes)).and_then(|()| server.process_new_packets());
        let mut down = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut down).unwrap();
        }
        let at_client = feed(&down, |bytes| client.read_tls(bytes)).and_then(|()| client.process_new_packets());
        match (at_server, at_client) {
            (Err(error), other) => return Err(Box::new((error, other.err()))),
            (Ok(_), Err(error)) => {
                let mut alert = Vec::new();
                client.write_tls(&mut alert).unwrap();
                let told = feed(&alert, |bytes| server.read_tls(bytes)).and_then(|()| server.process_new_packets());
                return Err(Box::new((error, told.err())));
            }
            (Ok(_), Ok(_)) if up.is_empty() && down.is_empty() => break,
            (Ok(_), Ok(_)) => {}
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

fn feed(mut bytes: &[u8], mut read: impl FnMut(&mut dyn std::io::Read) -> std::io::Result<usize>) -> Result<(), Error> {
    while !bytes.is_empty() {
        read(&mut bytes).unwrap();
    }
    Ok(())
}

/// What the refusing side says, and the alert that the other side gets.
fn refused(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, host: &str) -> (Error, AlertDescription) {
    let Err(refusal) = shake(client, server, host) else { panic!("the handshake went through") };
    let (error, told) = *refusal;
    match told {
        Some(Error::AlertReceived(alert)) => (error, alert),
        other => panic!("{error}: {other:?}"),
    }
}
