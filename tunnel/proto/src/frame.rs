//! HTTP/3 frames on a request stream (RFC 9114 §4.1, §7): chunks in, heads and body pieces out.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::Error;
use crate::limits::{
    HEADERS_FRAME_BYTES_MAX, INTERIM_RESPONSES_MAX, REQUEST_IDLE_FRAMES_MAX, REQUEST_UNKNOWN_BYTES_MAX,
};
use crate::varint;

/// Body octets (RFC 9114 §7.2.1).
pub const DATA: u64 = 0x0;
/// A field section (RFC 9114 §7.2.2).
pub const HEADERS: u64 = 0x1;
/// RFC 9114 §7.2.3; we never allow a push.
pub(crate) const CANCEL_PUSH: u64 = 0x3;
/// RFC 9114 §7.2.4.
pub(crate) const SETTINGS: u64 = 0x4;
/// RFC 9114 §7.2.5; we never allow a push.
pub(crate) const PUSH_PROMISE: u64 = 0x5;
/// RFC 9114 §7.2.6.
pub(crate) const GOAWAY: u64 = 0x7;
/// RFC 9114 §7.2.7.
pub(crate) const MAX_PUSH_ID: u64 = 0xd;
/// RFC 9218 §7.2: for requests and for pushes, on the control stream only.
pub(crate) const PRIORITY_UPDATE: [u64; 2] = [0xf_0700, 0xf_0701];

/// Frame types of HTTP/2 that have no meaning in HTTP/3 and must not be sent (RFC 9114 §7.2.8, §11.2.1).
#[must_use]
pub(crate) const fn is_reserved_from_http2(kind: u64) -> bool {
    matches!(kind, 0x2 | 0x6 | 0x8 | 0x9)
}

/// The end of the connection that we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// We read requests.
    Server,
    /// We read responses.
    Client,
}

/// What a request stream carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The compressed field section of the head, for `qpack::decode`.
    Head(Bytes),
    /// A piece of the body, never empty, as it lay in the chunk. Where one piece ends means nothing.
    Data(Bytes),
    /// The compressed field section of the trailers.
    Trailers(Bytes),
}

/// Reads the frames of one request stream in one direction.
///
/// Feed it chunks in order with [`read`](Self::read) until the chunk is used up, then call [`finish`](Self::finish) at
/// FIN. DATA is handed out as it arrives and never held; of HEADERS at most
/// [`HEADERS_FRAME_BYTES_MAX`] octets are. After an error it must not be used again.
#[derive(Debug)]
pub struct FrameReader {
    side: Side,
    phase: Phase,
    state: State,
    body_left: Option<u64>,
    interim_responses: u32,
    idle_frames: u32,
    unknown_bytes: u64,
}

/// Which frames may follow (RFC 9114 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Head,
    Body,
    /// After CONNECT: no trailers (RFC 9114 §4.4).
    Tunnel,
    Ended,
}

#[derive(Debug)]
enum State {
    Header(HeaderReader),
    Section(Payload),
    Data { left: u64 },
    Skip { left: u64 },
}

impl FrameReader {
    /// A reader for the side that we are.
    #[must_use]
    pub fn new(side: Side) -> Self {
        Self {
            side,
            phase: Phase::Head,
            state: State::Header(HeaderReader::default()),
            body_left: None,
            interim_responses: 0,
            idle_frames: 0,
            unknown_bytes: 0,
        }
    }

    /// From here on the stream is a tunnel: only DATA (and unknown frames) may follow (RFC 9114 §4.4). To be called after
    /// the head of a CONNECT, or of the 2xx answer to one.
    pub fn tunnel(&mut self) {
        self.phase = Phase::Tunnel;
    }

    /// The head announced this `content-length`; more or fewer octets of DATA make the message malformed
    /// (RFC 9114 §4.1.2). Not to be called for what has no body whatever it announces: the answer to HEAD, and 304.
    pub fn expect_body(&mut self, content_length: u64) {
        self.body_left = Some(content_length);
    }

    /// The response head that was just read is interim (1xx): another head follows.
    ///
    /// # Errors
    /// [`Error::StreamOverLimit`] after [`INTERIM_RESPONSES_MAX`] of them.
    pub fn interim(&mut self) -> Result<(), Error> {
        self.interim_responses += 1;
        if self.interim_responses > INTERIM_RESPONSES_MAX {
            return Err(Error::StreamOverLimit("interim responses"));
        }
        self.phase = Phase::Head;
        Ok(())
    }

    /// Takes octets from the front of `input` and returns the next thing they complete; `None` when `input` is used up.
    ///
    /// # Errors
    /// A frame that is malformed, out of sequence or over a limit.
    pub fn read(&mut self, input: &mut Bytes) -> Result<Option<Event>, Error> {
        loop {
            match &mut self.state {
                State::Header(header) => {
                    let Some((kind, length)) = header.read(input) else { return Ok(None) };
                    self.state = self.begin(kind, length)?;
                }
                State::Section(payload) => {
                    let Some(section) = payload.read(input) else { return Ok(None) };
                    self.state = State::Header(HeaderReader::default());
                    return Ok(Some(self.section(section)));
                }
                State::Data { left: 0 } | State::Skip { left: 0 } => {
                    self.state = State::Header(HeaderReader::default());
                }
                State::Data { left } => {
                    return Ok(take(left, input).map(Event::Data));
                }
                State::Skip { left } => {
                    if take(left, input).is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The stream ended with FIN.
    ///
    /// # Errors
    /// A truncated frame, a stream without a head, or a body shorter than announced.
    pub fn finish(&self) -> Result<(), Error> {
        match &self.state {
            State::Header(header) if !header.is_partial() => {}
            State::Data { left: 0 } | State::Skip { left: 0 } => {}
            State::Header(_) | State::Section(_) | State::Data { .. } | State::Skip { .. } => {
                return Err(Error::Frame("truncated by the end of the stream"));
            }
        }
        match (self.phase, self.side) {
            (Phase::Head, Side::Server) => Err(Error::RequestIncomplete),
            (Phase::Head, Side::Client) => Err(Error::Message("the stream ended before the response")),
            (Phase::Body | Phase::Tunnel | Phase::Ended, _) => match self.body_left {
                Some(1..) => Err(Error::Message("the body is shorter than its content-length")),
                None | Some(0) => Ok(()),
            },
        }
    }

    fn begin(&mut self, kind: u64, length: u64) -> Result<State, Error> {
        match kind {
            DATA => self.begin_data(length),
            HEADERS => match self.phase {
                Phase::Head | Phase::Body => {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    if length > HEADERS_FRAME_BYTES_MAX {
                        return Err(Error::HeadOverLimit("octets of the field section"));
                    }
                    Ok(State::Section(Payload::new(length)))
                }
                Phase::Tunnel | Phase::Ended => Err(Error::FrameUnexpected(kind)),
            },
            PUSH_PROMISE if self.side == Side::Client => Err(Error::Id("a push, though none was allowed")),
            CANCEL_PUSH | SETTINGS | PUSH_PROMISE | GOAWAY | MAX_PUSH_ID => Err(Error::FrameUnexpected(kind)),
            _ if is_reserved_from_http2(kind) || PRIORITY_UPDATE.contains(&kind) => Err(Error::FrameUnexpected(kind)),
            _ => {
                self.count_idle_frame()?;
                self.unknown_bytes = self.unknown_bytes.saturating_add(length);
                if self.unknown_bytes > REQUEST_UNKNOWN_BYTES_MAX {
                    return Err(Error::StreamOverLimit("octets of unknown frames"));
                }
                Ok(State::Skip { left: length })
            }
        }
    }

    fn begin_data(&mut self, length: u64) -> Result<State, Error> {
        match self.phase {
            Phase::Body | Phase::Tunnel => {}
            Phase::Head | Phase::Ended => return Err(Error::FrameUnexpected(DATA)),
        }
        if let Some(left) = &mut self.body_left {
            *left = left.checked_sub(length).ok_or(Error::Message("the body is longer than its content-length"))?;
        }
        if length == 0 {
            self.count_idle_frame()?;
        } else {
            self.idle_frames = 0;
        }
        Ok(State::Data { left: length })
    }

    fn count_idle_frame(&mut self) -> Result<(), Error> {
        self.idle_frames += 1;
        if self.idle_frames > REQUEST_IDLE_FRAMES_MAX {
            return Err(Error::StreamOverLimit("frames without data"));
        }
        Ok(())
    }

    fn section(&mut self, section: Bytes) -> Event {
        match self.phase {
            Phase::Head => {
                self.phase = Phase::Body;
                Event::Head(section)
            }
            Phase::Body | Phase::Tunnel | Phase::Ended => {
                self.phase = Phase::Ended;
                Event::Trailers(section)
            }
        }
    }
}

/// The header of a DATA frame for `length` octets; the octets themselves follow as they are.
#[must_use]
pub fn data_header(length: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(9);
    write_header(DATA, length as u64, &mut out);
    out.freeze()
}

/// Writes a HEADERS frame around an encoded field section.
pub fn write_headers(section: &[u8], out: &mut impl BufMut) {
    write_header(HEADERS, section.len() as u64, out);
    out.put_slice(section);
}

/// Writes a frame of a reserved type (RFC 9114 §7.2.8), which every peer has to ignore; `seed` picks the type and what is
/// in it.
pub fn write_grease(seed: u64, out: &mut impl BufMut) {
    let octets = seed.to_be_bytes();
    let payload = octets.get(..(seed % 8) as usize).unwrap_or_default();
    write_header(reserved(seed), payload.len() as u64, out);
    out.put_slice(payload);
}

/// A number of the form `0x1f * N + 0x21`, reserved for exercising the rule that the unknown is ignored.
pub(crate) const fn reserved(seed: u64) -> u64 {
    0x1f * (seed % ((varint::MAX - 0x21) / 0x1f)) + 0x21
}

/// Writes a frame's type and length.
pub(crate) fn write_header(kind: u64, length: u64, out: &mut impl BufMut) {
    varint::encode(kind, out);
    varint::encode(length, out);
}

/// Takes up to `left` octets from `input` as one slice of it; `None` when `input` is empty.
pub(crate) fn take(left: &mut u64, input: &mut Bytes) -> Option<Bytes> {
    if input.is_empty() {
        return None;
    }
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= count as u64;
    Some(input.split_to(count))
}

/// Collects a type and a length, which may be spread over chunks.
#[derive(Debug, Default)]
pub(crate) struct HeaderReader {
    kind: Option<u64>,
    partial: varint::Partial,
}

impl HeaderReader {
    pub(crate) fn read(&mut self, input: &mut Bytes) -> Option<(u64, u64)> {
        let kind = match self.kind {
            Some(kind) => kind,
            None => *self.kind.insert(self.partial.read(input)?),
        };
        let length = self.partial.read(input)?;
        self.kind = None;
        Some((kind, length))
    }

    pub(crate) const fn is_partial(&self) -> bool {
        self.kind.is_some() || self.partial.is_partial()
    }
}

/// Collects a payload of known length: a slice of the chunk where it lies in one, a copy where it does not.
#[derive(Debug)]
pub(crate) struct Payload {
    length: usize,
    held: BytesMut,
}

impl Payload {
    /// INVARIANT (payload): the caller has bounded `length`.
    pub(crate) fn new(length: usize) -> Self {
        Self { length, held: BytesMut::new() }
    }

    pub(crate) fn read(&mut self, input: &mut Bytes) -> Option<Bytes> {
        let missing = self.length - self.held.len();
        if self.held.is_empty() && input.len() >= missing {
            return Some(input.split_to(missing));
        }
        let count = missing.min(input.len());
        self.held.extend_from_slice(input.get(..count)?);
        input.advance(count);
        (self.held.len() == self.length).then(|| std::mem::take(&mut self.held).freeze())
    }
}

#[cfg(test)]
mod tests;
