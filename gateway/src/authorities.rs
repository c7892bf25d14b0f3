//! The organisation's authorities as files: `<name>.pem`, `<name>.key.pem` (encrypted) and `<name>.passphrase`.
//!
//! The root's key lies in a folder of its own, to be taken off the machine; it comes back only to rotate an authority.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use hitotsu_model::ids::OrgId;
use hitotsu_model::time::Timestamp;
use hitotsu_pki::authority::{Authority, IssueError, IssuedCertificate, Root};
use hitotsu_pki::csr::{CsrError, make_csr, verify_csr};
use hitotsu_pki::key::{KeyError, PrivateKey, RandomnessFailed, SignError};
use hitotsu_pki::profile::CaKind;
use hitotsu_pki::serial::SerialBytes;
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};

use crate::files::{make_private_dir, write_private, write_public};
use crate::words::{InWords, Words};

/// Why an authority could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file cannot be read or written.
    #[error("`{path}`: {error}; see `[authorities]` in the configuration")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file holds no certificate.
    #[error("`{0}` holds no certificate in PEM")]
    NoCertificate(PathBuf),
    /// A key cannot be read.
    #[error("`{path}`: {error}")]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// A key cannot be made or encrypted.
    #[error(transparent)]
    MakeKey(#[from] KeyError),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessFailed),
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Our own request is wrong.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// The authority cannot be, or cannot issue this.
    #[error("{0}; check the names of hosts and organisation")]
    Issue(#[from] IssueError),
}

impl InWords for AuthorityError {
    fn words(&self) -> Words {
        match self {
            Self::File { path, error } => Words::file("authority-file", path, error),
            Self::NoCertificate(path) => {
                Words::new("authority-no-certificate", &[("path", &path.display().to_string())])
            }
            Self::Key { path, error } => {
                Words::new("credential-content", &[("path", &path.display().to_string()), ("why", &error.to_string())])
            }
            Self::Issue(error) => Words::new("authority-names", &[("why", &error.to_string())]),
            Self::MakeKey(_) | Self::Randomness(_) | Self::Sign(_) | Self::Csr(_) => {
                Words::new("authority-failed", &[("why", &self.to_string())])
            }
        }
    }
}

/// Makes a root in `offline` and the three issuing authorities in `folder`. Gives back the root's certificate and the
/// gateways' authority, which is needed at once for the server's certificate.
///
/// # Errors
/// [`AuthorityError`].
pub fn create(
    folder: &Path,
    offline: &Path,
    org: &OrgId,
    hosts: &[String],
    now: Timestamp,
) -> Result<(CertificateDer<'static>, Authority), AuthorityError> {
    for folder in [folder, offline] {
        make_private_dir(folder).map_err(|error| failed(folder, error))?;
    }
    let random = SystemRandom::new();
    let root_key = Arc::new(PrivateKey::generate_p384(&random)?);
    let root = Root::create(org, root_key.clone(), now, SerialBytes::draw(&random)?)?;
    write_named_key(offline, "root", &root_key)?;
    write_certificates(&folder.join("root.pem"), &[root.certificate()])?;
    let mut gateways = None;
    for kind in CaKind::ALL {
        let (key, issued) = certify(&root, kind, hosts, now)?;
        write_named_key(folder, kind.as_str(), &key)?;
        write_certificates(&folder.join(format!("{}.pem", kind.as_str())), &[&issued.der])?;
        if kind == CaKind::Gateways {
            gateways = Some((issued.der, key));
        }
    }
    // INVARIANT (all-kinds): CaKind::ALL holds the gateways' kind, so there is one.
    let (certificate, key) = gateways.ok_or(IssueError::OtherKey)?;
    Ok((root.certificate().clone(), Authority::open(certificate, key)?))
}

/// Opens the issuing authority of `kind` in `folder`, with its key.
///
/// # Errors
/// [`AuthorityError`].
pub fn open(folder: &Path, kind: CaKind) -> Result<Authority, AuthorityError> {
    let passphrase = read_passphrase(&folder.join(format!("{}.passphrase", kind.as_str())))?;
    let file = |suffix: &str| folder.join(format!("{}{suffix}", kind.as_str()));
    open_files(&file(".pem"), &file(".key.pem"), &passphrase)
}

/// Opens an issuing authority from its certificate and encrypted key.
///
/// # Errors
/// [`AuthorityError`].
pub fn open_files(certificate: &Path, key: &Path, passphrase: &SecretString) -> Result<Authority, AuthorityError> {
    Ok(Authority::open(read_certificate(certificate)?, Arc::new(read_key(key, passphrase)?))?)
}

/// Makes a new authority of `kind` with a new key, certified by the root whose key is in `offline`. The old one's files
/// get `.old` behind their names: what it issued stays good until it ends.
///
/// # Errors
/// [`AuthorityError`].
pub fn rotate(
    folder: &Path,
    offline: &Path,
    kind: CaKind,
    hosts: &[String],
    now: Timestamp,
) -> Result<IssuedCertificate, AuthorityError> {
    let passphrase = read_passphrase(&offline.join("root.passphrase"))?;
    let key = read_key(&offline.join("root.key.pem"), &passphrase)?;
    let root = Root::open(read_certificate(&folder.join("root.pem"))?, Arc::new(key))?;
    let (key, issued) = certify(&root, kind, hosts, now)?;
    for suffix in [".pem", ".key.pem", ".passphrase"] {
        let path = folder.join(format!("{}{suffix}", kind.as_str()));
        let mut old = path.clone().into_os_string();
        old.push(".old");
        std::fs::rename(&path, &old).map_err(|error| failed(&path, error))?;
    }
    write_named_key(folder, kind.as_str(), &key)?;
    write_certificates(&folder.join(format!("{}.pem", kind.as_str())), &[&issued.der])?;
    Ok(issued)
}

fn certify(
    root: &Root,
    kind: CaKind,
    hosts: &[String],
    now: Timestamp,
) -> Result<(Arc<PrivateKey>, IssuedCertificate), AuthorityError> {
    let random = SystemRandom::new();
    let key = Arc::new(PrivateKey::generate_p256(&random)?);
    let request = verify_csr(&make_csr(&*key)?)?;
    let hosts = if kind == CaKind::Gateways { hosts } else { &[] };
    let issued = root.issue_ca(kind, &request, hosts, now, SerialBytes::draw(&random)?)?;
    Ok((key, issued))
}

/// Reads a passphrase file; its last line end does not belong to it. Where systemd hands the file in as a credential of
/// the same name, that one is read.
///
/// # Errors
/// [`AuthorityError::File`].
pub fn read_passphrase(path: &Path) -> Result<SecretString, AuthorityError> {
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).zip(path.file_name());
    let credential = credential.map(|(folder, name)| folder.join(name)).filter(|path| path.exists());
    let path = credential.as_deref().unwrap_or(path);
    let text = std::fs::read_to_string(path).map(zeroize::Zeroizing::new).map_err(|error| failed(path, error))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The first certificate of a PEM file.
///
/// # Errors
/// [`AuthorityError`].
pub fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, AuthorityError> {
    let pem = std::fs::read(path).map_err(|error| failed(path, error))?;
    CertificateDer::from_pem_slice(&pem).map_err(|_| AuthorityError::NoCertificate(path.to_path_buf()))
}

fn read_key(path: &Path, passphrase: &SecretString) -> Result<PrivateKey, AuthorityError> {
    let pem = std::fs::read_to_string(path).map_err(|error| failed(path, error))?;
    PrivateKey::from_encrypted_pem(&pem, passphrase)
        .map_err(|error| AuthorityError::Key { path: path.to_path_buf(), error })
}

fn write_named_key(folder: &Path, name: &str, key: &PrivateKey) -> Result<(), AuthorityError> {
    write_key(&folder.join(format!("{name}.key.pem")), &folder.join(format!("{name}.passphrase")), key)
}

/// Writes a key to `path`, encrypted under a fresh passphrase, and that to `passphrase_path`; both for the owner alone.
///
/// # Errors
/// [`AuthorityError`].
pub fn write_key(path: &Path, passphrase_path: &Path, key: &PrivateKey) -> Result<(), AuthorityError> {
    let passphrase = draw_passphrase()?;
    let pem = key.to_encrypted_pem(&passphrase)?;
    write_private(path, pem.as_bytes()).map_err(|error| failed(path, error))?;
    write_passphrase(passphrase_path, &passphrase)
}

/// Writes a passphrase and a line end, for the owner alone.
///
/// # Errors
/// [`AuthorityError::File`].
pub fn write_passphrase(path: &Path, passphrase: &SecretString) -> Result<(), AuthorityError> {
    let text = zeroize::Zeroizing::new(format!("{}\n", passphrase.expose_secret()));
    write_private(path, text.as_bytes()).map_err(|error| failed(path, error))
}

/// A passphrase of 160 random bits, 32 characters that can be read aloud.
///
/// # Errors
/// [`AuthorityError::Randomness`].
pub fn draw_passphrase() -> Result<SecretString, AuthorityError> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 20]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| RandomnessFailed)?;
    Ok(SecretString::from(BASE32_NOPAD.encode(bytes.as_slice())))
}

/// Writes certificates as PEM, for everybody to read.
///
/// # Errors
/// [`AuthorityError::File`].
pub fn write_certificates(path: &Path, certificates: &[&CertificateDer<'_>]) -> Result<(), AuthorityError> {
    let text: String = certificates.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect();
    write_public(path, text.as_bytes()).map_err(|error| failed(path, error))
}

/// DER as PEM (RFC 7468).
#[must_use]
pub fn pem(label: &str, der: &[u8]) -> String {
    let body = data_encoding::BASE64.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn failed(path: &Path, error: io::Error) -> AuthorityError {
    AuthorityError::File { path: path.to_path_buf(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::others_may;

    #[test]
    fn authorities_open_after_making_and_a_rotated_one_keeps_the_old_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, offline) = (dir.path().join("authorities"), dir.path().join("offline"));
        let org = "kawasaki.example".parse().unwrap();
        let now = crate::clock::now();
        create(&folder, &offline, &org, &["gate.kawasaki.example".to_owned()], now).unwrap();
        for kind in CaKind::ALL {
            assert_eq!(open(&folder, kind).unwrap().kind(), kind);
            assert!(!others_may(&folder.join(format!("{}.key.pem", kind.as_str()))).unwrap());
        }
        assert!(!folder.join("root.key.pem").exists());
        let before = read_certificate(&folder.join("devices.pem")).unwrap();
        let rotated = rotate(&folder, &offline, CaKind::Devices, &[], now).unwrap();
        assert_eq!(open(&folder, CaKind::Devices).unwrap().certificate(), &rotated.der);
        assert_eq!(read_certificate(&folder.join("devices.pem.old")).unwrap(), before);
    }

    #[test]
    fn a_wrong_passphrase_and_a_missing_file_are_told_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, offline) = (dir.path().join("authorities"), dir.path().join("offline"));
        let org = "kawasaki.example".parse().unwrap();
        create(&folder, &offline, &org, &["gate.kawasaki.example".to_owned()], crate::clock::now()).unwrap();
        std::fs::write(folder.join("staff.passphrase"), "wrong\n").unwrap();
        let wrong = open(&folder, CaKind::Staff).unwrap_err().to_string();
        assert!(wrong.contains("staff.key.pem") && wrong.contains("passphrase is wrong"), "{wrong}");
        std::fs::remove_file(folder.join("devices.key.pem")).unwrap();
        let missing = open(&folder, CaKind::Devices).unwrap_err().to_string();
        assert!(missing.contains("devices.key.pem"), "{missing}");
        assert!(missing.contains("`[authorities]` in the configuration"), "{missing}");
    }
}
