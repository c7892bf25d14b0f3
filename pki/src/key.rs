//! Private keys, which are only ever used through [`Signer`].

use std::fmt;

use pkcs8::der::asn1::OctetString;
use pkcs8::pkcs5::{pbes2, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoOwned, EncryptedPrivateKeyInfoRef, LineEnding, SecretDocument};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::limits::KEY_PEM_BYTES_MAX;
use crate::spki;

/// scrypt's cost, as the exponent of two: with the block size 16 MiB of memory, the most that OpenSSL grants a key file.
const SCRYPT_LOG_N: u8 = 14;
/// scrypt's block size.
const SCRYPT_R: u32 = 8;
/// scrypt's parallelism: five passes make up for the memory (OWASP password storage, scrypt N=2^14, r=8, p=5).
const SCRYPT_P: u32 = 5;

/// PEM label of an encrypted key (RFC 7468 §11).
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";

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
    /// A plain key where an encrypted one is expected.
    #[error("the private key is not encrypted; encrypt it with `openssl pkcs8 -topk8 -scrypt`")]
    NotEncrypted,
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

/// A private key in memory. Nothing prints it; the PKCS#8 bytes are wiped when it is dropped. (ring keeps a copy of the
/// scalar of its own, which it does not wipe.)
pub struct PrivateKey {
    algorithm: Algorithm,
    pkcs8: Zeroizing<Vec<u8>>,
    pair: EcdsaKeyPair,
    spki: Vec<u8>,
    random: SystemRandom,
}

impl PrivateKey {
    /// Makes a P-256 key.
    ///
    /// # Errors
    /// [`KeyError::Randomness`].
    pub fn generate_p256(random: &SystemRandom) -> Result<Self, KeyError> {
        Self::generate(Algorithm::P256, random)
    }

    /// Makes a P-384 key, for a root.
    ///
    /// # Errors
    /// [`KeyError::Randomness`].
    pub fn generate_p384(random: &SystemRandom) -> Result<Self, KeyError> {
        Self::generate(Algorithm::P384, random)
    }

    fn generate(algorithm: Algorithm, random: &SystemRandom) -> Result<Self, KeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(ring_algorithm(algorithm), random).map_err(|_| RandomnessFailed)?;
        let pkcs8 = Zeroizing::new(document.as_ref().to_vec());
        Self::from_pkcs8(algorithm, pkcs8, random)
    }

    /// Reads a key whose curve is not known beforehand.
    pub(crate) fn from_pkcs8_der(der: &[u8], random: &SystemRandom) -> Result<Self, KeyError> {
        let pkcs8 = Zeroizing::new(der.to_vec());
        Self::from_pkcs8(Algorithm::P256, pkcs8.clone(), random)
            .or_else(|_| Self::from_pkcs8(Algorithm::P384, pkcs8, random))
    }

    fn from_pkcs8(algorithm: Algorithm, pkcs8: Zeroizing<Vec<u8>>, random: &SystemRandom) -> Result<Self, KeyError> {
        let pair =
            EcdsaKeyPair::from_pkcs8(ring_algorithm(algorithm), &pkcs8, random).map_err(|_| KeyError::Malformed)?;
        let spki = spki::encode(algorithm, pair.public_key().as_ref());
        Ok(Self { algorithm, pkcs8, pair, spki, random: random.clone() })
    }

    /// The PKCS#8 bytes, for [`crate::export`] only.
    pub(crate) fn pkcs8_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Encrypted PKCS#8 (RFC 5958, PBES2 with scrypt and AES-256), PEM: how a key is kept at rest. OpenSSL reads it.
    ///
    /// # Errors
    /// [`KeyError::Randomness`], [`KeyError::Encryption`].
    pub fn to_encrypted_pem(&self, passphrase: &SecretString) -> Result<String, KeyError> {
        let mut salt = [0_u8; 16];
        let mut iv = [0_u8; 16];
        self.random.fill(&mut salt).map_err(|_| RandomnessFailed)?;
        self.random.fill(&mut iv).map_err(|_| RandomnessFailed)?;
        let cost = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P).map_err(|_| KeyError::Encryption)?;
        let scheme = pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt, iv).map_err(|_| KeyError::Encryption)?;
        let sealed = scheme.encrypt(passphrase.expose_secret(), &self.pkcs8).map_err(|_| KeyError::Encryption)?;
        let info = EncryptedPrivateKeyInfoOwned {
            encryption_algorithm: scheme.into(),
            encrypted_data: OctetString::new(sealed).map_err(|_| KeyError::Encryption)?,
        };
        let document = SecretDocument::try_from(&info).map_err(|_| KeyError::Encryption)?;
        let pem = document.to_pem(ENCRYPTED_LABEL, LineEnding::LF).map_err(|_| KeyError::Encryption)?;
        Ok(pem.to_string())
    }

    /// Reads what [`PrivateKey::to_encrypted_pem`] or `openssl pkcs8` wrote.
    ///
    /// # Errors
    /// [`KeyError::Malformed`], [`KeyError::NotEncrypted`], [`KeyError::TooLong`], [`KeyError::Passphrase`].
    pub fn from_encrypted_pem(pem: &str, passphrase: &SecretString) -> Result<Self, KeyError> {
        let (label, document) = read_pem(pem)?;
        if label != ENCRYPTED_LABEL {
            return Err(KeyError::NotEncrypted);
        }
        let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| KeyError::Malformed)?;
        let plain = info.decrypt(passphrase.expose_secret()).map_err(|_| KeyError::Passphrase)?;
        Self::from_pkcs8_der(plain.as_bytes(), &SystemRandom::new())
    }
}

/// The label and the bytes of a key's PEM.
pub(crate) fn read_pem(pem: &str) -> Result<(&str, SecretDocument), KeyError> {
    if pem.len() > KEY_PEM_BYTES_MAX {
        return Err(KeyError::TooLong);
    }
    SecretDocument::from_pem(pem).map_err(|_| KeyError::Malformed)
}

fn ring_algorithm(algorithm: Algorithm) -> &'static EcdsaSigningAlgorithm {
    match algorithm {
        Algorithm::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        Algorithm::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
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
        let signature = self.pair.sign(&self.random, message).map_err(|_| RandomnessFailed)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
