//! An organisation with its authorities, a gateway and a device.

use std::sync::Arc;
use std::time::Duration;

use hitotsu_model::identity::{HolderName, Profile};
use hitotsu_model::ids::{DeviceId, OrgId};
use hitotsu_model::time::Timestamp;
use hitotsu_pki::authority::{Authority, Root};
use hitotsu_pki::csr::{VerifiedCsr, make_csr, verify_csr};
use hitotsu_pki::key::{PrivateKey, Signer};
use hitotsu_pki::profile::CaKind;
use hitotsu_pki::serial::SerialBytes;
use hitotsu_pki::trust::Trust;
use ring::rand::SystemRandom;
use rustls::sign::SingleCertAndKey;
use rustls_pki_types::CertificateDer;

/// 2026-11-24T00:00:00Z, where the clock begins.
pub(crate) const NOW: Timestamp = Timestamp(1_795_478_400_000);
const DAY: Duration = Duration::from_secs(86_400);

pub(crate) struct City {
    pub(crate) trust: Arc<Trust>,
    pub(crate) gateway: Holder,
    pub(crate) device: Holder,
}

/// A key and the chain of its certificate.
pub(crate) struct Holder {
    pub(crate) key: Arc<PrivateKey>,
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

impl City {
    pub(crate) fn new() -> Self {
        let org: OrgId = "kawasaki.example".parse().unwrap();
        let made = NOW.minus(DAY);
        let root_key = Arc::new(PrivateKey::generate_p384(&SystemRandom::new()).unwrap());
        let root = Root::create(&org, root_key, made, serial()).unwrap();
        let issue = |kind: CaKind, profile: Profile, hosts: &[String]| {
            let key = p256();
            let issued = root.issue_ca(kind, &proven(key.as_ref()), hosts, made, serial()).unwrap();
            let authority = Authority::open(issued.der, key).unwrap();
            let key = p256();
            let holder = HolderName { org: org.clone(), profile, id: device() };
            let issued = authority.issue(&proven(key.as_ref()), &holder, hosts, DAY, NOW, serial()).unwrap();
            Holder { key, chain: vec![issued.der, authority.certificate().clone()] }
        };
        Self {
            gateway: issue(CaKind::Gateways, Profile::Gateway, &["localhost".to_owned()]),
            device: issue(CaKind::Devices, Profile::Device, &[]),
            trust: Arc::new(Trust::new(root.certificate(), org.clone()).unwrap()),
        }
    }
}

impl Holder {
    /// For a TLS configuration.
    pub(crate) fn certified(&self) -> Arc<SingleCertAndKey> {
        let certified = hitotsu_pki::tls::certified_key(self.chain.clone(), self.key.clone());
        Arc::new(SingleCertAndKey::from(certified))
    }
}

pub(crate) fn device() -> DeviceId {
    "6ba7b810-9dad-41d1-80b4-00c04fd43001".parse().unwrap()
}

fn p256() -> Arc<PrivateKey> {
    Arc::new(PrivateKey::generate_p256(&SystemRandom::new()).unwrap())
}

fn proven(key: &dyn Signer) -> VerifiedCsr {
    verify_csr(&make_csr(key).unwrap()).unwrap()
}

fn serial() -> SerialBytes {
    SerialBytes::draw(&SystemRandom::new()).unwrap()
}
