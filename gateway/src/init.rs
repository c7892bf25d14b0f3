//! Makes an organisation that serves at once: authorities, server certificate, sample policy, configuration.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use hitotsu_model::identity::{AssuranceLevel, HolderName, Profile};
use hitotsu_model::ids::{DeviceId, OrgId};
use hitotsu_model::time::Timestamp;
use hitotsu_pki::authority::{Authority, IssueError, Root};
use hitotsu_pki::csr::{CsrError, make_csr, verify_csr};
use hitotsu_pki::key::{KeyError, PrivateKey, RandomnessFailed, SignError};
use hitotsu_pki::profile::{CaKind, lifetime};
use hitotsu_pki::serial::SerialBytes;
use hitotsu_policy::sample::{DemoPorts, SampleSettings, sample};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;
use uuid::Uuid;

use crate::files::{make_private_dir, write_private, write_public};

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
    /// A key cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The system gives no randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessFailed),
    /// A key cannot be used.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A request of our own is wrong.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// A certificate cannot be made; the name is the most likely reason.
    #[error("{0}; check `--name` and `--org`")]
    Issue(#[from] IssueError),
    /// The root is not what we made.
    #[error(transparent)]
    Trust(#[from] hitotsu_pki::trust::TrustError),
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
    let random = SystemRandom::new();
    let (authorities, offline, tls, run) =
        (dir.join("authorities"), dir.join("offline-root"), dir.join("tls"), dir.join("run"));
    for folder in [&authorities, &offline, &tls, &run, &dir.join("audit")] {
        make_private_dir(folder).map_err(|error| write_failed(folder, error))?;
    }
    let root_key = Arc::new(PrivateKey::generate_p384(&random)?);
    let root = Root::create(&wanted.org, root_key.clone(), now, SerialBytes::draw(&random)?)?;
    write_key(&offline, "root", &root_key, &random)?;
    write_certificates(&authorities.join("root.pem"), &[root.certificate()])?;

    let hosts = hosts(wanted);
    for kind in CaKind::ALL {
        let key = Arc::new(PrivateKey::generate_p256(&random)?);
        let request = verify_csr(&make_csr(&*key)?)?;
        let ca_hosts = if kind == CaKind::Gateways { hosts.as_slice() } else { &[] };
        let issued = root.issue_ca(kind, &request, ca_hosts, now, SerialBytes::draw(&random)?)?;
        write_key(&authorities, kind.as_str(), &key, &random)?;
        let certificate = issued.der;
        write_certificates(&authorities.join(format!("{}.pem", kind.as_str())), &[&certificate])?;
        if kind == CaKind::Gateways {
            let authority = Authority::open(certificate, key)?;
            write_server(&tls, wanted, &authority, &hosts, now, &random)?;
        }
    }
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
    let fingerprint = data_encoding::HEXLOWER.encode(&hitotsu_pki::trust::spki_sha256(root.certificate())?);
    Ok(Made { config, offline_root: offline, root_spki_sha256: fingerprint })
}

/// The names and addresses that the server certificate carries. A gateway on loopback is for trying out, so it answers
/// to every name of loopback.
fn hosts(wanted: &Organisation) -> Vec<String> {
    let mut hosts = vec![wanted.name.clone()];
    let loopback = wanted.listen.ip().is_loopback()
        || wanted.name == "localhost"
        || wanted.name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
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
    random: &SystemRandom,
) -> Result<(), InitError> {
    let key = PrivateKey::generate_p256(random)?;
    let request = verify_csr(&make_csr(&key)?)?;
    let holder = HolderName { org: wanted.org.clone(), profile: Profile::Gateway, id: DeviceId(Uuid::new_v4()) };
    let life = lifetime(Profile::Gateway, AssuranceLevel::L1);
    let issued = authority.issue(&request, &holder, hosts, life, now, SerialBytes::draw(random)?)?;
    let leaf = issued.der;
    write_certificates(&tls.join("chain.pem"), &[&leaf, authority.certificate()])?;
    let passphrase = passphrase(random)?;
    let path = tls.join("key.pem");
    let pem = key.to_encrypted_pem(&passphrase)?;
    write_private(&path, pem.as_bytes()).map_err(|error| write_failed(&path, error))?;
    write_passphrase(&tls.join("passphrase"), &passphrase)
}

fn write_key(folder: &Path, name: &str, key: &PrivateKey, random: &SystemRandom) -> Result<(), InitError> {
    let passphrase = passphrase(random)?;
    let path = folder.join(format!("{name}.key.pem"));
    let pem = key.to_encrypted_pem(&passphrase)?;
    write_private(&path, pem.as_bytes()).map_err(|error| write_failed(&path, error))?;
    write_passphrase(&folder.join(format!("{name}.passphrase")), &passphrase)
}

fn write_passphrase(path: &Path, passphrase: &SecretString) -> Result<(), InitError> {
    let text = format!("{}\n", secrecy::ExposeSecret::expose_secret(passphrase));
    write_private(path, text.as_bytes()).map_err(|error| write_failed(path, error))
}

/// 160 random bits: as strong as the keys that it protects, and short enough to be copied by hand.
fn passphrase(random: &SystemRandom) -> Result<SecretString, InitError> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 20]);
    random.fill(bytes.as_mut_slice()).map_err(|_| RandomnessFailed)?;
    Ok(SecretString::from(BASE32_NOPAD.encode(bytes.as_slice())))
}

fn write_certificates(path: &Path, certificates: &[&CertificateDer<'_>]) -> Result<(), InitError> {
    let pem: String = certificates.iter().map(|certificate| pem(certificate)).collect();
    write_public(path, pem.as_bytes()).map_err(|error| write_failed(path, error))
}

/// One certificate as PEM (RFC 7468).
#[must_use]
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    let body = data_encoding::BASE64.encode(certificate);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
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
