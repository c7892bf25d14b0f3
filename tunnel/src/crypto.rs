//! The one place that chooses the cryptography.
//!
//! ring does the work; ring has no post-quantum key exchange, so [`hybrid`] adds one. TLS 1.3 only, on every transport.

mod hybrid;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};

/// ring, with X25519MLKEM768 preferred (recorded traffic must not be readable by a later quantum computer), then X25519
/// and P-256. The suites are those of TLS 1.3, AES-128-GCM first: it is the fastest here (1.06 against 1.15 CPU seconds
/// per GB for AES-256), and QUIC's initial packets need it anyway.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static GROUPS: &[&dyn SupportedKxGroup] =
        &[&hybrid::X25519MlKem768, ring::kx_group::X25519, ring::kx_group::SECP256R1];
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
            ring::cipher_suite::TLS13_AES_256_GCM_SHA384,
            ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: GROUPS.to_vec(),
        ..ring::default_provider()
    })
}

/// The protocol versions that every configuration here uses.
pub(crate) static VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::*;

    #[test]
    fn the_hybrid_group_is_offered_first_and_its_classical_half_beside_it() {
        let names: Vec<NamedGroup> = provider().kx_groups.iter().map(|group| group.name()).collect();

        assert_eq!(names, [NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1]);
    }

    #[test]
    fn only_tls_1_3_suites_are_there() {
        for suite in &provider().cipher_suites {
            assert!(suite.tls13().is_some(), "{suite:?}");
        }
    }
}
