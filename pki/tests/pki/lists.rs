//! Revocation lists, out and in.

use hitotsu_model::identity::Profile;
use hitotsu_pki::authority::IssueError;
use hitotsu_pki::crl::{CrlFault, verify_crl};
use hitotsu_pki::revocation::{CrlEntry, RevocationReason};
use rcgen::{
    CertificateRevocationListParams, CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope, Issuer,
    KeyUsagePurpose, SerialNumber,
};

use crate::forge;
use crate::openssl::OpenSsl;
use crate::world::{CITY, HOUR, NOW, World, p256, serial};

const REASONS: [RevocationReason; 7] = [
    RevocationReason::Unspecified,
    RevocationReason::KeyCompromise,
    RevocationReason::CaCompromise,
    RevocationReason::AffiliationChanged,
    RevocationReason::Superseded,
    RevocationReason::CessationOfOperation,
    RevocationReason::PrivilegeWithdrawn,
];

fn entries() -> Vec<CrlEntry> {
    REASONS.map(|reason| CrlEntry { serial: serial().serial(), revoked_at: NOW.minus(HOUR), reason }).to_vec()
}

fn list(number: u64) -> Vec<u8> {
    CITY.devices.crl(&entries(), number, NOW, NOW.plus(24 * HOUR)).unwrap()
}

#[test]
fn our_own_list_reads_back() {
    let entries = entries();
    let der = CITY.devices.crl(&entries, u64::MAX, NOW, NOW.plus(24 * HOUR)).unwrap();
    let list = verify_crl(&der, CITY.devices.certificate(), Some(7), NOW).unwrap();
    assert_eq!((list.number(), list.entries()), (u64::MAX, entries.as_slice()));
    assert_eq!(list.next_update(), NOW.plus(24 * HOUR));
    let empty = CITY.devices.crl(&[], 1, NOW, NOW.plus(HOUR)).unwrap();
    assert!(verify_crl(&empty, CITY.devices.certificate(), None, NOW).unwrap().entries().is_empty());
}

#[test]
fn openssl_reads_our_list_and_refuses_the_revoked_leaf() {
    let openssl = OpenSsl::new();
    let holder = CITY.holder(Profile::Device, 1);
    let other = CITY.holder(Profile::Device, 2);
    let entry =
        CrlEntry { serial: holder.issued.serial.clone(), revoked_at: NOW, reason: RevocationReason::KeyCompromise };
    let crl = CITY.devices.crl(&[entry], 3, NOW, NOW.plus(24 * HOUR)).unwrap();
    openssl.pem("crl.pem", "X509 CRL", &[&crl]);
    openssl.pem("root.pem", "CERTIFICATE", &[CITY.root.certificate()]);
    openssl.pem("issuing.pem", "CERTIFICATE", &[CITY.devices.certificate()]);
    let text = String::from_utf8(openssl.run(["crl", "-in", "crl.pem", "-noout", "-text"])).unwrap();
    assert!(text.contains("X509v3 CRL Number: \n                3"), "{text}");
    assert!(text.contains("Key Compromise"), "{text}");
    let verify = |leaf: &[u8]| {
        openssl.pem("leaf.pem", "CERTIFICATE", &[leaf]);
        let at = NOW.plus(HOUR).unix_seconds().to_string();
        openssl.attempt([
            "verify",
            "-x509_strict",
            "-crl_check",
            "-attime",
            &at,
            "-CRLfile",
            "crl.pem",
            "-CAfile",
            "root.pem",
            "-untrusted",
            "issuing.pem",
            "leaf.pem",
        ])
    };
    let complaint = verify(&holder.chain[0]).unwrap_err();
    assert!(complaint.contains("certificate revoked"), "{complaint}");
    verify(&other.chain[0]).unwrap();
}

#[test]
fn the_root_lists_authorities_only_by_a_call_of_its_own() {
    let entry = CrlEntry { serial: serial().serial(), revoked_at: NOW, reason: RevocationReason::CaCompromise };
    let der = CITY.root.authority_crl(&[entry], 1, NOW, NOW.plus(HOUR)).unwrap();
    assert!(verify_crl(&der, CITY.root.certificate(), None, NOW).is_ok());
    assert_eq!(verify_crl(&der, CITY.devices.certificate(), None, NOW), Err(CrlFault::OtherIssuer));
}

#[test]
fn a_list_must_end_after_it_begins() {
    assert_eq!(CITY.devices.crl(&[], 1, NOW, NOW), Err(IssueError::NextUpdate));
}

#[test]
fn an_older_list_is_refused_and_the_same_again_is_not() {
    let der = list(5);
    assert!(verify_crl(&der, CITY.devices.certificate(), Some(5), NOW).is_ok());
    let older = verify_crl(&der, CITY.devices.certificate(), Some(6), NOW);
    assert_eq!(older, Err(CrlFault::Older { found: 5, last: 6 }));
}

#[test]
fn a_list_out_of_its_time_is_refused() {
    let der = list(5);
    let issuer = CITY.devices.certificate();
    assert_eq!(verify_crl(&der, issuer, None, NOW.minus(HOUR)), Err(CrlFault::NotYetValid));
    assert_eq!(verify_crl(&der, issuer, None, NOW.plus(24 * HOUR)), Err(CrlFault::Expired));
}

#[test]
fn another_issuers_list_is_refused() {
    let impostor = World::new("kawasaki.example");
    let der = list(5);
    assert_eq!(verify_crl(&der, CITY.staff.certificate(), None, NOW), Err(CrlFault::OtherIssuer));
    let theirs = impostor.devices.certificate();
    assert_eq!(verify_crl(&der, theirs, None, NOW), Err(CrlFault::OtherIssuer));
    let leaf = CITY.holder(Profile::Device, 1);
    assert_eq!(verify_crl(&der, &leaf.chain[0], None, NOW), Err(CrlFault::NotCrlSigner));
}

#[test]
fn an_issuer_without_crl_sign_is_refused() {
    let key = p256();
    let mut params = forge::devices_authority(key.as_ref());
    let with = forge::sign(&params, key.as_ref(), CITY.root.certificate(), &CITY.root_key);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let without = forge::sign(&params, key.as_ref(), CITY.root.certificate(), &CITY.root_key);
    let issuer = Issuer::from_ca_cert_der(&with, forge::rcgen_key(&key)).unwrap();
    let list = CertificateRevocationListParams { key_identifier_method: forge::key_id(key.as_ref()), ..forged() };
    let der = list.signed_by(&issuer).unwrap().der().to_vec();
    assert!(verify_crl(&der, &with, None, NOW).is_ok());
    assert_eq!(verify_crl(&der, &without, None, NOW), Err(CrlFault::NotCrlSigner));
}

fn forged() -> CertificateRevocationListParams {
    CertificateRevocationListParams {
        this_update: forge::at(NOW),
        next_update: forge::at(NOW.plus(HOUR)),
        crl_number: SerialNumber::from(4_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: rcgen::KeyIdMethod::PreSpecified(vec![0; 20]),
    }
}

#[test]
fn a_partial_list_or_one_of_another_key_is_refused() {
    let issuer = || Issuer::from_ca_cert_der(CITY.devices.certificate(), forge::rcgen_key(&CITY.devices_key)).unwrap();
    let verify = |params: &CertificateRevocationListParams| {
        let der = params.signed_by(&issuer()).unwrap().der().to_vec();
        verify_crl(&der, CITY.devices.certificate(), None, NOW)
    };
    assert_eq!(verify(&forged()), Err(CrlFault::OtherIssuer));
    let own_key_id = forge::key_id(CITY.devices_key.as_ref());
    let mut params = CertificateRevocationListParams { key_identifier_method: own_key_id, ..forged() };
    assert!(verify(&params).is_ok());
    params.crl_number = SerialNumber::from_slice(&[0x7f; 12]);
    assert_eq!(verify(&params), Err(CrlFault::Number));
    params.crl_number = SerialNumber::from(4_u64);
    params.issuing_distribution_point = Some(CrlIssuingDistributionPoint {
        distribution_point: CrlDistributionPoint { uris: vec!["http://crl.example/".to_owned()] },
        scope: Some(CrlScope::UserCertsOnly),
    });
    assert_eq!(verify(&params), Err(CrlFault::Extension));
}

#[test]
fn a_list_whose_number_is_critical_is_refused() {
    let key = &CITY.devices_key;
    let der = list(5);
    // In the signed part, the OID of CRLNumber (2.5.29.20) is followed by its OCTET STRING; a critical flag is put
    // between them, the lengths around it are mended, and the list is signed again.
    let critical = resign(&der, key, |tbs| {
        let oid = [0x06, 0x03, 0x55, 0x1d, 0x14];
        let place = tbs.windows(5).position(|window| window == oid).unwrap() + 5;
        tbs.splice(place..place, [0x01, 0x01, 0xff]);
        tbs[place - 6] += 3;
        3
    });
    assert_eq!(verify_crl(&critical, CITY.devices.certificate(), None, NOW), Err(CrlFault::Number));
    let missing = resign(&der, key, |tbs| {
        let oid = [0x06, 0x03, 0x55, 0x1d, 0x14];
        let place = tbs.windows(5).position(|window| window == oid).unwrap() - 2;
        let length = usize::from(tbs[place + 1]) + 2;
        tbs.drain(place..place + length);
        -isize::try_from(length).unwrap()
    });
    assert_eq!(verify_crl(&missing, CITY.devices.certificate(), None, NOW), Err(CrlFault::Number));
    assert!(verify_crl(&resign(&der, key, |_| 0), CITY.devices.certificate(), None, NOW).is_ok());
}

/// Changes the signed part of a list in its last extensions, mends the lengths around them, and signs it again.
fn resign(der: &[u8], key: &hitotsu_pki::key::PrivateKey, change: impl FnOnce(&mut Vec<u8>) -> isize) -> Vec<u8> {
    use hitotsu_pki::key::Signer;
    use x509_parser::prelude::{CertificateRevocationList, FromDer};
    let (_, parsed) = CertificateRevocationList::from_der(der).unwrap();
    let mut tbs = parsed.tbs_cert_list.as_ref().to_vec();
    let grown = change(&mut tbs);
    let grow = |byte: &mut u8| *byte = u8::try_from(isize::from(*byte) + grown).unwrap();
    // `[0] { SEQUENCE { AKI, CRLNumber } }` with short lengths, the very end of the signed part.
    let explicit = (0..tbs.len() - 4)
        .rfind(|place| tbs[*place] == 0xa0 && tbs[place + 2] == 0x30 && tbs[place + 3] + 2 == tbs[place + 1])
        .unwrap();
    grow(&mut tbs[explicit + 1]);
    grow(&mut tbs[explicit + 3]);
    assert_eq!(tbs[1], 0x82, "long form");
    let length = u16::from_be_bytes([tbs[2], tbs[3]]);
    let length = u16::try_from(isize::try_from(length).unwrap() + grown).unwrap();
    tbs[2..4].copy_from_slice(&length.to_be_bytes());
    let signature = key.sign(&tbs).unwrap();
    let algorithm = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let bits = [vec![0x03, u8::try_from(signature.len() + 1).unwrap(), 0], signature].concat();
    let body = [tbs, algorithm.to_vec(), bits].concat();
    [vec![0x30, 0x82], u16::try_from(body.len()).unwrap().to_be_bytes().to_vec(), body].concat()
}

#[test]
fn a_changed_or_trailing_list_is_refused() {
    let der = list(5);
    let issuer = CITY.devices.certificate();
    assert_eq!(verify_crl(&[der.clone(), vec![0]].concat(), issuer, None, NOW), Err(CrlFault::Malformed));
    for place in (0..der.len()).step_by(7) {
        let mut changed = der.clone();
        changed[place] ^= 1;
        assert!(verify_crl(&changed, issuer, None, NOW).is_err(), "byte {place}");
    }
    assert_eq!(verify_crl(&vec![0; 9 * 1024 * 1024], issuer, None, NOW), Err(CrlFault::TooLong));
}
