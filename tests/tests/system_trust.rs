//! Who is let in, who is told why not, and what happens to those whose standing changes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hitotsu_model::code::Code;
use hitotsu_model::control::Catalogue;
use hitotsu_model::identity::{HolderName, Profile};
use hitotsu_model::ids::DeviceId;
use hitotsu_model::time::Timestamp;
use hitotsu_pki::attest::sign_statement;
use hitotsu_pki::authority::{Authority, Root};
use hitotsu_pki::csr::{make_csr, verify_csr};
use hitotsu_pki::key::PrivateKey;
use hitotsu_pki::profile::CaKind;
use hitotsu_pki::serial::SerialBytes;
use hitotsu_pki::tls::GatewayVerifier;
use hitotsu_tests::bundle::{PERSON, TestBundle};
use hitotsu_tests::device::{Device, good_posture, now, problem};
use hitotsu_tests::process::PATIENCE;
use hitotsu_tests::systems;
use hitotsu_tests::world::World;
use hitotsu_tunnel::dialer::Preference;
use http::StatusCode;
use ring::rand::SystemRandom;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use secrecy::SecretString;
use tokio::time::timeout;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn key() -> Arc<PrivateKey> {
    Arc::new(PrivateKey::generate_p256(&SystemRandom::new()).expect("a key"))
}

fn serial() -> SerialBytes {
    SerialBytes::draw(&SystemRandom::new()).expect("a serial")
}

/// The devices' authority of the world, with its real key.
fn devices_authority(world: &World) -> Authority {
    let dir = world.org_dir().join("authorities");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect("a file");
    let certificate = CertificateDer::from_pem_slice(read("devices.pem").as_bytes()).expect("a certificate");
    let passphrase = SecretString::from(read("devices.passphrase").trim_end().to_owned());
    let key = PrivateKey::from_encrypted_pem(&read("devices.key.pem"), &passphrase).expect("a key");
    Authority::open(certificate, Arc::new(key)).expect("an authority")
}

/// The device with another certificate, issued by the real authority.
fn reissued(world: &World, device: &Device, id: DeviceId, at: Timestamp, life: Duration) -> Device {
    let authority = devices_authority(world);
    let request = verify_csr(&make_csr(&*device.key).expect("a request")).expect("a good request");
    let name = HolderName { org: device.org.clone(), profile: Profile::Device, id };
    let issued = authority.issue(&request, &name, &[], life, at, serial()).expect("issued");
    Device { id, chain: vec![issued.der, authority.certificate().clone()], ..device.clone() }
}

async fn why_refused(device: &Device, preference: Preference) -> Code {
    let connected = device.dial(preference).await.expect("a refused device may still ask why");
    let (status, body) = connected.get("catalogue").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let told = problem(&body);
    assert!(!told.title.is_empty() && !told.remedy.is_empty());
    let flow = connected.open("echo.test.internal:1").await.expect_err("nothing opens");
    assert_eq!(flow.code, told.code);
    told.code
}

async fn why_refused_over_http1(device: &Device) -> Code {
    let (head, body) = device.connect_over_http1("echo.test.internal:1").await;
    let told = problem(&body);
    assert!(head.starts_with(&format!("HTTP/1.1 {} ", told.status)), "{head}");
    let details = format!("details=\"{} {}\"", told.help_code, told.code.slug());
    assert!(head.to_ascii_lowercase().contains("proxy-status: hitotsu; error=") && head.contains(&details), "{head}");
    assert!(!told.title.is_empty() && !told.remedy.is_empty());
    told.code
}

#[tokio::test]
async fn expired_early_unknown_and_revoked_devices_are_each_told_why_on_every_transport() {
    let world = World::new(&TestBundle::new().files()).await;
    let device = world.enrol(PERSON).await;
    let minute = Duration::from_secs(60);
    let expired = reissued(&world, &device, device.id, now().minus(30 * minute), minute);
    let early = reissued(&world, &device, device.id, now().plus(2 * DAY), DAY);
    let unknown = reissued(&world, &device, DeviceId(uuid::Uuid::new_v4()), now(), DAY);
    for preference in [Preference::QuicOnly, Preference::Http2Only] {
        assert_eq!(why_refused(&expired, preference).await, Code::CertificateExpired);
        assert_eq!(why_refused(&early, preference).await, Code::CertificateNotYetValid);
        assert_eq!(why_refused(&unknown, preference).await, Code::DeviceUnknown);
    }
    for (refused, code) in [
        (&expired, Code::CertificateExpired),
        (&early, Code::CertificateNotYetValid),
        (&unknown, Code::DeviceUnknown),
        // In good standing, but over HTTP/1.1 there is no way to send evidence.
        (&device, Code::EvidenceMissing),
    ] {
        assert_eq!(why_refused_over_http1(refused).await, code);
    }
    world.gateway_command(&["device", "revoke", &device.id.to_string(), "--reason", "lost"]).await;
    for preference in [Preference::QuicOnly, Preference::Http2Only] {
        assert_eq!(why_refused(&device, preference).await, Code::DeviceRevoked);
    }
    assert_eq!(why_refused_over_http1(&device).await, Code::DeviceRevoked);
}

#[tokio::test]
async fn a_certificate_of_another_organisation_does_not_get_through_the_handshake() {
    let world = World::new(&TestBundle::new().files()).await;
    let device = world.enrol(PERSON).await;
    let root_key = Arc::new(PrivateKey::generate_p384(&SystemRandom::new()).expect("a key"));
    let root = Root::create(&device.org, root_key, now(), serial()).expect("a root");
    let ca_key = key();
    let request = verify_csr(&make_csr(&*ca_key).expect("a request")).expect("good");
    let ca = root.issue_ca(CaKind::Devices, &request, &[], now(), serial()).expect("an authority");
    let authority = Authority::open(ca.der, ca_key).expect("an authority");
    let request = verify_csr(&make_csr(&*device.key).expect("a request")).expect("good");
    let name = HolderName { org: device.org.clone(), profile: Profile::Device, id: device.id };
    let issued = authority.issue(&request, &name, &[], DAY, now(), serial()).expect("issued");
    let stranger = Device { chain: vec![issued.der, authority.certificate().clone()], ..device };
    for preference in [Preference::QuicOnly, Preference::Http2Only] {
        // TLS 1.3 tells a client of a refused certificate only after its own side is done.
        match stranger.dial(preference).await {
            Err(_) => {}
            Ok(connected) => {
                let path = format!("{}/catalogue", hitotsu_model::control::CONTROL_PATH);
                let asked =
                    connected.connection.request(http::Method::GET, &path, http::HeaderMap::new(), bytes::Bytes::new());
                assert!(timeout(PATIENCE, asked).await.expect("in time").is_err(), "{preference:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_live_tunnel_dies_with_its_device_and_a_resumed_one_is_refused() {
    for preference in [Preference::QuicOnly, Preference::Http2Only] {
        let endless = systems::endless().await;
        let world = World::new(&TestBundle::new().tcp("endless", endless.address).files()).await;
        let device = world.enrol(PERSON).await;
        let authority = format!("endless.test.internal:{}", endless.address.port());
        let judge = Arc::new(CountingJudge { judge: device.verifier(), full_handshakes: AtomicUsize::new(0) });
        let dialer = device.dialer_judging(preference, None, judge.clone());
        let full = dialer.dial().await.expect("dials");
        device.on(full).attest(good_posture()).await.expect("is believed");
        let mut connected = device.on(dialer.dial().await.expect("dials"));
        connected.attest(good_posture()).await.expect("is believed");
        let (_send, mut recv) = connected.open(&authority).await.expect("a resumed session opens what a full one does");
        assert!(recv.recv().await.expect("received").is_some());
        assert_eq!(judge.full_handshakes(), 1, "{preference:?}: the second handshake resumes the first");

        world.gateway_command(&["device", "revoke", &device.id.to_string(), "--reason", "stolen"]).await;

        let cut = async { while let Ok(Some(_)) = recv.recv().await {} };
        timeout(Duration::from_secs(2), cut).await.expect("the flow is cut within two seconds");
        timeout(PATIENCE, connected.connection.closed()).await.expect("the tunnel is closed");
        let again = device.on(dialer.dial().await.expect("dials"));
        let (status, body) = again.get("catalogue").await;
        assert_eq!(judge.full_handshakes(), 1, "{preference:?}: the third handshake resumes too");
        let told = problem(&body);
        assert_eq!((status, told.code, told.help_code), (StatusCode::FORBIDDEN, Code::DeviceRevoked, 100_105));
        assert_eq!(told.title, "このパソコンの利用は停止されています。");
        assert_eq!(again.open(&authority).await.expect_err("nothing opens").code, Code::DeviceRevoked);
    }
}

/// Judges the gateway's certificate as a device does, and counts how often it is asked: a resumed handshake shows none.
#[derive(Debug)]
struct CountingJudge {
    judge: Arc<GatewayVerifier>,
    full_handshakes: AtomicUsize,
}

impl CountingJudge {
    fn full_handshakes(&self) -> usize {
        self.full_handshakes.load(Ordering::SeqCst)
    }
}

impl ServerCertVerifier for CountingJudge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.full_handshakes.fetch_add(1, Ordering::SeqCst);
        self.judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

#[tokio::test]
async fn an_enrolment_code_works_once_and_says_what_is_wrong_with_it() {
    let world = World::new(&TestBundle::new().files()).await;
    let code = world.enrol_code(Some(PERSON), "issued").await;
    let first = key();
    let device = world.redeem(&code, first.clone()).await.expect("enrols");
    let again = world.redeem(&code, first).await.expect("the same key may ask again");
    assert_eq!(device.id, again.id);
    let other = world.redeem(&code, key()).await.expect_err("used");
    assert_eq!((other.code, other.help_code), (Code::EnrolCodeUsed, 700_702));
    assert_eq!(other.title, "この登録コードは使用済みです。");

    let made = world.gateway_command(&["enrol-code", "--person", PERSON, "--valid", "1s"]).await;
    let (secret, _) = made["code"].as_str().expect("a code").rsplit_once('@').expect("code@gateway");
    let short = format!("{secret}@localhost:{}", world.listen.port()).parse().expect("a code");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(world.redeem(&short, key()).await.expect_err("expired").code, Code::EnrolCodeExpired);

    let root = devices_root(&world);
    let secret = hitotsu_pki::enrol::EnrolSecret::from_random([7; 16]);
    let gateway = format!("localhost:{}", world.listen.port());
    let guessed = hitotsu_pki::enrol::EnrolCode::new(&gateway, &root, secret).expect("a code");
    assert_eq!(world.redeem(&guessed, key()).await.expect_err("unknown").code, Code::EnrolCodeUnknown);
}

fn devices_root(world: &World) -> CertificateDer<'static> {
    let pem = std::fs::read_to_string(world.org_dir().join("authorities").join("root.pem")).expect("the root");
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

#[tokio::test]
async fn a_shared_desk_is_bound_to_nobody_and_the_catalogue_shows_only_what_may_be_known() {
    let (echo, hidden) = (systems::echo().await, systems::echo().await);
    let bundle = TestBundle::new().tcp("echo", echo.address).system("hidden", "tier3", &[hidden.address], "tcp");
    let world = World::new(&bundle.files()).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let (status, body) = connected.get("catalogue").await;
    assert_eq!(status, StatusCode::OK);
    let catalogue: Catalogue = serde_json::from_slice(&body).expect("a catalogue");
    let shown: Vec<&str> = catalogue.entries.iter().map(|entry| entry.resource.as_str()).collect();
    assert_eq!(shown, ["echo"]);
    assert!(catalogue.entries[0].allowed);
    assert_eq!(catalogue.person.map(|person| person.to_string()).as_deref(), Some(PERSON));

    let code = world.enrol_code(None, "shared-desk").await;
    let desk = world.redeem(&code, key()).await.expect("enrols").connect().await;
    let (_, body) = desk.get("catalogue").await;
    let catalogue: Catalogue = serde_json::from_slice(&body).expect("a catalogue");
    assert_eq!(catalogue.person, None);
    assert!(catalogue.entries.is_empty(), "{catalogue:?}");
}

#[tokio::test]
async fn a_revoked_certificate_is_told_why() {
    let world = World::new(&TestBundle::new().files()).await;
    let device = world.enrol(PERSON).await;
    let shown = world.gateway_command(&["device", "show", &device.id.to_string()]).await;
    let serial = shown["certificates"][0]["serial"].as_str().expect("a serial number").to_owned();
    world.gateway_command(&["ca", "revoke", &serial, "--reason", "keyCompromise"]).await;
    for preference in [Preference::QuicOnly, Preference::Http2Only] {
        assert_eq!(why_refused(&device, preference).await, Code::CertificateRevoked);
    }
}

#[tokio::test]
async fn security_staff_see_a_session_and_end_it_with_its_flows() {
    let endless = systems::endless().await;
    let world = World::new(&TestBundle::new().tcp("endless", endless.address).files()).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let authority = format!("endless.test.internal:{}", endless.address.port());
    let (_send, mut recv) = connected.open(&authority).await.expect("opens");
    assert!(recv.recv().await.expect("received").is_some());
    let sessions = world.gateway_command(&["session", "list"]).await;
    assert_eq!(sessions[0]["flows"][0]["resources"][0], "endless");
    assert_eq!(sessions[0]["person"], PERSON);
    let id = sessions[0]["session"].as_str().expect("an id");
    let killed = world.gateway_command(&["session", "kill", id]).await;
    assert_eq!(killed["flows_cut"], 1);
    let cut = async { while let Ok(Some(_)) = recv.recv().await {} };
    timeout(PATIENCE, cut).await.expect("the flow is cut");
    timeout(PATIENCE, connected.connection.closed()).await.expect("the tunnel is closed");
    let tail = world.gateway_command(&["audit", "tail"]).await.to_string();
    assert!(tail.contains("session-killed"), "{tail}");
}

#[tokio::test]
async fn a_statement_whose_answer_was_lost_is_answered_again_and_only_that_one() {
    let world = World::new(&TestBundle::new().files()).await;
    let mut connected = world.enrol(PERSON).await.dial(Preference::QuicOnly).await.expect("dials");
    connected.attest(good_posture()).await.expect("is believed");
    let second = sign_statement(&*connected.device.key, &connected.statement(good_posture())).expect("signs");
    let answered = connected.send_evidence(&second).await.expect("is believed");
    let again = connected.send_evidence(&second).await.expect("its answer is given again");
    assert_eq!(again.nonce, answered.nonce);
    // The device goes on from the answer that came at last; what lies behind is a replay.
    connected.sequence += 1;
    connected.nonce = Some(again.nonce);
    connected.attest(good_posture()).await.expect("is believed");
    let replayed = connected.send_evidence(&second).await.expect_err("an older statement stays a replay");
    assert_eq!(replayed.code, Code::EvidenceReplayed);
    let other = world.enrol(PERSON).await.dial(Preference::QuicOnly).await.expect("dials");
    other.send_evidence(&second).await.expect_err("another connection knows nothing of it");
}

/// Well below the 5 s for which a flow waits for evidence, and for a name.
const PROMPTLY: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_session_that_is_over_is_closed_promptly_while_a_flow_waits_for_evidence() {
    let world = World::new(&TestBundle::new().tcp("echo", ([127, 0, 0, 1], 9).into()).files()).await;
    let device = world.enrol(PERSON).await;
    let connected = device.dial(Preference::QuicOnly).await.expect("dials");
    // Without evidence the flow waits for it.
    let flow = connected.connection.open_tcp("echo.test.internal:9", http::HeaderMap::new()).await.expect("a stream");
    // An answer on the same connection shows that the flow asked before it has arrived.
    connected.get("catalogue").await;
    world.gateway_command(&["device", "revoke", &device.id.to_string(), "--reason", "lost"]).await;
    timeout(PROMPTLY, connected.connection.closed()).await.expect("the connection of a session that is over is closed");
    drop(flow);
    let records = world.gateway_command(&["audit", "tail", "-n", "3"]).await;
    assert!(records.to_string().contains("device-revoked"), "{records}");
}

#[tokio::test]
async fn a_session_that_is_over_is_closed_promptly_while_a_flow_waits_for_a_name() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    let slow = "[[resource]]\nid = \"slow\"\ntitle_ja = \"slow\"\ntitle_en = \"slow\"\ntier = \"tier3\"\n\
                hosts = [\"slow.test.internal\"]\nprefixes = [\"127.0.0.1/32\"]\nports = [\"tcp/443\"]\nallow_loopback = true\n";
    let bundle = TestBundle::new().resource(slow).permit("slow", "true");
    let world = World::with_dns(&bundle.files(), &[silent.local_addr().expect("bound")]).await;
    let device = world.enrol(PERSON).await;
    let connected = device.connect().await;
    let headers = http::HeaderMap::new();
    let flow = connected.connection.open_tcp("slow.test.internal:443", headers).await.expect("a stream");
    timeout(PATIENCE, silent.recv_from(&mut [0; 512])).await.expect("in time").expect("the name is asked for");
    world.gateway_command(&["device", "revoke", &device.id.to_string(), "--reason", "lost"]).await;
    timeout(PROMPTLY, connected.connection.closed()).await.expect("the connection of a session that is over is closed");
    drop(flow);
}
