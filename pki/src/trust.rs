//! One organisation's root.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use hitotsu_model::ids::OrgId;
use rustls_pki_types::CertificateDer;

use crate::certificate::Certificate;
use crate::limits::KNOWN_AUTHORITIES_MAX;
use crate::path::{Anchor, PathFault};
use crate::rules::{Misfit, check_root};
use crate::spki;
use crate::verdicts::Verdicts;

/// Why a root cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// It is no certificate of an authority.
    #[error("the root certificate cannot be used: {0}")]
    Certificate(#[from] PathFault),
    /// It is not a root as we make them.
    #[error("the root certificate breaks a rule: {0}")]
    Unfit(#[from] Misfit),
    /// Its key is not the one that was expected.
    #[error("the root certificate is not the one that the enrolment code was made for")]
    OtherRoot,
}

/// One organisation's root: what every verification begins from. It was checked to be a root as we make them, for this
/// organisation.
///
/// It remembers the issuing authorities whose path to the root was found right, because the root's P-384 signature costs
/// twenty times as much to check as all the rest of a handshake's chain. Nothing is believed through this memory that
/// would not be believed without it.
#[derive(Debug, Clone)]
pub struct Trust {
    root: CertificateDer<'static>,
    anchors: [Anchor; 1],
    known: Arc<RwLock<BTreeMap<[u8; 32], Anchor>>>,
    verdicts: Arc<Verdicts>,
    subject: Vec<u8>,
    org: OrgId,
}

impl Trust {
    /// Checks the root certificate and takes it as the only root of `org`.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn new(root: &CertificateDer<'_>, org: OrgId) -> Result<Self, TrustError> {
        let certificate = Certificate::parse(root).map_err(PathFault::from)?;
        check_root(&certificate, &org)?;
        let anchors = [Anchor::new(root)?];
        let subject = certificate.subject_der().to_vec();
        Ok(Self {
            root: root.clone().into_owned(),
            anchors,
            known: Arc::default(),
            verdicts: Arc::default(),
            subject,
            org,
        })
    }

    /// The root's certificate.
    #[must_use]
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The organisation.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// The root as a beginning of paths.
    pub(crate) fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// An issuing authority that was found right before, as a beginning of paths.
    pub(crate) fn known(&self, authority: &CertificateDer<'_>) -> Option<Anchor> {
        self.known.read().ok()?.get(&spki::sha256(authority)).cloned()
    }

    /// Remembers an issuing authority that was found right, for no longer than the root itself.
    pub(crate) fn remember(&self, authority: &CertificateDer<'_>) {
        let [root] = &self.anchors;
        let Ok(anchor) = Anchor::new(authority) else { return };
        if let Ok(mut known) = self.known.write()
            && known.len() < KNOWN_AUTHORITIES_MAX
        {
            known.insert(spki::sha256(authority), anchor.within(root));
        }
    }

    /// What handshakes have just found out.
    pub(crate) fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// The root's name, DER.
    pub(crate) fn subject_der(&self) -> &[u8] {
        &self.subject
    }
}

/// SHA-256 of the public key (`SubjectPublicKeyInfo`) of a certificate: what an enrolment code carries.
///
/// # Errors
/// [`TrustError::Certificate`] when it is no certificate.
pub fn spki_sha256(certificate: &CertificateDer<'_>) -> Result<[u8; 32], TrustError> {
    let certificate = Certificate::parse(certificate).map_err(PathFault::from)?;
    Ok(spki::sha256(certificate.spki()))
}
