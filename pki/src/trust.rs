//! One organisation's root.

use hitotsu_model::ids::OrgId;
use rustls_pki_types::CertificateDer;

use crate::certificate::Certificate;
use crate::path::{Anchor, PathFault};
use crate::rules::{Misfit, check_root};
use crate::spki;

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
#[derive(Debug, Clone)]
pub struct Trust {
    root: CertificateDer<'static>,
    anchors: [Anchor; 1],
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
        Ok(Self { root: root.clone().into_owned(), anchors, subject, org })
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
