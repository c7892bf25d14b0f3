//! The parts of a certificate, in rcgen's words.

use std::net::IpAddr;

use hitotsu_model::identity::HolderName;
use hitotsu_model::ids::OrgId;
use hitotsu_model::time::Timestamp;
use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, KeyIdMethod,
    NameConstraints, PublicKeyData, SanType, SerialNumber,
};
use time::OffsetDateTime;

use super::{IssueError, Life};
use crate::profile::CaKind;
use crate::rules::{is_host_name, permitted_labels};
use crate::serial::SerialBytes;
use crate::spki;

/// What every certificate has: serial number, times, subject, key identifier.
pub(super) fn common(
    key: &impl PublicKeyData,
    serial: SerialBytes,
    life: Life,
    org: &OrgId,
    common_name: String,
) -> Result<CertificateParams, IssueError> {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, org.as_str());
    subject.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
    params.not_before = instant(life.not_before)?;
    params.not_after = instant(life.not_after)?;
    params.distinguished_name = subject;
    params.key_identifier_method = KeyIdMethod::PreSpecified(spki::key_identifier(key.der_bytes()));
    Ok(params)
}

/// The commonName of an authority. The digits of its key tell it from its predecessors and successors.
pub(super) fn authority_name(title: &str, key: &impl PublicKeyData) -> String {
    let id = data_encoding::HEXLOWER.encode(&spki::key_identifier(key.der_bytes()));
    format!("Hitotsu {title} {}", id.chars().take(8).collect::<String>())
}

/// What the leaves of an authority are for.
pub(super) fn purpose(kind: CaKind) -> ExtendedKeyUsagePurpose {
    match kind {
        CaKind::Devices | CaKind::Staff => ExtendedKeyUsagePurpose::ClientAuth,
        CaKind::Gateways => ExtendedKeyUsagePurpose::ServerAuth,
    }
}

/// What an authority may name. Whoever has no address permitted has all of them excluded, because RFC 5280 §4.2.1.10
/// leaves a kind of name free that no subtree speaks about.
pub(super) fn name_constraints(kind: CaKind, org: &OrgId, hosts: &[String]) -> Result<NameConstraints, IssueError> {
    let mut permitted: Vec<_> = permitted_labels(kind, org).into_iter().map(GeneralSubtree::DnsName).collect();
    let mut addresses = false;
    for host in hosts {
        match host.parse::<IpAddr>() {
            Ok(address) => {
                addresses = true;
                permitted.push(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, prefix_of(address))));
            }
            Err(_) => permitted.push(GeneralSubtree::DnsName(host.clone())),
        }
    }
    let everywhere = [CidrSubnet::V4([0; 4], [0; 4]), CidrSubnet::V6([0; 16], [0; 16])];
    let excluded = if addresses { Vec::new() } else { everywhere.map(GeneralSubtree::IpAddress).to_vec() };
    Ok(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded })
}

/// How [`crate::certificate::Certificate::name_constraints`] writes the subtree of one host; `None` when it is neither
/// host name nor address.
pub(super) fn subtree_text(host: &str) -> Option<String> {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Some(format!("ip:{}ffffffff", data_encoding::HEXLOWER.encode(&address.octets()))),
        Ok(IpAddr::V6(address)) => {
            Some(format!("ip:{}{}", data_encoding::HEXLOWER.encode(&address.octets()), "ff".repeat(16)))
        }
        Err(_) => is_host_name(host).then(|| format!("dns:{host}")),
    }
}

/// The holder's name twice, as URI and as dNSName, then a gateway's hosts.
pub(super) fn alternative_names(holder: &HolderName, hosts: &[String]) -> Result<Vec<SanType>, IssueError> {
    let text = |text: &str| Ia5String::try_from(text).map_err(|_| IssueError::Host(text.to_owned()));
    let mut names = vec![SanType::URI(text(&holder.uri())?), SanType::DnsName(text(&holder.dns_name())?)];
    for host in hosts {
        names.push(match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(text(host)?),
        });
    }
    Ok(names)
}

/// An instant in whole seconds.
pub(super) fn instant(at: Timestamp) -> Result<OffsetDateTime, IssueError> {
    OffsetDateTime::from_unix_timestamp(at.unix_seconds()).map_err(|_| IssueError::Instant)
}

fn prefix_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}
