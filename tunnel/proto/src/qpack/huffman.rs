//! The Huffman code of RFC 7541 Appendix B, which QPACK shares.
//!
//! The code is canonical: among codes of one length a larger symbol has a larger code, and each length goes on where the
//! shorter one ended. So the lengths say everything, and the codes are worked out when compiling.

use bytes::BufMut;

/// Bits of each symbol's code; 256 is the end-of-string symbol, of which only the beginning may occur, as padding.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, // 0x00
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, // 0x10
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, // 0x20
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, // 0x30
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, // 0x40
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, // 0x50
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, // 0x60
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, // 0x70
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, // 0x80
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, // 0x90
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, // 0xa0
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, // 0xb0
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, // 0xc0
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, // 0xd0
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, // 0xe0
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, // 0xf0
    30, // end of string
];

/// The shortest and the longest code.
const LENGTH_MIN: usize = 5;
const LENGTH_MAX: usize = 30;

struct Tables {
    /// The code of each symbol, in its lowest bits.
    codes: [u32; 257],
    /// The symbols in the order of their codes.
    symbols: [u16; 257],
    lengths: [Length; LENGTH_MAX + 1],
}

/// The codes of one length.
#[derive(Clone, Copy)]
struct Length {
    /// The first code.
    first: u32,
    /// The code after the last one.
    end: u32,
    /// Where in `symbols` the first one's symbol stands.
    start: u16,
}

static TABLES: Tables = tables();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "runs when compiling, where a fault is a build error"
)]
const fn tables() -> Tables {
    let mut codes = [0u32; 257];
    let mut symbols = [0u16; 257];
    let mut lengths = [Length { first: 0, end: 0, start: 0 }; LENGTH_MAX + 1];
    let (mut code, mut place, mut length) = (0u32, 0usize, 1usize);
    while length <= LENGTH_MAX {
        code <<= 1;
        lengths[length] = Length { first: code, end: code, start: place as u16 };
        let mut symbol = 0usize;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                codes[symbol] = code;
                symbols[place] = symbol as u16;
                place += 1;
                code += 1;
            }
            symbol += 1;
        }
        lengths[length].end = code;
        length += 1;
    }
    // A complete code uses every bit pattern.
    assert!(place == LENGTHS.len() && code == 1 << LENGTH_MAX);
    Tables { codes, symbols, lengths }
}

/// Octets of `text` when compressed.
pub(super) fn encoded_length(text: &[u8]) -> usize {
    let bits: usize =
        text.iter().filter_map(|octet| LENGTHS.get(usize::from(*octet))).map(|bits| usize::from(*bits)).sum();
    bits.div_ceil(8)
}

/// Compresses `text`, padded with ones.
pub(super) fn encode(text: &[u8], out: &mut impl BufMut) {
    // At most 7 bits wait and 30 come.
    let (mut bits, mut count) = (0u64, 0u32);
    for octet in text {
        let symbol = usize::from(*octet);
        let (Some(code), Some(length)) = (TABLES.codes.get(symbol), LENGTHS.get(symbol)) else { continue };
        bits = (bits << length) | u64::from(*code);
        count += u32::from(*length);
        while count >= 8 {
            count -= 8;
            out.put_u8((bits >> count & 0xff) as u8);
        }
    }
    if count > 0 {
        out.put_u8((bits << (8 - count) & 0xff) as u8 | (0xff >> count));
    }
}

/// Expands `text` to the end of `out`; `None` when it holds the end-of-string symbol, a truncated code, or a padding that
/// is longer than seven bits or not all ones (RFC 7541 §5.2). The result is at most 8/5 of the input.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut octets = text.iter();
    let (mut bits, mut count) = (0u64, 0usize);
    loop {
        while count < LENGTH_MAX {
            let Some(octet) = octets.next() else { break };
            bits = (bits << 8) | u64::from(*octet);
            count += 8;
        }
        let Some((symbol, length)) = next_symbol(bits, count) else {
            // What is left has to be the beginning of the end-of-string symbol: ones.
            let ones = (1u64 << count) - 1;
            return (count < 8 && bits & ones == ones).then_some(());
        };
        // The end-of-string symbol itself must not occur.
        out.push(u8::try_from(symbol).ok()?);
        count -= length;
    }
}

/// The symbol whose code is at the top of the lowest `count` bits, with its length; `None` when too few bits are there.
fn next_symbol(bits: u64, count: usize) -> Option<(u16, usize)> {
    for length in LENGTH_MIN..=count.min(LENGTH_MAX) {
        let codes = TABLES.lengths.get(length)?;
        // Masked to `length` bits, which are at most 30.
        let code = (bits >> (count - length) & ((1 << length) - 1)) as u32;
        if code < codes.end {
            let place = usize::from(codes.start) + (code - codes.first) as usize;
            return TABLES.symbols.get(place).map(|symbol| (*symbol, length));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compressed(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(text, &mut out);
        out
    }

    fn expanded(text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(text, &mut out).map(|()| out)
    }

    #[test]
    fn the_examples_of_rfc_7541_appendix_c_hold() {
        for (text, hex) in [
            ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
            ("no-cache", "a8eb10649cbf"),
            ("custom-key", "25a849e95ba97d7f"),
            ("custom-value", "25a849e95bb8e8b4bf"),
            ("302", "6402"),
            ("private", "aec3771a4b"),
            ("Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
            ("https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"),
        ] {
            let octets: Vec<u8> =
                (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
            assert_eq!(compressed(text.as_bytes()), octets, "{text}");
            assert_eq!(expanded(&octets).unwrap(), text.as_bytes(), "{text}");
        }
    }

    #[test]
    fn known_long_codes_are_where_rfc_7541_puts_them() {
        // Line feed, carriage return, 0x16 and the end of string share 30 bits; `\` has 19.
        assert_eq!(TABLES.codes[0x0a], 0x3fff_fffc);
        assert_eq!(TABLES.codes[0x0d], 0x3fff_fffd);
        assert_eq!(TABLES.codes[0x16], 0x3fff_fffe);
        assert_eq!(TABLES.codes[256], 0x3fff_ffff);
        assert_eq!(TABLES.codes[usize::from(b'\\')], 0x7_fff0);
    }

    #[test]
    fn every_symbol_alone_survives() {
        for octet in 0..=255u8 {
            assert_eq!(expanded(&compressed(&[octet])), Some(vec![octet]));
        }
    }

    #[test]
    fn padding_of_eight_ones_is_refused() {
        assert_eq!(expanded(&[0xff]), None);
        let mut padded = compressed(b"no-cache");
        padded.push(0xff);
        assert_eq!(expanded(&padded), None);
    }

    #[test]
    fn padding_with_a_zero_is_refused() {
        // `0` is five zeros; three padding bits follow.
        assert_eq!(expanded(&[0b0000_0111]), Some(b"0".to_vec()));
        assert_eq!(expanded(&[0b0000_0110]), None);
        assert_eq!(expanded(&[0b0000_0011]), None);
    }

    #[test]
    fn the_end_of_string_symbol_is_refused() {
        assert_eq!(expanded(&[0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(expanded(&[0xff, 0xff, 0xff, 0xfc]), None);
    }

    proptest! {
        #[test]
        fn what_is_compressed_expands_to_itself(text: Vec<u8>) {
            let octets = compressed(&text);
            prop_assert_eq!(octets.len(), encoded_length(&text));
            prop_assert_eq!(expanded(&octets), Some(text));
        }

        #[test]
        fn what_expands_compresses_to_itself(octets: Vec<u8>) {
            if let Some(text) = expanded(&octets) {
                prop_assert_eq!(compressed(&text), octets);
            }
        }
    }
}
