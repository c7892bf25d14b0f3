//! QUIC's variable-length integers (RFC 9000 §16): 62 bits in one, two, four or eight octets. They begin everything else.

use bytes::{Buf, BufMut, Bytes};

/// The largest value that fits: 2^62 - 1.
pub const MAX: u64 = (1 << 62) - 1;

/// Reads one integer from the front of `input`, or `None` when it is not all there. Longer than necessary encodings are
/// legal (RFC 9000 §16).
#[must_use]
pub fn decode(input: &[u8]) -> Option<(u64, &[u8])> {
    let first = *input.first()?;
    let length = 1usize << (first >> 6);
    let (octets, rest) = input.split_at_checked(length)?;
    let value = octets.iter().fold(0u64, |value, octet| (value << 8) | u64::from(*octet));
    // The two length bits sit on top of the first octet.
    let mask = u64::MAX >> (64 - 8 * length + 2);
    Some((value & mask, rest))
}

/// Octets that `value` takes in its shortest form.
#[must_use]
pub const fn size(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        0x4000_0000.. => 8,
    }
}

/// Writes `value` in its shortest form.
///
/// INVARIANT (varint): every caller passes a length of memory, a constant or a value that was read as a varint; a larger
/// one is clamped to [`MAX`] and never wraps into the length bits.
#[expect(clippy::cast_possible_truncation, reason = "the match arm bounds the value")]
pub fn encode(value: u64, out: &mut impl BufMut) {
    match size(value) {
        1 => out.put_u8(value as u8),
        2 => out.put_u16(value as u16 | 0x4000),
        4 => out.put_u32(value as u32 | 0x8000_0000),
        _ => out.put_u64(value.min(MAX) | 0xc000_0000_0000_0000),
    }
}

/// Collects one integer that may be spread over several chunks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Partial {
    octets: [u8; 8],
    held: usize,
}

impl Partial {
    /// Takes octets from `input` until one integer is complete; `None` when `input` ran out first.
    pub(crate) fn read(&mut self, input: &mut Bytes) -> Option<u64> {
        if self.held == 0
            && let Some((value, rest)) = decode(input)
        {
            let used = input.len() - rest.len();
            input.advance(used);
            return Some(value);
        }
        while let Some(slot) = self.octets.get_mut(self.held) {
            if input.is_empty() {
                return None;
            }
            *slot = input.get_u8();
            self.held += 1;
            if let Some((value, _)) = self.octets.get(..self.held).and_then(decode) {
                self.held = 0;
                return Some(value);
            }
        }
        None
    }

    /// Whether an integer has begun and not ended.
    pub(crate) const fn is_partial(&self) -> bool {
        self.held > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_rfc_9000_appendix_a_decode() {
        for (octets, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ] {
            assert_eq!(decode(octets), Some((value, &[][..])));
        }
    }

    #[test]
    fn a_truncated_integer_is_not_one() {
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&[0x40]), None);
        assert_eq!(decode(&[0x80, 0, 0]), None);
        assert_eq!(decode(&[0xc0, 0, 0, 0, 0, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in 0..=MAX, tail: Vec<u8>) {
            let mut out = Vec::new();
            encode(value, &mut out);
            prop_assert_eq!(out.len(), size(value));
            out.extend_from_slice(&tail);
            prop_assert_eq!(decode(&out), Some((value, &tail[..])));
        }

        #[test]
        fn chunks_do_not_matter(value in 0..=MAX, cut in 0usize..8) {
            let mut out = Vec::new();
            encode(value, &mut out);
            let cut = cut.min(out.len());
            let mut partial = Partial::default();
            let mut first = Bytes::copy_from_slice(&out[..cut]);
            let mut second = Bytes::copy_from_slice(&out[cut..]);
            let read = partial.read(&mut first).or_else(|| partial.read(&mut second));
            prop_assert_eq!(read, Some(value));
            prop_assert!(!partial.is_partial());
        }
    }
}
