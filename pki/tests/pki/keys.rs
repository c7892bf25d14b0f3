//! Keys at rest and on their way to other programs.

use hitotsu_model::identity::Profile;
use hitotsu_pki::export;
use hitotsu_pki::key::{KeyError, PrivateKey, Signer};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use secrecy::SecretString;

use crate::openssl::OpenSsl;
use crate::world::{CITY, p256, random};

fn passphrase(text: &str) -> SecretString {
    SecretString::from(text)
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_only() {
    for key in [PrivateKey::generate_p256(&random()).unwrap(), PrivateKey::generate_p384(&random()).unwrap()] {
        let pem = key.to_encrypted_pem(&passphrase("河川敷")).unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
        let again = PrivateKey::from_encrypted_pem(&pem, &passphrase("河川敷")).unwrap();
        assert_eq!(again.public_spki_der(), key.public_spki_der());
        assert_eq!(again.algorithm(), key.algorithm());
        let wrong = PrivateKey::from_encrypted_pem(&pem, &passphrase("河川敷 ")).unwrap_err();
        assert_eq!(wrong, KeyError::Passphrase);
    }
}

#[test]
fn what_is_no_key_is_refused_with_the_reason() {
    let open = |pem: &str| PrivateKey::from_encrypted_pem(pem, &passphrase("x")).unwrap_err();
    assert_eq!(open(""), KeyError::Malformed);
    assert_eq!(open(&"A".repeat(10_000)), KeyError::TooLong);
    let plain = export::to_pkcs8_pem(&p256()).unwrap();
    assert_eq!(open(&plain), KeyError::NotEncrypted);
    assert!(KeyError::NotEncrypted.to_string().contains("openssl pkcs8"));
    let damaged = plain.replace("MIG", "MIH");
    assert!(export::from_pkcs8_pem(&damaged).is_err());
    let sealed = p256().to_encrypted_pem(&passphrase("x")).unwrap();
    assert_eq!(export::from_pkcs8_pem(&sealed).unwrap_err(), KeyError::Malformed);
}

#[test]
fn a_plain_key_reads_back_and_signs() {
    let key = p256();
    let again = export::from_pkcs8_pem(&export::to_pkcs8_pem(&key).unwrap()).unwrap();
    let signature = again.sign(b"message").unwrap();
    let point = &key.public_spki_der()[26..];
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(b"message", &signature).unwrap();
}

#[test]
fn openssl_opens_our_keys_and_we_open_its() {
    let openssl = OpenSsl::new();
    let key = p256();
    openssl.file("key.pem", key.to_encrypted_pem(&passphrase("pass")).unwrap());
    let public = openssl.run(["pkey", "-in", "key.pem", "-passin", "pass:pass", "-pubout", "-outform", "DER"]);
    assert_eq!(public, key.public_spki_der());

    openssl.run(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "plain.pem"]);
    let sealed = openssl.run(["pkcs8", "-topk8", "-scrypt", "-in", "plain.pem", "-passout", "pass:pass"]);
    let theirs = PrivateKey::from_encrypted_pem(std::str::from_utf8(&sealed).unwrap(), &passphrase("pass")).unwrap();
    let public = openssl.run(["pkey", "-in", "plain.pem", "-pubout", "-outform", "DER"]);
    assert_eq!(theirs.public_spki_der(), public);

    openssl.run(["genpkey", "-algorithm", "RSA", "-out", "rsa.pem"]);
    let rsa = std::fs::read_to_string(openssl.file("x", "").with_file_name("rsa.pem")).unwrap();
    assert_eq!(export::from_pkcs8_pem(&rsa).unwrap_err(), KeyError::Malformed);
}

#[test]
fn openssl_reads_a_relays_pkcs12() {
    let openssl = OpenSsl::new();
    let relay = CITY.holder(Profile::Relay, 4);
    let bytes = export::pkcs12(&relay.key, &relay.chain, "Hitotsu", &passphrase("pass")).unwrap();
    openssl.file("relay.p12", bytes.as_slice());
    let text = openssl.run(["pkcs12", "-in", "relay.p12", "-passin", "pass:pass", "-nodes"]);
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2, "{text}");
    assert_eq!(text.matches("BEGIN PRIVATE KEY").count(), 1, "{text}");
    openssl.attempt(["pkcs12", "-in", "relay.p12", "-passin", "pass:wrong", "-nodes"]).unwrap_err();
    openssl.file("all.pem", text);
    let public = openssl.run(["pkey", "-in", "all.pem", "-pubout", "-outform", "DER"]);
    assert_eq!(public, relay.key.public_spki_der());
    assert_eq!(export::pkcs12(&relay.key, &[], "x", &passphrase("x")).unwrap_err(), KeyError::Malformed);
}

#[test]
fn nothing_prints_a_key() {
    let key = p256();
    assert_eq!(format!("{key:?}"), "PrivateKey { algorithm: P256, .. }");
    let authority = format!("{:?}", CITY.devices);
    let secret = export::to_pkcs8_pem(&CITY.devices_key).unwrap();
    let line = secret.lines().nth(1).unwrap();
    assert!(!authority.contains(line));
}
