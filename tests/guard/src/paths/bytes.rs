//! Encoding and decoding: `hitotsu-proto` alone.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use hitotsu_proto::datagram;
use hitotsu_proto::fields::Ascii;
use hitotsu_proto::frame::{self, Event, FrameReader, Side};
use hitotsu_proto::head::{Authority, RequestHead};
use hitotsu_proto::qpack;

use crate::counted::{Spent, counted};

/// Octets of a packet's payload, as the pieces of a stream come.
const PACKET: usize = 1_400;
/// Octets of a DATA frame, as a relay makes them of a socket that is full.
const FRAME: usize = 64 * 1024;
/// A voice packet.
const VOICE: &[u8] = &[7; 172];
/// A flow beyond the first 64, whose number takes two octets.
const STREAM: u64 = 4 * 1_000;

fn request() -> RequestHead {
    // On the heap, as what came from a peer is: where a text of the program lies, and with it what reading it costs, differs by
    // the folder of the build.
    let host = Ascii::new("files.kawasaki.example".to_owned()).unwrap();
    RequestHead::connect(Authority { host, port: 443 })
}

pub(super) fn encode_request(operations: u64) -> Spent {
    let head = request();
    let once = || drop(black_box(black_box(&head).encode_h3()));
    once();
    counted(|| (0..operations).for_each(|_| once()))
}

pub(super) fn decode_request(operations: u64) -> Spent {
    let wire = request().encode_h3();
    let once = || {
        let mut input = black_box(&wire).clone();
        let Ok(Some(Event::Head(section))) = FrameReader::new(Side::Server).read(&mut input) else { panic!("no head") };
        let head = qpack::decode(&section).and_then(RequestHead::from_h3).unwrap();
        black_box(head);
    };
    once();
    counted(|| (0..operations).for_each(|_| once()))
}

pub(super) fn encode_data(operations: u64) -> Spent {
    let once = || drop(black_box(frame::data_header(black_box(FRAME))));
    once();
    counted(|| (0..operations).for_each(|_| once()))
}

/// Frames of 64 KiB in pieces of a packet each, as they come from a stream.
pub(super) fn decode_data(operations: u64) -> Spent {
    let mut wire = BytesMut::new();
    for _ in 0..(1024 * 1024 / FRAME) {
        wire.extend_from_slice(&frame::data_header(FRAME));
        wire.resize(wire.len() + FRAME, 7);
    }
    let wire = wire.freeze();
    let mut reader = FrameReader::new(Side::Server);
    let mut head = request().encode_h3();
    assert!(matches!(reader.read(&mut head), Ok(Some(Event::Head(_)))));
    reader.tunnel();
    let mut once = || {
        let mut rest = black_box(&wire).clone();
        let mut octets = 0;
        while !rest.is_empty() {
            let mut piece = rest.split_to(PACKET.min(rest.len()));
            while let Some(event) = reader.read(&mut piece).unwrap() {
                let Event::Data(data) = event else { panic!("not data") };
                octets += data.len();
            }
        }
        assert_eq!(octets, 1024 * 1024);
    };
    once();
    counted(|| (0..operations).for_each(|_| once()))
}

pub(super) fn encode_datagram(operations: u64) -> Spent {
    let once = || drop(black_box(datagram::encode_udp(STREAM, black_box(VOICE))));
    once();
    counted(|| (0..operations).for_each(|_| once()))
}

pub(super) fn decode_datagram(operations: u64) -> Spent {
    let wire = datagram::encode_udp(STREAM, VOICE);
    let once = || {
        let read = datagram::decode(black_box(&wire).clone()).unwrap();
        let payload: Option<Bytes> = datagram::udp_payload(read.payload).unwrap();
        drop(black_box(payload));
    };
    once();
    counted(|| (0..operations).for_each(|_| once()))
}
