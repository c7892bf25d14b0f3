use std::sync::Arc;
use std::time::Instant;

use hitotsu_pki::csr::{make_csr, verify_csr};
use hitotsu_pki::key::PrivateKey;
use hitotsu_pki::revocation::RevocationReason;
use hitotsu_pki::serial::SerialBytes;
use ring::rand::SystemRandom;
use uuid::Uuid;

use super::service::Bucket;
use super::*;

#[tokio::test]
async fn a_device_and_a_relay_get_certificates_and_gateways_and_staff_do_not() {
    let issuer = Running::start().await;
    for profile in [Profile::Device, Profile::Relay] {
        let issued = issuer.client.issue(request(profile)).await.unwrap();
        assert_eq!(issued.org.as_str(), "kawasaki.example");
        assert!(issued.not_after > crate::clock::now());
    }
    for profile in [Profile::Gateway, Profile::Staff] {
        let refused = issuer.client.issue(request(profile)).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("the issuer refused: it issues no certificates of profile `{profile}`")
        );
    }
}

#[tokio::test]
async fn a_request_that_does_not_prove_its_key_is_refused() {
    let issuer = Running::start().await;
    let mut forged = request(Profile::Device);
    if let Some(last) = forged.csr.last_mut() {
        *last ^= 1;
    }
    let refused = issuer.client.issue(forged).await.unwrap_err();
    assert!(matches!(refused, IssuerFault::Refused(_)), "{refused}");
}

#[tokio::test]
async fn a_revocation_list_is_signed() {
    let issuer = Running::start().await;
    let now = crate::clock::now();
    let entry = CrlEntry { serial: "4a01".parse().unwrap(), revoked_at: now, reason: RevocationReason::KeyCompromise };
    let request =
        CrlRequest { entries: vec![entry.clone()], number: 7, next_update: now.plus(Duration::from_secs(60)) };
    let der = issuer.client.crl(request).await.unwrap();
    let list = hitotsu_pki::crl::verify_crl(&der, &issuer.authority, None, now).unwrap();
    assert_eq!((list.number(), list.entries().len()), (7, 1));
}

#[tokio::test]
async fn an_issuer_that_does_not_run_is_told_with_its_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let client = IssuerClient::impatient(&dir.path().join("issuer.sock"));
    let fault = client.issue(request(Profile::Device)).await.unwrap_err();
    assert!(fault.to_string().contains("does not answer"), "{fault}");
    assert!(fault.to_string().contains("`[issuer]` in the configuration"), "{fault}");
}

#[tokio::test]
async fn a_request_waits_for_an_issuer_that_is_starting() {
    let issuer = Running::start().await;
    let elsewhere = issuer.client.socket().with_extension("later");
    let client = IssuerClient::new(&elsewhere);
    let (asked, came) = tokio::join!(client.issue(request(Profile::Device)), async {
        tokio::task::yield_now().await;
        std::fs::rename(issuer.client.socket(), &elsewhere)
    });
    came.unwrap();
    asked.unwrap();
}

#[tokio::test]
async fn a_message_longer_than_any_is_not_read() {
    let issuer = Running::start().await;
    let mut stream = UnixStream::connect(issuer.client.socket()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &u32::MAX.to_be_bytes()).await.unwrap();
    let answer: Option<wire::Answer> = wire::receive(&mut stream).await.unwrap();
    assert!(answer.is_none(), "the connection is closed");
}

#[test]
fn a_bucket_gives_its_burst_then_one_each_so_often() {
    let start = Instant::now();
    let every = Duration::from_secs(1);
    let mut bucket = Bucket::full(3, every, start);
    let taken: Vec<bool> = (0..5).map(|_| bucket.take(start)).collect();
    assert_eq!(taken, [true, true, true, false, false]);
    assert!(bucket.take(start + every));
    assert!(!bucket.take(start + every));
    assert!(!bucket.is_full(start + every * 3));
    assert!(bucket.is_full(start + every * 4));
}

/// An issuer in this process, with an authority of its own.
struct Running {
    client: IssuerClient,
    authority: rustls_pki_types::CertificateDer<'static>,
    _dir: tempfile::TempDir,
    _stop: tokio_util::sync::DropGuard,
}

impl Running {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("issuer.sock");
        let authority = authority();
        let certificate = authority.certificate().clone();
        let stop = in_process(authority, &socket);
        Self { client: IssuerClient::new(&socket), authority: certificate, _dir: dir, _stop: stop.drop_guard() }
    }
}

fn authority() -> hitotsu_pki::authority::Authority {
    let random = SystemRandom::new();
    let now = crate::clock::now();
    let root_key = Arc::new(PrivateKey::generate_p384(&random).unwrap());
    let org = "kawasaki.example".parse().unwrap();
    let draw = || SerialBytes::draw(&random).unwrap();
    let root = hitotsu_pki::authority::Root::create(&org, root_key, now, draw()).unwrap();
    let key = Arc::new(PrivateKey::generate_p256(&random).unwrap());
    let csr = verify_csr(&make_csr(&*key).unwrap()).unwrap();
    let kind = hitotsu_pki::profile::CaKind::Devices;
    let issued = root.issue_ca(kind, &csr, &[], now, draw()).unwrap();
    hitotsu_pki::authority::Authority::open(issued.der, key).unwrap()
}

fn request(profile: Profile) -> IssueRequest {
    let key = PrivateKey::generate_p256(&SystemRandom::new()).unwrap();
    IssueRequest { profile, holder: DeviceId(Uuid::new_v4()), level: AssuranceLevel::L1, csr: make_csr(&key).unwrap() }
}
