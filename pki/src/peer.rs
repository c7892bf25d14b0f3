//! Who a peer is, or why it is nobody.

use hitotsu_model::identity::HolderName;
use hitotsu_model::ids::Serial;
use hitotsu_model::time::Timestamp;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::trust::Trust;

/// Who a peer is: its chain leads to our root and keeps every rule of its profile. Whether it is revoked, and whether
/// its device is on record, is not said here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The holder's name.
    pub name: HolderName,
    /// The certificate's serial number.
    pub serial: Serial,
    /// The serial number of the issuing authority's certificate.
    pub authority: Serial,
    /// The first valid second.
    pub not_before: Timestamp,
    /// The last valid second.
    pub not_after: Timestamp,
    /// The public key, DER `SubjectPublicKeyInfo`.
    pub spki: Vec<u8>,
    /// SHA-256 of [`PeerIdentity::spki`].
    pub spki_sha256: [u8; 32],
}

/// Why a peer is not let in as who it says it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// The chain does not lead to our root. Nothing in it is to be believed.
    #[error("the certificate does not lead to this organisation's root: {why}")]
    Untrusted {
        /// What is wrong.
        why: String,
    },
    /// The chain is ours, but the certificate breaks a rule of its profile.
    #[error("the certificate breaks a rule of its profile: {why}")]
    Unfit {
        /// What is wrong.
        why: String,
    },
    /// Everything is right but that its time is over.
    #[error("the certificate ended at {}", .0.not_after)]
    Expired(Box<PeerIdentity>),
    /// Everything is right but that its time has not begun.
    #[error("the certificate begins only at {}", .0.not_before)]
    NotYetValid(Box<PeerIdentity>),
}

/// Verifies a client from nothing but its chain (leaf first): path to our root, and every rule of the profiles
/// `device`, `relay` and `staff`. To be called after every handshake on every transport, resumed ones too.
///
/// # Errors
/// [`PeerFault`]; [`PeerFault::Expired`] and [`PeerFault::NotYetValid`] still tell who it is.
pub fn verify_peer(chain: &[CertificateDer<'_>], trust: &Trust, now: Timestamp) -> Result<PeerIdentity, PeerFault> {
    let _ = (chain, trust, now);
    todo!()
}

/// Verifies a gateway from its chain: path to our root, the rules of profile `gateway`, and the host name.
///
/// # Errors
/// [`PeerFault`].
pub fn verify_gateway(
    chain: &[CertificateDer<'_>],
    trust: &Trust,
    host: &ServerName<'_>,
    now: Timestamp,
) -> Result<PeerIdentity, PeerFault> {
    let _ = (chain, trust, host, now);
    todo!()
}
