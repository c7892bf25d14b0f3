//! Peers that break the rules: a QUIC client without any HTTP/3 of ours.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use hitotsu_proto::error::Code;
use hitotsu_proto::fields::Fields;
use hitotsu_proto::frame;
use hitotsu_proto::head::{Authority, RequestHead};
use hitotsu_proto::settings::Settings;
use hitotsu_proto::{capsule, masque, varint};
use hitotsu_tunnel::datagram::{UdpFlow, UdpOptions};
use hitotsu_tunnel::fault::FlowError;
use hitotsu_tunnel::limits;
use hitotsu_tunnel::server::{Exchange, Request};
use http::{HeaderMap, Response};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, Endpoint, ReadError, RecvStream, SendStream, TransportConfig, VarInt};

use crate::world::{Judged, World, accept, client_tls, exchange};

/// A client that writes what it likes.
struct Raw {
    quic: quinn::Connection,
    server: Judged,
    _endpoint: Endpoint,
    _world: World,
}

impl Raw {
    async fn connect() -> Self {
        Self::with(TransportConfig::default()).await
    }

    async fn with(transport: TransportConfig) -> Self {
        let world = World::new().await;
        let mut tls = client_tls(&world.authority, Some(world.authority.issue("device.test")));
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        config.transport_config(Arc::new(transport));
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connecting = endpoint.connect_with(config, world.address(), "localhost").unwrap();
        let (quic, server) = tokio::join!(connecting, world.arrival());
        Self { quic: quic.unwrap(), server, _endpoint: endpoint, _world: world }
    }

    /// A unidirectional stream that begins so; it stays open as long as the result lives.
    async fn uni(&self, octets: &[u8]) -> SendStream {
        let mut stream = self.quic.open_uni().await.unwrap();
        stream.write_all(octets).await.unwrap();
        stream
    }

    async fn control(&self, settings: Settings) -> SendStream {
        let mut octets = BytesMut::new();
        hitotsu_proto::stream::write_control_type(&mut octets);
        settings.encode(Some(0x1234), &mut octets);
        self.uni(&octets).await
    }

    async fn request(&self, octets: &[u8]) -> (SendStream, RecvStream) {
        let (mut send, recv) = self.quic.open_bi().await.unwrap();
        send.write_all(octets).await.unwrap();
        (send, recv)
    }

    /// The connection ends with this code.
    async fn is_closed(&self, code: Code) {
        let error = self.quic.closed().await;
        let ConnectionError::ApplicationClosed(close) = &error else { panic!("{error:?}") };
        assert_eq!(Code::from_wire(close.error_code.into_inner()), code, "{close}");
        assert!(self.server.connection.next_exchange().await.is_none());
    }

    /// The connection still works.
    async fn is_alive(&self) {
        let _streams = self.request(&connect_head()).await;
        accept(&self.server).await;
        assert!(self.quic.close_reason().is_none());
    }
}

fn connect_head() -> Bytes {
    RequestHead::connect(Authority::new("files.test", 443).unwrap()).encode_h3()
}

fn udp_head() -> Bytes {
    let path = masque::udp_path(&Authority::new("192.0.2.6", 53).unwrap());
    let head = RequestHead::extended(masque::CONNECT_UDP, "localhost", &path).unwrap();
    RequestHead { fields: Fields::new().with("capsule-protocol", "?1").unwrap(), ..head }.encode_h3()
}

fn frame_of(kind: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint::encode(kind, &mut out);
    varint::encode(payload.len() as u64, &mut out);
    out.extend_from_slice(payload);
    out
}

/// The code that the peer resets with.
async fn reset_code(recv: &mut RecvStream) -> Code {
    match recv.read_to_end(1 << 20).await {
        Err(quinn::ReadToEndError::Read(ReadError::Reset(code))) => Code::from_wire(code.into_inner()),
        other => panic!("{other:?}"),
    }
}

fn status(answer: Vec<u8>) -> u16 {
    let mut reader = frame::FrameReader::new(frame::Side::Client);
    let Some(frame::Event::Head(section)) = reader.read(&mut Bytes::from(answer)).unwrap() else { panic!() };
    hitotsu_proto::head::ResponseHead::from_h3(hitotsu_proto::qpack::decode(&section).unwrap()).unwrap().status
}

macro_rules! a_request_closes_the_connection {
    ($($name:ident: $octets:expr => $code:ident;)*) => {
        $(#[tokio::test]
        async fn $name() {
            let raw = Raw::connect().await;
            let _control = raw.control(Settings::ours()).await;
            let _streams = raw.request(&$octets).await;
            raw.is_closed(Code::$code).await;
        })*
    };
}

a_request_closes_the_connection! {
    data_before_the_head_closes_the_connection: frame_of(frame::DATA, b"x") => H3_FRAME_UNEXPECTED;
    a_frame_type_of_http_2_closes_the_connection: frame_of(0x6, b"x") => H3_FRAME_UNEXPECTED;
    settings_on_a_request_close_the_connection: frame_of(0x4, b"") => H3_FRAME_UNEXPECTED;
    a_reference_to_the_dynamic_table_closes_the_connection:
        frame_of(frame::HEADERS, &[0x02, 0x00, 0x80]) => QPACK_DECOMPRESSION_FAILED;
}

macro_rules! a_stream_closes_the_connection {
    ($($name:ident: $octets:expr => $code:ident;)*) => {
        $(#[tokio::test]
        async fn $name() {
            let raw = Raw::connect().await;
            let _stream = raw.uni(&$octets).await;
            raw.is_closed(Code::$code).await;
        })*
    };
}

a_stream_closes_the_connection! {
    a_control_stream_without_settings_closes_the_connection: [0x0, 0x7, 0x1, 0x0] => H3_MISSING_SETTINGS;
    a_setting_of_http_2_closes_the_connection: [0x0, 0x4, 0x2, 0x2, 0x0] => H3_SETTINGS_ERROR;
    a_push_stream_of_a_client_closes_the_connection: [0x1, 0x0] => H3_STREAM_CREATION_ERROR;
    an_insertion_into_the_dynamic_table_closes_the_connection: [0x2, 0xc1, 0x1, b'x'] => QPACK_ENCODER_STREAM_ERROR;
    an_acknowledgement_of_nothing_closes_the_connection: [0x3, 0x80] => QPACK_DECODER_STREAM_ERROR;
}

#[tokio::test]
async fn a_second_control_stream_closes_the_connection() {
    let raw = Raw::connect().await;
    let _one = raw.control(Settings::ours()).await;
    let _two = raw.control(Settings::ours()).await;
    raw.is_closed(Code::H3_STREAM_CREATION_ERROR).await;
}

#[tokio::test]
async fn the_end_of_the_control_stream_closes_the_connection() {
    let raw = Raw::connect().await;
    let mut control = raw.control(Settings::ours()).await;
    control.finish().unwrap();
    raw.is_closed(Code::H3_CLOSED_CRITICAL_STREAM).await;
}

#[tokio::test]
async fn stopping_our_control_stream_closes_the_connection() {
    let raw = Raw::connect().await;
    let mut ours = raw.quic.accept_uni().await.unwrap();
    ours.read_chunk(1, true).await.unwrap();
    ours.stop(VarInt::from_u32(0)).unwrap();
    raw.is_closed(Code::H3_CLOSED_CRITICAL_STREAM).await;
}

#[tokio::test]
async fn http_datagrams_without_quic_datagrams_close_the_connection() {
    let mut transport = TransportConfig::default();
    transport.datagram_receive_buffer_size(None);
    let raw = Raw::with(transport).await;
    let _control = raw.control(Settings::ours()).await;
    raw.is_closed(Code::H3_SETTINGS_ERROR).await;
}

#[tokio::test]
async fn a_quarter_stream_id_out_of_range_closes_the_connection() {
    let raw = Raw::connect().await;
    raw.quic.send_datagram(Bytes::from_static(&[0xd0, 0, 0, 0, 0, 0, 0, 0, 0])).unwrap();
    raw.is_closed(Code::H3_DATAGRAM_ERROR).await;
}

#[tokio::test]
async fn what_is_reserved_is_ignored() {
    let raw = Raw::connect().await;
    let _control = raw.control(Settings::ours()).await;
    let mut grease = BytesMut::new();
    hitotsu_proto::stream::write_grease_type(0xabcd, &mut grease);
    let reserved = raw.uni(&grease).await;
    assert!(reserved.stopped().await.unwrap().is_some());
    let mut octets = BytesMut::new();
    frame::write_grease(0x4321, &mut octets);
    octets.put(connect_head());
    let _streams = raw.request(&octets).await;

    accept(&raw.server).await;
    raw.is_alive().await;
}

#[tokio::test]
async fn a_malformed_request_is_reset_and_the_connection_lives() {
    let raw = Raw::connect().await;
    // A CONNECT with a path.
    let mut section = Vec::new();
    let lines: [(&[u8], &[u8]); 3] = [(b":method", b"CONNECT"), (b":authority", b"files.test:443"), (b":path", b"/")];
    hitotsu_proto::qpack::encode(lines, &mut section);

    let (mut send, mut recv) = raw.request(&frame_of(frame::HEADERS, &section)).await;

    assert_eq!(reset_code(&mut recv).await, Code::H3_MESSAGE_ERROR);
    assert_eq!(send.stopped().await.unwrap().map(VarInt::into_inner), Some(Code::H3_MESSAGE_ERROR.value()));
    send.reset(VarInt::from_u32(0)).unwrap();
    raw.is_alive().await;
}

#[tokio::test]
async fn a_request_that_ends_in_its_head_is_reset_as_incomplete() {
    let raw = Raw::connect().await;
    let (mut send, mut recv) = raw.request(b"").await;
    send.finish().unwrap();

    assert_eq!(reset_code(&mut recv).await, Code::H3_REQUEST_INCOMPLETE);
    raw.is_alive().await;
}

#[tokio::test]
async fn oversized_fields_are_answered_with_431_and_the_connection_lives() {
    let raw = Raw::connect().await;
    let mut header = Vec::new();
    varint::encode(frame::HEADERS, &mut header);
    varint::encode(10 << 20, &mut header);

    let (_send, mut recv) = raw.request(&header).await;
    let answer = recv.read_to_end(1000).await.unwrap();

    assert_eq!(status(answer), 431);
    raw.is_alive().await;
}

#[tokio::test]
async fn trailers_in_a_flow_close_the_connection() {
    let raw = Raw::connect().await;
    let (mut send, _recv) = raw.request(&connect_head()).await;
    let (_back, mut there) = accept(&raw.server).await;

    send.write_all(&frame_of(frame::HEADERS, &[0, 0])).await.unwrap();

    assert!(matches!(there.recv().await.unwrap_err(), FlowError::Connection(_)));
    raw.is_closed(Code::H3_FRAME_UNEXPECTED).await;
}

#[tokio::test]
async fn an_unknown_protocol_is_answered_with_501() {
    let raw = Raw::connect().await;
    let head = RequestHead::extended("websocket", "localhost", "/chat").unwrap().encode_h3();
    let (_send, mut recv) = raw.request(&head).await;

    let answer = recv.read_to_end(1000).await.unwrap();

    assert_eq!(status(answer), 501);
    raw.is_alive().await;
}

#[tokio::test]
async fn a_request_after_goaway_is_rejected_as_retryable() {
    let raw = Raw::connect().await;
    let _held = raw.request(&connect_head()).await;
    let _flow = accept(&raw.server).await;
    raw.server.connection.goaway();
    // Its control stream: type, SETTINGS, then GOAWAY with the id of the second request.
    let mut control = raw.quic.accept_uni().await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(&[0x7, 0x1, 0x4]) {
        seen.extend_from_slice(&control.read_chunk(64, true).await.unwrap().unwrap().bytes);
    }

    let (_send, mut recv) = raw.request(&connect_head()).await;

    assert_eq!(reset_code(&mut recv).await, Code::H3_REQUEST_REJECTED);
}

#[tokio::test]
async fn heads_that_never_come_hold_nobody_up() {
    let raw = Raw::connect().await;
    let mut waiting = Vec::new();
    for _ in 0..90 {
        // The type of a HEADERS frame, and no more.
        waiting.push(raw.request(&[0x1]).await);
    }

    raw.is_alive().await;
}

/// A UDP flow on a connection whose client announced these settings.
async fn udp_flow(raw: &Raw) -> (SendStream, RecvStream, UdpFlow) {
    let (send, recv) = raw.request(&udp_head()).await;
    let Exchange { request: Request::Udp { pending, .. }, .. } = exchange(&raw.server).await else { panic!() };
    let flow = pending.accept(HeaderMap::new(), UdpOptions::default()).await.unwrap();
    (send, recv, flow)
}

#[tokio::test]
async fn datagrams_for_unknown_flows_are_counted_and_do_no_harm() {
    let raw = Raw::connect().await;
    let _control = raw.control(Settings::ours()).await;
    for number in 0..100u8 {
        raw.quic.send_datagram(Bytes::copy_from_slice(&[0x3f, 0, number])).unwrap();
    }
    let (_send, _recv, mut flow) = udp_flow(&raw).await;
    raw.quic.send_datagram(Bytes::from_static(b"\x00\x00known")).unwrap();

    assert_eq!(flow.recv().await.unwrap().unwrap(), "known");
    let unknown = raw.server.connection.statistics().datagrams_unknown;
    assert!(unknown >= 100 - limits::EARLY_DATAGRAMS_MAX as u64, "{unknown}");
    raw.is_alive().await;
}

#[tokio::test]
async fn a_datagram_that_overtakes_its_request_arrives() {
    let raw = Raw::connect().await;
    let _control = raw.control(Settings::ours()).await;
    raw.quic.send_datagram(Bytes::from_static(b"\x00\x00early")).unwrap();

    let (_send, _recv, mut flow) = udp_flow(&raw).await;

    assert_eq!(flow.recv().await.unwrap().unwrap(), "early");
}

#[tokio::test]
async fn a_client_without_datagrams_is_answered_in_capsules() {
    let raw = Raw::connect().await;
    let _control = raw.control(Settings { h3_datagram: false, ..Settings::ours() }).await;
    let (mut send, mut recv, mut flow) = udp_flow(&raw).await;
    let question = capsule::encode_udp(b"question");
    send.write_all(&frame_of(frame::DATA, &question)).await.unwrap();
    assert_eq!(flow.recv().await.unwrap().unwrap(), "question");

    flow.send(Bytes::from_static(b"answer")).await.unwrap();
    let (send_half, _recv_half) = flow.split();
    send_half.finish().await.unwrap();

    let all = recv.read_to_end(10_000).await.unwrap();
    assert!(all.ends_with(&frame_of(frame::DATA, &capsule::encode_udp(b"answer"))), "{all:?}");
}

#[tokio::test]
async fn a_datagram_of_an_unknown_context_is_ignored() {
    let raw = Raw::connect().await;
    let _control = raw.control(Settings::ours()).await;
    let (_send, _recv, mut flow) = udp_flow(&raw).await;
    raw.quic.send_datagram(Bytes::from_static(b"\x00\x07other")).unwrap();
    raw.quic.send_datagram(Bytes::from_static(b"\x00\x00mine")).unwrap();

    assert_eq!(flow.recv().await.unwrap().unwrap(), "mine");
}

#[tokio::test]
async fn a_flood_of_unknown_capsules_ends_its_flow_and_nothing_else() {
    let raw = Raw::connect().await;
    let (mut send, _recv, mut flow) = udp_flow(&raw).await;
    let flooding = tokio::spawn(async move {
        let flood = frame_of(frame::DATA, &[0x2a, 0x0].repeat(5000));
        let _ = send.write_all(&flood).await;
        send.stopped().await
    });

    assert!(matches!(flow.recv().await.unwrap_err(), FlowError::OverLimit(_)));

    let code = flooding.await.unwrap().unwrap();
    assert_eq!(code.map(VarInt::into_inner), Some(Code::H3_EXCESSIVE_LOAD.value()));
    raw.is_alive().await;
}

#[tokio::test]
async fn a_capsule_that_promises_a_gigabyte_ends_its_flow_and_nothing_else() {
    let raw = Raw::connect().await;
    let (mut send, _recv, mut flow) = udp_flow(&raw).await;
    let mut bomb = Vec::new();
    capsule::write_header(capsule::DATAGRAM, 1 << 30, &mut bomb);
    send.write_all(&frame_of(frame::DATA, &bomb)).await.unwrap();

    assert!(matches!(flow.recv().await.unwrap_err(), FlowError::PeerMisbehaved(_)));
    raw.is_alive().await;
}

#[tokio::test]
async fn more_requests_than_are_permitted_wait_instead_of_piling_up() {
    let raw = Raw::connect().await;
    let mut open = Vec::new();
    // Nobody takes the exchanges; the limit doubles as it is used, and ends.
    while let Ok(streams) =
        tokio::time::timeout(std::time::Duration::from_millis(500), raw.request(&connect_head())).await
    {
        open.push(streams);
    }

    assert_eq!(open.len(), limits::STREAMS_MAX as usize);
}

#[tokio::test]
async fn a_refused_request_asks_the_client_to_stop_without_error() {
    let raw = Raw::connect().await;
    let (mut send, mut recv) = raw.request(&connect_head()).await;
    let Exchange { request: Request::Tcp { pending, .. }, .. } = exchange(&raw.server).await else { panic!() };

    pending.refuse(Response::builder().status(403).body(Bytes::from_static(b"no")).unwrap()).await;

    assert!(recv.read_to_end(1000).await.unwrap().ends_with(b"no"));
    assert_eq!(send.stopped().await.unwrap().map(VarInt::into_inner), Some(Code::H3_NO_ERROR.value()));
    send.reset(VarInt::from_u32(0)).unwrap();
}
