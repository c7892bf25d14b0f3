//! The root, and the issuing authorities below it.

use std::sync::Arc;
use std::time::Duration;

use hitotsu_model::identity::HolderName;
use hitotsu_model::ids::{OrgId, Serial};
use hitotsu_model::time::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::csr::VerifiedCsr;
use crate::key::Signer;
use crate::profile::CaKind;
use crate::revocation::CrlEntry;
use crate::serial::SerialBytes;

/// Why nothing was issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// Filled in below.
    #[error("placeholder")]
    Placeholder,
}

/// What was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// Its serial number.
    pub serial: Serial,
    /// Its first valid second.
    pub not_before: Timestamp,
    /// Its last valid second.
    pub not_after: Timestamp,
}

/// The root: signs issuing authorities and nothing else. Its key never lies on a gateway.
#[derive(Debug)]
pub struct Root {
    certificate: CertificateDer<'static>,
    org: OrgId,
    signer: Arc<dyn Signer>,
}

impl Root {
    /// Makes a self-signed root for `org` (P-384 key, 15 years).
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn create(
        org: &OrgId,
        signer: Arc<dyn Signer>,
        now: Timestamp,
        serial: SerialBytes,
    ) -> Result<Self, IssueError> {
        let _ = (org, signer, now, serial);
        todo!()
    }

    /// Takes up a root that was made before.
    ///
    /// # Errors
    /// [`IssueError`] when the certificate is no root of ours or the key is not its own.
    pub fn open(certificate: CertificateDer<'static>, signer: Arc<dyn Signer>) -> Result<Self, IssueError> {
        let _ = (certificate, signer);
        todo!()
    }

    /// The root's certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        let _ = &self.signer;
        &self.certificate
    }

    /// The organisation.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// Certifies the key of an issuing authority (P-256, 3 years, may issue leaves only).
    ///
    /// `hosts` are the host names (each with all names below it) and addresses that gateways may have; only for
    /// [`CaKind::Gateways`].
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue_ca(
        &self,
        kind: CaKind,
        request: &VerifiedCsr,
        hosts: &[String],
        now: Timestamp,
        serial: SerialBytes,
    ) -> Result<IssuedCertificate, IssueError> {
        let _ = (kind, request, hosts, now, serial);
        todo!()
    }
}

/// An issuing authority: its certificate and something that signs for it.
#[derive(Debug)]
pub struct Authority {
    certificate: CertificateDer<'static>,
    kind: CaKind,
    org: OrgId,
    signer: Arc<dyn Signer>,
}

impl Authority {
    /// Takes up an issuing authority.
    ///
    /// # Errors
    /// [`IssueError`] when the certificate is no issuing authority of ours or the key is not its own.
    pub fn open(certificate: CertificateDer<'static>, signer: Arc<dyn Signer>) -> Result<Self, IssueError> {
        let _ = (certificate, signer);
        todo!()
    }

    /// The authority's certificate, which goes into every chain.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        let _ = &self.signer;
        &self.certificate
    }

    /// What it may issue.
    #[must_use]
    pub fn kind(&self) -> CaKind {
        self.kind
    }

    /// The organisation.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// Issues a leaf for the proven key, in the name that *we* give.
    ///
    /// `hosts` are a gateway's real host names and addresses; empty for every other profile. `lifetime` is at most the
    /// profile's; the end is cut to the authority's own.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue(
        &self,
        request: &VerifiedCsr,
        holder: &HolderName,
        hosts: &[String],
        lifetime: Duration,
        now: Timestamp,
        serial: SerialBytes,
    ) -> Result<IssuedCertificate, IssueError> {
        let _ = (request, holder, hosts, lifetime, now, serial);
        todo!()
    }

    /// A certificate revocation list (RFC 5280 §5) for outsiders, DER. `number` must grow with every list.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn crl(
        &self,
        entries: &[CrlEntry],
        number: u64,
        now: Timestamp,
        next_update: Timestamp,
    ) -> Result<Vec<u8>, IssueError> {
        let _ = (entries, number, now, next_update);
        todo!()
    }
}
