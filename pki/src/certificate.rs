//! One certificate, parsed strictly: what rustls-webpki does not look at, or looks at leniently.

use hitotsu_model::ids::Serial;
use hitotsu_model::time::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::oid_registry::{
    OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_EXTENDED_KEY_USAGE,
    OID_X509_EXT_KEY_USAGE, OID_X509_EXT_NAME_CONSTRAINTS, OID_X509_EXT_POLICY_CONSTRAINTS,
    OID_X509_EXT_SUBJECT_ALT_NAME, OID_X509_EXT_SUBJECT_KEY_IDENTIFIER, Oid,
};
use x509_parser::prelude::FromDer;

use crate::limits::CERTIFICATE_BYTES_MAX;

/// KeyUsage bits in the order of RFC 5280 §4.2.1.3, as x509-parser gives them (bit 0 lowest).
pub(crate) const DIGITAL_SIGNATURE: u16 = 1;
/// keyCertSign.
pub(crate) const KEY_CERT_SIGN: u16 = 1 << 5;
/// cRLSign.
pub(crate) const CRL_SIGN: u16 = 1 << 6;

/// The extensions that we write.
const OURS: [Oid<'static>; 7] = [
    OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER,
    OID_X509_EXT_SUBJECT_KEY_IDENTIFIER,
    OID_X509_EXT_KEY_USAGE,
    OID_X509_EXT_EXTENDED_KEY_USAGE,
    OID_X509_EXT_BASIC_CONSTRAINTS,
    OID_X509_EXT_NAME_CONSTRAINTS,
    OID_X509_EXT_SUBJECT_ALT_NAME,
];

/// Longest serial number in bytes, without the sign byte (RFC 5280 §4.1.2.2).
const SERIAL_BYTES_MAX: usize = 20;

/// The bytes are no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Longer than [`CERTIFICATE_BYTES_MAX`].
    #[error("the certificate is longer than {CERTIFICATE_BYTES_MAX} bytes")]
    TooLong,
    /// No DER of a certificate, or something follows it.
    #[error("the certificate is not DER")]
    Der,
    /// An extension is malformed.
    #[error("an extension of the certificate is malformed")]
    Extension,
    /// An extension stands twice (RFC 5280 §4.2).
    #[error("an extension of the certificate stands twice")]
    ExtensionTwice,
}

/// A parsed certificate.
pub(crate) struct Certificate<'a> {
    x509: X509Certificate<'a>,
}

/// What extendedKeyUsage says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Purposes {
    /// The extension stands at all.
    pub(crate) present: bool,
    /// anyExtendedKeyUsage is among them.
    pub(crate) any: bool,
    /// serverAuth is among them.
    pub(crate) server: bool,
    /// clientAuth is among them.
    pub(crate) client: bool,
    /// Something else is among them.
    pub(crate) other: bool,
}

impl<'a> Certificate<'a> {
    /// Parses exactly one certificate.
    pub(crate) fn parse(der: &'a CertificateDer<'_>) -> Result<Self, Malformed> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        let (rest, x509) = X509Certificate::from_der(der.as_ref()).map_err(|_| Malformed::Der)?;
        if !rest.is_empty() {
            return Err(Malformed::Der);
        }
        x509.extensions_map().map_err(|_| Malformed::ExtensionTwice)?;
        if x509.extensions().iter().any(|extension| extension.parsed_extension().error().is_some()) {
            return Err(Malformed::Extension);
        }
        Ok(Self { x509 })
    }

    pub(crate) fn not_before(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.x509.validity().not_before.timestamp())
    }

    pub(crate) fn not_after(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.x509.validity().not_after.timestamp())
    }

    pub(crate) fn serial(&self) -> Serial {
        Serial::from_bytes(self.x509.raw_serial())
    }

    /// Positive, not zero, at most 20 bytes (RFC 5280 §4.1.2.2).
    pub(crate) fn serial_is_sane(&self) -> bool {
        let raw = self.x509.raw_serial();
        let magnitude = raw.strip_prefix(&[0]).unwrap_or(raw);
        let negative = raw.first().is_some_and(|first| first & 0x80 != 0);
        !negative && !magnitude.is_empty() && magnitude.len() <= SERIAL_BYTES_MAX
    }

    /// The serial number's bytes in the DER.
    pub(crate) fn serial_length(&self) -> usize {
        self.x509.raw_serial().len()
    }

    pub(crate) fn spki(&self) -> &[u8] {
        self.x509.public_key().raw
    }

    pub(crate) fn subject_der(&self) -> &[u8] {
        self.x509.subject().as_raw()
    }

    pub(crate) fn issuer_der(&self) -> &[u8] {
        self.x509.issuer().as_raw()
    }

    /// The subject's one organizationName.
    pub(crate) fn organization(&self) -> Option<&str> {
        only(self.x509.subject().iter_organization()).and_then(|attribute| attribute.as_str().ok())
    }

    /// The subject's one commonName.
    pub(crate) fn common_name(&self) -> Option<&str> {
        only(self.x509.subject().iter_common_name()).and_then(|attribute| attribute.as_str().ok())
    }

    /// Whether it names itself as its issuer.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject_der() == self.issuer_der()
    }

    /// Whether the extension is critical; `None` when it does not stand.
    fn criticality(&self, oid: &Oid<'_>) -> Option<bool> {
        self.x509.extensions().iter().find(|extension| extension.oid == *oid).map(|extension| extension.critical)
    }

    pub(crate) fn authority_key_id_critical(&self) -> Option<bool> {
        self.criticality(&OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER)
    }

    pub(crate) fn subject_key_id_critical(&self) -> Option<bool> {
        self.criticality(&OID_X509_EXT_SUBJECT_KEY_IDENTIFIER)
    }

    pub(crate) fn key_usage_critical(&self) -> Option<bool> {
        self.criticality(&OID_X509_EXT_KEY_USAGE)
    }

    pub(crate) fn basic_constraints_critical(&self) -> Option<bool> {
        self.criticality(&OID_X509_EXT_BASIC_CONSTRAINTS)
    }

    pub(crate) fn name_constraints_critical(&self) -> Option<bool> {
        self.criticality(&OID_X509_EXT_NAME_CONSTRAINTS)
    }

    /// Whether an extension is critical that nothing here understands.
    pub(crate) fn has_unknown_critical(&self) -> bool {
        let unknown = |extension: &X509Extension<'_>| !OURS.contains(&extension.oid);
        self.x509.extensions().iter().any(|extension| extension.critical && unknown(extension))
    }

    /// Whether AuthorityKeyIdentifier, where it stands, names the key of SubjectKeyIdentifier and nothing more; so of a
    /// root.
    pub(crate) fn authority_key_id_is_own(&self) -> bool {
        self.x509.extensions().iter().all(|extension| {
            if let ParsedExtension::AuthorityKeyIdentifier(id) = extension.parsed_extension() {
                id.authority_cert_issuer.is_none()
                    && id.authority_cert_serial.is_none()
                    && id.key_identifier.is_some()
                    && id.key_identifier.as_ref().map(|id| id.0) == self.subject_key_id()
            } else {
                true
            }
        })
    }

    pub(crate) fn subject_is_empty(&self) -> bool {
        self.x509.subject().iter_rdn().next().is_none()
    }

    pub(crate) fn alternative_names_critical(&self) -> Option<bool> {
        self.criticality(&OID_X509_EXT_SUBJECT_ALT_NAME)
    }

    pub(crate) fn policy_constraints_critical(&self) -> Option<bool> {
        self.criticality(&OID_X509_EXT_POLICY_CONSTRAINTS)
    }

    /// Whether every extension is one that we write ourselves.
    pub(crate) fn has_only_our_extensions(&self) -> bool {
        self.x509.extensions().iter().all(|extension| OURS.contains(&extension.oid))
    }

    /// keyIdentifier of AuthorityKeyIdentifier.
    pub(crate) fn authority_key_id(&self) -> Option<&[u8]> {
        self.x509.extensions().iter().find_map(|extension| {
            if let ParsedExtension::AuthorityKeyIdentifier(id) = extension.parsed_extension() {
                id.key_identifier.as_ref().map(|id| id.0)
            } else {
                None
            }
        })
    }

    /// SubjectKeyIdentifier.
    pub(crate) fn subject_key_id(&self) -> Option<&[u8]> {
        self.x509.extensions().iter().find_map(|extension| {
            if let ParsedExtension::SubjectKeyIdentifier(id) = extension.parsed_extension() { Some(id.0) } else { None }
        })
    }

    /// The bits of KeyUsage; `None` when it does not stand.
    pub(crate) fn key_usage(&self) -> Option<u16> {
        self.x509.key_usage().ok().flatten().map(|usage| usage.value.flags)
    }

    /// Whether BasicConstraints makes this an authority.
    pub(crate) fn is_ca(&self) -> bool {
        self.x509.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.value.ca)
    }

    pub(crate) fn path_length(&self) -> Option<u32> {
        self.x509.basic_constraints().ok().flatten().and_then(|constraints| constraints.value.path_len_constraint)
    }

    pub(crate) fn purposes(&self) -> Purposes {
        match self.x509.extended_key_usage().ok().flatten() {
            None => Purposes { present: false, any: false, server: false, client: false, other: false },
            Some(usage) => {
                let usage = usage.value;
                Purposes {
                    present: true,
                    any: usage.any,
                    server: usage.server_auth,
                    client: usage.client_auth,
                    other: usage.code_signing
                        || usage.email_protection
                        || usage.time_stamping
                        || usage.ocsp_signing
                        || !usage.other.is_empty(),
                }
            }
        }
    }

    /// Every name of SubjectAltName; empty when it does not stand.
    pub(crate) fn alternative_names(&self) -> &[GeneralName<'a>] {
        self.x509.extensions().iter().find_map(alternative_names).unwrap_or_default()
    }

    /// Permitted and excluded subtrees of NameConstraints, each written as text (`dns:a.example`, `ip:0a000000ff000000`).
    pub(crate) fn name_constraints(&self) -> Option<(Vec<String>, Vec<String>)> {
        let constraints = self.x509.name_constraints().ok().flatten()?.value;
        let texts = |subtrees: &Option<Vec<x509_parser::extensions::GeneralSubtree<'_>>>| {
            subtrees.iter().flatten().map(|subtree| subtree_text(&subtree.base)).collect::<Vec<_>>()
        };
        Some((texts(&constraints.permitted_subtrees), texts(&constraints.excluded_subtrees)))
    }
}

fn alternative_names<'c, 'a>(extension: &'c X509Extension<'a>) -> Option<&'c [GeneralName<'a>]> {
    if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
        Some(&names.general_names)
    } else {
        None
    }
}

/// A subtree in words of our own. What is neither a DNS name nor an address makes the text unlike any that we expect.
fn subtree_text(base: &GeneralName<'_>) -> String {
    match base {
        GeneralName::DNSName(name) => format!("dns:{name}"),
        GeneralName::IPAddress(octets) => format!("ip:{}", data_encoding::HEXLOWER.encode(octets)),
        GeneralName::OtherName(..)
        | GeneralName::RFC822Name(_)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::URI(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => "other".to_owned(),
    }
}

/// The only item; `None` when there is none, or more than one.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}
