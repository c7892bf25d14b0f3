//! Public keys as DER `SubjectPublicKeyInfo` (RFC 5480), in the one form that we write: named curve, uncompressed point.

use ring::digest::{SHA256, digest};

use crate::key::Algorithm;

/// Everything before the point of a P-256 key.
const P256_HEADER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Everything before the point of a P-384 key.
const P384_HEADER: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
    0x22, 0x03, 0x62, 0x00,
];
/// First byte of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

/// The DER form of an uncompressed point.
pub(crate) fn encode(algorithm: Algorithm, point: &[u8]) -> Vec<u8> {
    match algorithm {
        Algorithm::P256 => [P256_HEADER.as_slice(), point].concat(),
        Algorithm::P384 => [P384_HEADER.as_slice(), point].concat(),
    }
}

/// The curve and the point of a key in exactly our form; `None` for everything else. Whether the point lies on the
/// curve is found out when a signature is checked.
pub(crate) fn decode(spki: &[u8]) -> Option<(Algorithm, &[u8])> {
    let of_curve = |header: &[u8], length: usize| {
        let point = spki.strip_prefix(header)?;
        (point.len() == length && point.first() == Some(&UNCOMPRESSED)).then_some(point)
    };
    of_curve(&P256_HEADER, 65)
        .map(|point| (Algorithm::P256, point))
        .or_else(|| of_curve(&P384_HEADER, 97).map(|point| (Algorithm::P384, point)))
}

/// The key identifier for SubjectKeyIdentifier: the leftmost 160 bits of the SHA-256 of the point (RFC 7093 §2 method
/// 1).
pub(crate) fn key_identifier(point: &[u8]) -> Vec<u8> {
    digest(&SHA256, point).as_ref().iter().take(20).copied().collect()
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}
