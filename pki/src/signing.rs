//! Lets rcgen sign through [`Signer`] and name public keys.

use std::cell::RefCell;

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData, SignatureAlgorithm, SigningKey};

use crate::key::{Algorithm, SignError, Signer};
use crate::spki;

/// A public key for rcgen.
pub(crate) struct PublicKey<'a> {
    algorithm: Algorithm,
    point: &'a [u8],
}

impl<'a> PublicKey<'a> {
    /// From a key in our form; `None` for any other.
    pub(crate) fn new(spki: &'a [u8]) -> Option<Self> {
        spki::decode(spki).map(|(algorithm, point)| Self { algorithm, point })
    }
}

impl PublicKeyData for PublicKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        rcgen_algorithm(self.algorithm)
    }
}

/// A [`Signer`] for rcgen. rcgen has no room for a cause, so it is kept here.
pub(crate) struct SigningSide<'a> {
    signer: &'a dyn Signer,
    public: PublicKey<'a>,
    fault: RefCell<Option<SignError>>,
}

impl<'a> SigningSide<'a> {
    /// Fails when the signer's own public key is not in our form.
    pub(crate) fn new(signer: &'a dyn Signer) -> Result<Self, SignError> {
        let public = PublicKey::new(signer.public_spki_der())
            .filter(|public| public.algorithm == signer.algorithm())
            .ok_or_else(|| SignError::Unavailable("its public key has an unknown form".to_owned()))?;
        Ok(Self { signer, public, fault: RefCell::new(None) })
    }

    /// Why signing failed, if rcgen says that it did.
    pub(crate) fn fault(&self) -> Option<SignError> {
        self.fault.take()
    }
}

impl PublicKeyData for SigningSide<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.public.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.public.algorithm()
    }
}

impl SigningKey for SigningSide<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.signer.sign(message).map_err(|fault| {
            self.fault.replace(Some(fault));
            rcgen::Error::RemoteKeyError
        })
    }
}

fn rcgen_algorithm(algorithm: Algorithm) -> &'static SignatureAlgorithm {
    match algorithm {
        Algorithm::P256 => &PKCS_ECDSA_P256_SHA256,
        Algorithm::P384 => &PKCS_ECDSA_P384_SHA384,
    }
}
