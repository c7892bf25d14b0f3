//! Requests for certificates: the key must be proven, and nothing else is taken.

use hitotsu_model::identity::Profile;
use hitotsu_pki::csr::{CsrError, make_csr, verify_csr};
use hitotsu_pki::key::{PrivateKey, Signer};
use hitotsu_pki::peer::verify_peer;
use rcgen::{CertificateParams, IsCa, KeyUsagePurpose};

use crate::forge::{dns, named, rcgen_key, uri};
use crate::openssl::OpenSsl;
use crate::world::{CITY, HOUR, NOW, name, p256, random, serial};

#[test]
fn our_own_request_proves_the_key() {
    let key = p256();
    let csr = make_csr(key.as_ref()).unwrap();
    let verified = verify_csr(&csr).unwrap();
    assert_eq!(verified.spki_der(), key.public_spki_der());
    let openssl = OpenSsl::new();
    openssl.file("csr.der", &csr);
    openssl.run(["req", "-in", "csr.der", "-inform", "DER", "-verify", "-noout"]);
}

#[test]
fn names_in_a_request_are_ignored() {
    let key = p256();
    let mut params = CertificateParams::default();
    params.distinguished_name = named("evil.example", "root");
    params.subject_alt_names = vec![uri(&name(Profile::Staff, 9).uri()), dns("gw.kawasaki.example")];
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let csr = params.serialize_request(&rcgen_key(&key)).unwrap();
    let request = verify_csr(csr.der()).unwrap();
    let issued = CITY.devices.issue(&request, &name(Profile::Device, 5), &[], HOUR, NOW, serial()).unwrap();
    let peer = verify_peer(&[issued.der, CITY.devices.certificate().clone()], &CITY.trust, NOW).unwrap();
    assert_eq!(peer.name, name(Profile::Device, 5));
}

#[test]
fn a_request_for_somebody_elses_key_is_refused() {
    let (mine, theirs) = (p256(), p256());
    let mut csr = make_csr(mine.as_ref()).unwrap();
    let point = &mine.public_spki_der()[26..];
    let place = csr.windows(65).position(|window| window == point).unwrap();
    csr[place..place + 65].copy_from_slice(&theirs.public_spki_der()[26..]);
    assert_eq!(verify_csr(&csr), Err(CsrError::NotProven));
}

#[test]
fn a_request_with_another_kind_of_key_is_refused_with_the_remedy() {
    let p384 = PrivateKey::generate_p384(&random()).unwrap();
    assert_eq!(verify_csr(&make_csr(&p384).unwrap()), Err(CsrError::Algorithm));
    assert!(CsrError::Algorithm.to_string().contains("make an ECDSA P-256 key"));
    let openssl = OpenSsl::new();
    for algorithm in ["rsa:2048", "ed25519"] {
        let csr = openssl.run([
            "req", "-new", "-newkey", algorithm, "-nodes", "-keyout", "k.pem", "-subj", "/CN=x", "-outform", "DER",
        ]);
        assert_eq!(verify_csr(&csr), Err(CsrError::Algorithm), "{algorithm}");
    }
    openssl.run(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.pem"]);
    let sha512 = openssl.run(["req", "-new", "-key", "ec.pem", "-sha512", "-subj", "/CN=x", "-outform", "DER"]);
    assert_eq!(verify_csr(&sha512), Err(CsrError::Algorithm));
    let plain = openssl.run(["req", "-new", "-key", "ec.pem", "-sha256", "-subj", "/CN=x", "-outform", "DER"]);
    assert!(verify_csr(&plain).is_ok());
}

#[test]
fn a_request_that_is_too_long_or_trails_something_is_refused() {
    let csr = make_csr(p256().as_ref()).unwrap();
    assert_eq!(verify_csr(&[csr.clone(), vec![0]].concat()), Err(CsrError::Malformed));
    assert_eq!(verify_csr(&[0; 5000]), Err(CsrError::TooLong));
    assert_eq!(verify_csr(&[]), Err(CsrError::Malformed));
}

#[test]
fn no_changed_bit_goes_unnoticed() {
    let csr = make_csr(p256().as_ref()).unwrap();
    for place in 0..csr.len() {
        let mut changed = csr.clone();
        changed[place] ^= 1;
        assert!(verify_csr(&changed).is_err(), "byte {place}");
    }
}
