//! What the fuzzer runs, and what the tests replay its corpus through: each function takes any octets and panics when a
//! promise of this crate is broken.
//!
//! The promises: no octets make a reader panic; how a stream is cut into chunks changes nothing; bounds hold; what was
//! accepted is accepted again when we write it, with the same meaning.

use bytes::{Bytes, BytesMut};

use crate::capsule::CapsuleReader;
use crate::control::{ControlEvent, ControlReader};
use crate::datagram;
use crate::error::Error;
use crate::fields::RawField;
use crate::frame::{Event, FrameReader, Side};
use crate::h1::{self, ChunkedReader};
use crate::head::{Authority, RequestForm, RequestHead, ResponseHead, trailers_from_h3};
use crate::limits::{FIELD_SECTION_BYTES_MAX, FIELDS_MAX};
use crate::masque;
use crate::proxy_status::ProxyStatus;
use crate::qpack::{self, DecoderStream, EncoderStream};
use crate::stream::{UniStream, UniStreamReader, UniStreams};

/// Runs one input.
pub type Target = fn(&[u8]);

/// The names of the targets, which are the names of the corpus folders, with what they run.
pub const TARGETS: [(&str, Target); 5] = [
    ("frame", frame),
    ("qpack", qpack),
    ("capsule", capsule),
    ("head_h1", head_h1),
    ("control_stream", control_stream),
];

/// A request stream. The first octet says how the rest is cut and which side we are.
pub fn frame(input: &[u8]) {
    let Some((first, wire)) = input.split_first() else { return };
    let whole = frames(*first, wire, usize::MAX);
    let cut = frames(*first, wire, usize::from(first >> 3) + 1);
    assert_eq!(whole, cut, "how a request stream is cut changes nothing");
    for event in whole.0 {
        match event {
            Event::Head(section) => qpack(&section),
            Event::Data(piece) => assert!(!piece.is_empty(), "no piece of data is empty"),
            Event::Trailers(section) => qpack(&section),
        }
    }
}

/// What a request stream means, with neighbouring pieces of data joined.
fn frames(flags: u8, wire: &[u8], step: usize) -> (Vec<Event>, Result<(), Error>) {
    let mut reader = FrameReader::new(if flags & 1 == 0 { Side::Server } else { Side::Client });
    let mut events: Vec<Event> = Vec::new();
    for chunk in wire.chunks(step) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        loop {
            match reader.read(&mut chunk) {
                Ok(None) => break,
                Ok(Some(Event::Head(section))) => {
                    events.push(Event::Head(section));
                    match flags & 6 {
                        2 => reader.tunnel(),
                        4 => reader.expect_body(u64::from(flags >> 3)),
                        6 => {
                            if let Err(error) = reader.interim() {
                                return (events, Err(error));
                            }
                        }
                        _ => {}
                    }
                }
                Ok(Some(Event::Data(piece))) => join(&mut events, piece),
                Ok(Some(Event::Trailers(section))) => events.push(Event::Trailers(section)),
                Err(error) => return (events, Err(error)),
            }
        }
        assert!(chunk.is_empty(), "a chunk is used up");
    }
    (events, reader.finish())
}

fn join(events: &mut Vec<Event>, piece: Bytes) {
    if let Some(Event::Data(last)) = events.last_mut() {
        let mut joined = BytesMut::from(&last[..]);
        joined.extend_from_slice(&piece);
        *last = joined.freeze();
    } else {
        events.push(Event::Data(piece));
    }
}

/// A field section, as a request, a response and trailers.
pub fn qpack(section: &[u8]) {
    let Ok(fields) = qpack::decode(section) else { return };
    let size: usize = fields.iter().map(|field| field.name.len() + field.value.len() + 32).sum();
    assert!(size <= FIELD_SECTION_BYTES_MAX && fields.len() <= FIELDS_MAX, "a decoded section is bounded");
    let mut again = Vec::new();
    qpack::encode(fields.iter().map(|field| (&field.name[..], &field.value[..])), &mut again);
    assert_eq!(qpack::decode(&again).as_ref(), Ok(&fields), "what is compressed decompresses to itself");
    if let Ok(head) = RequestHead::from_h3(fields.clone()) {
        if let Some(again) = through_frame(head.encode_h3()) {
            assert_eq!(RequestHead::from_h3(again).as_ref(), Ok(&head), "a request survives");
        }
        request(&head);
    }
    if let Ok(head) = ResponseHead::from_h3(fields.clone()) {
        if let Some(again) = through_frame(head.encode_h3()) {
            assert_eq!(ResponseHead::from_h3(again).as_ref(), Ok(&head), "a response survives");
        }
        let _ = ProxyStatus::from_fields(&head.fields);
    }
    let _ = trailers_from_h3(fields);
}

/// `None` for a head that was just below our limits and is above them now: `host` has become `:authority`.
fn through_frame(mut frame: Bytes) -> Option<Vec<RawField>> {
    match FrameReader::new(Side::Server).read(&mut frame) {
        Ok(Some(Event::Head(section))) => qpack::decode(&section).ok(),
        Ok(Some(Event::Data(_) | Event::Trailers(_)) | None) | Err(_) => None,
    }
}

/// What the gateway makes of a request.
fn request(head: &RequestHead) {
    let _ = head.fields.capsule_protocol();
    match &head.form {
        RequestForm::Connect { authority } => {
            assert_eq!(Authority::parse(&authority.to_string()).as_ref(), Ok(authority), "an authority survives");
        }
        RequestForm::Extended { path, .. } | RequestForm::Ordinary { path, .. } => {
            if let Ok(Some(target)) = masque::udp_target(path) {
                assert_eq!(masque::udp_target(&masque::udp_path(&target)), Ok(Some(target)), "a UDP target survives");
            }
        }
    }
}

/// Capsules, and the same octets as a QUIC datagram. The first octet says how the rest is cut.
pub fn capsule(input: &[u8]) {
    let Some((first, wire)) = input.split_first() else { return };
    let whole = capsules(wire, usize::MAX);
    assert_eq!(whole, capsules(wire, usize::from(*first) + 1), "how a stream of capsules is cut changes nothing");
    for payload in whole.0 {
        let _ = datagram::udp_payload(payload);
    }
    if let Ok(read) = datagram::decode(Bytes::copy_from_slice(wire))
        && let Ok(Some(payload)) = datagram::udp_payload(read.payload)
    {
        let again = datagram::decode(datagram::encode_udp(read.stream, &payload));
        let payload_again = again.clone().and_then(|again| datagram::udp_payload(again.payload));
        assert_eq!(payload_again, Ok(Some(payload)), "a UDP payload survives");
        assert_eq!(again.map(|again| again.stream), Ok(read.stream), "its stream survives");
    }
}

fn capsules(wire: &[u8], step: usize) -> (Vec<Bytes>, Result<(), Error>) {
    let mut reader = CapsuleReader::default();
    let mut payloads = Vec::new();
    for chunk in wire.chunks(step) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        loop {
            match reader.read(&mut chunk) {
                Ok(None) => break,
                Ok(Some(payload)) => payloads.push(payload),
                Err(error) => return (payloads, Err(error)),
            }
        }
    }
    (payloads, reader.finish())
}

/// An HTTP/1.1 head as a request and as a response, and the same octets as a chunked body and as `Proxy-Status`.
pub fn head_h1(input: &[u8]) {
    if let Ok(Some(read)) = h1::read_request(input) {
        let (head, body) = input.split_at_checked(read.bytes).unwrap_or_default();
        assert!(head.ends_with(b"\r\n\r\n"), "a head ends with an empty line");
        let before = head.split_last().map_or(&[][..], |(_, before)| before);
        assert_eq!(h1::read_request(before), Ok(None), "less than a head is waited for");
        assert_eq!(h1::read_request(head).as_ref(), Ok(&Some(read.clone())), "what follows a head changes nothing");
        if read.body == h1::Body::Chunked {
            assert_eq!(chunks(body, usize::MAX), chunks(body, 3), "how a chunked body is cut changes nothing");
        }
        let mut again = Vec::new();
        h1::write_request(&read.head, &mut again);
        // The scheme does not travel in origin form.
        let survived = h1::read_request(&again).map(|again| again.map(|again| again.head.fields));
        assert_eq!(survived, Ok(Some(read.head.fields.clone())), "the fields of a request survive");
        request(&read.head);
    }
    let Ok(connect) = Authority::new("a", 1).map(RequestHead::connect) else { return };
    if let Ok(Some(read)) = h1::read_response(input, &connect) {
        let mut again = Vec::new();
        h1::write_response(&read.head, Some(&connect), &mut again);
        let survived = h1::read_response(&again, &connect).map(|again| again.map(|again| again.head));
        assert_eq!(survived, Ok(Some(read.head)), "a response survives");
    }
    assert_eq!(chunks(input, usize::MAX), chunks(input, 2), "how a chunked body is cut changes nothing");
    for member in ProxyStatus::parse(input).unwrap_or_default() {
        let again = ProxyStatus::parse(&member.encode()).unwrap_or_default();
        assert_eq!(again.first().map(|again| again.error), Some(member.error), "a proxy's error survives");
    }
}

fn chunks(wire: &[u8], step: usize) -> (Vec<u8>, Result<bool, Error>) {
    let mut reader = ChunkedReader::default();
    let mut body = Vec::new();
    for chunk in wire.chunks(step) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        loop {
            match reader.read(&mut chunk) {
                Ok(None) => break,
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Err(error) => return (body, Err(error)),
            }
        }
    }
    (body, Ok(reader.is_ended()))
}

/// A unidirectional stream: its type, then what is read from a stream of that type. The first octet says how the rest is
/// cut and which side we are.
pub fn control_stream(input: &[u8]) {
    let Some((first, wire)) = input.split_first() else { return };
    let side = if first & 1 == 0 { Side::Server } else { Side::Client };
    let cut = uni_stream(side, wire, usize::from(first >> 1) + 1);
    assert_eq!(uni_stream(side, wire, usize::MAX), cut, "how a unidirectional stream is cut changes nothing");
}

fn uni_stream(side: Side, wire: &[u8], step: usize) -> (Vec<ControlEvent>, Option<Error>) {
    let mut head = UniStreamReader::default();
    let mut kind = None;
    let mut control = ControlReader::new(side);
    let (mut encoder, mut decoder) = (EncoderStream::default(), DecoderStream::default());
    let mut events = Vec::new();
    for chunk in wire.chunks(step) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        if kind.is_none() {
            let Some(stream_type) = head.read(&mut chunk) else { continue };
            match UniStreams::new(side).open(stream_type) {
                Ok(opened) => kind = Some(opened),
                Err(error) => return (events, Some(error)),
            }
        }
        let result = match kind {
            Some(UniStream::Control) => loop {
                match control.read(&mut chunk) {
                    Ok(None) => break Ok(()),
                    Ok(Some(event)) => events.push(event),
                    Err(error) => break Err(error),
                }
            },
            Some(UniStream::QpackEncoder) => encoder.read(&mut chunk),
            Some(UniStream::QpackDecoder) => decoder.read(&mut chunk),
            Some(UniStream::Ignored) | None => Ok(()),
        };
        if let Err(error) = result {
            return (events, Some(error));
        }
    }
    (events, None)
}

#[cfg(test)]
mod tests;
