//! The public cases of x509-limbo over [`verify_path`]. They are not part of this repository: `X509_LIMBO` names their
//! file. (`cargo nextest run -p hitotsu-pki --run-ignored only limbo`)

use std::collections::BTreeSet;

use data_encoding::BASE64;
use hitotsu_model::time::Timestamp;
use hitotsu_pki::path::{Anchor, Purpose, verify_path};
use rustls_pki_types::{CertificateDer, ServerName};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use webpki::EndEntityCert;

use crate::world::NOW;

#[derive(Deserialize)]
struct Limbo {
    testcases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    features: Vec<String>,
    validation_kind: String,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    validation_time: Option<String>,
    expected_result: String,
    expected_peer_name: Option<PeerName>,
}

#[derive(Deserialize)]
struct PeerName {
    kind: String,
    value: String,
}

/// Where we are of another opinion than the suite, and why.
const OPINIONS: &[(&str, &[&str])] = &[
    ("what is trusted as a root is trusted whoever else signed it", &["rfc5280::aki::cross-signed-root-missing-aki"]),
    ("an authority is never a leaf here", &["pathlen::validation-ignores-pathlen-in-leaf", "rfc5280::ca-as-leaf"]),
    (
        "rustls-webpki builds no path over self-issued authorities; ours are never deep",
        &["pathlen::self-issued-certs-pathlen", "rfc5280::nc::permitted-self-issued"],
    ),
    (
        "rustls-webpki refuses whatever a constraint on directory names or mail addresses speaks about; ours never do",
        &[
            "rfc5280::nc::permitted-dn-match",
            "rfc5280::nc::nc-permits-email-exact",
            "rfc5280::nc::nc-permits-email-domain",
            "rfc5280::nc::nc-permits-email-literal-asterisk-exact-match",
            "rfc5280::nc::nc-permits-email-literal-double-asterisk",
            "rfc5280::nc::nc-permits-email-literal-mid-asterisk",
        ],
    ),
    ("harmless; our own host names are checked when they are issued", &["rfc5280::san::underscore-dns"]),
    (
        "RFC 5280 demands that name constraints be critical, the web does not",
        &["webpki::nc::permitted-dns-match-noncritical"],
    ),
    (
        "a rule of the web's authorities; ours is exact in `rules`",
        &["webpki::eku::ee-critical-eku", "webpki::eku::ee-without-eku", "webpki::eku::root-has-eku"],
    ),
    (
        "there is no public suffix inside; wildcards are refused in `rules`",
        &[
            "webpki::san::public-suffix-multi-label-wildcard-san",
            "webpki::san::public-suffix-private-namespace-wildcard-san",
        ],
    ),
    ("a rule of the web's authorities; harmless", &["webpki::san::san-critical-with-nonempty-subject"]),
    (
        "a commonName is never a host's name here, so it may say what it likes",
        &[
            "webpki::cn::ipv4-hex-mismatch",
            "webpki::cn::ipv4-leading-zeros-mismatch",
            "webpki::cn::ipv6-uppercase-mismatch",
            "webpki::cn::ipv6-uncompressed-mismatch",
            "webpki::cn::ipv6-non-rfc5952-mismatch",
            "webpki::cn::punycode-not-in-san",
            "webpki::cn::utf8-vs-punycode-mismatch",
            "webpki::cn::not-in-san",
            "webpki::cn::case-mismatch",
        ],
    ),
    (
        "keys are P-256 or P-384 by `rules`",
        &[
            "webpki::forbidden-p192-leaf",
            "webpki::forbidden-dsa-leaf",
            "webpki::forbidden-weak-rsa-in-leaf",
            "webpki::forbidden-rsa-not-divisible-by-8-in-root",
            "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf",
        ],
    ),
];

#[test]
#[ignore = "needs X509_LIMBO=<x509-limbo.json>"]
fn every_case_of_x509_limbo_goes_as_expected_or_as_explained() {
    let file = std::env::var("X509_LIMBO").expect("X509_LIMBO names the file of the cases");
    let limbo: Limbo = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let opinions: BTreeSet<&str> = OPINIONS.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
    let (mut right, mut explained, mut outside) = (0, 0, 0);
    let mut wrong = Vec::new();
    for case in &limbo.testcases {
        // No path depth from outside, and no revocation lists in the path: revocation is a set of our own.
        if case.features.iter().any(|feature| matches!(feature.as_str(), "max-chain-depth" | "has-crl")) {
            outside += 1;
            continue;
        }
        let judged = judge(case);
        let agrees = judged.is_ok() == (case.expected_result == "SUCCESS");
        match (agrees, opinions.contains(case.id.as_str())) {
            (true, false) => right += 1,
            (false, true) => explained += 1,
            (false, false) => wrong.push(format!("{} expected {}: {judged:?}", case.id, case.expected_result)),
            (true, true) => wrong.push(format!("{} needs no explanation any more", case.id)),
        }
    }
    println!("{right} as expected, {explained} explained, {outside} about something else");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn judge(case: &Case) -> Result<(), String> {
    let ders = |pems: &[String]| pems.iter().map(|pem| der(pem)).collect::<Vec<_>>();
    let leaf = der(&case.peer_certificate);
    let at = case.validation_time.as_ref().map_or(NOW, |text| {
        Timestamp::from_unix_seconds(OffsetDateTime::parse(text, &Rfc3339).unwrap().unix_timestamp())
    });
    // A root that cannot be used is no reason to refuse what leads to another.
    let (anchors, faults): (Vec<_>, Vec<_>) =
        ders(&case.trusted_certs).iter().map(Anchor::new).partition(Result::is_ok);
    let anchors: Vec<Anchor> = anchors.into_iter().flatten().collect();
    if anchors.is_empty() {
        return Err(format!("{faults:?}"));
    }
    let purpose = if case.validation_kind == "CLIENT" { Purpose::Client } else { Purpose::Server };
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    verify_path(&anchors, &ders(&case.untrusted_intermediates), &leaf, purpose, algorithms, at)
        .map_err(|fault| format!("{fault:?}"))?;
    if let Some(name) = &case.expected_peer_name
        && matches!(name.kind.as_str(), "DNS" | "IP")
    {
        let host = ServerName::try_from(name.value.as_str()).map_err(|error| error.to_string())?;
        let leaf = EndEntityCert::try_from(&leaf).map_err(|error| error.to_string())?;
        leaf.verify_is_valid_for_subject_name(&host).map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}

fn der(pem: &str) -> CertificateDer<'static> {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    BASE64.decode(text.as_bytes()).unwrap().into()
}
