//! Chunked bodies (RFC 9112 §7.1).

use bytes::{Buf, Bytes};

use crate::error::Error;
use crate::frame::take;
use crate::limits::{H1_CHUNK_LINE_BYTES_MAX, H1_TRAILERS_BYTES_MAX};

/// Reads one chunked body. After an error it must not be used again.
#[derive(Debug)]
pub struct ChunkedReader {
    state: State,
    /// Of the line that is being read.
    line: Vec<u8>,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Size,
    Data { left: u64 },
    DataEnd,
    Trailers,
    Ended,
}

impl Default for ChunkedReader {
    fn default() -> Self {
        Self { state: State::Size, line: Vec::new(), trailer_bytes: 0 }
    }
}

impl ChunkedReader {
    /// Takes octets from the front of `input` and returns the next piece of the body, never empty; `None` when `input` is
    /// used up or the body has ended. What comes after its end is left in `input`. Extensions and trailers are thrown
    /// away.
    ///
    /// # Errors
    /// [`Error::Message`] for anything but the plain form; [`Error::StreamOverLimit`] for a line or trailers too long.
    pub fn read(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Error> {
        loop {
            match &mut self.state {
                State::Ended => return Ok(None),
                State::Data { left: 0 } => self.state = State::DataEnd,
                State::Data { left } => return Ok(take(left, input)),
                State::Size | State::DataEnd | State::Trailers => {
                    let Some(line) = self.line(input)? else { return Ok(None) };
                    self.state = self.after(&line)?;
                }
            }
        }
    }

    /// Whether the body is complete.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn after(&mut self, line: &[u8]) -> Result<State, Error> {
        match self.state {
            State::Size => match chunk_size(line)? {
                0 => Ok(State::Trailers),
                left => Ok(State::Data { left }),
            },
            State::DataEnd if line.is_empty() => Ok(State::Size),
            State::DataEnd => Err(Error::Message("a chunk is longer than its size")),
            State::Trailers if line.is_empty() => Ok(State::Ended),
            State::Trailers => {
                self.trailer_bytes += line.len();
                if self.trailer_bytes > H1_TRAILERS_BYTES_MAX {
                    return Err(Error::StreamOverLimit("octets of trailers"));
                }
                Ok(State::Trailers)
            }
            State::Data { .. } | State::Ended => Ok(self.state),
        }
    }

    /// The next line without its CR LF.
    fn line(&mut self, input: &mut Bytes) -> Result<Option<Vec<u8>>, Error> {
        while input.has_remaining() {
            let octet = input.get_u8();
            if octet == b'\n' {
                let mut line = std::mem::take(&mut self.line);
                if line.pop() != Some(b'\r') {
                    return Err(Error::Message("a line feed without a carriage return"));
                }
                return Ok(Some(line));
            }
            if self.line.last() == Some(&b'\r') {
                return Err(Error::Message("a carriage return without a line feed"));
            }
            if self.line.len() > H1_CHUNK_LINE_BYTES_MAX {
                return Err(Error::StreamOverLimit("octets of a chunk's line"));
            }
            self.line.push(octet);
        }
        Ok(None)
    }
}

/// Hexadecimal digits, then nothing or an extension.
fn chunk_size(line: &[u8]) -> Result<u64, Error> {
    let digits = line.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
    let (number, rest) = line.split_at_checked(digits).unwrap_or((line, &[]));
    let extension = rest.iter().position(|octet| !matches!(octet, b' ' | b'\t')).and_then(|at| rest.get(at));
    // Sixteen digits would fit, but nobody sends 2^60 octets.
    if !(1..=15).contains(&digits) || !(rest.is_empty() || extension == Some(&b';')) {
        return Err(Error::Message("a chunk's size is malformed"));
    }
    let number = str::from_utf8(number).ok().and_then(|number| u64::from_str_radix(number, 16).ok());
    number.ok_or(Error::Message("a chunk's size is malformed"))
}
