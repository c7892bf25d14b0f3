//! X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem): a key exchange that holds as long as one of its halves does.
//!
//! | message | octets |
//! |---|---|
//! | client share | ML-KEM-768 encapsulation key (1184), X25519 public key (32) |
//! | server share | ML-KEM-768 ciphertext (1088), X25519 public key (32) |
//! | secret | ML-KEM-768 shared key (32), X25519 shared secret (32) |

use ml_kem::kem::{Decapsulate, Encapsulate, Kem, KeyExport};
use ml_kem::{DecapsulationKey768, EncapsulationKey768, Key, MlKem768};
use rustls::crypto::ring::kx_group::X25519;
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use zeroize::Zeroizing;

/// FIPS 203, table 3.
const ENCAPSULATION_KEY_OCTETS: usize = 1184;
/// FIPS 203, table 3.
const CIPHERTEXT_OCTETS: usize = 1088;
/// RFC 7748 §5.
const X25519_OCTETS: usize = 32;

/// The group.
#[derive(Debug)]
pub(super) struct X25519MlKem768;

impl SupportedKxGroup for X25519MlKem768 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let classical = X25519.start()?;
        let (decapsulation_key, encapsulation_key) = MlKem768::generate_keypair();
        let share = join(encapsulation_key.to_bytes().as_slice(), classical.pub_key());
        Ok(Box::new(Client { decapsulation_key: Box::new(decapsulation_key), classical, share }))
    }

    fn start_and_complete(&self, client_share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (encapsulation_key, classical_share) = split(client_share, ENCAPSULATION_KEY_OCTETS)?;
        let encapsulation_key: &Key<EncapsulationKey768> = encapsulation_key.try_into().map_err(|_| invalid())?;
        // Refuses keys that are not reduced modulo q (FIPS 203 §7.2), as the draft demands.
        let encapsulation_key = EncapsulationKey768::new(encapsulation_key).map_err(|_| invalid())?;
        let classical = X25519.start_and_complete(classical_share)?;
        let (ciphertext, shared_key) = encapsulation_key.encapsulate();
        let shared_key = Zeroizing::new(<[u8; 32]>::from(shared_key));
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: join(ciphertext.as_slice(), &classical.pub_key),
            secret: secret(&shared_key, &classical.secret),
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

/// The client between its hello and the server's.
struct Client {
    decapsulation_key: Box<DecapsulationKey768>,
    classical: Box<dyn ActiveKeyExchange>,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Client {
    fn complete(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, classical_share) = split(server_share, CIPHERTEXT_OCTETS)?;
        let shared_key = self.decapsulation_key.decapsulate_slice(ciphertext).map_err(|_| invalid())?;
        let shared_key = Zeroizing::new(<[u8; 32]>::from(shared_key));
        let classical = self.classical.complete(classical_share)?;
        Ok(secret(&shared_key, &classical))
    }

    // INVARIANT (one classical share): the share of plain X25519 is the very one inside the hybrid share, so a server
    // without ML-KEM costs neither a second key nor a second round trip.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.classical.group(), self.classical.pub_key()))
    }

    fn complete_hybrid_component(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        self.classical.complete(server_share)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

fn join(post_quantum: &[u8], classical: &[u8]) -> Vec<u8> {
    [post_quantum, classical].concat()
}

/// Splits a share; the X25519 part has its exact length.
fn split(share: &[u8], post_quantum_octets: usize) -> Result<(&[u8], &[u8]), Error> {
    match share.split_at_checked(post_quantum_octets) {
        Some((post_quantum, classical)) if classical.len() == X25519_OCTETS => Ok((post_quantum, classical)),
        Some(_) | None => Err(invalid()),
    }
}

fn secret(shared_key: &[u8; 32], classical: &SharedSecret) -> SharedSecret {
    let both = Zeroizing::new([shared_key, classical.secret_bytes()].concat());
    SharedSecret::from(both.as_slice())
}

fn invalid() -> Error {
    PeerMisbehaved::InvalidKeyShare.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_reach_the_same_secret_of_64_octets() {
        let client = X25519MlKem768.start().unwrap();

        let server = X25519MlKem768.start_and_complete(client.pub_key()).unwrap();

        assert_eq!(client.pub_key().len(), 1216);
        assert_eq!(server.pub_key.len(), 1120);
        assert_eq!(server.group, NamedGroup::X25519MLKEM768);
        let secret = client.complete(&server.pub_key).unwrap();
        assert_eq!(secret.secret_bytes().len(), 64);
        assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
    }

    #[test]
    fn a_server_without_ml_kem_completes_with_the_x25519_share_that_was_sent() {
        let client = X25519MlKem768.start().unwrap();
        let (group, share) = client.hybrid_component().unwrap();
        assert_eq!(group, NamedGroup::X25519);
        assert!(client.pub_key().ends_with(share));

        let server = X25519.start_and_complete(share).unwrap();

        let secret = client.complete_hybrid_component(&server.pub_key).unwrap();
        assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
    }

    #[test]
    fn shares_of_a_wrong_length_are_refused() {
        for length in [0, 32, 1184, 1215, 1217] {
            assert!(X25519MlKem768.start_and_complete(&vec![0; length]).is_err(), "{length}");
        }
        for length in [0, 32, 1088, 1119, 1121] {
            let client = X25519MlKem768.start().unwrap();
            assert!(client.complete(&vec![1; length]).is_err(), "{length}");
        }
    }

    #[test]
    fn an_encapsulation_key_that_is_not_reduced_is_refused() {
        let client = X25519MlKem768.start().unwrap();
        let mut share = client.pub_key().to_vec();
        // The first 12-bit coefficient becomes 4095, beyond q = 3329.
        share[0] = 0xff;
        share[1] |= 0x0f;

        assert!(X25519MlKem768.start_and_complete(&share).is_err());
    }

    #[test]
    fn a_changed_ciphertext_gives_another_secret_instead_of_an_error() {
        let client = X25519MlKem768.start().unwrap();
        let server = X25519MlKem768.start_and_complete(client.pub_key()).unwrap();
        let mut share = server.pub_key.clone();
        share[7] ^= 1;

        let secret = client.complete(&share).unwrap();

        assert_ne!(secret.secret_bytes(), server.secret.secret_bytes());
    }

    #[test]
    fn a_classical_point_of_small_order_is_refused() {
        let client = X25519MlKem768.start().unwrap();
        let mut share = client.pub_key().to_vec();
        share[ENCAPSULATION_KEY_OCTETS..].fill(0);

        assert!(X25519MlKem768.start_and_complete(&share).is_err());
    }
}
