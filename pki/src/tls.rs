//! All that, in rustls. TLS 1.3 only.

use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;

use crate::enrol::EnrolCode;
use crate::key::Signer;
use crate::trust::Trust;

/// A chain (leaf first) and its key for a rustls configuration, through a
/// [`rustls::sign::SingleCertAndKey`] or a resolver of one's own. The key is used through [`Signer`] only.
#[must_use]
pub fn certified_key(chain: Vec<CertificateDer<'static>>, signer: Arc<dyn Signer>) -> Arc<CertifiedKey> {
    let _ = (chain, signer);
    todo!()
}

/// Asks every client for a certificate and lets in only chains of ours that keep every rule. One exception: a wrong
/// time is let through, so that `identify` can tell the user (it calls [`crate::peer::verify_peer`] again, which also
/// covers resumed connections, for which rustls asks nobody).
#[derive(Debug)]
pub struct ClientVerifier {
    trust: Arc<Trust>,
}

impl ClientVerifier {
    /// For the clients of one organisation.
    #[must_use]
    pub fn new(trust: Arc<Trust>) -> Self {
        Self { trust }
    }
}

/// Lets an agent talk to gateways of its own organisation only: root pinned, profile `gateway`, serverAuth, host name.
#[derive(Debug)]
pub struct GatewayVerifier {
    trust: Arc<Trust>,
}

impl GatewayVerifier {
    /// For the gateways of one organisation.
    #[must_use]
    pub fn new(trust: Arc<Trust>) -> Self {
        Self { trust }
    }
}

/// Lets an agent enrol only at the gateway that its code was made for: trusts the root that the server presents if and
/// only if its key has the code's fingerprint, then demands what [`GatewayVerifier`] does.
#[derive(Debug)]
pub struct EnrolVerifier {
    root_spki_sha256: [u8; 32],
}

impl EnrolVerifier {
    /// For one code.
    #[must_use]
    pub fn new(code: &EnrolCode) -> Self {
        Self { root_spki_sha256: *code.root_spki_sha256() }
    }
}
