//! What the cryptography of a handshake costs: `cargo run --release -p hitotsu-tunnel --example bench_primitives`.
//! Microseconds each; the last line is one JSON object.

#![allow(clippy::unwrap_used, reason = "a developers' tool that may fail loudly")]

use std::hint::black_box;
use std::time::Instant;

use hitotsu_tunnel::crypto;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair, UnparsedPublicKey,
};
use rustls::crypto::SupportedKxGroup;

/// A certificate's length, about.
const MESSAGE: [u8; 700] = [7; 700];

fn main() {
    let mut rows = Vec::new();
    for (name, signing, verification) in [
        ("p256", &ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P256_SHA256_ASN1),
        ("p384", &ECDSA_P384_SHA384_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1),
    ] {
        rows.extend(signatures(name, signing, verification));
    }
    let provider = crypto::provider();
    for (name, group) in ["x25519_ml_kem_768", "x25519"].into_iter().zip(&provider.kx_groups) {
        rows.extend(exchanges(name, *group));
    }
    for (name, value) in &rows {
        println!("{name:>28}  {value:>8.1} µs");
    }
    let members: Vec<String> = rows.iter().map(|(name, value)| format!("\"{name}_us\":{value:.1}")).collect();
    println!("{{{}}}", members.join(","));
}

fn signatures(
    name: &str,
    signing: &'static EcdsaSigningAlgorithm,
    verification: &'static EcdsaVerificationAlgorithm,
) -> [(String, f64); 2] {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(signing, document.as_ref(), &random).unwrap();
    let signature = pair.sign(&random, &MESSAGE).unwrap();
    let public = UnparsedPublicKey::new(verification, pair.public_key().as_ref().to_vec());
    [
        (
            format!("{name}_sign"),
            each(|| {
                let _ = black_box(pair.sign(&random, &MESSAGE).unwrap());
            }),
        ),
        (format!("{name}_verify"), each(|| public.verify(&MESSAGE, signature.as_ref()).unwrap())),
    ]
}

fn exchanges(name: &str, group: &dyn SupportedKxGroup) -> [(String, f64); 3] {
    let share = group.start().unwrap().pub_key().to_vec();
    let whole = each(|| {
        let client = group.start().unwrap();
        let server = group.start_and_complete(client.pub_key()).unwrap();
        drop(black_box(client.complete(&server.pub_key).unwrap()));
    });
    let start = each(|| drop(black_box(group.start().unwrap())));
    let server = each(|| drop(black_box(group.start_and_complete(&share).unwrap())));
    [
        (format!("{name}_client_start"), start),
        (format!("{name}_server"), server),
        (format!("{name}_client_end"), whole - start - server),
    ]
}

/// The quickest of many rows: what else the machine does only adds.
fn each(mut work: impl FnMut()) -> f64 {
    const ROWS: usize = 60;
    const IN_ROW: u32 = 20;
    let row = |_| {
        let begun = Instant::now();
        (0..IN_ROW).for_each(|_| work());
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(IN_ROW)
    };
    (0..ROWS).map(row).fold(f64::INFINITY, f64::min)
}
