//! Certificates that we would never issue, signed with the right keys all the same.

use hitotsu_model::identity::{HolderName, Profile};
use hitotsu_model::time::Timestamp;
use hitotsu_pki::export;
use hitotsu_pki::key::{PrivateKey, Signer};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    SanType, SerialNumber, SubjectPublicKeyInfo,
};
use ring::digest::{SHA256, digest};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use crate::world::{HOUR, NOW, ORG, serial};

/// Signs `params` for the key of `subject` as `issuer` would.
pub(crate) fn sign(
    params: &CertificateParams,
    subject: &dyn Signer,
    issuer: &CertificateDer<'_>,
    issuer_key: &PrivateKey,
) -> CertificateDer<'static> {
    let issuer = Issuer::from_ca_cert_der(issuer, rcgen_key(issuer_key)).unwrap();
    let public = SubjectPublicKeyInfo::from_der(subject.public_spki_der()).unwrap();
    params.signed_by(&public, &issuer).unwrap().der().clone()
}

/// A leaf exactly as we would issue it, to be spoilt in one point by the caller.
pub(crate) fn leaf(holder: &HolderName, subject: &dyn Signer) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(serial().as_bytes()));
    params.not_before = at(NOW);
    params.not_after = at(NOW.plus(HOUR));
    params.distinguished_name = named(&holder.org.to_string(), &holder.id.to_string());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match holder.profile {
        Profile::Gateway => ExtendedKeyUsagePurpose::ServerAuth,
        Profile::Device | Profile::Relay | Profile::Staff => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names = vec![uri(&holder.uri()), dns(&holder.dns_name())];
    params.key_identifier_method = key_id(subject);
    params
}

/// An issuing authority for devices exactly as we would make it, to be spoilt by the caller.
pub(crate) fn devices_authority(subject: &dyn Signer) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(serial().as_bytes()));
    params.not_before = at(NOW.minus(HOUR));
    params.not_after = at(NOW.plus(1000 * HOUR));
    params.distinguished_name = named(ORG, "Another devices authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = key_id(subject);
    let everywhere = [rcgen::CidrSubnet::V4([0; 4], [0; 4]), rcgen::CidrSubnet::V6([0; 16], [0; 16])];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: ["devices", "relays"].map(|label| GeneralSubtree::DnsName(format!("{label}.{ORG}"))).into(),
        excluded_subtrees: everywhere.map(GeneralSubtree::IpAddress).into(),
    });
    params
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

pub(crate) fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

pub(crate) fn at(instant: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(instant.unix_seconds()).unwrap()
}

pub(crate) fn named(org: &str, common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, org);
    name.push(DnType::CommonName, common_name);
    name
}

pub(crate) fn key_id(key: &dyn Signer) -> KeyIdMethod {
    let spki = key.public_spki_der();
    let point = if spki.len() > 100 { &spki[spki.len() - 97..] } else { &spki[spki.len() - 65..] };
    KeyIdMethod::PreSpecified(digest(&SHA256, point).as_ref()[..20].to_vec())
}

pub(crate) fn rcgen_key(key: &PrivateKey) -> KeyPair {
    let der = PrivatePkcs8KeyDer::from(export::rustls_key(key).secret_der().to_vec());
    let algorithm = if key.public_spki_der().len() > 100 { &PKCS_ECDSA_P384_SHA384 } else { &PKCS_ECDSA_P256_SHA256 };
    KeyPair::from_pkcs8_der_and_sign_algo(&der, algorithm).unwrap()
}
