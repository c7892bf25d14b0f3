//! The only place that turns a private key into bytes without encrypting them under a strong passphrase.

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::key::{KeyError, PrivateKey};

/// Plain PKCS#8 PEM, for a file that only its owner may read.
///
/// # Errors
/// [`KeyError::Malformed`] never for a key that was made or read here.
pub fn to_pkcs8_pem(key: &PrivateKey) -> Result<Zeroizing<String>, KeyError> {
    let _ = key;
    todo!()
}

/// Reads plain PKCS#8 PEM.
///
/// # Errors
/// [`KeyError::Malformed`], [`KeyError::TooLong`].
pub fn from_pkcs8_pem(pem: &str) -> Result<PrivateKey, KeyError> {
    let _ = pem;
    todo!()
}

/// The key for a program that cannot use [`crate::tls::certified_key`].
#[must_use]
pub fn rustls_key(key: &PrivateKey) -> PrivateKeyDer<'static> {
    let _ = key;
    todo!()
}

/// PKCS#12 (RFC 7292) with AES-256 and HMAC-SHA-256, for clients without our agent: phones, browsers, other proxies.
///
/// `chain` is the leaf and its issuing authority; `friendly_name` is what a phone shows.
///
/// # Errors
/// [`KeyError::Malformed`] when `chain` is empty or no certificates, [`KeyError::Encryption`].
pub fn pkcs12(
    key: &PrivateKey,
    chain: &[CertificateDer<'_>],
    friendly_name: &str,
    password: &SecretString,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let _ = (key, chain, friendly_name, password);
    todo!()
}
