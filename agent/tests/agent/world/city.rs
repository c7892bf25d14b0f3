//! An organisation with its authorities, made once.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hitotsu_agent::clock;
use hitotsu_model::identity::{HolderName, Profile};
use hitotsu_model::ids::{DeviceId, OrgId};
use hitotsu_pki::authority::{Authority, Root};
use hitotsu_pki::csr::{VerifiedCsr, make_csr, verify_csr};
use hitotsu_pki::key::{PrivateKey, Signer};
use hitotsu_pki::profile::CaKind;
use hitotsu_pki::serial::SerialBytes;
use hitotsu_pki::trust::Trust;
use ring::rand::SystemRandom;
use rustls_pki_types::CertificateDer;

const DAY: Duration = Duration::from_secs(86_400);

/// An organisation.
pub(crate) struct City {
    pub(crate) org: OrgId,
    pub(crate) root: CertificateDer<'static>,
    pub(crate) devices: Authority,
    pub(crate) gateways: Authority,
    pub(crate) trust: Arc<Trust>,
}

/// A key and the chain of its certificate.
#[derive(Clone)]
pub(crate) struct Holder {
    pub(crate) key: Arc<PrivateKey>,
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

pub(crate) static CITY: LazyLock<City> = LazyLock::new(|| City::new("kawasaki.example"));
/// Another organisation, whose gateways must not be believed.
pub(crate) static OTHER_CITY: LazyLock<City> = LazyLock::new(|| City::new("elsewhere.example"));

impl City {
    fn new(name: &str) -> Self {
        let org: OrgId = name.parse().unwrap();
        let made = clock::now();
        let root_key = Arc::new(PrivateKey::generate_p384(&SystemRandom::new()).unwrap());
        let root = Root::create(&org, root_key, made, serial()).unwrap();
        let authority = |kind: CaKind, hosts: &[String]| {
            let key = p256();
            let issued = root.issue_ca(kind, &proven(key.as_ref()), hosts, made, serial()).unwrap();
            Authority::open(issued.der, key).unwrap()
        };
        Self {
            devices: authority(CaKind::Devices, &[]),
            gateways: authority(CaKind::Gateways, &hosts()),
            trust: Arc::new(Trust::new(root.certificate(), org.clone()).unwrap()),
            root: root.certificate().clone(),
            org,
        }
    }

    /// A gateway on loopback.
    pub(crate) fn gateway(&self) -> Holder {
        self.issue(&self.gateways, Profile::Gateway, device(0), &hosts(), p256())
    }

    /// A device.
    pub(crate) fn device(&self, id: DeviceId) -> Holder {
        self.issue(&self.devices, Profile::Device, id, &[], p256())
    }

    /// A device's certificate for the key of a request.
    pub(crate) fn certify(&self, id: DeviceId, request: &VerifiedCsr) -> Vec<CertificateDer<'static>> {
        let holder = HolderName { org: self.org.clone(), profile: Profile::Device, id };
        let issued = self.devices.issue(request, &holder, &[], DAY, clock::now(), serial()).unwrap();
        vec![issued.der, self.devices.certificate().clone()]
    }

    fn issue(
        &self,
        authority: &Authority,
        profile: Profile,
        id: DeviceId,
        hosts: &[String],
        key: Arc<PrivateKey>,
    ) -> Holder {
        let holder = HolderName { org: self.org.clone(), profile, id };
        let request = proven(key.as_ref());
        let issued = authority.issue(&request, &holder, hosts, DAY, clock::now(), serial()).unwrap();
        Holder { key, chain: vec![issued.der, authority.certificate().clone()] }
    }
}

pub(crate) fn device(last: u8) -> DeviceId {
    format!("6ba7b810-9dad-41d1-80b4-00c04fd430{last:02x}").parse().unwrap()
}

fn hosts() -> Vec<String> {
    ["localhost", "127.0.0.1"].map(str::to_owned).to_vec()
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
