//! Certificate revocation lists (RFC 5280 §5) that come from outside.
//!
//! rustls-webpki takes lists without a number, with a critical one, and from a root without cRLSign; we do not.

use hitotsu_model::ids::Serial;
use hitotsu_model::time::Timestamp;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{
    OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER,
    OID_X509_EXT_CRL_NUMBER, OID_X509_EXT_INVALIDITY_DATE, OID_X509_EXT_REASON_CODE,
};
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::{CertificateRevocationList, RevokedCertificate};
use x509_parser::x509::{ReasonCode, X509Version};

use crate::certificate::{CRL_SIGN, Certificate, Malformed};
use crate::key::Algorithm;
use crate::limits::CRL_BYTES_MAX;
use crate::revocation::{CrlEntry, RevocationReason};
use crate::signed;

/// Why a list was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrlFault {
    /// Longer than [`CRL_BYTES_MAX`].
    #[error("the revocation list is longer than {CRL_BYTES_MAX} bytes")]
    TooLong,
    /// No DER of a list, or something follows it.
    #[error("the revocation list is malformed")]
    Malformed,
    /// The issuer's certificate is malformed.
    #[error("the issuer's certificate is malformed: {0}")]
    Issuer(#[from] Malformed),
    /// The issuer is no authority, or has no cRLSign.
    #[error("the issuer may not sign revocation lists")]
    NotCrlSigner,
    /// Another issuer's list.
    #[error("the revocation list is another issuer's")]
    OtherIssuer,
    /// The signature is wrong.
    #[error("the revocation list's signature is wrong")]
    Signature,
    /// Signed with something else than ECDSA with P-256 or P-384.
    #[error("the revocation list is signed with an algorithm that is not used here")]
    Algorithm,
    /// No CRLNumber (§5.2.3), or it is critical, or too long.
    #[error("the revocation list has no number, or it is critical or too long")]
    Number,
    /// Its number is lower than the last one's.
    #[error("the revocation list has number {found}, but {last} was seen before")]
    Older {
        /// The list's number.
        found: u64,
        /// The number seen before.
        last: u64,
    },
    /// It begins in the future.
    #[error("the revocation list begins only later")]
    NotYetValid,
    /// Its next update is due, or it names none.
    #[error("the revocation list is over, or names no next update")]
    Expired,
    /// A critical extension, or one that makes it partial or indirect.
    #[error("the revocation list is partial or has an extension that is not known here")]
    Extension,
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
/// `last_number`, in its time, complete and direct, and has no extension but number and key identifier.
///
/// That the issuer itself is trusted is the caller's to see to.
///
/// # Errors
/// [`CrlFault`].
pub fn verify_crl(
    der: &[u8],
    issuer: &CertificateDer<'_>,
    last_number: Option<u64>,
    now: Timestamp,
) -> Result<VerifiedCrl, CrlFault> {
    if der.len() > CRL_BYTES_MAX {
        return Err(CrlFault::TooLong);
    }
    let issuer = Certificate::parse(issuer)?;
    if !issuer.is_ca() || issuer.key_usage().is_none_or(|usage| usage & CRL_SIGN == 0) {
        return Err(CrlFault::NotCrlSigner);
    }
    let (rest, list) = CertificateRevocationList::from_der(der).map_err(|_| CrlFault::Malformed)?;
    if !rest.is_empty() || list.version() != Some(X509Version::V2) {
        return Err(CrlFault::Malformed);
    }
    if list.issuer().as_raw() != issuer.subject_der() {
        return Err(CrlFault::OtherIssuer);
    }
    verify_signature(der, &list, &issuer)?;
    let number = check_extensions(&list, &issuer)?;
    if let Some(last) = last_number.filter(|last| number < *last) {
        return Err(CrlFault::Older { found: number, last });
    }
    let next_update = check_times(&list, now)?;
    let entries = list.iter_revoked_certificates().map(entry).collect::<Result<Vec<_>, _>>()?;
    Ok(VerifiedCrl { number, entries, next_update })
}

fn verify_signature(
    der: &[u8],
    list: &CertificateRevocationList<'_>,
    issuer: &Certificate<'_>,
) -> Result<(), CrlFault> {
    let oid = &list.signature_algorithm.algorithm;
    if list.tbs_cert_list.signature.algorithm != *oid {
        return Err(CrlFault::Malformed);
    }
    let (kind, algorithm) = if *oid == OID_SIG_ECDSA_WITH_SHA256 {
        (Algorithm::P256, webpki::ring::ECDSA_P256_SHA256)
    } else if *oid == OID_SIG_ECDSA_WITH_SHA384 {
        (Algorithm::P384, webpki::ring::ECDSA_P384_SHA384)
    } else {
        return Err(CrlFault::Algorithm);
    };
    let (signed_part, signature) = (list.tbs_cert_list.as_ref(), &list.signature_value.data);
    if !signed::is_exactly(der, signed_part, kind, signature) {
        return Err(CrlFault::Malformed);
    }
    let spki = SubjectPublicKeyInfoDer::from(issuer.spki());
    RawPublicKeyEntity::try_from(&spki)
        .and_then(|key| key.verify_signature(algorithm, signed_part, signature))
        .map_err(|_| CrlFault::Signature)
}

/// Number and key identifier, neither critical, and nothing else; the answer is the number.
fn check_extensions(list: &CertificateRevocationList<'_>, issuer: &Certificate<'_>) -> Result<u64, CrlFault> {
    list.tbs_cert_list.extensions_map().map_err(|_| CrlFault::Malformed)?;
    let mut number = None;
    for extension in list.extensions() {
        if extension.oid == OID_X509_EXT_CRL_NUMBER {
            if extension.critical {
                return Err(CrlFault::Number);
            }
            if let ParsedExtension::CRLNumber(found) = extension.parsed_extension() {
                number = u64::try_from(found).ok();
            }
        } else if extension.oid == OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER {
            if let ParsedExtension::AuthorityKeyIdentifier(id) = extension.parsed_extension()
                && id.key_identifier.as_ref().map(|id| id.0) != issuer.subject_key_id()
            {
                return Err(CrlFault::OtherIssuer);
            }
            if extension.critical {
                return Err(CrlFault::Extension);
            }
        } else {
            return Err(CrlFault::Extension);
        }
    }
    number.ok_or(CrlFault::Number)
}

fn check_times(list: &CertificateRevocationList<'_>, now: Timestamp) -> Result<Timestamp, CrlFault> {
    if list.last_update().timestamp() > now.unix_seconds() {
        return Err(CrlFault::NotYetValid);
    }
    match list.next_update().map(|next| next.timestamp()) {
        Some(next) if next > now.unix_seconds() => Ok(Timestamp::from_unix_seconds(next)),
        Some(_) | None => Err(CrlFault::Expired),
    }
}

fn entry(revoked: &RevokedCertificate<'_>) -> Result<CrlEntry, CrlFault> {
    revoked.extensions_map().map_err(|_| CrlFault::Malformed)?;
    for extension in revoked.extensions() {
        let known = extension.oid == OID_X509_EXT_REASON_CODE || extension.oid == OID_X509_EXT_INVALIDITY_DATE;
        if extension.critical || !known {
            return Err(CrlFault::Extension);
        }
    }
    if revoked.raw_serial().is_empty() || revoked.raw_serial().len() > 21 {
        return Err(CrlFault::Malformed);
    }
    Ok(CrlEntry {
        serial: Serial::from_bytes(revoked.raw_serial()),
        revoked_at: Timestamp::from_unix_seconds(revoked.revocation_date.timestamp()),
        reason: revoked.reason_code().map_or(Ok(RevocationReason::Unspecified), |(_, code)| reason(code))?,
    })
}

/// `certificateHold` is taken as withdrawn; `removeFromCRL` belongs into partial lists only.
fn reason(code: ReasonCode) -> Result<RevocationReason, CrlFault> {
    match code {
        ReasonCode::KeyCompromise => Ok(RevocationReason::KeyCompromise),
        ReasonCode::CACompromise | ReasonCode::AACompromise => Ok(RevocationReason::CaCompromise),
        ReasonCode::AffiliationChanged => Ok(RevocationReason::AffiliationChanged),
        ReasonCode::Superseded => Ok(RevocationReason::Superseded),
        ReasonCode::CessationOfOperation => Ok(RevocationReason::CessationOfOperation),
        ReasonCode::CertificateHold | ReasonCode::PrivilegeWithdrawn => Ok(RevocationReason::PrivilegeWithdrawn),
        ReasonCode::RemoveFromCRL => Err(CrlFault::Extension),
        _ => Ok(RevocationReason::Unspecified),
    }
}
