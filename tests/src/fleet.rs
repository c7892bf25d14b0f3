//! Thousands of devices at once, each with a key and a certificate of its own. Enrolment by code takes in a fleet of them
//! over days: the issuer and the door for enrolment have their pace. So they are put on record while no gateway runs, with
//! the gateway's own database and authority.

use std::path::Path;
use std::sync::Arc;

use hitotsu_gateway::authorities;
use hitotsu_gateway::config::Config;
use hitotsu_gateway::registry::Device as OnRecord;
use hitotsu_gateway::store::Store;
use hitotsu_model::identity::{AssuranceLevel, HolderName, Ownership, Profile};
use hitotsu_model::ids::DeviceId;
use hitotsu_pki::authority::Authority;
use hitotsu_pki::csr::{make_csr, verify_csr};
use hitotsu_pki::key::PrivateKey;
use hitotsu_pki::profile::{CaKind, lifetime};
use hitotsu_pki::serial::SerialBytes;
use ring::rand::SystemRandom;
use rustls_pki_types::CertificateDer;
use uuid::Uuid;

use crate::device::{Device, now};

/// Puts so many devices of a person on record for the gateway of this configuration file, which does not run. Where it
/// will listen is not known yet.
///
/// # Panics
/// If one cannot be.
pub(crate) async fn enrol(config: &Path, person: &str, count: usize) -> Vec<Device> {
    let config = Config::load(config).expect("the configuration is good");
    let authority = authorities::open(&config.authorities_dir, CaKind::Devices).expect("the authority opens");
    let root = authorities::read_certificate(&config.root).expect("the root");
    let store = Store::open(&config.database).await.expect("the database opens");
    let mut devices = Vec::with_capacity(count);
    for _ in 0..count {
        let device = certified(&config, &authority, &root);
        let on_record = OnRecord {
            id: device.id,
            profile: Profile::Device,
            person: Some(person.parse().expect("a person's id")),
            ownership: Ownership::Issued,
            level: AssuranceLevel::L1,
            platform: "linux".to_owned(),
            created_at: now(),
            revoked: None,
        };
        store.insert_device(&on_record).await.expect("is put on record");
        devices.push(device);
    }
    devices
}

fn certified(config: &Config, authority: &Authority, root: &CertificateDer<'static>) -> Device {
    let random = SystemRandom::new();
    let key = Arc::new(PrivateKey::generate_p256(&random).expect("a key"));
    let request = verify_csr(&make_csr(&*key).expect("a request")).expect("a good request");
    let id = DeviceId(Uuid::new_v4());
    let holder = HolderName { org: config.org.clone(), profile: Profile::Device, id };
    let life = lifetime(Profile::Device, AssuranceLevel::L1);
    let serial = SerialBytes::draw(&random).expect("randomness");
    let issued = authority.issue(&request, &holder, &[], life, now(), serial).expect("is issued");
    let chain = vec![issued.der, authority.certificate().clone()];
    Device { id, key, chain, root: root.clone(), org: config.org.clone(), gateway: config.listen }
}
