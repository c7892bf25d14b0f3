//! A path of certificates by RFC 5280, more strictly than rustls does.
//!
//! rustls-webpki builds the path, checks signatures, times, basic constraints, name constraints and extended key usage.
//! What it leaves out is checked here for every certificate of the path: key usage of authorities, sane serial numbers,
//! critical flags, key identifiers, roots that are over, leaves that may sign. Nothing here knows our names or
//! profiles, so that public test suites can be run over it.

use std::cell::Cell;
use std::time::Duration;

use hitotsu_model::time::Timestamp;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

pub use crate::certificate::Malformed;
use crate::certificate::{CRL_SIGN, Certificate, KEY_CERT_SIGN};

/// The signatures that we make, so the only ones that we take.
pub static OUR_ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] =
    &[webpki::ring::ECDSA_P256_SHA256, webpki::ring::ECDSA_P384_SHA384];

/// What a leaf is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A TLS client.
    Client,
    /// A TLS server.
    Server,
}

/// Why a path does not lead to a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// No certificate was sent.
    #[error("no certificate was sent")]
    Missing,
    /// More than [`crate::limits::CHAIN_CERTIFICATES_MAX`].
    #[error("too many certificates were sent")]
    TooMany,
    /// One of them is no certificate.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// rustls-webpki found no path.
    #[error("{0}")]
    Chain(webpki::Error),
    /// A certificate of the path breaks a rule of RFC 5280 that rustls-webpki does not check.
    #[error(transparent)]
    Rule(#[from] Rule),
    /// Enrolling: the server sent no root with the fingerprint of the code.
    #[error("the server's root is not the one that the enrolment code was made for")]
    OtherRoot,
}

/// Rules of RFC 5280 that rustls-webpki does not check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// §4.1.2.2.
    #[error("the serial number is zero, negative or too long")]
    Serial,
    /// §4.2.1.1, §4.2.1.2: key identifiers are not critical.
    #[error("a key identifier is marked critical")]
    KeyIdCritical,
    /// §4.2.1.1, §4.2.1.2: what an authority issues, and authorities themselves, carry key identifiers; a root's is its
    /// own.
    #[error("a key identifier is missing, or a root has another key's")]
    KeyIdMissing,
    /// §4.2.1.9: an authority's basic constraints are critical.
    #[error("the basic constraints of an authority are not critical")]
    BasicConstraintsNotCritical,
    /// §4.2.1.3: an authority may sign certificates and says so.
    #[error("an authority does not have keyCertSign")]
    AuthorityMayNotSign,
    /// §4.2.1.9: who is no authority has no keyCertSign.
    #[error("a certificate of no authority has keyCertSign")]
    LeafMaySign,
    /// §4.2.1.10: name constraints stand in authorities only, are critical, not empty and in form.
    #[error("name constraints stand in a leaf, are not critical, empty, or not in form")]
    NameConstraints,
    /// The root's time is over or has not begun.
    #[error("the root certificate is out of its time")]
    RootTime,
    /// A root is an authority.
    #[error("the root certificate is not an authority's")]
    RootNotAuthority,
    /// §4.1.2.4, §4.1.2.6: an authority has a name; without a subject the alternative names are critical.
    #[error("the subject is empty where it must not be, or the alternative names are not critical beside an empty one")]
    Subject,
    /// §4.2.1.11.
    #[error("policy constraints are not critical")]
    PolicyConstraintsNotCritical,
    /// §4.2: a root has a critical extension that is not understood here.
    #[error("the root certificate has a critical extension that is not known here")]
    UnknownCritical,
    /// anyExtendedKeyUsage is no purpose.
    #[error("the certificate is for any purpose")]
    AnyPurpose,
}

/// A root that was parsed and found to be an authority.
#[derive(Debug, Clone)]
pub struct Anchor {
    anchor: TrustAnchor<'static>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Anchor {
    /// Takes a root certificate.
    ///
    /// # Errors
    /// [`PathFault`] when it is malformed or no authority's.
    pub fn new(root: &CertificateDer<'_>) -> Result<Self, PathFault> {
        let certificate = Certificate::parse(root)?;
        if !certificate.is_ca() {
            return Err(Rule::RootNotAuthority.into());
        }
        check_authority(&certificate)?;
        if certificate.is_self_issued() && !certificate.authority_key_id_is_own() {
            return Err(Rule::KeyIdMissing.into());
        }
        if certificate.has_unknown_critical() {
            return Err(Rule::UnknownCritical.into());
        }
        let anchor = webpki::anchor_from_trusted_cert(root).map_err(PathFault::Chain)?.to_owned();
        Ok(Self { anchor, not_before: certificate.not_before(), not_after: certificate.not_after() })
    }

    /// The same, but for no longer than `other`.
    pub(crate) fn within(self, other: &Self) -> Self {
        let not_before = self.not_before.max(other.not_before);
        Self { not_before, not_after: self.not_after.min(other.not_after), ..self }
    }

    fn valid_at(&self, at: Timestamp) -> bool {
        let seconds = at.unix_seconds();
        self.not_before.unix_seconds() <= seconds && seconds <= self.not_after.unix_seconds()
    }
}

/// Finds a path from `leaf` over `intermediates` to one of `anchors` in which every rule holds, as of `at`.
///
/// Answers the intermediates of the path, the leaf's issuer first.
///
/// # Errors
/// [`PathFault`]; when no path is right, the fault of the last one tried.
pub fn verify_path(
    anchors: &[Anchor],
    intermediates: &[CertificateDer<'_>],
    leaf: &CertificateDer<'_>,
    purpose: Purpose,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    at: Timestamp,
) -> Result<Vec<CertificateDer<'static>>, PathFault> {
    let certificate = Certificate::parse(leaf)?;
    check_leaf(&certificate)?;
    for intermediate in intermediates {
        Certificate::parse(intermediate)?;
    }
    let live: Vec<TrustAnchor<'_>> =
        anchors.iter().filter(|anchor| anchor.valid_at(at)).map(|anchor| anchor.anchor.clone()).collect();
    if live.is_empty() && !anchors.is_empty() {
        return Err(Rule::RootTime.into());
    }
    let end_entity = EndEntityCert::try_from(leaf).map_err(PathFault::Chain)?;
    let usage = match purpose {
        Purpose::Client => KeyUsage::client_auth(),
        Purpose::Server => KeyUsage::server_auth(),
    };
    let broken = Cell::new(None);
    let rules = |path: &VerifiedPath<'_>| {
        check_intermediates(path).map_err(|rule| {
            broken.set(Some(rule));
            // rustls-webpki has no error for rules of others; `broken` has the cause.
            webpki::Error::UnknownIssuer
        })
    };
    let found = end_entity.verify_for_usage(algorithms, &live, intermediates, unix_time(at), usage, None, Some(&rules));
    match found {
        Ok(path) => Ok(path.intermediate_certificates().map(|certificate| certificate.der().into_owned()).collect()),
        Err(error) => Err(broken.take().unwrap_or(PathFault::Chain(error))),
    }
}

fn check_intermediates(path: &VerifiedPath<'_>) -> Result<(), PathFault> {
    for intermediate in path.intermediate_certificates() {
        let der = intermediate.der();
        let certificate = Certificate::parse(&der)?;
        check_serial(&certificate)?;
        check_authority(&certificate)?;
        if certificate.authority_key_id_critical().is_none() {
            return Err(Rule::KeyIdMissing.into());
        }
    }
    Ok(())
}

fn check_leaf(certificate: &Certificate<'_>) -> Result<(), Rule> {
    check_serial(certificate)?;
    check_key_ids(certificate)?;
    if certificate.authority_key_id_critical().is_none() && !certificate.is_self_issued() {
        return Err(Rule::KeyIdMissing);
    }
    if certificate.name_constraints_critical().is_some() {
        return Err(Rule::NameConstraints);
    }
    if certificate.key_usage().is_some_and(|usage| usage & (KEY_CERT_SIGN | CRL_SIGN) != 0) && !certificate.is_ca() {
        return Err(Rule::LeafMaySign);
    }
    if certificate.subject_is_empty() && certificate.alternative_names_critical() == Some(false) {
        return Err(Rule::Subject);
    }
    if certificate.purposes().any {
        return Err(Rule::AnyPurpose);
    }
    Ok(())
}

fn check_serial(certificate: &Certificate<'_>) -> Result<(), Rule> {
    if certificate.serial_is_sane() { Ok(()) } else { Err(Rule::Serial) }
}

fn check_key_ids(certificate: &Certificate<'_>) -> Result<(), Rule> {
    let critical = [certificate.authority_key_id_critical(), certificate.subject_key_id_critical()];
    if critical.contains(&Some(true)) { Err(Rule::KeyIdCritical) } else { Ok(()) }
}

fn check_authority(certificate: &Certificate<'_>) -> Result<(), Rule> {
    check_key_ids(certificate)?;
    if certificate.basic_constraints_critical() != Some(true) {
        return Err(Rule::BasicConstraintsNotCritical);
    }
    if certificate.key_usage().is_none_or(|usage| usage & KEY_CERT_SIGN == 0) {
        return Err(Rule::AuthorityMayNotSign);
    }
    if certificate.subject_key_id_critical().is_none() {
        return Err(Rule::KeyIdMissing);
    }
    if certificate.subject_is_empty() {
        return Err(Rule::Subject);
    }
    if certificate.policy_constraints_critical() == Some(false) {
        return Err(Rule::PolicyConstraintsNotCritical);
    }
    check_name_constraints(certificate)
}

/// Critical, not empty, and no DNS name in the form of another kind of name (`.example`).
fn check_name_constraints(certificate: &Certificate<'_>) -> Result<(), Rule> {
    match (certificate.name_constraints_critical(), certificate.name_constraints()) {
        (None, _) => Ok(()),
        (Some(true), Some((permitted, excluded))) => {
            let mut all = permitted.iter().chain(&excluded).peekable();
            let some = all.peek().is_some();
            let plain = all.all(|subtree| !subtree.starts_with("dns:."));
            if some && plain { Ok(()) } else { Err(Rule::NameConstraints) }
        }
        (Some(_), _) => Err(Rule::NameConstraints),
    }
}

/// What rustls-webpki calls time. Before 1970 is 1970: nothing is valid then.
fn unix_time(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.unix_seconds()).unwrap_or(0)))
}
