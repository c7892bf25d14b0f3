//! Who a peer is, or why it is nobody.

use hitotsu_model::identity::{HolderName, Profile};
use hitotsu_model::ids::Serial;
use hitotsu_model::time::Timestamp;
use rustls_pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

use crate::certificate::Certificate;
use crate::limits::CHAIN_CERTIFICATES_MAX;
use crate::path::{OUR_ALGORITHMS, PathFault, Purpose, verify_path};
use crate::rules::{self, Misfit};
use crate::spki;
use crate::trust::Trust;
use crate::verdicts::ChainDigest;

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
        why: PathFault,
    },
    /// The chain is ours, but the certificate breaks a rule of its profile or is used for something else.
    #[error("the certificate breaks a rule of its profile: {why}")]
    Unfit {
        /// What is wrong.
        why: Misfit,
    },
    /// Everything is right but that its time is over.
    #[error("the certificate ended at {}", .0.not_after)]
    Expired(Box<PeerIdentity>),
    /// Everything is right but that its time has not begun.
    #[error("the certificate begins only at {}", .0.not_before)]
    NotYetValid(Box<PeerIdentity>),
}

impl From<PathFault> for PeerFault {
    fn from(why: PathFault) -> Self {
        // An authority of ours for another purpose is a misfit of the profile, not a stranger.
        if let PathFault::Chain(webpki::Error::RequiredEkuNotFoundContext(_)) = why {
            Self::Unfit { why: Misfit::Purpose }
        } else {
            Self::Untrusted { why }
        }
    }
}

impl From<Misfit> for PeerFault {
    fn from(why: Misfit) -> Self {
        Self::Unfit { why }
    }
}

/// Verifies a client from nothing but its chain (leaf first): path to our root, and every rule of the profiles
/// `device`, `relay` and `staff`. To be called after every handshake on every transport, resumed ones too.
///
/// # Errors
/// [`PeerFault`]; [`PeerFault::Expired`] and [`PeerFault::NotYetValid`] still tell who it is.
pub fn verify_peer(chain: &[CertificateDer<'_>], trust: &Trust, now: Timestamp) -> Result<PeerIdentity, PeerFault> {
    match trust.verdicts().take(ChainDigest::of(chain), now) {
        Some(identity) => in_time(identity, now),
        None => verify_client(chain, trust, now),
    }
}

/// Verifies a client within its handshake, and leaves the verdict for the [`verify_peer`] that follows.
///
/// # Errors
/// As [`verify_peer`].
pub(crate) fn verify_in_handshake(
    chain: &[CertificateDer<'_>],
    trust: &Trust,
    now: Timestamp,
) -> Result<(), PeerFault> {
    let identity = verify_client(chain, trust, now)?;
    trust.verdicts().leave(ChainDigest::of(chain), identity, now);
    Ok(())
}

fn verify_client(chain: &[CertificateDer<'_>], trust: &Trust, now: Timestamp) -> Result<PeerIdentity, PeerFault> {
    let identity = verify_chain(chain, trust, Purpose::Client, now)?;
    match identity.name.profile {
        Profile::Device | Profile::Relay | Profile::Staff => in_time(identity, now),
        Profile::Gateway => Err(Misfit::Profile.into()),
    }
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
    let identity = verify_chain(chain, trust, Purpose::Server, now)?;
    match identity.name.profile {
        Profile::Gateway => {}
        Profile::Device | Profile::Relay | Profile::Staff => return Err(Misfit::Profile.into()),
    }
    let leaf = chain.first().ok_or(PathFault::Missing)?;
    EndEntityCert::try_from(leaf)
        .and_then(|leaf| leaf.verify_is_valid_for_subject_name(host))
        .map_err(|_| Misfit::Host)?;
    in_time(identity, now)
}

/// Everything but the leaf's own time, which is the caller's to judge: the path is checked as of the moment of the
/// leaf's life that is nearest to `now`.
fn verify_chain(
    chain: &[CertificateDer<'_>],
    trust: &Trust,
    purpose: Purpose,
    now: Timestamp,
) -> Result<PeerIdentity, PeerFault> {
    let Some((leaf_der, intermediates)) = chain.split_first() else { return Err(PathFault::Missing.into()) };
    if chain.len() > CHAIN_CERTIFICATES_MAX {
        return Err(PathFault::TooMany.into());
    }
    let leaf = Certificate::parse(leaf_der).map_err(PathFault::from)?;
    let at = now.max(leaf.not_before()).min(leaf.not_after());
    let known = known_issuer(leaf_der, intermediates, trust, purpose, at);
    let is_new = known.is_none();
    let issuer_der = match known {
        Some(issuer) => issuer,
        None => {
            let path = verify_path(trust.anchors(), intermediates, leaf_der, purpose, OUR_ALGORITHMS, at)?;
            let [issuer] = path.as_slice() else { return Err(Misfit::Depth.into()) };
            issuer.clone()
        }
    };
    let issuer = Certificate::parse(&issuer_der).map_err(PathFault::from)?;
    let name = rules::check_leaf(&leaf, &issuer, trust.org())?;
    if is_new {
        trust.remember(&issuer_der);
    }
    Ok(PeerIdentity {
        name,
        serial: leaf.serial(),
        authority: issuer.serial(),
        not_before: leaf.not_before(),
        not_after: leaf.not_after(),
        spki: leaf.spki().to_vec(),
        spki_sha256: spki::sha256(leaf.spki()),
    })
}

/// The leaf's issuer, if its own path was found right before and the rest of the leaf's path is right. If not, the whole
/// path says why.
fn known_issuer(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    trust: &Trust,
    purpose: Purpose,
    at: Timestamp,
) -> Option<CertificateDer<'static>> {
    let issuer = intermediates.first()?;
    let anchor = trust.known(issuer)?;
    verify_path(&[anchor], &[], leaf, purpose, OUR_ALGORITHMS, at).ok()?;
    Some(issuer.clone().into_owned())
}

/// The last second counts whole (RFC 5280 §4.1.2.5).
fn in_time(identity: PeerIdentity, now: Timestamp) -> Result<PeerIdentity, PeerFault> {
    if now.unix_seconds() < identity.not_before.unix_seconds() {
        Err(PeerFault::NotYetValid(Box::new(identity)))
    } else if now.unix_seconds() > identity.not_after.unix_seconds() {
        Err(PeerFault::Expired(Box::new(identity)))
    } else {
        Ok(identity)
    }
}
