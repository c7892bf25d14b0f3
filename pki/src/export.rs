//! The only place that turns a private key into bytes for others.

use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey as P12Key, PrivateKeyChain,
};
use pkcs8::{LineEnding, SecretDocument};
use ring::rand::SystemRandom;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::key::{KeyError, PrivateKey, Signer, read_pem};
use crate::spki;

/// PEM label of a plain key (RFC 7468 §10).
const PLAIN_LABEL: &str = "PRIVATE KEY";

/// Rounds of PBKDF2 in a PKCS#12 file. Phones derive the key on the spot, so it stays under a second on old ones; the
/// file lives for the minutes of an installation.
const PKCS12_ROUNDS: u32 = 100_000;

/// Plain PKCS#8 PEM, for a file that only its owner may read.
///
/// # Errors
/// [`KeyError::Malformed`] never for a key that was made or read here.
pub fn to_pkcs8_pem(key: &PrivateKey) -> Result<Zeroizing<String>, KeyError> {
    let document = SecretDocument::try_from(key.pkcs8_der()).map_err(|_| KeyError::Malformed)?;
    document.to_pem(PLAIN_LABEL, LineEnding::LF).map_err(|_| KeyError::Malformed)
}

/// Reads plain PKCS#8 PEM.
///
/// # Errors
/// [`KeyError::Malformed`], [`KeyError::TooLong`].
pub fn from_pkcs8_pem(pem: &str) -> Result<PrivateKey, KeyError> {
    let (label, document) = read_pem(pem)?;
    if label != PLAIN_LABEL {
        return Err(KeyError::Malformed);
    }
    PrivateKey::from_pkcs8_der(document.as_bytes(), &SystemRandom::new())
}

/// The key for a program that cannot use [`crate::tls::certified_key`].
#[must_use]
pub fn rustls_key(key: &PrivateKey) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8_der().to_vec()))
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
    if chain.is_empty() {
        return Err(KeyError::Malformed);
    }
    let certificates = chain
        .iter()
        .map(|der| Certificate::from_der(der).map_err(|_| KeyError::Malformed))
        .collect::<Result<Vec<_>, _>>()?;
    let p12_key = P12Key::from_der(key.pkcs8_der()).map_err(|_| KeyError::Malformed)?;
    let local_key_id = spki::key_identifier(key.public_spki_der());
    let mut store = KeyStore::new();
    store.add_entry(
        friendly_name,
        KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(local_key_id, p12_key, certificates)),
    );
    store
        .writer(password.expose_secret())
        .encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256)
        .encryption_iterations(PKCS12_ROUNDS)
        .mac_algorithm(MacAlgorithm::HmacSha256)
        .mac_iterations(PKCS12_ROUNDS)
        .write()
        .map(Zeroizing::new)
        .map_err(|_| KeyError::Encryption)
}
