use super::*;
use crate::error::{Code, Scope};
use proptest::prelude::*;

fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::write_header(kind, payload.len() as u64, &mut out);
    out.extend_from_slice(payload);
    out
}

fn integer(kind: u64, value: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    varint::encode(value, &mut payload);
    frame(kind, &payload)
}

fn settings(pairs: &[(u64, u64)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in pairs {
        varint::encode(*id, &mut payload);
        varint::encode(*value, &mut payload);
    }
    frame(frame::SETTINGS, &payload)
}

fn drain(reader: &mut ControlReader, wire: &[u8]) -> Result<Vec<ControlEvent>, Error> {
    let mut input = Bytes::copy_from_slice(wire);
    let mut events = Vec::new();
    while let Some(event) = reader.read(&mut input)? {
        events.push(event);
    }
    Ok(events)
}

/// Reads frames after empty settings.
fn after_settings(side: Side, frames: &[Vec<u8>]) -> Result<Vec<ControlEvent>, Error> {
    let mut reader = ControlReader::new(side);
    drain(&mut reader, &settings(&[]))?;
    drain(&mut reader, &frames.concat())
}

fn code(result: Result<Vec<ControlEvent>, Error>) -> Code {
    let error = result.unwrap_err();
    assert_eq!(error.scope(), Scope::Connection);
    error.code()
}

#[test]
fn our_own_settings_are_understood() {
    let mut wire = Vec::new();
    Settings::ours().encode(Some(0x1234_5678), &mut wire);
    let events = drain(&mut ControlReader::new(Side::Client), &wire).unwrap();
    assert_eq!(events, [ControlEvent::Settings(Settings::ours())]);
}

#[test]
fn a_control_stream_that_does_not_begin_with_settings_is_an_error() {
    for first in [integer(frame::GOAWAY, 0), frame(0x21, b""), frame(frame::DATA, b""), integer(frame::MAX_PUSH_ID, 1)]
    {
        let result = drain(&mut ControlReader::new(Side::Server), &first);
        assert_eq!(code(result), Code::H3_MISSING_SETTINGS);
    }
}

#[test]
fn a_second_settings_frame_is_an_error() {
    assert_eq!(code(after_settings(Side::Server, &[settings(&[])])), Code::H3_FRAME_UNEXPECTED);
}

#[test]
fn settings_reserved_from_http_2_are_an_error() {
    for id in [0x0, 0x2, 0x3, 0x4, 0x5] {
        let result = drain(&mut ControlReader::new(Side::Server), &settings(&[(0x6, 100), (id, 1)]));
        assert_eq!(code(result), Code::H3_SETTINGS_ERROR, "{id}");
    }
}

#[test]
fn a_setting_that_occurs_twice_is_an_error() {
    for id in [0x6, 0x33, 0x1f * 3 + 0x21] {
        let result = drain(&mut ControlReader::new(Side::Server), &settings(&[(id, 1), (id, 1)]));
        assert_eq!(code(result), Code::H3_SETTINGS_ERROR, "{id}");
    }
}

#[test]
fn a_switch_that_is_neither_0_nor_1_is_an_error() {
    for id in [0x33, 0x8] {
        assert_eq!(code(drain(&mut ControlReader::new(Side::Server), &settings(&[(id, 2)]))), Code::H3_SETTINGS_ERROR);
        assert!(drain(&mut ControlReader::new(Side::Server), &settings(&[(id, 0)])).is_ok());
    }
}

#[test]
fn http_datagrams_without_quic_datagrams_are_an_error() {
    let with = Settings { h3_datagram: true, ..Settings::default() };
    assert_eq!(with.check(false).unwrap_err().code(), Code::H3_SETTINGS_ERROR);
    assert_eq!(with.check(true), Ok(()));
    assert_eq!(Settings::default().check(false), Ok(()));
}

#[test]
fn unknown_settings_are_ignored() {
    let wire =
        settings(&[(0x21, 7), (0x276, 1), (0xffd277, 1), (0x2b60_3742, 3), (varint::MAX, varint::MAX), (0x33, 1)]);
    let events = drain(&mut ControlReader::new(Side::Server), &wire).unwrap();
    assert_eq!(events, [ControlEvent::Settings(Settings { h3_datagram: true, ..Settings::default() })]);
}

#[test]
fn a_truncated_setting_is_a_frame_error() {
    for payload in [&[0x6][..], &[0x6, 0x40], &[0x40], &[0x33, 1, 0x21]] {
        let result = drain(&mut ControlReader::new(Side::Server), &frame(frame::SETTINGS, payload));
        assert_eq!(code(result), Code::H3_FRAME_ERROR);
    }
}

#[test]
fn too_many_settings_are_over_a_limit() {
    let pairs: Vec<(u64, u64)> = (0..=64).map(|n| (0x1f * n + 0x21, 0)).collect();
    assert_eq!(code(drain(&mut ControlReader::new(Side::Server), &settings(&pairs))), Code::H3_EXCESSIVE_LOAD);
    let mut long = Vec::new();
    frame::write_header(frame::SETTINGS, SETTINGS_FRAME_BYTES_MAX as u64 + 1, &mut long);
    assert_eq!(code(drain(&mut ControlReader::new(Side::Server), &long)), Code::H3_EXCESSIVE_LOAD);
}

#[test]
fn a_goaway_may_repeat_or_shrink_but_not_grow() {
    let goaway = |id| integer(frame::GOAWAY, id);
    let events = after_settings(Side::Client, &[goaway(1 << 40), goaway(8), goaway(8), goaway(0)]).unwrap();
    assert_eq!(events.len(), 4);
    assert_eq!(events[1], ControlEvent::GoAway(8));
    assert_eq!(code(after_settings(Side::Client, &[goaway(8), goaway(12)])), Code::H3_ID_ERROR);
    assert_eq!(code(after_settings(Side::Server, &[goaway(1), goaway(2)])), Code::H3_ID_ERROR);
}

#[test]
fn a_goaway_of_a_server_names_a_request_stream() {
    for id in [1, 2, 3, 5] {
        assert_eq!(code(after_settings(Side::Client, &[integer(frame::GOAWAY, id)])), Code::H3_ID_ERROR);
        // From a client it is a push id.
        assert!(after_settings(Side::Server, &[integer(frame::GOAWAY, id)]).is_ok());
    }
}

#[test]
fn a_goaway_that_is_written_is_read() {
    let mut wire = Vec::new();
    write_goaway(1 << 20, &mut wire);
    assert_eq!(after_settings(Side::Client, &[wire]).unwrap(), [ControlEvent::GoAway(1 << 20)]);
}

#[test]
fn a_maximum_push_id_may_not_shrink_and_comes_from_clients_only() {
    let maximum = |id| integer(frame::MAX_PUSH_ID, id);
    assert_eq!(after_settings(Side::Server, &[maximum(3), maximum(3), maximum(9)]), Ok(vec![]));
    assert_eq!(code(after_settings(Side::Server, &[maximum(3), maximum(2)])), Code::H3_ID_ERROR);
    assert_eq!(code(after_settings(Side::Client, &[maximum(3)])), Code::H3_FRAME_UNEXPECTED);
}

#[test]
fn a_cancelled_push_is_an_id_error_since_there_are_no_pushes() {
    for side in [Side::Server, Side::Client] {
        assert_eq!(code(after_settings(side, &[integer(frame::CANCEL_PUSH, 0)])), Code::H3_ID_ERROR);
    }
}

#[test]
fn an_integer_frame_holds_exactly_one_integer() {
    for kind in [frame::GOAWAY, frame::MAX_PUSH_ID, frame::CANCEL_PUSH] {
        for payload in [&b""[..], &[0x40], &[0, 0], &[0xc0, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(code(after_settings(Side::Server, &[frame(kind, payload)])), Code::H3_FRAME_ERROR);
        }
    }
}

#[test]
fn frames_of_request_streams_are_unexpected_on_a_control_stream() {
    for kind in [frame::DATA, frame::HEADERS, frame::PUSH_PROMISE, 0x2, 0x6, 0x8, 0x9] {
        assert_eq!(code(after_settings(Side::Server, &[frame(kind, b"")])), Code::H3_FRAME_UNEXPECTED);
        assert_eq!(code(after_settings(Side::Client, &[frame(kind, b"")])), Code::H3_FRAME_UNEXPECTED);
    }
}

#[test]
fn a_closed_control_stream_is_a_closed_critical_stream() {
    let error = ControlReader::new(Side::Server).closed();
    assert_eq!((error.code(), error.scope()), (Code::H3_CLOSED_CRITICAL_STREAM, Scope::Connection));
}

#[test]
fn unknown_frames_are_skipped_within_a_budget_that_requests_refill() {
    let mut reader = ControlReader::new(Side::Server);
    drain(&mut reader, &settings(&[])).unwrap();
    let priority = frame(frame::PRIORITY_UPDATE[0], &[7; 1000]);
    let mut sent = 0;
    while drain(&mut reader, &priority).is_ok() {
        sent += 1;
        assert!(sent < 100);
    }
    assert!(sent >= 60);

    let mut reader = ControlReader::new(Side::Server);
    drain(&mut reader, &settings(&[])).unwrap();
    for _ in 0..1000 {
        reader.on_request();
        assert_eq!(drain(&mut reader, &priority), Ok(vec![]));
    }
}

#[test]
fn empty_unknown_frames_are_not_free() {
    let wire = frame(0x21, b"").repeat(CONTROL_UNKNOWN_BYTES_MAX as usize);
    assert_eq!(code(after_settings(Side::Server, &[wire])), Code::H3_EXCESSIVE_LOAD);
}

#[test]
fn control_frames_are_counted() {
    let wire = integer(frame::GOAWAY, 0).repeat(CONTROL_FRAMES_MAX as usize + 1);
    assert_eq!(code(after_settings(Side::Server, &[wire])), Code::H3_EXCESSIVE_LOAD);
}

#[test]
fn a_priority_update_from_a_server_is_unexpected() {
    let wire = frame(frame::PRIORITY_UPDATE[0], b"\0u=1");
    assert_eq!(code(after_settings(Side::Client, &[wire])), Code::H3_FRAME_UNEXPECTED);
}

fn meaning(side: Side, wire: &[u8], step: usize) -> (Vec<ControlEvent>, Option<Error>) {
    let mut reader = ControlReader::new(side);
    let mut events = Vec::new();
    for chunk in wire.chunks(step) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        loop {
            match reader.read(&mut chunk) {
                Ok(None) => break,
                Ok(Some(event)) => events.push(event),
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

proptest! {
    #[test]
    fn how_the_stream_is_cut_changes_nothing(
        frames in proptest::collection::vec((0u64..0x40, proptest::collection::vec(0u8..0x40, 0..6)), 0..8), step in 1usize..12,
    ) {
        let frames: Vec<u8> = frames.iter().flat_map(|(kind, payload)| frame(*kind, payload)).collect();
        let wire = [settings(&[(0x33, 1)]), frames].concat();
        for side in [Side::Server, Side::Client] {
            prop_assert_eq!(meaning(side, &wire, usize::MAX), meaning(side, &wire, step));
        }
    }

    #[test]
    fn no_octets_make_the_reader_panic(wire: Vec<u8>, step in 1usize..12) {
        prop_assert_eq!(meaning(Side::Server, &wire, usize::MAX), meaning(Side::Server, &wire, step));
    }
}
