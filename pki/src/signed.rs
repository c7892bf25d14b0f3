//! The outermost form that certificates, requests and lists share: `SEQUENCE { signed, algorithm, signature }`.

use crate::key::Algorithm;

/// ecdsa-with-SHA256 as an AlgorithmIdentifier without parameters (RFC 5758 §3.2).
const ECDSA_SHA256: [u8; 12] = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// ecdsa-with-SHA384.
const ECDSA_SHA384: [u8; 12] = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];

/// Whether `der` is exactly the DER of these parts. Parsers are lenient about what stands outside the signed part; with
/// this, not a bit can be changed without being noticed.
pub(crate) fn is_exactly(der: &[u8], signed: &[u8], algorithm: Algorithm, signature: &[u8]) -> bool {
    let algorithm = match algorithm {
        Algorithm::P256 => ECDSA_SHA256,
        Algorithm::P384 => ECDSA_SHA384,
    };
    let bits = tagged(0x03, &[&[0], signature].concat());
    tagged(0x30, &[signed, &algorithm, &bits].concat()) == der
}

/// Tag, length in the shortest form (X.690 §10.1), content.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut der = vec![tag];
    match significant.as_slice() {
        [] => der.push(0),
        [short] if *short < 0x80 => der.push(*short),
        long => {
            der.push(0x80 | u8::try_from(long.len()).unwrap_or(0));
            der.extend_from_slice(long);
        }
    }
    der.extend_from_slice(content);
    der
}
