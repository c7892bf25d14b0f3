//! Revocation lists for outsiders. (Gateways have [`crate::revocation::RevocationSet`].)

use hitotsu_model::time::Timestamp;
use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, RevocationReason as RcgenReason, RevokedCertParams,
    SerialNumber,
};
use rustls_pki_types::CertificateDer;

use super::{IssueError, build, failed};
use crate::certificate::Certificate;
use crate::path::PathFault;
use crate::revocation::{CrlEntry, RevocationReason};
use crate::signing::SigningSide;

/// Signs a list.
pub(super) fn sign(
    entries: &[CrlEntry],
    number: u64,
    now: Timestamp,
    next_update: Timestamp,
    issuer: &CertificateDer<'_>,
    signer: &dyn crate::key::Signer,
) -> Result<Vec<u8>, IssueError> {
    if next_update.unix_seconds() <= now.unix_seconds() {
        return Err(IssueError::NextUpdate);
    }
    let certificate = Certificate::parse(issuer).map_err(PathFault::from)?;
    let key_id = certificate.subject_key_id().unwrap_or_default().to_vec();
    let params = CertificateRevocationListParams {
        this_update: build::instant(now)?,
        next_update: build::instant(next_update)?,
        crl_number: SerialNumber::from_slice(&number.to_be_bytes()),
        issuing_distribution_point: None,
        revoked_certs: entries.iter().map(revoked).collect::<Result<_, _>>()?,
        key_identifier_method: KeyIdMethod::PreSpecified(key_id),
    };
    let issuer = Issuer::from_ca_cert_der(issuer, SigningSide::new(signer)?).map_err(IssueError::Encoding)?;
    let list = params.signed_by(&issuer).map_err(|error| failed(issuer.key(), error))?;
    Ok(list.der().to_vec())
}

fn revoked(entry: &CrlEntry) -> Result<RevokedCertParams, IssueError> {
    // INVARIANT (Serial): a serial is hex, so it decodes; an empty one would be refused by whoever reads the list.
    let serial = data_encoding::HEXLOWER.decode(entry.serial.as_str().as_bytes()).unwrap_or_default();
    Ok(RevokedCertParams {
        serial_number: SerialNumber::from_slice(&serial),
        revocation_time: build::instant(entry.revoked_at)?,
        reason_code: reason(entry.reason),
        invalidity_date: None,
    })
}

/// `unspecified` is written by leaving the reason out (RFC 5280 §5.3.1).
fn reason(reason: RevocationReason) -> Option<RcgenReason> {
    match reason {
        RevocationReason::Unspecified => None,
        RevocationReason::KeyCompromise => Some(RcgenReason::KeyCompromise),
        RevocationReason::CaCompromise => Some(RcgenReason::CaCompromise),
        RevocationReason::AffiliationChanged => Some(RcgenReason::AffiliationChanged),
        RevocationReason::Superseded => Some(RcgenReason::Superseded),
        RevocationReason::CessationOfOperation => Some(RcgenReason::CessationOfOperation),
        RevocationReason::PrivilegeWithdrawn => Some(RcgenReason::PrivilegeWithdrawn),
    }
}
