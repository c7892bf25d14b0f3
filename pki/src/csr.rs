//! A request for a certificate (PKCS#10, RFC 2986), of which nothing is kept but the key.

use crate::key::{SignError, Signer};

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Longer than [`crate::limits::CSR_BYTES_MAX`].
    #[error("the certificate request is too long")]
    TooLong,
    /// No DER of a request.
    #[error("the certificate request is malformed")]
    Malformed,
    /// The key is not P-256, or the signature is not ECDSA with SHA-256.
    #[error("the certificate request's key is not P-256 with SHA-256; make an ECDSA P-256 key")]
    Algorithm,
    /// The signature does not prove that the asker holds the key.
    #[error("the certificate request is not signed by its own key")]
    NotProven,
}

/// Proof that whoever sent a request holds the private key of the public key in it. Nothing else of the request is
/// kept: names come from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCsr {
    spki: Vec<u8>,
}

impl VerifiedCsr {
    /// The public key as DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of [`VerifiedCsr::spki_der`].
    #[must_use]
    pub fn spki_sha256(&self) -> [u8; 32] {
        todo!()
    }
}

/// Checks a request: P-256, signed by its own key with SHA-256.
///
/// # Errors
/// [`CsrError`].
pub fn verify_csr(der: &[u8]) -> Result<VerifiedCsr, CsrError> {
    let _ = der;
    todo!()
}

/// Makes a request that names nobody.
///
/// # Errors
/// [`SignError`] when the key cannot be used.
pub fn make_csr(key: &dyn Signer) -> Result<Vec<u8>, SignError> {
    let _ = key;
    todo!()
}
