//! Who this computer is: what enrolment left in the agent's state directory.
//!
//! `identity.json` holds names and certificates, `key-<certificate>.pem` the private key (PKCS#8). Both are created
//! whole, readable by their owner only, and refused when others may read or write them.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use hitotsu_model::ids::{DeviceId, OrgId};
use ring::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::platform;

const FILE: &str = "identity.json";
const KEY_PREFIX: &str = "key-";
const KEY_SUFFIX: &str = ".pem";
/// Of the certificate's SHA-256 in the key's name: enough to tell a device's few certificates apart.
const KEY_NAME_BYTES: usize = 8;
const VERSION: u16 = 1;
/// A chain of four certificates and a key are 10 KiB.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// What enrolment gave this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The organisation.
    pub org: OrgId,
    /// This device.
    pub device: DeviceId,
    /// The gateway, `host:port`.
    pub gateway: String,
    /// The organisation's root certificate: the only one that is trusted.
    pub root: CertificateDer<'static>,
    /// This device's certificate and those between it and the root, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
}

/// A private key in PKCS#8 PEM. Wiped when dropped; shows nothing of itself.
pub struct KeyPem(Zeroizing<String>);

impl KeyPem {
    /// Takes over the text.
    #[must_use]
    pub fn new(pem: Zeroizing<String>) -> Self {
        Self(pem)
    }

    /// The text, for `pki` to read.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPem(..)")
    }
}

/// Why an identity could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Nothing was enrolled.
    #[error("this computer is not enrolled; run `hitotsu enrol` with your enrolment code")]
    NotEnrolled,
    /// Others may read or write a file.
    #[error("{0}")]
    Loose(io::Error),
    /// A file does not hold what it should.
    #[error("`{}` is damaged: {why}; enrol this computer again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The operating system refused.
    #[error("cannot use `{}`: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        error: io::Error,
    },
}

/// Where an identity is kept. A TPM or a keystore of the operating system keeps the key elsewhere than a file does.
pub trait IdentityStore: fmt::Debug + Send + Sync {
    /// Keeps `identity` and its key, replacing what was there; a crash leaves the old or the new, never a mixture.
    ///
    /// # Errors
    /// [`IdentityError`].
    fn save(&self, identity: &Identity, key: &KeyPem) -> Result<(), IdentityError>;

    /// The identity and its key.
    ///
    /// # Errors
    /// [`IdentityError`]; [`IdentityError::NotEnrolled`] when there is none.
    fn load(&self) -> Result<(Identity, KeyPem), IdentityError>;
}

/// An identity in files of the agent's state directory.
#[derive(Debug, Clone)]
pub struct FileStore {
    directory: PathBuf,
}

impl FileStore {
    /// In `directory`, which need not exist yet.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The state directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl IdentityStore for FileStore {
    fn save(&self, identity: &Identity, key: &KeyPem) -> Result<(), IdentityError> {
        let path = self.directory.join(FILE);
        // INVARIANT (they fit together): the key lies beside an older one until the file that names it is replaced,
        // in one step.
        let key_file = key_file(identity);
        create(&self.directory.join(&key_file), key.expose().as_bytes())?;
        let record = Record::new(identity, key_file.clone());
        create(&path, &serde_json::to_vec_pretty(&record).map_err(|error| damaged(&path, &error))?)?;
        remove_other_keys(&self.directory, &key_file);
        Ok(())
    }

    fn load(&self) -> Result<(Identity, KeyPem), IdentityError> {
        let path = self.directory.join(FILE);
        platform::check_private(&self.directory).map_err(|error| refused(&self.directory, error))?;
        let json = read_private(&path)?;
        let record: Record = serde_json::from_slice(&json).map_err(|error| damaged(&path, &error))?;
        let damaged = |why| IdentityError::Damaged { path: path.clone(), why };
        let (identity, key_file) = record.into_identity().map_err(damaged)?;
        let key = read_private(&self.directory.join(key_file))?;
        let pem = String::from_utf8(key.to_vec()).map_err(|_| damaged("its key is not text".to_owned()))?;
        Ok((identity, KeyPem::new(Zeroizing::new(pem))))
    }
}

/// The form of the file. Its version comes first, so that a newer agent can read an older one's.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u16,
    org: OrgId,
    device: DeviceId,
    gateway: String,
    /// DER in Base64, as all certificates here.
    root: String,
    chain: Vec<String>,
    /// The key's file in the same directory.
    key_file: String,
}

impl Record {
    fn new(identity: &Identity, key_file: String) -> Self {
        Self {
            version: VERSION,
            org: identity.org.clone(),
            device: identity.device,
            gateway: identity.gateway.clone(),
            root: BASE64.encode(&identity.root),
            chain: identity.chain.iter().map(|certificate| BASE64.encode(certificate)).collect(),
            key_file,
        }
    }

    fn into_identity(self) -> Result<(Identity, String), String> {
        if self.version != VERSION {
            return Err(format!("it is of version {}, this agent reads version {VERSION}", self.version));
        }
        if self.chain.is_empty() {
            return Err("it holds no certificate".to_owned());
        }
        let certificate = |text: &String| match BASE64.decode(text.as_bytes()) {
            Ok(der) => Ok(CertificateDer::from(der)),
            Err(error) => Err(format!("a certificate is not Base64: {error}")),
        };
        let chain = self.chain.iter().map(certificate).collect::<Result<Vec<_>, String>>()?;
        let root = certificate(&self.root)?;
        let identity = Identity { org: self.org, device: self.device, gateway: self.gateway, root, chain };
        // Never a path that leads out of the directory.
        if key_file(&identity) != self.key_file {
            return Err("its key is another certificate's".to_owned());
        }
        Ok((identity, self.key_file))
    }
}

/// Named after the certificate that the key belongs to.
fn key_file(identity: &Identity) -> String {
    let leaf: &[u8] = identity.chain.first().map_or(&[], AsRef::as_ref);
    let hash = digest(&SHA256, leaf);
    let short = hash.as_ref().get(..KEY_NAME_BYTES).unwrap_or_default();
    format!("{KEY_PREFIX}{}{KEY_SUFFIX}", HEXLOWER.encode(short))
}

/// Keys of certificates that were replaced. One that cannot be removed is no reason to call the new one unsaved.
fn remove_other_keys(directory: &Path, kept: &str) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for name in entries.flatten().map(|entry| entry.file_name()) {
        let is_key = name.to_str().is_some_and(|name| name.starts_with(KEY_PREFIX) && name.ends_with(KEY_SUFFIX));
        if is_key
            && name != *kept
            && let Err(error) = fs::remove_file(directory.join(&name))
        {
            tracing::warn!(%error, "the key of a replaced certificate could not be removed");
        }
    }
}

fn create(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    platform::create_private(path, bytes).map_err(|error| IdentityError::Io { path: path.to_owned(), error })
}

fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    platform::check_private(path).map_err(|error| refused(path, error))?;
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|error| refused(path, error))?;
    Ok(bytes)
}

fn refused(path: &Path, error: io::Error) -> IdentityError {
    if error.kind() == io::ErrorKind::NotFound {
        IdentityError::NotEnrolled
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        IdentityError::Loose(error)
    } else {
        IdentityError::Io { path: path.to_owned(), error }
    }
}

fn damaged(path: &Path, error: &serde_json::Error) -> IdentityError {
    // The place only: serde's words may quote what the file holds.
    IdentityError::Damaged { path: path.to_owned(), why: format!("line {}, column {}", error.line(), error.column()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            org: "kawasaki.example".parse().expect("org"),
            device: "6ba7b810-9dad-41d1-80b4-00c04fd430c8".parse().expect("device"),
            gateway: "gateway.kawasaki.example:443".to_owned(),
            root: CertificateDer::from(vec![1, 2, 3]),
            chain: vec![CertificateDer::from(vec![4, 5]), CertificateDer::from(vec![6])],
        }
    }

    fn key() -> KeyPem {
        KeyPem::new(Zeroizing::new("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n".to_owned()))
    }

    fn saved() -> (tempfile::TempDir, FileStore) {
        let home = tempfile::tempdir().expect("tempdir");
        let store = FileStore::new(home.path().join("state"));
        store.save(&identity(), &key()).expect("saved");
        (home, store)
    }

    #[test]
    fn what_was_saved_is_loaded_and_a_second_enrolment_replaces_the_first() {
        let (_home, store) = saved();
        let (loaded, pem) = store.load().expect("loaded");
        assert_eq!((loaded, pem.expose()), (identity(), key().expose()));
        let renewed = Identity { chain: vec![CertificateDer::from(vec![9])], ..identity() };
        store.save(&renewed, &key()).expect("saved");
        assert_eq!(store.load().expect("loaded").0, renewed);
        let files = fs::read_dir(store.directory()).expect("list").count();
        assert_eq!(files, 2, "the older key is gone");
    }

    #[test]
    fn without_enrolment_the_message_says_how_to_enrol() {
        let home = tempfile::tempdir().expect("tempdir");
        let error = FileStore::new(home.path().join("state")).load().expect_err("none");
        assert!(matches!(error, IdentityError::NotEnrolled) && error.to_string().contains("hitotsu enrol"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_named_and_nothing_of_it_is_shown() {
        let (_home, store) = saved();
        let path = store.directory().join(FILE);
        for text in ["{\"version\": 1, \"org\": \"very secret\"}", "", "{\"version\": 1"] {
            platform::create_private(&path, text.as_bytes()).expect("written");
            let error = store.load().expect_err("damaged").to_string();
            assert!(error.contains("identity.json") && error.contains("enrol this computer again"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_crash_between_key_and_certificate_leaves_the_older_pair() {
        let (_home, store) = saved();
        let renewed = Identity { chain: vec![CertificateDer::from(vec![9])], ..identity() };
        create(&store.directory().join(key_file(&renewed)), b"new key").expect("written");
        assert_eq!(store.load().expect("loaded").1.expose(), key().expose());
    }

    #[test]
    fn a_key_shows_nothing_of_itself() {
        assert_eq!(format!("{:?}", key()), "KeyPem(..)");
    }
}
