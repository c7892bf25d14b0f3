//! One organisation with its authorities and some holders, made anew for each test.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hitotsu_model::identity::{HolderName, Profile};
use hitotsu_model::ids::{DeviceId, OrgId};
use hitotsu_model::time::Timestamp;
use hitotsu_pki::authority::{Authority, IssuedCertificate, Root};
use hitotsu_pki::csr::{VerifiedCsr, make_csr, verify_csr};
use hitotsu_pki::key::{PrivateKey, Signer};
use hitotsu_pki::profile::CaKind;
use hitotsu_pki::serial::SerialBytes;
use hitotsu_pki::trust::Trust;
use ring::rand::SystemRandom;
use rustls_pki_types::CertificateDer;

/// 2026-11-24T00:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp(1_795_478_400_000);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const ORG: &str = "kawasaki.example";
pub(crate) const HOST: &str = "gw.kawasaki.example";

pub(crate) fn random() -> SystemRandom {
    SystemRandom::new()
}

pub(crate) fn serial() -> SerialBytes {
    SerialBytes::draw(&random()).unwrap()
}

pub(crate) fn p256() -> Arc<PrivateKey> {
    Arc::new(PrivateKey::generate_p256(&random()).unwrap())
}

pub(crate) fn proven(key: &dyn Signer) -> VerifiedCsr {
    verify_csr(&make_csr(key).unwrap()).unwrap()
}

pub(crate) fn org() -> OrgId {
    ORG.parse().unwrap()
}

pub(crate) fn hosts() -> Vec<String> {
    [HOST, "localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
}

pub(crate) fn device(last: u8) -> DeviceId {
    format!("6ba7b810-9dad-41d1-80b4-00c04fd430{last:02x}").parse().unwrap()
}

pub(crate) fn name(profile: Profile, last: u8) -> HolderName {
    HolderName { org: org(), profile, id: device(last) }
}

/// A certificate with its key and the chain that it is shown with.
pub(crate) struct Holder {
    pub(crate) key: Arc<PrivateKey>,
    pub(crate) issued: IssuedCertificate,
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

pub(crate) struct World {
    pub(crate) root: Root,
    pub(crate) root_key: Arc<PrivateKey>,
    pub(crate) devices: Authority,
    pub(crate) devices_key: Arc<PrivateKey>,
    pub(crate) gateways: Authority,
    pub(crate) gateways_key: Arc<PrivateKey>,
    pub(crate) staff: Authority,
    pub(crate) staff_key: Arc<PrivateKey>,
    pub(crate) trust: Arc<Trust>,
}

/// The organisation that most tests share; nothing in it changes.
pub(crate) static CITY: LazyLock<World> = LazyLock::new(|| World::new(ORG));

impl World {
    /// An organisation whose authorities were made a day before [`NOW`].
    pub(crate) fn new(org: &str) -> Self {
        let made = NOW.minus(24 * HOUR);
        let root_key = Arc::new(PrivateKey::generate_p384(&random()).unwrap());
        let root = Root::create(&org.parse().unwrap(), root_key.clone(), made, serial()).unwrap();
        let ca = |kind: CaKind| {
            let key = p256();
            let hosts = if kind == CaKind::Gateways { hosts() } else { Vec::new() };
            let issued = root.issue_ca(kind, &proven(key.as_ref()), &hosts, made, serial()).unwrap();
            (Authority::open(issued.der, key.clone()).unwrap(), key)
        };
        let (devices, devices_key) = ca(CaKind::Devices);
        let (gateways, gateways_key) = ca(CaKind::Gateways);
        let (staff, staff_key) = ca(CaKind::Staff);
        let trust = Arc::new(Trust::new(root.certificate(), org.parse().unwrap()).unwrap());
        Self { root, root_key, devices, devices_key, gateways, gateways_key, staff, staff_key, trust }
    }

    pub(crate) fn authority(&self, profile: Profile) -> &Authority {
        match CaKind::of(profile) {
            CaKind::Devices => &self.devices,
            CaKind::Gateways => &self.gateways,
            CaKind::Staff => &self.staff,
        }
    }

    pub(crate) fn holder(&self, profile: Profile, last: u8) -> Holder {
        self.holder_at(profile, last, NOW, 24 * HOUR)
    }

    pub(crate) fn holder_at(&self, profile: Profile, last: u8, now: Timestamp, lifetime: Duration) -> Holder {
        let key = p256();
        let authority = self.authority(profile);
        let hosts = if profile == Profile::Gateway { hosts() } else { Vec::new() };
        let holder = HolderName { org: authority.org().clone(), profile, id: device(last) };
        let issued = authority.issue(&proven(key.as_ref()), &holder, &hosts, lifetime, now, serial()).unwrap();
        let chain = vec![issued.der.clone(), authority.certificate().clone()];
        Holder { key, issued, chain }
    }
}
