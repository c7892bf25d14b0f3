//! Who is refused, and why.

use hitotsu_model::identity::Profile;
use hitotsu_model::ids::OrgId;
use hitotsu_model::time::Timestamp;
use hitotsu_pki::authority::Authority;
use hitotsu_pki::key::{PrivateKey, Signer};
use hitotsu_pki::path::{Anchor, OUR_ALGORITHMS, PathFault, Purpose, Rule, verify_path};
use hitotsu_pki::peer::{PeerFault, PeerIdentity, verify_gateway, verify_peer};
use hitotsu_pki::revocation::{RevocationReason, RevocationSet, Revoked};
use hitotsu_pki::rules::Misfit;
use hitotsu_pki::trust::{Trust, TrustError};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
    SerialNumber,
};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::forge::{self, dns, uri};
use crate::world::{CITY, HOST, HOUR, NOW, ORG, World, device, name, p256, random};

fn host() -> ServerName<'static> {
    ServerName::try_from(HOST).unwrap()
}

/// What is said of a device's leaf that was spoilt by `spoil` before the devices' authority signed it.
fn judged(spoil: impl FnOnce(&mut CertificateParams)) -> Result<PeerIdentity, PeerFault> {
    judged_with(p256().as_ref(), spoil)
}

fn judged_with(key: &dyn Signer, spoil: impl FnOnce(&mut CertificateParams)) -> Result<PeerIdentity, PeerFault> {
    let mut params = forge::leaf(&name(Profile::Device, 1), key);
    spoil(&mut params);
    let der = forge::sign(&params, key, CITY.devices.certificate(), &CITY.devices_key);
    judged_twice(&[der, CITY.devices.certificate().clone()], &CITY.holder(Profile::Device, 9).chain)
}

/// What is said by a trust that remembers nothing must be said by one that remembers the authority of `warming`.
fn judged_twice(chain: &[CertificateDer<'_>], warming: &[CertificateDer<'_>]) -> Result<PeerIdentity, PeerFault> {
    let fresh = || Trust::new(CITY.root.certificate(), ORG.parse().unwrap()).unwrap();
    let cold = verify_peer(chain, &fresh(), NOW);
    let warm = fresh();
    verify_peer(warming, &warm, NOW).unwrap();
    assert_eq!(verify_peer(chain, &warm, NOW), cold, "remembering an authority changed the answer");
    cold
}

fn unfit(why: Misfit) -> Result<PeerIdentity, PeerFault> {
    Err(PeerFault::Unfit { why })
}

fn rule(why: Rule) -> Result<PeerIdentity, PeerFault> {
    Err(PeerFault::Untrusted { why: PathFault::Rule(why) })
}

fn chain(why: webpki::Error) -> Result<PeerIdentity, PeerFault> {
    Err(PeerFault::Untrusted { why: PathFault::Chain(why) })
}

#[test]
fn a_leaf_forged_without_a_flaw_is_believed_so_that_the_flaws_below_are_what_counts() {
    assert_eq!(judged(|_| {}).unwrap().name, name(Profile::Device, 1));
}

#[test]
fn another_organisations_root_is_not_believed_even_when_it_bears_our_name() {
    let impostor = World::new(ORG);
    let holder = impostor.holder(Profile::Device, 1);
    assert_eq!(verify_peer(&holder.chain, &CITY.trust, NOW), chain(webpki::Error::UnknownIssuer));
    let mut mixed = holder.chain.clone();
    mixed[1] = CITY.devices.certificate().clone();
    assert!(matches!(verify_peer(&mixed, &CITY.trust, NOW), Err(PeerFault::Untrusted { .. })));
}

#[test]
fn a_self_signed_certificate_with_the_right_names_is_not_believed() {
    let key = p256();
    let params = forge::leaf(&name(Profile::Device, 1), key.as_ref());
    let der = params.self_signed(&forge::rcgen_key(&key)).unwrap().der().clone();
    assert!(matches!(verify_peer(&[der], &CITY.trust, NOW), Err(PeerFault::Untrusted { .. })));
}

#[test]
fn an_expired_device_is_still_known_by_name() {
    let holder = CITY.holder_at(Profile::Device, 7, NOW.minus(3 * HOUR), HOUR);
    let Err(PeerFault::Expired(peer)) = verify_peer(&holder.chain, &CITY.trust, NOW) else { panic!("not expired") };
    assert_eq!(peer.name, name(Profile::Device, 7));
    assert_eq!(peer.not_after, NOW.minus(2 * HOUR));
    let years_later = NOW.plus(24 * 365 * 20 * HOUR);
    assert!(matches!(verify_peer(&holder.chain, &CITY.trust, years_later), Err(PeerFault::Expired(_))));
}

#[test]
fn a_device_whose_time_has_not_begun_is_still_known_by_name() {
    let holder = CITY.holder(Profile::Device, 8);
    let early = NOW.minus(HOUR);
    let Err(PeerFault::NotYetValid(peer)) = verify_peer(&holder.chain, &CITY.trust, early) else { panic!("valid") };
    assert_eq!(peer.name, name(Profile::Device, 8));
}

#[test]
fn the_last_second_counts_and_the_next_does_not() {
    let holder = CITY.holder_at(Profile::Device, 1, NOW, HOUR);
    let end = holder.issued.not_after;
    assert!(verify_peer(&holder.chain, &CITY.trust, Timestamp(end.0 + 999)).is_ok());
    let after = verify_peer(&holder.chain, &CITY.trust, Timestamp(end.0 + 1000));
    assert!(matches!(after, Err(PeerFault::Expired(_))));
}

#[test]
fn an_expired_stranger_is_a_stranger() {
    let impostor = World::new(ORG);
    let holder = impostor.holder_at(Profile::Device, 1, NOW.minus(3 * HOUR), HOUR);
    assert_eq!(verify_peer(&holder.chain, &CITY.trust, NOW), chain(webpki::Error::UnknownIssuer));
}

#[test]
fn an_expired_gateway_is_refused() {
    let gateway = CITY.holder_at(Profile::Gateway, 2, NOW.minus(3 * HOUR), HOUR);
    let judged = verify_gateway(&gateway.chain, &CITY.trust, &host(), NOW);
    assert!(matches!(judged, Err(PeerFault::Expired(_))), "{judged:?}");
}

#[test]
fn a_gateways_certificate_is_no_client() {
    let gateway = CITY.holder(Profile::Gateway, 2);
    assert_eq!(verify_peer(&gateway.chain, &CITY.trust, NOW), unfit(Misfit::Purpose));
    assert!(verify_gateway(&gateway.chain, &CITY.trust, &host(), NOW).is_ok(), "and its authority is remembered");
    assert_eq!(verify_peer(&gateway.chain, &CITY.trust, NOW), unfit(Misfit::Purpose));
}

#[test]
fn a_clients_certificate_is_no_gateway() {
    for profile in [Profile::Device, Profile::Relay, Profile::Staff] {
        let holder = CITY.holder(profile, 3);
        assert!(verify_peer(&holder.chain, &CITY.trust, NOW).is_ok(), "and its authority is remembered");
        assert_eq!(verify_gateway(&holder.chain, &CITY.trust, &host(), NOW), unfit(Misfit::Purpose));
    }
}

#[test]
fn a_gateway_for_another_host_is_refused() {
    let gateway = CITY.holder(Profile::Gateway, 2);
    for other in ["other.kawasaki.example", "127.0.0.2", "gw.kawasaki.example.evil.example"] {
        let other = ServerName::try_from(other).unwrap();
        assert_eq!(verify_gateway(&gateway.chain, &CITY.trust, &other, NOW), unfit(Misfit::Host));
    }
}

#[test]
fn the_staff_authority_cannot_name_a_device() {
    let key = p256();
    let params = forge::leaf(&name(Profile::Device, 1), key.as_ref());
    let der = forge::sign(&params, key.as_ref(), CITY.staff.certificate(), &CITY.staff_key);
    let judged = judged_twice(&[der, CITY.staff.certificate().clone()], &CITY.holder(Profile::Staff, 9).chain);
    assert_eq!(judged, chain(webpki::Error::NameConstraintViolation));
}

#[test]
fn the_staff_authority_cannot_name_a_device_in_the_uri_alone() {
    let key = p256();
    let mut params = forge::leaf(&name(Profile::Device, 1), key.as_ref());
    params.subject_alt_names = vec![uri(&name(Profile::Device, 1).uri()), dns(&name(Profile::Staff, 1).dns_name())];
    let der = forge::sign(&params, key.as_ref(), CITY.staff.certificate(), &CITY.staff_key);
    let judged = verify_peer(&[der, CITY.staff.certificate().clone()], &CITY.trust, NOW);
    // Constraints reach only the dNSName, and that one is staff's: it is the agreement of both that refuses.
    assert!(matches!(judged, Err(PeerFault::Unfit { why: Misfit::ExtraName | Misfit::NamesDisagree })), "{judged:?}");
}

#[test]
fn the_devices_authority_cannot_name_staff_a_gateway_or_a_host() {
    for profile in [Profile::Staff, Profile::Gateway] {
        let other = name(profile, 1);
        let judged = judged(|params| params.subject_alt_names = vec![uri(&other.uri()), dns(&other.dns_name())]);
        assert_eq!(judged, chain(webpki::Error::NameConstraintViolation));
    }
    let host = judged(|params| params.subject_alt_names.push(dns(HOST)));
    assert_eq!(host, chain(webpki::Error::NameConstraintViolation));
    let address = judged(|params| params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into())));
    assert_eq!(address, chain(webpki::Error::NameConstraintViolation));
}

#[test]
fn the_gateways_authority_cannot_name_a_host_that_the_root_did_not_grant() {
    let key = p256();
    let mut params = forge::leaf(&name(Profile::Gateway, 2), key.as_ref());
    params.subject_alt_names.push(dns("portal.kawasaki.example"));
    let der = forge::sign(&params, key.as_ref(), CITY.gateways.certificate(), &CITY.gateways_key);
    let host = ServerName::try_from("portal.kawasaki.example").unwrap();
    let judged = verify_gateway(&[der, CITY.gateways.certificate().clone()], &CITY.trust, &host, NOW);
    assert_eq!(judged, chain(webpki::Error::NameConstraintViolation));
}

#[test]
fn both_names_must_agree() {
    let own = name(Profile::Device, 1);
    let other = name(Profile::Device, 2);
    let disagree = judged(|params| params.subject_alt_names = vec![uri(&own.uri()), dns(&other.dns_name())]);
    assert_eq!(disagree, unfit(Misfit::NamesDisagree));
    let relay = name(Profile::Relay, 1);
    let profile = judged(|params| params.subject_alt_names = vec![uri(&own.uri()), dns(&relay.dns_name())]);
    assert_eq!(profile, unfit(Misfit::NamesDisagree));
    let no_dns = judged(|params| params.subject_alt_names = vec![uri(&own.uri())]);
    assert_eq!(no_dns, unfit(Misfit::NamesDisagree));
    let twice = judged(|params| params.subject_alt_names.push(dns(&own.dns_name())));
    assert_eq!(twice, unfit(Misfit::NamesDisagree));
}

#[test]
fn the_uri_must_be_one_and_in_our_form() {
    let own = name(Profile::Device, 1);
    for bad in [
        own.uri().to_uppercase(),
        format!("{}/", own.uri()),
        own.uri().replace("hitotsu:", "https:"),
        own.uri().replace("/device/", "/root/"),
    ] {
        let judged = judged(|params| params.subject_alt_names = vec![uri(&bad), dns(&own.dns_name())]);
        assert_eq!(judged, unfit(Misfit::Uri), "{bad}");
    }
    let none = judged(|params| params.subject_alt_names = vec![dns(&own.dns_name())]);
    assert_eq!(none, unfit(Misfit::Uri));
    let two = judged(|params| params.subject_alt_names.push(uri(&name(Profile::Device, 2).uri())));
    assert_eq!(two, unfit(Misfit::Uri));
    let no_names = judged(|params| params.subject_alt_names.clear());
    assert_eq!(no_names, unfit(Misfit::Uri));
}

#[test]
fn a_device_has_no_further_names() {
    let other = judged(|params| params.subject_alt_names.push(dns(&name(Profile::Device, 2).dns_name())));
    assert_eq!(other, unfit(Misfit::ExtraName));
    let mail = judged(|params| params.subject_alt_names.push(SanType::Rfc822Name("a@b.example".try_into().unwrap())));
    assert_eq!(mail, unfit(Misfit::ExtraName));
}

#[test]
fn a_gateway_has_no_wildcard() {
    let key = p256();
    let mut params = forge::leaf(&name(Profile::Gateway, 2), key.as_ref());
    params.subject_alt_names.push(dns(&format!("*.{HOST}")));
    let der = forge::sign(&params, key.as_ref(), CITY.gateways.certificate(), &CITY.gateways_key);
    let host = ServerName::try_from(format!("x.{HOST}")).unwrap();
    let judged = verify_gateway(&[der, CITY.gateways.certificate().clone()], &CITY.trust, &host, NOW);
    assert_eq!(judged, unfit(Misfit::ExtraName));
}

#[test]
fn another_organisations_name_under_our_root_is_refused() {
    let mut foreign = name(Profile::Device, 1);
    foreign.org = "yokohama.example".parse().unwrap();
    let both = judged(|params| params.subject_alt_names = vec![uri(&foreign.uri()), dns(&foreign.dns_name())]);
    assert_eq!(both, chain(webpki::Error::NameConstraintViolation));
    let subject = judged(|params| params.distinguished_name = forge::named("yokohama.example", &device(1).to_string()));
    assert_eq!(subject, unfit(Misfit::Subject));
    let common_name = judged(|params| params.distinguished_name = forge::named(ORG, &device(2).to_string()));
    assert_eq!(common_name, unfit(Misfit::Subject));
}

#[test]
fn a_leaf_may_sign_handshakes_and_nothing_else() {
    for extra in [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign] {
        assert_eq!(judged(|params| params.key_usages.push(extra)), rule(Rule::LeafMaySign));
    }
    let encipher = judged(|params| params.key_usages.push(KeyUsagePurpose::KeyEncipherment));
    assert_eq!(encipher, unfit(Misfit::KeyUsage));
    assert_eq!(judged(|params| params.key_usages.clear()), unfit(Misfit::KeyUsage));
}

#[test]
fn a_leaf_is_for_exactly_one_purpose() {
    let both = judged(|params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth));
    assert_eq!(both, unfit(Misfit::Purpose));
    let code = judged(|params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::CodeSigning));
    assert_eq!(code, unfit(Misfit::Purpose));
    let any = judged(|params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::Any));
    assert_eq!(any, rule(Rule::AnyPurpose));
    assert_eq!(judged(|params| params.extended_key_usages.clear()), unfit(Misfit::Purpose));
    let other = judged(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert_eq!(other, unfit(Misfit::Purpose));
}

#[test]
fn an_authority_is_no_leaf() {
    let judged = judged(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    assert_eq!(judged, chain(webpki::Error::CaUsedAsEndEntity));
}

#[test]
fn a_leaf_has_a_p256_key() {
    let key = PrivateKey::generate_p384(&random()).unwrap();
    assert_eq!(judged_with(&key, |_| {}), unfit(Misfit::Key));
}

#[test]
fn a_serial_number_is_positive_and_long() {
    let zero = judged(|params| params.serial_number = Some(SerialNumber::from_slice(&[0])));
    assert!(matches!(zero, Err(PeerFault::Untrusted { .. })), "{zero:?}");
    let short = judged(|params| params.serial_number = Some(SerialNumber::from_slice(&[1, 2, 3])));
    assert_eq!(short, unfit(Misfit::Serial));
    let long = judged(|params| params.serial_number = Some(SerialNumber::from_slice(&[0x41; 21])));
    assert!(matches!(long, Err(PeerFault::Untrusted { .. })), "{long:?}");
}

#[test]
fn extensions_are_ours_and_marked_as_ours() {
    let extension = |critical: bool| {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![0x05, 0x00]);
        extension.set_criticality(critical);
        extension
    };
    let unknown = judged(|params| params.custom_extensions.push(extension(false)));
    assert_eq!(unknown, unfit(Misfit::Extensions));
    let critical = judged(|params| params.custom_extensions.push(extension(true)));
    assert_eq!(critical, chain(webpki::Error::UnsupportedCriticalExtension));

    let critical_key_id = judged(|params| {
        params.use_authority_key_identifier_extension = false;
        let mut key_id = CustomExtension::from_oid_content(&[2, 5, 29, 35], vec![0x30, 0x03, 0x80, 0x01, 0x01]);
        key_id.set_criticality(true);
        params.custom_extensions.push(key_id);
    });
    assert_eq!(critical_key_id, rule(Rule::KeyIdCritical));
    let other_key_id = judged(|params| {
        params.use_authority_key_identifier_extension = false;
        let key_id = CustomExtension::from_oid_content(&[2, 5, 29, 35], vec![0x30, 0x03, 0x80, 0x01, 0x01]);
        params.custom_extensions.push(key_id);
    });
    assert_eq!(other_key_id, unfit(Misfit::KeyId));
    let no_key_id = judged(|params| params.use_authority_key_identifier_extension = false);
    assert_eq!(no_key_id, rule(Rule::KeyIdMissing));
    let strange_key_id = judged(|params| params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![1; 20]));
    assert_eq!(strange_key_id, unfit(Misfit::KeyId));
    let no_constraints = judged(|params| params.is_ca = IsCa::NoCa);
    assert!(matches!(no_constraints, Err(PeerFault::Unfit { .. })), "{no_constraints:?}");
}

#[test]
fn a_leaf_does_not_constrain_names() {
    let judged = judged(|params| {
        params.name_constraints = forge::devices_authority(p256().as_ref()).name_constraints;
    });
    assert_eq!(judged, rule(Rule::NameConstraints));
}

#[test]
fn a_leaf_that_lives_longer_than_its_profile_is_refused() {
    let judged = judged(|params| params.not_after = forge::at(NOW.plus(24 * 30 * HOUR)));
    assert_eq!(judged, unfit(Misfit::Lifetime));
}

/// What is said of a flawless device's leaf below an authority that was spoilt by `spoil` before the root signed it.
fn judged_below(spoil: impl FnOnce(&mut CertificateParams)) -> Result<PeerIdentity, PeerFault> {
    let ca_key = p256();
    let mut params = forge::devices_authority(ca_key.as_ref());
    spoil(&mut params);
    let ca = forge::sign(&params, ca_key.as_ref(), CITY.root.certificate(), &CITY.root_key);
    let key = p256();
    let leaf = forge::leaf(&name(Profile::Device, 1), key.as_ref());
    let der = forge::sign(&leaf, key.as_ref(), &ca, &ca_key);
    verify_peer(&[der, ca], &CITY.trust, NOW)
}

#[test]
fn an_issuing_authority_that_is_not_exactly_ours_is_refused() {
    assert_eq!(judged_below(|_| {}).unwrap().name, name(Profile::Device, 1));
    assert_eq!(judged_below(|params| params.name_constraints = None), unfit(Misfit::NameConstraints));
    let wide = judged_below(|params| {
        params.name_constraints.as_mut().unwrap().permitted_subtrees.push(rcgen::GeneralSubtree::DnsName(ORG.into()));
    });
    assert_eq!(wide, unfit(Misfit::NameConstraints));
    let addresses = judged_below(|params| params.name_constraints.as_mut().unwrap().excluded_subtrees.clear());
    assert_eq!(addresses, unfit(Misfit::NameConstraints));
    let both = judged_below(|params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth));
    assert_eq!(both, unfit(Misfit::Purpose));
    assert_eq!(judged_below(|params| params.extended_key_usages.clear()), unfit(Misfit::Purpose));
    let no_sign = judged_below(|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
    assert!(matches!(no_sign, Err(PeerFault::Untrusted { .. })), "{no_sign:?}");
    let no_crl = judged_below(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    assert_eq!(no_crl, unfit(Misfit::KeyUsage));
    assert_eq!(judged_below(|params| params.key_usages.clear()), rule(Rule::AuthorityMayNotSign));
    let deep = judged_below(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)));
    assert_eq!(deep, unfit(Misfit::BasicConstraints));
    let leaf = judged_below(|params| params.is_ca = IsCa::ExplicitNoCa);
    assert_eq!(leaf, chain(webpki::Error::EndEntityUsedAsCa));
    let org = judged_below(|params| params.distinguished_name = forge::named("yokohama.example", "x"));
    assert_eq!(org, unfit(Misfit::Org));
}

#[test]
fn a_leaf_that_outlives_its_authority_ends_with_it() {
    let now = NOW.plus(2 * HOUR);
    let ca_key = p256();
    let mut params = forge::devices_authority(ca_key.as_ref());
    params.not_after = forge::at(NOW.plus(HOUR));
    let ca = forge::sign(&params, ca_key.as_ref(), CITY.root.certificate(), &CITY.root_key);
    let key = p256();
    let mut leaf = forge::leaf(&name(Profile::Device, 1), key.as_ref());
    leaf.not_after = forge::at(NOW.plus(24 * HOUR));
    let der = forge::sign(&leaf, key.as_ref(), &ca, &ca_key);
    let chain = [der, ca];
    assert!(verify_peer(&chain, &CITY.trust, NOW).is_ok(), "and the authority is remembered");
    let judged = verify_peer(&chain, &CITY.trust, now);
    assert!(
        matches!(judged, Err(PeerFault::Untrusted { why: PathFault::Chain(webpki::Error::CertExpired { .. }) })),
        "{judged:?}"
    );
}

#[test]
fn a_leaf_below_the_root_itself_is_refused() {
    let key = p256();
    let leaf = forge::leaf(&name(Profile::Device, 1), key.as_ref());
    let der = forge::sign(&leaf, key.as_ref(), CITY.root.certificate(), &CITY.root_key);
    assert_eq!(verify_peer(&[der], &CITY.trust, NOW), unfit(Misfit::Depth));
}

#[test]
fn an_issuing_authority_cannot_make_another() {
    let ca_key = p256();
    let params = forge::devices_authority(ca_key.as_ref());
    let ca = forge::sign(&params, ca_key.as_ref(), CITY.devices.certificate(), &CITY.devices_key);
    let key = p256();
    let leaf = forge::leaf(&name(Profile::Device, 1), key.as_ref());
    let der = forge::sign(&leaf, key.as_ref(), &ca, &ca_key);
    let judged = verify_peer(&[der, ca, CITY.devices.certificate().clone()], &CITY.trust, NOW);
    assert_eq!(judged, chain(webpki::Error::PathLenConstraintViolated));
}

#[test]
fn a_chain_is_neither_empty_nor_endless_nor_incomplete() {
    let holder = CITY.holder(Profile::Device, 1);
    let missing = verify_peer(&[], &CITY.trust, NOW);
    assert_eq!(missing, Err(PeerFault::Untrusted { why: PathFault::Missing }));
    let many: Vec<CertificateDer<'_>> = holder.chain.iter().cycle().take(5).cloned().collect();
    assert_eq!(verify_peer(&many, &CITY.trust, NOW), Err(PeerFault::Untrusted { why: PathFault::TooMany }));
    assert_eq!(verify_peer(&holder.chain[..1], &CITY.trust, NOW), chain(webpki::Error::UnknownIssuer));
    let with_root = [holder.chain.clone(), vec![CITY.root.certificate().clone()]].concat();
    assert!(verify_peer(&with_root, &CITY.trust, NOW).is_ok());
}

#[test]
fn a_changed_certificate_is_refused() {
    let holder = CITY.holder(Profile::Device, 1);
    let mut bytes = holder.chain[0].to_vec();
    let id = device(1).to_string();
    let place = bytes.windows(id.len()).position(|window| window == id.as_bytes()).unwrap();
    bytes[place] ^= 1;
    let judged = verify_peer(&[bytes.into(), holder.chain[1].clone()], &CITY.trust, NOW);
    assert!(matches!(judged, Err(PeerFault::Untrusted { .. })), "{judged:?}");
}

#[test]
fn a_root_that_is_not_exactly_ours_cannot_be_trusted() {
    let own: OrgId = ORG.parse().unwrap();
    let yokohama: OrgId = "yokohama.example".parse().unwrap();
    let other_org = Trust::new(CITY.root.certificate(), yokohama).unwrap_err();
    assert_eq!(other_org, TrustError::Unfit(Misfit::Org));
    let issuing = Trust::new(CITY.devices.certificate(), own.clone()).unwrap_err();
    assert_eq!(issuing, TrustError::Unfit(Misfit::Key));
    let holder = CITY.holder(Profile::Device, 1);
    assert!(Trust::new(&holder.chain[0], own).is_err());
}

#[test]
fn a_root_whose_time_is_over_leads_nowhere() {
    let anchors = [Anchor::new(CITY.root.certificate()).unwrap()];
    let holder = CITY.holder(Profile::Device, 1);
    let at = |at| verify_path(&anchors, &holder.chain[1..], &holder.chain[0], Purpose::Client, OUR_ALGORITHMS, at);
    assert!(at(NOW).is_ok());
    assert_eq!(at(NOW.plus(24 * 365 * 16 * HOUR)), Err(PathFault::Rule(Rule::RootTime)));
    assert_eq!(at(Timestamp(0)), Err(PathFault::Rule(Rule::RootTime)));
}

#[test]
fn what_is_revoked_is_found_by_certificate_by_device_and_by_authority() {
    let holder = CITY.holder(Profile::Device, 9);
    let peer = verify_peer(&holder.chain, &CITY.trust, NOW).unwrap();
    let revocation = hitotsu_pki::revocation::Revocation { revoked_at: NOW, reason: RevocationReason::KeyCompromise };
    let mut set = RevocationSet::default();
    assert_eq!(set.check(&peer), None);
    set.revoke_serial(peer.authority.clone(), revocation);
    assert_eq!(set.check(&peer), Some(Revoked::Authority(revocation)));
    set.revoke_serial(peer.serial.clone(), revocation);
    assert_eq!(set.check(&peer), Some(Revoked::Certificate(revocation)));
    set.revoke_device(peer.name.id, revocation);
    assert_eq!(set.check(&peer), Some(Revoked::Device(revocation)));
    let other = verify_peer(&CITY.holder(Profile::Staff, 1).chain, &CITY.trust, NOW).unwrap();
    assert_eq!(set.check(&other), None);
    let text = serde_json::to_string(&set).unwrap();
    assert_eq!(serde_json::from_str::<RevocationSet>(&text).unwrap(), set);
}

#[test]
fn an_authority_is_taken_up_only_with_its_own_key() {
    let stranger = p256();
    let error = Authority::open(CITY.devices.certificate().clone(), stranger.clone()).unwrap_err();
    assert_eq!(error.to_string(), "the key does not belong to the authority's certificate");
    assert!(Authority::open(CITY.root.certificate().clone(), stranger.clone()).is_err());
    assert!(Authority::open(CITY.holder(Profile::Device, 1).chain[0].clone(), stranger).is_err());
}
