//! What our own certificates look like, checked on what others present as ours.

use std::net::IpAddr;
use std::time::Duration;

use hitotsu_model::identity::{AssuranceLevel, HolderName, Profile};
use hitotsu_model::ids::OrgId;
use rustls_pki_types::DnsName;
use x509_parser::extensions::GeneralName;

use crate::certificate::{CRL_SIGN, Certificate, DIGITAL_SIGNATURE, KEY_CERT_SIGN};
use crate::key::Algorithm;
use crate::limits::GATEWAY_HOSTS_MAX;
use crate::profile::{self, BACKDATED_FOR_PCS, CaKind};
use crate::serial::SERIAL_BYTES;
use crate::spki;

/// How a certificate that leads to our root differs from what we issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The chain is not leaf, issuing authority, root.
    #[error("the chain is not a leaf, an issuing authority and the root")]
    Depth,
    /// The key is of another kind.
    #[error("the key is not of the kind that this certificate must have")]
    Key,
    /// The serial number is shorter than ours.
    #[error("the serial number is not {SERIAL_BYTES} bytes long")]
    Serial,
    /// keyUsage is not exactly what this certificate must have, or not critical.
    #[error("the key usage is not the one that this certificate must have")]
    KeyUsage,
    /// extendedKeyUsage is not exactly what this certificate must have.
    #[error("the extended key usage is not the one that this certificate must have")]
    Purpose,
    /// basicConstraints is not exactly what this certificate must have.
    #[error("the basic constraints are not the ones that this certificate must have")]
    BasicConstraints,
    /// An extension that we do not write, or one that we write is missing.
    #[error("the extensions are not the ones that this certificate must have")]
    Extensions,
    /// The key identifiers are not those of the keys.
    #[error("a key identifier does not belong to its key")]
    KeyId,
    /// Name constraints are not those of an issuing authority of ours.
    #[error("the name constraints are not those of an issuing authority")]
    NameConstraints,
    /// The subject is not the one that belongs to the names.
    #[error("the subject does not agree with the names")]
    Subject,
    /// There is not exactly one URI name, or it is not in our form.
    #[error("there is not exactly one URI name of the form `hitotsu://<org>/<profile>/<uuid>`")]
    Uri,
    /// The URI name and the dNSName do not agree.
    #[error("the URI name and the DNS name do not agree")]
    NamesDisagree,
    /// There is a name too many, or one of another kind.
    #[error("there are names that this certificate may not have")]
    ExtraName,
    /// The organisation is another one.
    #[error("the certificate is of another organisation")]
    Org,
    /// The issuing authority may not issue this profile.
    #[error("the issuing authority may not issue this profile")]
    WrongAuthority,
    /// The profile may not be used here: a gateway's certificate as a client, a device's as a gateway.
    #[error("the profile may not be used here")]
    Profile,
    /// It lives longer than we issue.
    #[error("the certificate lives longer than its profile allows")]
    Lifetime,
    /// It is not for the host that was dialled.
    #[error("the certificate is not for this host name")]
    Host,
}

/// Checks that a certificate is a root as we make them.
pub(crate) fn check_root(root: &Certificate<'_>, org: &OrgId) -> Result<(), Misfit> {
    check_authority_form(root, org, Algorithm::P384, 1)?;
    if root.purposes().present {
        return Err(Misfit::Purpose);
    }
    if root.name_constraints_critical().is_some() {
        return Err(Misfit::NameConstraints);
    }
    if root.authority_key_id_critical().is_some() {
        return Err(Misfit::Extensions);
    }
    if !root.is_self_issued() {
        return Err(Misfit::Subject);
    }
    Ok(())
}

/// Checks that a certificate is an issuing authority as we make them, and says which.
pub(crate) fn check_issuing(authority: &Certificate<'_>, org: &OrgId) -> Result<CaKind, Misfit> {
    check_authority_form(authority, org, Algorithm::P256, 0)?;
    if authority.is_self_issued() {
        return Err(Misfit::Subject);
    }
    let kind = kind_by_constraints(authority, org).ok_or(Misfit::NameConstraints)?;
    check_purpose(authority, kind)?;
    Ok(kind)
}

fn check_authority_form(
    authority: &Certificate<'_>,
    org: &OrgId,
    algorithm: Algorithm,
    path_length: u32,
) -> Result<(), Misfit> {
    check_key_and_serial(authority, algorithm)?;
    if !authority.is_ca()
        || authority.basic_constraints_critical() != Some(true)
        || authority.path_length() != Some(path_length)
    {
        return Err(Misfit::BasicConstraints);
    }
    if authority.key_usage() != Some(KEY_CERT_SIGN | CRL_SIGN) || authority.key_usage_critical() != Some(true) {
        return Err(Misfit::KeyUsage);
    }
    if !authority.has_only_our_extensions() || !authority.alternative_names().is_empty() {
        return Err(Misfit::Extensions);
    }
    if authority.organization() != Some(org.as_str()) {
        return Err(Misfit::Org);
    }
    Ok(())
}

fn check_key_and_serial(certificate: &Certificate<'_>, algorithm: Algorithm) -> Result<(), Misfit> {
    let Some((found, point)) = spki::decode(certificate.spki()) else { return Err(Misfit::Key) };
    if found != algorithm {
        return Err(Misfit::Key);
    }
    if certificate.subject_key_id() != Some(spki::key_identifier(point).as_slice()) {
        return Err(Misfit::KeyId);
    }
    if certificate.serial_length() != SERIAL_BYTES {
        return Err(Misfit::Serial);
    }
    Ok(())
}

fn check_purpose(certificate: &Certificate<'_>, kind: CaKind) -> Result<(), Misfit> {
    let purposes = certificate.purposes();
    let right = match kind {
        CaKind::Devices | CaKind::Staff => purposes.client && !purposes.server,
        CaKind::Gateways => purposes.server && !purposes.client,
    };
    if right && !purposes.any && !purposes.other { Ok(()) } else { Err(Misfit::Purpose) }
}

/// Which kind of authority the name constraints make. The gateways' may permit host names beside its own label, but
/// never the labels of the others.
fn kind_by_constraints(authority: &Certificate<'_>, org: &OrgId) -> Option<CaKind> {
    if authority.name_constraints_critical() != Some(true) {
        return None;
    }
    let (permitted, excluded) = authority.name_constraints()?;
    CaKind::ALL.into_iter().find(|kind| {
        let own = permitted_labels(*kind, org).into_iter().map(|name| format!("dns:{name}")).collect::<Vec<_>>();
        match kind {
            CaKind::Devices | CaKind::Staff => permitted == own && excluded == no_addresses(),
            CaKind::Gateways => own.iter().all(|name| permitted.contains(name)),
        }
    })
}

/// Both `0.0.0.0/0` and `::/0`, as [`Certificate::name_constraints`] writes them.
fn no_addresses() -> [String; 2] {
    [format!("ip:{}", "0".repeat(16)), format!("ip:{}", "0".repeat(64))]
}

/// The DNS suffixes under which an authority names its holders.
pub(crate) fn permitted_labels(kind: CaKind, org: &OrgId) -> Vec<String> {
    kind.profiles().iter().map(|profile| format!("{}.{org}", profile.dns_label())).collect()
}

/// Checks that a leaf is one as `issuer` would make it, and says whose it is.
pub(crate) fn check_leaf(leaf: &Certificate<'_>, issuer: &Certificate<'_>, org: &OrgId) -> Result<HolderName, Misfit> {
    check_key_and_serial(leaf, Algorithm::P256)?;
    if leaf.is_ca() || leaf.basic_constraints_critical() != Some(true) || leaf.path_length().is_some() {
        return Err(Misfit::BasicConstraints);
    }
    if leaf.key_usage() != Some(DIGITAL_SIGNATURE) || leaf.key_usage_critical() != Some(true) {
        return Err(Misfit::KeyUsage);
    }
    if !leaf.has_only_our_extensions() {
        return Err(Misfit::Extensions);
    }
    if leaf.authority_key_id().is_none() || leaf.authority_key_id() != issuer.subject_key_id() {
        return Err(Misfit::KeyId);
    }
    let name = holder_name(leaf)?;
    if name.org != *org {
        return Err(Misfit::Org);
    }
    let kind = check_issuing(issuer, org)?;
    if !kind.profiles().contains(&name.profile) {
        return Err(Misfit::WrongAuthority);
    }
    check_purpose(leaf, kind)?;
    if leaf.common_name() != Some(name.id.to_string().as_str()) || leaf.organization() != Some(org.as_str()) {
        return Err(Misfit::Subject);
    }
    check_lifetime(leaf, name.profile)?;
    Ok(name)
}

/// The holder's name, out of exactly one URI and the dNSName that belongs to it. Only gateways may have more names.
fn holder_name(leaf: &Certificate<'_>) -> Result<HolderName, Misfit> {
    let names = leaf.alternative_names();
    let mut uris = names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
    let (Some(uri), None) = (uris.next(), uris.next()) else { return Err(Misfit::Uri) };
    let holder = HolderName::parse_uri(uri).map_err(|_| Misfit::Uri)?;
    let own = holder.dns_name();
    let mut own_seen = 0_usize;
    let mut hosts = 0_usize;
    for name in names {
        match name {
            GeneralName::URI(_) => {}
            GeneralName::DNSName(dns) if *dns == own => own_seen += 1,
            GeneralName::DNSName(dns) if is_host_name(dns) => hosts += 1,
            GeneralName::IPAddress(octets) if matches!(octets.len(), 4 | 16) => hosts += 1,
            GeneralName::DNSName(_)
            | GeneralName::IPAddress(_)
            | GeneralName::OtherName(..)
            | GeneralName::RFC822Name(_)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::RegisteredID(_)
            | GeneralName::Invalid(..) => return Err(Misfit::ExtraName),
        }
    }
    if own_seen != 1 {
        return Err(Misfit::NamesDisagree);
    }
    let hosts_max = match holder.profile {
        Profile::Gateway => GATEWAY_HOSTS_MAX,
        Profile::Device | Profile::Relay | Profile::Staff => 0,
    };
    if hosts > hosts_max {
        return Err(Misfit::ExtraName);
    }
    Ok(holder)
}

/// A plain host name in lower case, without wildcard or trailing dot.
pub(crate) fn is_host_name(name: &str) -> bool {
    !name.ends_with('.')
        && !name.bytes().any(|byte| byte.is_ascii_uppercase())
        && name.parse::<IpAddr>().is_err()
        && DnsName::try_from(name).is_ok()
}

fn check_lifetime(leaf: &Certificate<'_>, profile: Profile) -> Result<(), Misfit> {
    let longest = profile::lifetime(profile, AssuranceLevel::L4).saturating_add(BACKDATED_FOR_PCS);
    let life = leaf.not_after().since(leaf.not_before());
    if life <= longest.saturating_add(Duration::from_secs(1)) { Ok(()) } else { Err(Misfit::Lifetime) }
}

/// The organisation that a leaf says it is of; nothing is checked yet.
pub(crate) fn org_of_holder(leaf: &Certificate<'_>) -> Result<OrgId, Misfit> {
    holder_name(leaf).map(|name| name.org)
}
