//! Certificate revocation lists that come from outside.

use hitotsu_model::time::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::revocation::CrlEntry;

/// Why a list was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrlFault {
    /// Filled in below.
    #[error("the revocation list is malformed")]
    Malformed,
}

/// A list that was checked: signed by an authority that may, in its time, numbered, not older than the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCrl {
    number: u64,
    entries: Vec<CrlEntry>,
    next_update: Timestamp,
}

impl VerifiedCrl {
    /// Its number, to be passed as `last_number` for the next one.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What it revokes.
    #[must_use]
    pub fn entries(&self) -> &[CrlEntry] {
        &self.entries
    }

    /// When the next one is due.
    #[must_use]
    pub fn next_update(&self) -> Timestamp {
        self.next_update
    }
}

/// Checks a list strictly: the issuer has cRLSign, the list is numbered (not critically) and not older than
/// `last_number`, in its time, complete and direct, and knows no critical extension.
///
/// # Errors
/// [`CrlFault`].
pub fn verify_crl(
    der: &[u8],
    issuer: &CertificateDer<'_>,
    last_number: Option<u64>,
    now: Timestamp,
) -> Result<VerifiedCrl, CrlFault> {
    let _ = (der, issuer, last_number, now);
    todo!()
}
