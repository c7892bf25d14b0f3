//! QPACK (RFC 9204) without a dynamic table: field sections and what may come on the two QPACK streams.

mod huffman;
mod integer;
mod static_table;

use std::ops::Range;

use bytes::{BufMut, Bytes};

use crate::error::Error;
use crate::fields::RawField;
use crate::limits::{FIELD_SECTION_BYTES_MAX, FIELDS_MAX};

use static_table::Match;

/// What RFC 9114 §4.2.2 counts for each field beside name and value.
const FIELD_OVERHEAD: usize = 32;

const TRUNCATED: Error = Error::Decompression("truncated");
const DYNAMIC: Error = Error::Decompression("a reference to the dynamic table, which is empty");

/// Decompresses a field section. Names and values are copied into one piece of memory, so that nothing holds on to the
/// chunks of the stream.
///
/// # Errors
/// [`Error::Decompression`]; [`Error::HeadOverLimit`] when the section is larger than `limits` allow.
pub fn decode(section: &[u8]) -> Result<Vec<RawField>, Error> {
    let mut input = prefix(section)?;
    let mut arena = Arena::default();
    let mut lines: Vec<(Text, Text)> = Vec::new();
    let mut size = 0usize;
    while let Some(first) = input.first() {
        if lines.len() == FIELDS_MAX {
            return Err(Error::HeadOverLimit("number of fields"));
        }
        let (name, value) = line(*first, &mut input, &mut arena)?;
        size += name.length() + value.length() + FIELD_OVERHEAD;
        if size > FIELD_SECTION_BYTES_MAX {
            return Err(Error::HeadOverLimit("size of the field section"));
        }
        lines.push((name, value));
    }
    let memory = Bytes::from(arena.0);
    let field = |(name, value): (Text, Text)| RawField { name: name.of(&memory), value: value.of(&memory) };
    Ok(lines.into_iter().map(field).collect())
}

/// Compresses a field section: the prefix, then each name and value. Secrets are marked never to be indexed
/// (RFC 9204 §7.1.3).
pub fn encode<'a>(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>, out: &mut impl BufMut) {
    // Required Insert Count 0, Base 0.
    out.put_slice(&[0, 0]);
    for (name, value) in fields {
        let never_indexed = matches!(name, b"authorization" | b"proxy-authorization" | b"cookie" | b"set-cookie");
        match static_table::find(name, value) {
            Some(Match::Whole(index)) => integer::encode(0b1100_0000, 6, index, out),
            Some(Match::Name(index)) => {
                let flags = if never_indexed { 0b0111_0000 } else { 0b0101_0000 };
                integer::encode(flags, 4, index, out);
                encode_string(0, 7, value, out);
            }
            None => {
                let flags = if never_indexed { 0b0011_0000 } else { 0b0010_0000 };
                encode_string(flags, 3, name, out);
                encode_string(0, 7, value, out);
            }
        }
    }
}

/// Reads the two integers before the field lines (RFC 9204 §4.5.1).
fn prefix(section: &[u8]) -> Result<&[u8], Error> {
    let mut input = section;
    if read_integer(8, &mut input)? != 0 {
        return Err(DYNAMIC);
    }
    // A negative Base, as any would be that is below a Required Insert Count of zero, is invalid (§4.5.1.2).
    if input.first().is_some_and(|octet| octet & 0x80 != 0) {
        return Err(Error::Decompression("a negative base"));
    }
    read_integer(7, &mut input)?;
    Ok(input)
}

/// Reads one field line (RFC 9204 §4.5.2 to §4.5.6), of which `first` is the first octet.
fn line(first: u8, input: &mut &[u8], arena: &mut Arena) -> Result<(Text, Text), Error> {
    match first {
        // Indexed: 1T.
        0b1100_0000.. => {
            let (name, value) = static_entry(read_integer(6, input)?)?;
            Ok((Text::Fixed(name), Text::Fixed(value)))
        }
        // Literal with name reference: 01NT.
        0b0101_0000..=0b0101_1111 | 0b0111_0000..=0b0111_1111 => {
            let (name, _) = static_entry(read_integer(4, input)?)?;
            Ok((Text::Fixed(name), read_string(7, input, arena)?))
        }
        // Literal with literal name: 001N.
        0b0010_0000..=0b0011_1111 => Ok((read_string(3, input, arena)?, read_string(7, input, arena)?)),
        // The same with the dynamic table, and the two post-base forms.
        0b1000_0000..=0b1011_1111
        | 0b0100_0000..=0b0100_1111
        | 0b0110_0000..=0b0110_1111
        | 0b0001_0000..=0b0001_1111
        | 0b0000_0000..=0b0000_1111 => Err(DYNAMIC),
    }
}

fn static_entry(index: u64) -> Result<(&'static str, &'static str), Error> {
    static_table::entry(index).ok_or(Error::Decompression("an index beyond the static table"))
}

fn read_integer(prefix: u32, input: &mut &[u8]) -> Result<u64, Error> {
    let (value, rest) =
        integer::decode(prefix, input).ok_or(Error::Decompression("an integer overflows"))?.ok_or(TRUNCATED)?;
    *input = rest;
    Ok(value)
}

/// Reads a string whose first octet has `prefix` bits of the length and, above them, the Huffman flag.
fn read_string(prefix: u32, input: &mut &[u8], arena: &mut Arena) -> Result<Text, Error> {
    let compressed = input.first().is_some_and(|octet| octet >> prefix & 1 == 1);
    let length = read_integer(prefix, input)?;
    let (text, rest) =
        usize::try_from(length).ok().and_then(|length| input.split_at_checked(length)).ok_or(TRUNCATED)?;
    *input = rest;
    let start = arena.0.len();
    if compressed {
        huffman::decode(text, &mut arena.0).ok_or(Error::Decompression("an invalid Huffman string"))?;
    } else {
        arena.0.extend_from_slice(text);
    }
    Ok(Text::Held(start..arena.0.len()))
}

fn encode_string(flags: u8, prefix: u32, text: &[u8], out: &mut impl BufMut) {
    let compressed = huffman::encoded_length(text);
    if compressed < text.len() {
        integer::encode(flags | 1 << prefix, prefix, compressed as u64, out);
        huffman::encode(text, out);
    } else {
        integer::encode(flags, prefix, text.len() as u64, out);
        out.put_slice(text);
    }
}

/// The memory of one decoded section: at most 8/5 of the HEADERS frame, which is bounded.
#[derive(Default)]
struct Arena(Vec<u8>);

enum Text {
    Fixed(&'static str),
    Held(Range<usize>),
}

impl Text {
    fn length(&self) -> usize {
        match self {
            Self::Fixed(text) => text.len(),
            Self::Held(range) => range.len(),
        }
    }

    fn of(self, memory: &Bytes) -> Bytes {
        match self {
            Self::Fixed(text) => Bytes::from_static(text.as_bytes()),
            // INVARIANT (arena): ranges were taken from this memory while it grew.
            Self::Held(range) => memory.slice(range),
        }
    }
}

/// Reads the peer's encoder stream, on which nothing but a table capacity of zero makes sense.
#[derive(Debug, Default)]
pub struct EncoderStream {}

impl EncoderStream {
    /// Takes all of `input`.
    ///
    /// # Errors
    /// [`Error::EncoderStream`] for any instruction but Set Dynamic Table Capacity 0 (RFC 9204 §4.3.1): we allow a
    /// capacity of zero, into which nothing can be inserted.
    pub fn read(&mut self, input: &mut Bytes) -> Result<(), Error> {
        // The capacity zero is one octet; anything else is an error by its first.
        let fault = input.iter().find(|octet| **octet != 0b0010_0000);
        let error = match fault {
            None => None,
            Some(0b0010_0001..=0b0011_1111) => Some("a capacity beyond the maximum"),
            Some(0b1000_0000..) => Some("an insertion by name reference"),
            Some(0b0100_0000..=0b0111_1111) => Some("an insertion by literal name"),
            Some(0b0000_0000..=0b0010_0000) => Some("a duplicate of nothing"),
        };
        input.clear();
        error.map_or(Ok(()), |why| Err(Error::EncoderStream(why)))
    }

    /// The stream ended, which it must not (RFC 9204 §4.2).
    #[must_use]
    pub const fn closed(&self) -> Error {
        Error::ClosedCriticalStream("QPACK encoder")
    }
}

/// Reads the peer's decoder stream, on which only stream cancellations make sense.
#[derive(Debug, Default)]
pub struct DecoderStream {
    /// Octets seen of a stream cancellation that has not ended.
    held: Vec<u8>,
}

impl DecoderStream {
    /// Takes all of `input`.
    ///
    /// # Errors
    /// [`Error::DecoderStream`] for an acknowledgement or an insert count, since we inserted nothing
    /// (RFC 9204 §4.4.1, §4.4.3), and for a stream id beyond 62 bits.
    pub fn read(&mut self, input: &mut Bytes) -> Result<(), Error> {
        for octet in std::mem::take(input) {
            if self.held.is_empty() {
                match octet {
                    0b1000_0000.. => return Err(Error::DecoderStream("an acknowledgement of nothing")),
                    0b0000_0000..=0b0011_1111 => return Err(Error::DecoderStream("an insert count for nothing")),
                    0b0100_0000..=0b0111_1111 => {}
                }
            }
            // INVARIANT (bounded): the integer reader refuses what takes more than ten octets.
            self.held.push(octet);
            match integer::decode(6, &self.held) {
                None => return Err(Error::DecoderStream("an integer overflows")),
                Some(None) => {}
                Some(Some(_)) => self.held.clear(),
            }
        }
        Ok(())
    }

    /// The stream ended, which it must not (RFC 9204 §4.2).
    #[must_use]
    pub const fn closed(&self) -> Error {
        Error::ClosedCriticalStream("QPACK decoder")
    }
}

#[cfg(test)]
mod tests;
