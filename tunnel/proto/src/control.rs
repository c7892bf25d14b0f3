//! The control stream (RFC 9114 §6.2.1): SETTINGS first, then GOAWAY and, from clients, push ids that lead nowhere.

use bytes::{BufMut, Bytes};

use crate::error::Error;
use crate::frame::{self, HeaderReader, Payload, Side};
use crate::limits::{
    CONTROL_FRAMES_MAX, CONTROL_UNKNOWN_BYTES_MAX, CONTROL_UNKNOWN_BYTES_PER_REQUEST, SETTINGS_FRAME_BYTES_MAX,
};
use crate::settings::Settings;
use crate::varint;

/// What a control stream says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlEvent {
    /// The peer's settings; always first and once.
    Settings(Settings),
    /// The peer drains. From a server: requests on stream ids at or above this one were not and will not be processed.
    /// From a client: a push id, of no meaning to us.
    GoAway(u64),
}

/// Reads the peer's control stream. After an error it must not be used again.
#[derive(Debug)]
pub struct ControlReader {
    side: Side,
    state: State,
    settings_seen: bool,
    last_goaway: Option<u64>,
    max_push_id: Option<u64>,
    frames: u32,
    unknown_bytes_left: u64,
}

#[derive(Debug)]
enum State {
    Header(HeaderReader),
    Payload { kind: u64, payload: Payload },
    Skip { left: u64 },
}

impl ControlReader {
    /// A reader for the side that we are.
    #[must_use]
    pub fn new(side: Side) -> Self {
        Self {
            side,
            state: State::Header(HeaderReader::default()),
            settings_seen: false,
            last_goaway: None,
            max_push_id: None,
            frames: 0,
            unknown_bytes_left: CONTROL_UNKNOWN_BYTES_MAX,
        }
    }

    /// The peer opened another request: it may send a little more of what we ignore (priorities).
    pub fn on_request(&mut self) {
        self.unknown_bytes_left =
            self.unknown_bytes_left.saturating_add(CONTROL_UNKNOWN_BYTES_PER_REQUEST).min(CONTROL_UNKNOWN_BYTES_MAX);
    }

    /// Takes octets from the front of `input` and returns the next thing they complete; `None` when `input` is used up.
    ///
    /// # Errors
    /// Anything that RFC 9114 forbids on a control stream, or a bound of ours. All of them end the connection.
    pub fn read(&mut self, input: &mut Bytes) -> Result<Option<ControlEvent>, Error> {
        loop {
            match &mut self.state {
                State::Header(header) => {
                    let Some((kind, length)) = header.read(input) else { return Ok(None) };
                    self.state = self.begin(kind, length)?;
                }
                State::Payload { kind, payload } => {
                    let kind = *kind;
                    let Some(payload) = payload.read(input) else { return Ok(None) };
                    self.state = State::Header(HeaderReader::default());
                    if let Some(event) = self.end(kind, &payload)? {
                        return Ok(Some(event));
                    }
                }
                State::Skip { left: 0 } => self.state = State::Header(HeaderReader::default()),
                State::Skip { left } => {
                    if frame::take(left, input).is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The stream ended, by FIN or by reset: neither is allowed while the connection lives (RFC 9114 §6.2.1).
    #[must_use]
    pub const fn closed(&self) -> Error {
        Error::ClosedCriticalStream("control")
    }

    fn begin(&mut self, kind: u64, length: u64) -> Result<State, Error> {
        if !self.settings_seen && kind != frame::SETTINGS {
            return Err(Error::MissingSettings);
        }
        match kind {
            frame::SETTINGS => {
                if self.settings_seen {
                    return Err(Error::FrameUnexpected(kind));
                }
                self.settings_seen = true;
                payload(kind, length, SETTINGS_FRAME_BYTES_MAX, Error::ConnectionOverLimit("octets of settings"))
            }
            frame::MAX_PUSH_ID if self.side == Side::Client => Err(Error::FrameUnexpected(kind)),
            frame::GOAWAY | frame::MAX_PUSH_ID | frame::CANCEL_PUSH => {
                self.frames += 1;
                if self.frames > CONTROL_FRAMES_MAX {
                    return Err(Error::ConnectionOverLimit("control frames"));
                }
                payload(kind, length, 8, Error::Frame("more than one integer"))
            }
            frame::DATA | frame::HEADERS | frame::PUSH_PROMISE => Err(Error::FrameUnexpected(kind)),
            _ if frame::is_reserved_from_http2(kind) => Err(Error::FrameUnexpected(kind)),
            _ if frame::PRIORITY_UPDATE.contains(&kind) && self.side == Side::Client => {
                Err(Error::FrameUnexpected(kind))
            }
            _ => {
                // The header costs too, or empty frames would be free.
                let cost = length.saturating_add(2);
                self.unknown_bytes_left = self
                    .unknown_bytes_left
                    .checked_sub(cost)
                    .ok_or(Error::ConnectionOverLimit("octets of unknown control frames"))?;
                Ok(State::Skip { left: length })
            }
        }
    }

    fn end(&mut self, kind: u64, payload: &[u8]) -> Result<Option<ControlEvent>, Error> {
        match kind {
            frame::SETTINGS => Settings::decode(payload).map(ControlEvent::Settings).map(Some),
            frame::GOAWAY => self.goaway(sole_integer(payload)?).map(Some),
            frame::MAX_PUSH_ID => {
                let id = sole_integer(payload)?;
                if self.max_push_id.is_some_and(|last| id < last) {
                    return Err(Error::Id("the maximum push id shrinks"));
                }
                self.max_push_id = Some(id);
                Ok(None)
            }
            // RFC 9114 §7.2.3: an id that no PUSH_PROMISE mentioned, or beyond the maximum; there is no other, for we
            // neither push nor allow it.
            _ => {
                sole_integer(payload)?;
                Err(Error::Id("a push is cancelled, though none was promised"))
            }
        }
    }

    fn goaway(&mut self, id: u64) -> Result<ControlEvent, Error> {
        if self.side == Side::Client && !id.is_multiple_of(4) {
            return Err(Error::Id("the drain names no request stream"));
        }
        if self.last_goaway.is_some_and(|last| id > last) {
            return Err(Error::Id("the id of the drain grows"));
        }
        self.last_goaway = Some(id);
        Ok(ControlEvent::GoAway(id))
    }
}

/// Writes a GOAWAY frame: as server, `id` is the first request stream id that was and will be ignored.
pub fn write_goaway(id: u64, out: &mut impl BufMut) {
    frame::write_header(frame::GOAWAY, varint::size(id) as u64, out);
    varint::encode(id, out);
}

fn payload(kind: u64, length: u64, length_max: usize, error: Error) -> Result<State, Error> {
    match usize::try_from(length) {
        Ok(length) if length <= length_max => Ok(State::Payload { kind, payload: Payload::new(length) }),
        Ok(_) | Err(_) => Err(error),
    }
}

fn sole_integer(payload: &[u8]) -> Result<u64, Error> {
    match varint::decode(payload) {
        Some((value, [])) => Ok(value),
        Some((_, [_, ..])) | None => Err(Error::Frame("not exactly one integer")),
    }
}

#[cfg(test)]
mod tests;
