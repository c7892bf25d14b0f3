//! A request for a certificate (PKCS#10, RFC 2986), of which nothing is kept but the key.

use rcgen::{CertificateParams, DistinguishedName};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::OID_SIG_ECDSA_WITH_SHA256;
use x509_parser::prelude::FromDer;

use crate::key::{Algorithm, SignError, Signer};
use crate::limits::CSR_BYTES_MAX;
use crate::signing::SigningSide;
use crate::{signed, spki};

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Longer than [`crate::limits::CSR_BYTES_MAX`].
    #[error("the certificate request is longer than {CSR_BYTES_MAX} bytes")]
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

/// Proof that whoever made a request holds the private key of the public key in it: its signature was checked. Nothing
/// else of the request is kept, because names come from the server.
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
        spki::sha256(&self.spki)
    }
}

/// Checks a request: P-256, signed by its own key with SHA-256.
///
/// # Errors
/// [`CsrError`].
pub fn verify_csr(der: &[u8]) -> Result<VerifiedCsr, CsrError> {
    if der.len() > CSR_BYTES_MAX {
        return Err(CsrError::TooLong);
    }
    let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?;
    if !rest.is_empty() {
        return Err(CsrError::Malformed);
    }
    let info = &request.certification_request_info;
    let Some((Algorithm::P256, point)) = spki::decode(info.subject_pki.raw) else {
        return Err(CsrError::Algorithm);
    };
    if request.signature_algorithm.algorithm != OID_SIG_ECDSA_WITH_SHA256 {
        return Err(CsrError::Algorithm);
    }
    if !signed::is_exactly(der, info.raw, Algorithm::P256, &request.signature_value.data) {
        return Err(CsrError::Malformed);
    }
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
        .verify(info.raw, &request.signature_value.data)
        .map_err(|_| CsrError::NotProven)?;
    Ok(VerifiedCsr { spki: info.subject_pki.raw.to_vec() })
}

/// Makes a request that names nobody.
///
/// # Errors
/// [`SignError`] when the key cannot be used.
pub fn make_csr(key: &dyn Signer) -> Result<Vec<u8>, SignError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let side = SigningSide::new(key)?;
    match params.serialize_request(&side) {
        Ok(request) => Ok(request.der().to_vec()),
        Err(error) => Err(side.fault().unwrap_or_else(|| SignError::Unavailable(error.to_string()))),
    }
}
