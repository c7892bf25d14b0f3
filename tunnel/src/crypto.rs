//! The one place that chooses the cryptography.
//!
//! ring does the work; ring has no post-quantum key exchange, so [`hybrid`] adds one. TLS 1.3 only, on every transport.

mod hybrid;
mod sessions;

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::server::ResolvesServerCert;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::CertificateDer;

use crate::limits;

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

/// A server configuration of ours: mutual TLS 1.3 without early data.
pub(crate) fn server_config(
    client_verifier: Arc<dyn ClientCertVerifier>,
    certificates: Arc<dyn ResolvesServerCert>,
    alpn: &[&[u8]],
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .with_client_cert_verifier(client_verifier)
        .with_cert_resolver(certificates);
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    // What a ticket stands for stays here, in memory: it works once, and no key opens all of them. Who its device is and
    // whether it may come in is judged anew after every handshake, resumed or not.
    config.session_storage = Arc::new(sessions::Sessions::new());
    config.send_tls13_tickets = limits::TICKETS;
    // A CONNECT in early data could be replayed.
    config.max_early_data_size = 0;
    Ok(config)
}

/// The caller's client configuration, for one transport. The session cache of `tls` is not shared between transports:
/// a ticket of one is of no use on the other.
pub(crate) fn client_config(tls: &ClientConfig, alpn: &[&[u8]]) -> ClientConfig {
    let mut config = tls.clone();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.enable_early_data = false;
    config.resumption = Resumption::in_memory_sessions(CLIENT_SESSIONS);
    config
}

/// Gateways that a client remembers sessions of.
const CLIENT_SESSIONS: usize = 8;

/// Octets of an exporter value: enough to be unique, and what evidence is bound to.
const BINDING_OCTETS: usize = 32;

/// The exporter value (RFC 8446 §7.5) of a TLS connection, without context.
pub(crate) fn binding<Side>(
    connection: &rustls::ConnectionCommon<Side>,
    label: &[u8],
) -> Result<[u8; BINDING_OCTETS], rustls::Error> {
    connection.export_keying_material([0; BINDING_OCTETS], label, None)
}

/// The same of a QUIC connection.
pub(crate) fn quic_binding(connection: &hitotsu_quic::Connection, label: &[u8]) -> Option<[u8; BINDING_OCTETS]> {
    let mut binding = [0; BINDING_OCTETS];
    // For exporters of TLS 1.3 no context and an empty one are the same.
    connection.export_keying_material(&mut binding, label, b"").ok()?;
    Some(binding)
}

/// The certificates that the peer of a QUIC connection has proven, its own first.
pub(crate) fn quic_certificates(connection: &hitotsu_quic::Connection) -> Option<Vec<CertificateDer<'static>>> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    Some(*identity)
}

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
