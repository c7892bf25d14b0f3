//! Makes an organisation that serves at once: authorities, server certificate, sample policy, configuration.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use hitotsu_model::identity::{AssuranceLevel, HolderName, Profile};
use hitotsu_model::ids::{DeviceId, OrgId};
use hitotsu_model::time::Timestamp;
use hitotsu_pki::authority::Authority;
use hitotsu_pki::csr::{make_csr, verify_csr};
use hitotsu_pki::key::PrivateKey;
use hitotsu_pki::profile::lifetime;
use hitotsu_pki::serial::SerialBytes;
use hitotsu_policy::sample::{DemoPorts, SampleSettings, sample};
use ring::rand::SystemRandom;
use uuid::Uuid;

use crate::authorities::{self, AuthorityError};
use crate::files::{make_private_dir, write_public};
use crate::words::{InWords, Words};

/// What to make.
#[derive(Debug, Clone)]
pub struct Organisation {
    /// Where; must be empty or not exist.
    pub dir: PathBuf,
    /// The host name or address that agents dial.
    pub name: String,
    /// Its name in certificates.
    pub org: OrgId,
    /// Where the gateway listens.
    pub listen: SocketAddr,
    /// Where it serves metrics and health.
    pub metrics: SocketAddr,
    /// Adds the demo's systems to the sample policy.
    pub demo: Option<DemoPorts>,
}

/// What was made.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Made {
    /// The configuration file.
    pub config: PathBuf,
    /// The root's key and passphrase, to be taken off this machine.
    pub offline_root: PathBuf,
    /// SHA-256 of the root's public key, as in enrolment codes.
    pub root_spki_sha256: String,
}

/// Why it could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Something is there already.
    #[error("`{0}` is not empty; choose another folder, or remove what is in it")]
    NotEmpty(PathBuf),
    /// A file cannot be written.
    #[error("`{path}`: {error}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Authorities or keys cannot be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The root is not what we made.
    #[error(transparent)]
    Trust(#[from] hitotsu_pki::trust::TrustError),
}

impl InWords for InitError {
    fn words(&self) -> Words {
        match self {
            Self::NotEmpty(path) => Words::new("folder-not-empty", &[("folder", &path.display().to_string())]),
            Self::Write { path, error } => Words::file("file-not-written", path, error),
            Self::Authority(error) => error.words(),
            Self::Trust(error) => Words::new("authority-failed", &[("why", &error.to_string())]),
        }
    }
}

/// Makes the organisation. What was begun stays when a later step fails; the folder is then to be removed.
///
/// # Errors
/// [`InitError`].
pub fn init(wanted: &Organisation, now: Timestamp) -> Result<Made, InitError> {
    let dir = std::path::absolute(&wanted.dir).map_err(|error| write_failed(&wanted.dir, error))?;
    if dir.exists() && std::fs::read_dir(&dir).map_err(|error| write_failed(&dir, error))?.next().is_some() {
        return Err(InitError::NotEmpty(dir));
    }
    let (folder, offline, tls, run) =
        (dir.join("authorities"), dir.join("offline-root"), dir.join("tls"), dir.join("run"));
    for folder in [&tls, &run, &dir.join("audit")] {
        make_private_dir(folder).map_err(|error| write_failed(folder, error))?;
    }
    let hosts = hosts(&wanted.name, wanted.listen);
    let (root, gateways) = authorities::create(&folder, &offline, &wanted.org, &hosts, now)?;
    write_server(&tls, wanted, &gateways, &hosts, now)?;
    let settings =
        SampleSettings { org: wanted.org.clone(), firewall_for_tier3: wanted.demo.is_none(), demo: wanted.demo };
    for (path, text) in sample(&settings) {
        let path = dir.join("policy").join(path);
        if let Some(folder) = path.parent() {
            make_private_dir(folder).map_err(|error| write_failed(folder, error))?;
        }
        write_public(&path, text.as_bytes()).map_err(|error| write_failed(&path, error))?;
    }
    let config = dir.join("gateway.toml");
    write_public(&config, config_text(wanted).as_bytes()).map_err(|error| write_failed(&config, error))?;
    let fingerprint = data_encoding::HEXLOWER.encode(&hitotsu_pki::trust::spki_sha256(&root)?);
    Ok(Made { config, offline_root: offline, root_spki_sha256: fingerprint })
}

/// The names and addresses that the server certificate carries. A gateway on loopback is for trying out, so it answers
/// to every name of loopback.
pub(crate) fn hosts(name: &str, listen: SocketAddr) -> Vec<String> {
    let mut hosts = vec![name.to_owned()];
    let loopback = listen.ip().is_loopback()
        || name == "localhost"
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if loopback {
        for name in ["localhost", "127.0.0.1", "::1"] {
            if !hosts.iter().any(|host| host == name) {
                hosts.push(name.to_owned());
            }
        }
    }
    hosts
}

fn write_server(
    tls: &Path,
    wanted: &Organisation,
    authority: &Authority,
    hosts: &[String],
    now: Timestamp,
) -> Result<(), InitError> {
    let random = SystemRandom::new();
    let key = PrivateKey::generate_p256(&random).map_err(AuthorityError::from)?;
    let request = make_csr(&key).map_err(AuthorityError::from)?;
    let request = verify_csr(&request).map_err(AuthorityError::from)?;
    let holder = HolderName { org: wanted.org.clone(), profile: Profile::Gateway, id: DeviceId(Uuid::new_v4()) };
    let life = lifetime(Profile::Gateway, AssuranceLevel::L1);
    let serial = SerialBytes::draw(&random).map_err(AuthorityError::from)?;
    let issued = authority.issue(&request, &holder, hosts, life, now, serial).map_err(AuthorityError::from)?;
    authorities::write_certificates(&tls.join("chain.pem"), &[&issued.der, authority.certificate()])?;
    Ok(authorities::write_key(&tls.join("key.pem"), &tls.join("passphrase"), &key)?)
}

fn write_failed(path: &Path, error: io::Error) -> InitError {
    InitError::Write { path: path.to_path_buf(), error }
}

fn config_text(wanted: &Organisation) -> String {
    let template = include_str!("../templates/gateway.toml");
    template
        .replace("{{org}}", wanted.org.as_str())
        .replace("{{name}}", &wanted.name)
        .replace("{{listen}}", &wanted.listen.to_string())
        .replace("{{metrics}}", &wanted.metrics.to_string())
}
