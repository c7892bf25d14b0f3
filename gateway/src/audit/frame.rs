//! The bytes of a segment file.
//!
//! ```text
//! segment = header frame*  zero*
//! header  = "HITOAUD1" version:u32 zero:u32 first:u64 next_flow:u64 oldest_open:u64 made_at:i64 before:[32] hash:[32]
//! frame   = "HTRC" length:u32 number:u64 hash:[32] payload:[length]
//! ```
//! Integers are little endian. The header's hash is SHA-256 over the header before it; a frame's is SHA-256 over the hash
//! before it (the header's, for the first frame), length, number and payload. `before` is the last hash of the segment
//! before, so one chain runs through all segments. Zeros behind the last frame are space that is reserved.

use hitotsu_model::time::Timestamp;
use ring::digest::{Context, SHA256};

use crate::words::{InWords, Words};

/// First bytes of every segment, with the version of this form.
pub(super) const MAGIC: &[u8; 8] = b"HITOAUD1";
/// First bytes of every frame: lets a reader find its feet behind damage.
pub(super) const FRAME_MAGIC: &[u8; 4] = b"HTRC";
/// Version of this form.
pub(super) const VERSION: u32 = 1;
/// Length of a header in bytes.
pub(super) const HEADER_BYTES: usize = 112;
/// Length of a frame in bytes, without its payload.
pub(super) const FRAME_BYTES: usize = 48;
/// Longest payload in bytes: a start that closes 20,000 flows names each in some 10 bytes.
pub(super) const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// SHA-256.
pub(super) type Hash = [u8; 32];

/// The first bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Number of the first record.
    pub(super) first: u64,
    /// First flow number that no record before this segment used.
    pub(super) next_flow: u64,
    /// Number of the oldest intent that was open when the segment began; `first` where none was.
    pub(super) oldest_open: u64,
    /// When it was made.
    pub(super) made_at: Timestamp,
    /// Last hash of the segment before; zeros for the very first.
    pub(super) before: Hash,
}

impl Header {
    /// The bytes, and the hash that the first frame builds on.
    pub(super) fn encode(&self) -> (Vec<u8>, Hash) {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        for number in [self.first, self.next_flow, self.oldest_open] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.made_at.0.to_le_bytes());
        bytes.extend_from_slice(&self.before);
        let hash = sha256(&[&bytes]);
        bytes.extend_from_slice(&hash);
        (bytes, hash)
    }

    /// Reads and checks a header.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, Hash), Broken> {
        let head = bytes.get(..HEADER_BYTES).ok_or(Broken::CutShort)?;
        if head.get(..8) != Some(MAGIC) || u32_at(head, 8) != Some(VERSION) {
            return Err(Broken::NotASegment);
        }
        let (body, stored) = head.split_at(HEADER_BYTES - 32);
        let hash = sha256(&[body]);
        if stored != hash {
            return Err(Broken::Hash);
        }
        let (Some(first), Some(next_flow), Some(oldest_open), Some(made_at), Some(before)) =
            (u64_at(head, 16), u64_at(head, 24), u64_at(head, 32), u64_at(head, 40), hash_at(head, 48))
        else {
            return Err(Broken::CutShort);
        };
        let made_at = Timestamp(i64::from_le_bytes(made_at.to_le_bytes()));
        Ok((Self { first, next_flow, oldest_open, made_at, before }, hash))
    }
}

/// Appends one frame to `buffer`; returns its hash.
pub(super) fn encode(buffer: &mut Vec<u8>, number: u64, before: &Hash, payload: &[u8]) -> Hash {
    // INVARIANT (payload-bound): callers refuse payloads beyond PAYLOAD_BYTES_MAX, which fits 32 bits.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let hash = frame_hash(before, length, number, payload);
    buffer.extend_from_slice(FRAME_MAGIC);
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&number.to_le_bytes());
    buffer.extend_from_slice(&hash);
    buffer.extend_from_slice(payload);
    hash
}

/// A whole frame that fits its place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Where it begins in the segment.
    pub(super) offset: usize,
    /// Its number.
    pub(super) number: u64,
    /// The record as JSON.
    pub(super) payload: &'a [u8],
}

/// What is wrong at a place of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// The file ends in the middle of it.
    #[error("is cut short")]
    CutShort,
    /// No segment begins here.
    #[error("is not a segment of this version")]
    NotASegment,
    /// No record begins here.
    #[error("no record begins here")]
    NotARecord,
    /// The bytes do not have the hash that the chain demands.
    #[error("does not fit the hash chain: it was changed, or the record before it was")]
    Hash,
    /// Another number than the one that follows.
    #[error("record {0} stands here instead")]
    Misplaced(u64),
}

impl InWords for Broken {
    fn words(&self) -> Words {
        match self {
            Self::CutShort => Words::new("damage-cut-short", &[]),
            Self::NotASegment => Words::new("damage-not-a-segment", &[]),
            Self::NotARecord => Words::new("damage-not-a-record", &[]),
            Self::Hash => Words::new("damage-hash", &[]),
            Self::Misplaced(number) => Words::new("damage-misplaced", &[("number", &number.to_string())]),
        }
    }
}

/// Walks the frames of one segment in memory.
#[derive(Debug, Clone)]
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    /// Where the next frame begins.
    pub(super) offset: usize,
    /// The number that it must have.
    pub(super) number: u64,
    /// The hash that it builds on.
    pub(super) hash: Hash,
    before: Hash,
}

/// One step of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A good frame.
    Frame(Frame<'a>),
    /// Nothing but reserved space is left.
    End,
    /// Something is wrong at the walk's offset, which stays there.
    Broken(Broken),
}

impl<'a> Walk<'a> {
    /// Starts behind the header.
    pub(super) fn new(bytes: &'a [u8]) -> Result<(Header, Self), Broken> {
        let (header, hash) = Header::decode(bytes)?;
        Ok((header, Self { bytes, offset: HEADER_BYTES, number: header.first, hash, before: header.before }))
    }

    /// The last hash of the segment before, as this one's header has it.
    pub(super) fn before(&self) -> Hash {
        self.before
    }

    /// The next frame.
    pub(super) fn step(&mut self) -> Step<'a> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        if rest.iter().all(|byte| *byte == 0) {
            return Step::End;
        }
        let (length, number, stored, payload) = match raw(rest) {
            Ok(parts) => parts,
            Err(broken) => return Step::Broken(broken),
        };
        let hash = frame_hash(&self.hash, length, number, payload);
        if hash != stored {
            // A frame of another place is told from a changed one by its number.
            let moved = number != self.number;
            return Step::Broken(if moved { Broken::Misplaced(number) } else { Broken::Hash });
        }
        if number != self.number {
            return Step::Broken(Broken::Misplaced(number));
        }
        let frame = Frame { offset: self.offset, number, payload };
        self.offset += FRAME_BYTES + payload.len();
        self.number += 1;
        self.hash = hash;
        Step::Frame(frame)
    }

    /// Goes on behind damage: to the next frame from which a chain of its own runs on. False where there is none.
    pub(super) fn resync(&mut self) -> bool {
        // Where the broken frame's own length leads to a frame, that frame builds on the hash stored in the broken one,
        // or, if it was that hash that was changed, on the one computed.
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        if let Ok((length, number, stored, payload)) = raw(rest) {
            let computed = frame_hash(&self.hash, length, number, payload);
            let offset = self.offset + FRAME_BYTES + payload.len();
            for hash in [stored, computed] {
                let next = Self { offset, number: self.number + 1, hash, ..self.clone() };
                let mut probe = next.clone();
                if matches!(probe.step(), Step::Frame(_)) || (hash == stored && matches!(probe.step(), Step::End)) {
                    *self = next;
                    return true;
                }
            }
        }
        let from = self.offset + 1;
        let haystack = self.bytes.get(from..).unwrap_or_default();
        for (at, window) in haystack.windows(FRAME_MAGIC.len()).enumerate() {
            if window != FRAME_MAGIC {
                continue;
            }
            let offset = from + at;
            let Ok((_, number, stored, payload)) = raw(self.bytes.get(offset..).unwrap_or_default()) else { continue };
            let next_offset = offset + FRAME_BYTES + payload.len();
            let next = Self { offset: next_offset, number: number.saturating_add(1), hash: stored, ..self.clone() };
            if number >= self.number && matches!(next.clone().step(), Step::Frame(_)) {
                *self = next;
                return true;
            }
        }
        false
    }
}

/// The parts of the frame at the start of `bytes`, not checked against any chain.
fn raw(bytes: &[u8]) -> Result<(u32, u64, Hash, &[u8]), Broken> {
    let magic_seen = bytes.len().min(FRAME_MAGIC.len());
    if bytes.get(..magic_seen) != FRAME_MAGIC.get(..magic_seen) {
        return Err(Broken::NotARecord);
    }
    let (Some(length), Some(number), Some(hash)) = (u32_at(bytes, 4), u64_at(bytes, 8), hash_at(bytes, 16)) else {
        return Err(Broken::CutShort);
    };
    let length_bytes = usize::try_from(length).unwrap_or(usize::MAX);
    if length_bytes > PAYLOAD_BYTES_MAX {
        return Err(Broken::NotARecord);
    }
    let payload = bytes.get(FRAME_BYTES..FRAME_BYTES + length_bytes).ok_or(Broken::CutShort)?;
    Ok((length, number, hash, payload))
}

fn frame_hash(before: &Hash, length: u32, number: u64, payload: &[u8]) -> Hash {
    sha256(&[before, &length.to_le_bytes(), &number.to_le_bytes(), payload])
}

/// SHA-256 over the parts, one behind the other.
pub(super) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    hash
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..offset + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..offset + 8)?.try_into().ok().map(u64::from_le_bytes)
}

fn hash_at(bytes: &[u8], offset: usize) -> Option<Hash> {
    bytes.get(offset..offset + 32)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_read_back_in_order_and_padding_is_the_end() {
        let bytes = segment(&["one", "two"], 64);
        let (_, mut walk) = Walk::new(&bytes).unwrap();
        let payloads: Vec<_> = frames(&mut walk);
        assert_eq!(payloads, ["one", "two"]);
        assert_eq!(walk.step(), Step::End);
    }

    #[test]
    fn any_single_flipped_bit_is_found_at_its_frame() {
        let good = segment(&["first record", "second record", "third record"], 0);
        for at in HEADER_BYTES..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let (_, mut walk) = Walk::new(&bytes).unwrap();
                let mut end_of_good = HEADER_BYTES;
                let broken = loop {
                    match walk.step() {
                        Step::Frame(frame) => end_of_good = frame.offset + FRAME_BYTES + frame.payload.len(),
                        Step::End => break false,
                        Step::Broken(_) => break true,
                    }
                };
                assert!(broken && end_of_good <= at, "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn a_walk_goes_on_behind_a_damaged_frame() {
        let good = segment(&["first", "second", "third", "fourth"], 16);
        for (at, left) in [(HEADER_BYTES + FRAME_BYTES, 3), (HEADER_BYTES + 20, 3), (HEADER_BYTES + 5, 2)] {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            let (_, mut walk) = Walk::new(&bytes).unwrap();
            assert!(matches!(walk.step(), Step::Broken(_)), "byte {at}");
            assert!(walk.resync(), "byte {at}");
            assert_eq!(frames(&mut walk).len(), left, "byte {at}");
        }
    }

    fn segment(payloads: &[&str], padding: usize) -> Vec<u8> {
        let header = Header { first: 7, next_flow: 0, oldest_open: 7, made_at: Timestamp(1), before: [0; 32] };
        let (mut bytes, mut hash) = header.encode();
        for (number, payload) in (7..).zip(payloads) {
            hash = encode(&mut bytes, number, &hash, payload.as_bytes());
        }
        bytes.resize(bytes.len() + padding, 0);
        bytes
    }

    fn frames<'a>(walk: &mut Walk<'a>) -> Vec<&'a str> {
        let mut payloads = Vec::new();
        while let Step::Frame(frame) = walk.step() {
            payloads.push(std::str::from_utf8(frame.payload).unwrap());
        }
        payloads
    }
}
