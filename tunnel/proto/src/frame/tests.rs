use super::*;
use crate::error::{Code, Scope};
use proptest::prelude::*;

fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_header(kind, payload.len() as u64, &mut out);
    out.extend_from_slice(payload);
    out
}

fn drain(reader: &mut FrameReader, wire: &[u8]) -> Result<Vec<Event>, Error> {
    let mut input = Bytes::copy_from_slice(wire);
    let mut events = Vec::new();
    while let Some(event) = reader.read(&mut input)? {
        events.push(event);
    }
    assert!(input.is_empty());
    Ok(events)
}

fn server(frames: &[(u64, &[u8])]) -> Result<Vec<Event>, Error> {
    let wire: Vec<u8> = frames.iter().flat_map(|(kind, payload)| frame(*kind, payload)).collect();
    let mut reader = FrameReader::new(Side::Server);
    let events = drain(&mut reader, &wire)?;
    reader.finish()?;
    Ok(events)
}

fn unexpected(frames: &[(u64, &[u8])]) {
    let error = server(frames).unwrap_err();
    assert_eq!((error.code(), error.scope()), (Code::H3_FRAME_UNEXPECTED, Scope::Connection), "{frames:?}");
}

#[test]
fn a_message_is_head_data_and_trailers() {
    let events = server(&[(HEADERS, b"head"), (DATA, b"one"), (DATA, b""), (DATA, b"two"), (HEADERS, b"end")]).unwrap();
    assert_eq!(
        events,
        [
            Event::Head(Bytes::from_static(b"head")),
            Event::Data(Bytes::from_static(b"one")),
            Event::Data(Bytes::from_static(b"two")),
            Event::Trailers(Bytes::from_static(b"end")),
        ]
    );
}

#[test]
fn data_before_headers_is_unexpected() {
    unexpected(&[(DATA, b"x")]);
    unexpected(&[(DATA, b"")]);
}

#[test]
fn anything_after_trailers_is_unexpected() {
    unexpected(&[(HEADERS, b"h"), (HEADERS, b"t"), (DATA, b"x")]);
    unexpected(&[(HEADERS, b"h"), (HEADERS, b"t"), (HEADERS, b"u")]);
}

#[test]
fn frame_types_reserved_from_http_2_are_unexpected_everywhere() {
    for kind in [0x2, 0x6, 0x8, 0x9] {
        unexpected(&[(kind, b"")]);
        unexpected(&[(HEADERS, b"h"), (kind, b"12345678")]);
        unexpected(&[(HEADERS, b"h"), (HEADERS, b"t"), (kind, b"")]);
    }
}

#[test]
fn frames_of_the_control_stream_are_unexpected_on_a_request_stream() {
    for kind in [CANCEL_PUSH, SETTINGS, GOAWAY, MAX_PUSH_ID, PRIORITY_UPDATE[0], PRIORITY_UPDATE[1]] {
        unexpected(&[(kind, b"\0")]);
        unexpected(&[(HEADERS, b"h"), (kind, b"\0")]);
    }
}

#[test]
fn a_push_promise_is_unexpected_for_a_server_and_an_id_error_for_a_client() {
    unexpected(&[(HEADERS, b"h"), (PUSH_PROMISE, b"\0")]);
    let mut client = FrameReader::new(Side::Client);
    let error = drain(&mut client, &frame(PUSH_PROMISE, b"\0")).unwrap_err();
    assert_eq!((error.code(), error.scope()), (Code::H3_ID_ERROR, Scope::Connection));
}

#[test]
fn unknown_and_grease_frames_are_skipped_wherever_they_come() {
    let grease = 0x1f * 7 + 0x21;
    let events = server(&[
        (grease, b"first"),
        (HEADERS, b"h"),
        (grease, b""),
        (DATA, b"d"),
        (0xffff_ffff, b"between"),
        (HEADERS, b"t"),
        (0x40, b"last"),
    ])
    .unwrap();
    assert_eq!(events.len(), 3);
}

#[test]
fn our_own_grease_is_reserved_and_skipped() {
    for seed in [0, 1, 7, 0x1234_5678_9abc_def7, u64::MAX] {
        assert_eq!((reserved(seed) - 0x21) % 0x1f, 0);
        assert!(reserved(seed) <= varint::MAX);
        let mut wire = Vec::new();
        write_grease(seed, &mut wire);
        let mut reader = FrameReader::new(Side::Client);
        assert_eq!(drain(&mut reader, &wire), Ok(vec![]));
    }
}

#[test]
fn a_frame_truncated_by_the_end_is_a_frame_error() {
    let wire = [frame(HEADERS, b"head"), frame(DATA, b"body"), frame(0x40, b"grease")].concat();
    let whole = [0, 6, 12];
    for length in 0..wire.len() {
        let mut reader = FrameReader::new(Side::Server);
        drain(&mut reader, &wire[..length]).unwrap();
        if !whole.contains(&length) {
            let error = reader.finish().unwrap_err();
            assert_eq!((error.code(), error.scope()), (Code::H3_FRAME_ERROR, Scope::Connection), "{length}");
        }
    }
}

#[test]
fn a_request_stream_without_a_request_is_incomplete() {
    let error = server(&[(0x40, b"grease")]).unwrap_err();
    assert_eq!((error.code(), error.scope()), (Code::H3_REQUEST_INCOMPLETE, Scope::Stream));
    let error = FrameReader::new(Side::Client).finish().unwrap_err();
    assert_eq!((error.code(), error.scope()), (Code::H3_MESSAGE_ERROR, Scope::Stream));
}

#[test]
fn a_tunnel_has_no_trailers() {
    let mut reader = FrameReader::new(Side::Server);
    drain(&mut reader, &frame(HEADERS, b"connect")).unwrap();
    reader.tunnel();
    assert_eq!(drain(&mut reader, &frame(DATA, b"x")).unwrap().len(), 1);
    assert_eq!(drain(&mut reader, &frame(0x40, b"grease")), Ok(vec![]));
    assert_eq!(drain(&mut reader, &frame(HEADERS, b"t")), Err(Error::FrameUnexpected(HEADERS)));
}

#[test]
fn a_body_has_the_length_that_was_announced() {
    let read = |frames: &[&[u8]]| {
        let mut reader = FrameReader::new(Side::Server);
        drain(&mut reader, &frame(HEADERS, b"h"))?;
        reader.expect_body(5);
        for payload in frames {
            drain(&mut reader, &frame(DATA, payload))?;
        }
        reader.finish()
    };
    assert_eq!(read(&[b"12", b"345"]), Ok(()));
    assert!(matches!(read(&[b"1234"]), Err(Error::Message(_))));
    assert!(matches!(read(&[]), Err(Error::Message(_))));
    assert!(matches!(read(&[b"12345", b"6"]), Err(Error::Message(_))));
}

#[test]
fn interim_responses_come_before_the_final_one_and_are_counted() {
    let mut reader = FrameReader::new(Side::Client);
    for _ in 0..INTERIM_RESPONSES_MAX {
        assert!(matches!(drain(&mut reader, &frame(HEADERS, b"103")).unwrap()[..], [Event::Head(_)]));
        reader.interim().unwrap();
    }
    assert_eq!(drain(&mut reader, &frame(DATA, b"x")), Err(Error::FrameUnexpected(DATA)));
    assert!(matches!(reader.interim(), Err(Error::StreamOverLimit(_))));
}

#[test]
fn a_field_section_over_the_limit_is_refused_by_its_length_alone() {
    let mut wire = Vec::new();
    write_header(HEADERS, HEADERS_FRAME_BYTES_MAX as u64 + 1, &mut wire);
    let error = drain(&mut FrameReader::new(Side::Server), &wire).unwrap_err();
    assert_eq!((error.code(), error.scope(), error.status()), (Code::H3_EXCESSIVE_LOAD, Scope::Stream, 431));
}

#[test]
fn unknown_frames_have_a_budget() {
    let mut reader = FrameReader::new(Side::Server);
    let mut wire = Vec::new();
    write_header(0x40, REQUEST_UNKNOWN_BYTES_MAX, &mut wire);
    drain(&mut reader, &wire).unwrap();
    drain(&mut reader, &vec![0; REQUEST_UNKNOWN_BYTES_MAX as usize]).unwrap();
    let error = drain(&mut reader, &frame(0x40, b"1")).unwrap_err();
    assert_eq!((error.code(), error.scope()), (Code::H3_EXCESSIVE_LOAD, Scope::Stream));
}

#[test]
fn frames_without_data_have_a_budget() {
    for kind in [DATA, 0x40] {
        let mut reader = FrameReader::new(Side::Server);
        drain(&mut reader, &frame(HEADERS, b"h")).unwrap();
        let wire = frame(kind, b"").repeat(REQUEST_IDLE_FRAMES_MAX as usize);
        drain(&mut reader, &wire).unwrap();
        assert!(matches!(drain(&mut reader, &frame(kind, b"")), Err(Error::StreamOverLimit(_))));
    }
}

#[test]
fn data_is_handed_out_as_it_arrives_without_a_copy() {
    let mut reader = FrameReader::new(Side::Server);
    drain(&mut reader, &frame(HEADERS, b"h")).unwrap();
    let mut header = data_header(1 << 40);
    assert_eq!(reader.read(&mut header), Ok(None));
    for _ in 0..4 {
        let chunk = Bytes::from(vec![7; 1200]);
        let Ok(Some(Event::Data(piece))) = reader.read(&mut chunk.clone()) else { panic!("data") };
        assert_eq!((piece.as_ptr(), piece.len()), (chunk.as_ptr(), chunk.len()));
    }
}

fn wire_frames() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![4 => Just(DATA), 2 => Just(HEADERS), 2 => Just(0x40u64), 1 => 0u64..0x40];
    let payload = proptest::collection::vec(any::<u8>(), 0..40);
    proptest::collection::vec((kind, payload), 0..12).prop_map(|mut frames| {
        if let Some(first) = frames.first_mut() {
            first.0 = HEADERS;
        }
        frames.iter().flat_map(|(kind, payload)| frame(*kind, payload)).collect()
    })
}

/// What a stream means, with neighbouring pieces of data joined.
fn meaning(wire: &[u8], cuts: &[usize]) -> (Vec<Event>, Result<(), Error>) {
    let mut reader = FrameReader::new(Side::Server);
    let mut joined: Vec<Event> = Vec::new();
    let mut rest = wire;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at((*cuts.next().unwrap_or(&1)).min(rest.len()));
        rest = after;
        let mut chunk = Bytes::copy_from_slice(chunk);
        loop {
            match reader.read(&mut chunk) {
                Ok(None) => break,
                Ok(Some(Event::Data(piece))) => match joined.last_mut() {
                    Some(Event::Data(last)) => *last = Bytes::from([&last[..], &piece[..]].concat()),
                    _ => joined.push(Event::Data(piece)),
                },
                Ok(Some(event)) => joined.push(event),
                Err(error) => return (joined, Err(error)),
            }
        }
    }
    (joined, reader.finish())
}

proptest! {
    #[test]
    fn how_a_stream_is_cut_changes_nothing(wire in wire_frames(), cuts in proptest::collection::vec(1usize..20, 1..8)) {
        prop_assert_eq!(meaning(&wire, &[usize::MAX]), meaning(&wire, &cuts));
        prop_assert_eq!(meaning(&wire, &[usize::MAX]), meaning(&wire, &[1]));
    }

    #[test]
    fn no_octets_make_the_reader_panic(wire: Vec<u8>, cuts in proptest::collection::vec(1usize..20, 1..8)) {
        prop_assert_eq!(meaning(&wire, &[usize::MAX]), meaning(&wire, &cuts));
    }
}
