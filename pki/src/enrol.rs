//! The code that a person carries from the security office to a new PC.

use std::fmt;
use std::str::FromStr;

use hitotsu_model::ids::OrgId;
use ring::rand::SystemRandom;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::key::RandomnessFailed;
use crate::trust::{Trust, TrustError};

/// Why a code was refused before anything was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolCodeError {
    /// Filled in below.
    #[error("the enrolment code is malformed")]
    Malformed,
}

/// The secret part of a code: 128 random bits. Compared in constant time, printed by nothing but
/// [`EnrolSecret::text`].
#[derive(Clone)]
pub struct EnrolSecret(Zeroizing<[u8; 16]>);

impl EnrolSecret {
    /// Draws one.
    ///
    /// # Errors
    /// [`RandomnessFailed`].
    pub fn draw(random: &SystemRandom) -> Result<Self, RandomnessFailed> {
        let _ = random;
        todo!()
    }

    /// As it is sent in `EnrolRequest::secret`.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        todo!()
    }

    /// What the gateway stores instead of the secret.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let _ = &self.0;
        todo!()
    }
}

impl FromStr for EnrolSecret {
    type Err = EnrolCodeError;

    fn from_str(text: &str) -> Result<Self, EnrolCodeError> {
        let _ = text;
        todo!()
    }
}

impl fmt::Debug for EnrolSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolSecret(..)")
    }
}

/// A one-time code: where to enrol, which root to trust, and the secret that lets one in.
///
/// `Display` writes it in full, for the person; `Debug` leaves the secret out.
#[derive(Clone)]
pub struct EnrolCode {
    gateway: String,
    root_spki_sha256: [u8; 32],
    secret: EnrolSecret,
}

impl EnrolCode {
    /// A code for the gateway at `gateway` (`host:port`) whose organisation has the root `root`.
    ///
    /// # Errors
    /// [`EnrolCodeError`] when `gateway` is not `host:port` or `root` is no certificate.
    pub fn new(gateway: &str, root: &CertificateDer<'_>, secret: EnrolSecret) -> Result<Self, EnrolCodeError> {
        let _ = (gateway, root, secret);
        todo!()
    }

    /// `host:port`, lower case; an IPv6 address in brackets.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// The host of [`EnrolCode::gateway`], without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        todo!()
    }

    /// The port of [`EnrolCode::gateway`].
    #[must_use]
    pub fn port(&self) -> u16 {
        todo!()
    }

    /// SHA-256 of the root's `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn root_spki_sha256(&self) -> &[u8; 32] {
        &self.root_spki_sha256
    }

    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &EnrolSecret {
        &self.secret
    }

    /// What the gateway stores instead of the secret.
    #[must_use]
    pub fn secret_hash(&self) -> [u8; 32] {
        self.secret.hash()
    }

    /// Takes the root that the gateway sent if it has this code's fingerprint.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn trust(&self, root: &CertificateDer<'_>, org: OrgId) -> Result<Trust, TrustError> {
        let _ = (root, org);
        todo!()
    }
}

impl FromStr for EnrolCode {
    type Err = EnrolCodeError;

    fn from_str(text: &str) -> Result<Self, EnrolCodeError> {
        let _ = text;
        todo!()
    }
}

impl fmt::Display for EnrolCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        todo!()
    }
}

impl fmt::Debug for EnrolCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolCode").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}
