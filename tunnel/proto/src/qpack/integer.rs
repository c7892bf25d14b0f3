//! Integers with a prefix of less than an octet (RFC 7541 §5.1, RFC 9204 §4.1.1).

use bytes::BufMut;

use crate::varint;

/// Reads an integer whose first octet has `prefix` low bits of it; gives the integer and what follows. The outer `None`
/// is a value beyond 62 bits (RFC 9204 §4.1.1 asks for that many), or one spelled in more octets than 62 bits can need;
/// the inner one is an integer that is not all there.
pub(super) fn decode(prefix: u32, input: &[u8]) -> Option<Option<(u64, &[u8])>> {
    let mask = (1u64 << prefix) - 1;
    let Some((first, mut rest)) = input.split_first() else { return Some(None) };
    let mut value = u64::from(*first) & mask;
    if value < mask {
        return Some(Some((value, rest)));
    }
    for shift in (0..63).step_by(7) {
        let Some((octet, after)) = rest.split_first() else { return Some(None) };
        rest = after;
        // Seven bits at most 56 places up: no bit is lost, and the sum of two 63-bit numbers does not wrap.
        value += u64::from(*octet & 0x7f) << shift;
        if value > varint::MAX {
            return None;
        }
        if octet & 0x80 == 0 {
            return Some(Some((value, rest)));
        }
    }
    None
}

/// Writes an integer behind `flags`, the high bits of the first octet.
#[expect(clippy::cast_possible_truncation, reason = "each cast is masked or compared to fit an octet")]
pub(super) fn encode(flags: u8, prefix: u32, value: u64, out: &mut impl BufMut) {
    let mask = (1u64 << prefix) - 1;
    if value < mask {
        out.put_u8(flags | value as u8);
        return;
    }
    out.put_u8(flags | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_rfc_7541_appendix_c_1_hold() {
        assert_eq!(decode(5, &[0b0000_1010]), Some(Some((10, &[][..]))));
        assert_eq!(decode(5, &[0b0001_1111, 0b1001_1010, 0b0000_1010]), Some(Some((1337, &[][..]))));
        assert_eq!(decode(8, &[42, 7]), Some(Some((42, &[7][..]))));
    }

    #[test]
    fn an_integer_beyond_62_bits_is_refused() {
        let mut most = Vec::new();
        encode(0, 3, varint::MAX, &mut most);
        assert_eq!(decode(3, &most), Some(Some((varint::MAX, &[][..]))));
        let mut over = Vec::new();
        encode(0, 3, varint::MAX + 1, &mut over);
        assert_eq!(decode(3, &over), None);
        assert_eq!(decode(3, &[0xff; 40]), None);
    }

    #[test]
    fn an_integer_padded_without_end_is_refused() {
        let mut octets = vec![0x07];
        octets.extend([0x80; 30]);
        assert_eq!(decode(3, &octets), None);
    }

    #[test]
    fn a_truncated_integer_is_incomplete() {
        assert_eq!(decode(3, &[]), Some(None));
        assert_eq!(decode(3, &[0x07]), Some(None));
        assert_eq!(decode(3, &[0x07, 0x80]), Some(None));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(prefix in 3u32..=8, value in 0..=varint::MAX) {
            let mut out = Vec::new();
            encode(0, prefix, value, &mut out);
            prop_assert_eq!(decode(prefix, &out), Some(Some((value, &[][..]))));
        }
    }
}
