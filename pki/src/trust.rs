//! One organisation's root.

use hitotsu_model::ids::OrgId;
use rustls_pki_types::CertificateDer;

/// Why a root cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Filled in below.
    #[error("the root certificate is malformed")]
    Malformed,
}

/// One organisation's root: what every verification begins from.
#[derive(Debug, Clone)]
pub struct Trust {
    root: CertificateDer<'static>,
    org: OrgId,
}

impl Trust {
    /// Checks the root certificate and takes it as the only root of `org`.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn new(root: &CertificateDer<'_>, org: OrgId) -> Result<Self, TrustError> {
        let _ = (root, org);
        todo!()
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
}
