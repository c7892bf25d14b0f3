//! Private keys, which are only ever used through [`Signer`].

use std::fmt;

use ring::rand::SystemRandom;
use secrecy::SecretString;
use zeroize::Zeroizing;

/// The system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct RandomnessFailed;

/// The kinds of key that we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256: every key but the root's.
    P256,
    /// ECDSA with P-384 and SHA-384: the root's key.
    P384,
}

/// Something that signs with a private key that may not be seen: a file key here, a PKCS#11 token or a TPM elsewhere.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The kind of key.
    fn algorithm(&self) -> Algorithm;

    /// The public key as a DER `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), with an uncompressed point.
    fn public_spki_der(&self) -> &[u8];

    /// Signs `message` (which is hashed here). An ASN.1 `ECDSA-Sig-Value` (RFC 3279 §2.2.3).
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key's holder refused or is gone.
    #[error("the private key cannot be used: {0}")]
    Unavailable(String),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessFailed),
}

/// Why a key could not be made, read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The PEM or DER is no private key that we know.
    #[error("this is no PKCS#8 private key with P-256 or P-384")]
    Malformed,
    /// The file is longer than any key.
    #[error("this is longer than any private key")]
    TooLong,
    /// The passphrase is wrong, or the file was damaged.
    #[error("the passphrase is wrong, or the key file is damaged")]
    Passphrase,
    /// Encryption of the key failed.
    #[error("the key could not be encrypted")]
    Encryption,
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessFailed),
}

/// A private key in memory. Nothing prints it; its bytes are wiped when it is dropped.
pub struct PrivateKey {
    algorithm: Algorithm,
    pkcs8: Zeroizing<Vec<u8>>,
    spki: Vec<u8>,
    random: SystemRandom,
}

impl PrivateKey {
    /// Makes a P-256 key.
    ///
    /// # Errors
    /// [`KeyError::Randomness`].
    pub fn generate_p256(random: &SystemRandom) -> Result<Self, KeyError> {
        let _ = random;
        todo!()
    }

    /// Makes a P-384 key, for a root.
    ///
    /// # Errors
    /// [`KeyError::Randomness`].
    pub fn generate_p384(random: &SystemRandom) -> Result<Self, KeyError> {
        let _ = random;
        todo!()
    }

    /// Encrypted PKCS#8 (RFC 5958, PBES2 with scrypt and AES-256), PEM: how a key is kept at rest. OpenSSL reads it.
    ///
    /// # Errors
    /// [`KeyError::Randomness`], [`KeyError::Encryption`].
    pub fn to_encrypted_pem(&self, passphrase: &SecretString) -> Result<String, KeyError> {
        let _ = (passphrase, &self.pkcs8, &self.random);
        todo!()
    }

    /// Reads what [`PrivateKey::to_encrypted_pem`] or `openssl pkcs8` wrote.
    ///
    /// # Errors
    /// [`KeyError::Malformed`], [`KeyError::TooLong`], [`KeyError::Passphrase`].
    pub fn from_encrypted_pem(pem: &str, passphrase: &SecretString) -> Result<Self, KeyError> {
        let _ = (pem, passphrase);
        todo!()
    }
}

impl Signer for PrivateKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_spki_der(&self) -> &[u8] {
        &self.spki
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let _ = message;
        todo!()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
