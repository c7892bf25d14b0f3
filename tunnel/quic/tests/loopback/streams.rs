//! Streams and datagrams.

use futures_util::FutureExt;
use hitotsu_quic::{ConnectionError, SendDatagramError, StoppedError, VarInt};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_mebibytes_go_there_and_back_unchanged() {
    let Pair { client, server, .. } = &Pair::new().await;
    tokio::spawn(echo(server.clone()));
    let (mut send, mut recv) = client.open_bi().await.unwrap();
    let sent = octets(10 << 20);

    let write = async {
        send.write_chunk(sent.clone()).await.unwrap();
        send.finish().unwrap();
    };
    let ((), came) = tokio::join!(write, read_to_end(&mut recv));

    assert!(came.unwrap() == sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_of_nine_thousand_octets_pass_many_at_a_time() {
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(9000).unwrap();
    let (mut server, mut client) = configs();
    let mut transport = TransportConfig::default();
    transport.initial_mtu(9000).mtu_discovery_config(None);
    let transport = Arc::new(transport);
    server.transport_config(Arc::clone(&transport));
    client.transport_config(transport);
    let endpoint = Endpoint::new(config.clone(), Some(server.clone()), udp_socket()).unwrap();
    let taker = Server { endpoint, config: Arc::new(server), client };
    let dialler = Endpoint::new(config, None, udp_socket()).unwrap();
    let (client, server) = taker.dialled_by(&dialler).await;
    let mut send = client.open_uni().await.unwrap();
    let sent = octets(4 << 20);

    let write = async {
        send.write_chunk(sent.clone()).await.unwrap();
        send.finish().unwrap();
    };
    let read = async { read_to_end(&mut server.accept_uni().await.unwrap()).await.unwrap() };
    let ((), came) = tokio::join!(write, read);

    assert!(came == sent);
    assert_eq!(client.stats().path.current_mtu, 9000);
    assert_eq!(client.stats().path.black_holes_detected, 0);
}

#[tokio::test]
async fn a_writer_waits_until_the_reader_has_made_room() {
    const WINDOW: usize = 64 * 1024;
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(WINDOW as u32));
    let Pair { client, server, .. } = &Pair::with(transport).await;
    let mut send = client.open_uni().await.unwrap();
    let mut chunks = [octets(2 * WINDOW)];

    let mut taken = 0;
    while let Some(written) = send.write_chunks(&mut chunks).now_or_never() {
        taken += written.unwrap().bytes;
    }
    assert_eq!(taken, WINDOW);

    let mut recv = server.accept_uni().await.unwrap();
    let write = async {
        let [rest] = chunks;
        send.write_chunk(rest).await.unwrap();
        send.finish().unwrap();
    };
    let ((), came) = tokio::join!(write, read_to_end(&mut recv));
    assert!(came.unwrap() == octets(2 * WINDOW));
}

#[tokio::test]
async fn several_pieces_are_read_at_once_and_none_is_longer_than_asked_for() {
    let pair = Pair::new().await;
    let ((mut send, _), (_, mut recv)) = pair.stream(b"?").await;
    send.write_chunk(octets(1000)).await.unwrap();
    send.finish().unwrap();

    let piece = recv.read_chunk(300).await.unwrap().unwrap();
    let mut slots = [Bytes::new(), Bytes::new()];
    let count = recv.read_chunks(&mut slots).await.unwrap().unwrap();

    assert_eq!(piece, octets(300));
    assert_eq!((count, slots[0].clone()), (1, octets(1000).slice(300..)));
    assert_eq!(recv.read_chunks(&mut slots).await, Ok(None));
    assert_eq!(recv.read_chunk(1).await, Ok(None));
}

#[tokio::test]
async fn a_reader_that_gave_up_is_followed_by_one_in_another_task() {
    let pair = Pair::new().await;
    let ((mut send, _), (_, mut recv)) = pair.stream(b"?").await;
    assert!(recv.read_chunk(1).now_or_never().is_none());

    let reader = tokio::spawn(async move { recv.read_chunk(1).await });
    tokio::task::yield_now().await;
    send.write_chunk(Bytes::from_static(b"!")).await.unwrap();

    assert_eq!(reader.await.unwrap(), Ok(Some(Bytes::from_static(b"!"))));
}

#[tokio::test]
async fn datagrams_go_both_ways() {
    let Pair { client, server, .. } = &Pair::new().await;

    client.send_datagram(octets(1000)).unwrap();
    assert_eq!(server.read_datagram().await.unwrap(), octets(1000));
    server.send_datagram(octets(500)).unwrap();
    assert_eq!(client.read_datagram().await.unwrap(), octets(500));
}

#[tokio::test]
async fn a_datagram_that_fits_no_packet_is_refused() {
    let Pair { client, .. } = &Pair::new().await;
    let longest = client.max_datagram_size().unwrap();

    assert_eq!(client.send_datagram(octets(longest + 1)), Err(SendDatagramError::TooLarge));
    assert_eq!(client.send_datagram(octets(longest)), Ok(()));
}

#[tokio::test]
async fn no_datagram_is_sent_to_who_takes_none() {
    let mut transport = TransportConfig::default();
    transport.datagram_receive_buffer_size(None);
    let Pair { client, server, .. } = &Pair::with(transport).await;

    assert_eq!(client.max_datagram_size(), None);
    assert_eq!(client.send_datagram(octets(1)), Err(SendDatagramError::UnsupportedByPeer));
    assert_eq!(server.send_datagram(octets(1)), Err(SendDatagramError::Disabled));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_pass_where_ten_may_be_open() {
    let mut transport = TransportConfig::default();
    transport.max_concurrent_bidi_streams(VarInt::from_u32(10));
    let Pair { client, server, .. } = Pair::with(transport).await;
    tokio::spawn(echo(server));

    let streams: Vec<_> = (0..1000)
        .map(|number: u32| {
            let client = client.clone();
            tokio::spawn(async move {
                let (mut send, mut recv) = client.open_bi().await.unwrap();
                send.write_chunk(Bytes::copy_from_slice(&number.to_be_bytes())).await.unwrap();
                send.finish().unwrap();
                assert_eq!(read_to_end(&mut recv).await.unwrap(), number.to_be_bytes());
            })
        })
        .collect();

    for stream in streams {
        stream.await.unwrap();
    }
}

#[tokio::test]
async fn more_streams_can_be_permitted_while_somebody_waits_for_one() {
    let mut transport = TransportConfig::default();
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
    let Pair { client, server, .. } = &Pair::with(transport).await;
    let mut open = Box::pin(client.open_bi());
    assert!(open.as_mut().now_or_never().is_none());

    server.set_max_concurrent_bi_streams(VarInt::from_u32(1));

    assert_eq!(open.await.unwrap().0.id(), client_stream(0));
}

#[tokio::test]
async fn a_reader_hears_with_what_code_the_stream_was_reset() {
    let pair = Pair::new().await;
    let ((mut send, _), (_, mut recv)) = pair.stream(b"?").await;

    send.reset(VarInt::from_u32(7)).unwrap();

    assert_eq!(recv.read_chunk(1).await, Err(ReadError::Reset(VarInt::from_u32(7))));
    assert_eq!(recv.read_chunk(1).await, Err(ReadError::Reset(VarInt::from_u32(7))));
    assert_eq!(recv.received_reset().await, Ok(Some(VarInt::from_u32(7))));
    assert_eq!(send.write_chunk(octets(1)).await, Err(WriteError::ClosedStream));
    assert!(send.reset(VarInt::from_u32(8)).is_err());
}

#[tokio::test]
async fn who_reads_nothing_hears_of_a_reset_too() {
    let pair = Pair::new().await;
    let ((mut send, _), (_, mut recv)) = pair.stream(b"?").await;

    let reset = async { send.reset(VarInt::from_u32(7)).unwrap() };
    let (code, ()) = tokio::join!(recv.received_reset(), reset);

    assert_eq!(code, Ok(Some(VarInt::from_u32(7))));
}

#[tokio::test]
async fn a_writer_hears_with_what_code_the_stream_was_stopped() {
    let pair = Pair::new().await;
    let ((mut send, _), (_, mut recv)) = pair.stream(b"?").await;

    let (code, stopped) = tokio::join!(send.stopped(), async { recv.stop(VarInt::from_u32(9)) });

    assert_eq!((code, stopped.is_ok()), (Ok(Some(VarInt::from_u32(9))), true));
    assert_eq!(send.write_chunk(octets(1)).await, Err(WriteError::Stopped(VarInt::from_u32(9))));
    assert!(send.finish().is_ok(), "an end that nobody wants is no mistake");
    assert_eq!(recv.read_chunk(1).await, Err(ReadError::ClosedStream));
    assert!(recv.stop(VarInt::from_u32(9)).is_err());
}

#[tokio::test]
async fn a_writer_that_waits_for_room_hears_that_the_stream_was_stopped() {
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(1000));
    let pair = Pair::with(transport).await;
    let ((mut send, _), (_, mut recv)) = pair.stream(b"?").await;
    while send.write_chunks(&mut [octets(1000)]).now_or_never().is_some() {}

    let (written, _) = tokio::join!(send.write_chunk(octets(1)), async { recv.stop(VarInt::from_u32(9)) });

    assert_eq!(written, Err(WriteError::Stopped(VarInt::from_u32(9))));
}

#[tokio::test]
async fn a_reader_that_is_dropped_stops_the_stream() {
    let pair = Pair::new().await;
    let ((send, _), (_, recv)) = pair.stream(b"?").await;

    drop(recv);

    assert_eq!(send.stopped().await, Ok(Some(VarInt::from_u32(0))));
}

#[tokio::test]
async fn a_writer_that_is_dropped_finishes_the_stream() {
    let pair = Pair::new().await;
    let ((mut send, _), (_, mut recv)) = pair.stream(b"?").await;

    send.write_chunk(octets(10)).await.unwrap();
    drop(send);

    assert_eq!(read_to_end(&mut recv).await.unwrap(), octets(10));
    assert_eq!(recv.received_reset().await, Ok(None));
}

#[tokio::test]
async fn who_waits_for_a_stream_to_be_delivered_hears_of_it_after_its_writer_is_gone() {
    let pair = Pair::new().await;
    let ((send, _), (_, mut recv)) = pair.stream(b"?").await;
    let (mut one, mut two) = (Box::pin(send.stopped()), tokio::spawn(send.stopped()));
    tokio::task::yield_now().await;
    assert!(one.as_mut().now_or_never().is_none());
    assert!((&mut two).now_or_never().is_none());

    drop(send);

    assert_eq!(read_to_end(&mut recv).await.unwrap(), b"");
    assert_eq!(one.await, Ok(None));
    assert_eq!(two.await.unwrap(), Ok(None));
}

#[tokio::test]
async fn who_waits_for_a_stream_whose_writer_is_gone_hears_of_the_end_of_the_connection() {
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(1000));
    let pair = Pair::with(transport).await;
    let ((mut send, _), _there) = pair.stream(b"?").await;
    while send.write_chunks(&mut [octets(1000)]).now_or_never().is_some() {}
    let stopped = tokio::spawn(send.stopped());
    tokio::task::yield_now().await;

    drop(send);
    pair.client.close(VarInt::from_u32(1), b"");

    assert_eq!(stopped.await.unwrap(), Err(StoppedError::ConnectionLost(ConnectionError::LocallyClosed)));
}

#[tokio::test]
async fn who_waits_on_streams_hears_of_the_end_of_the_connection() {
    let pair = Pair::new().await;
    let ((send, mut recv), (_, mut resets)) = pair.stream(b"?").await;
    let client = pair.client.clone();

    let waiting = async {
        tokio::join!(
            recv.read_chunk(1),
            send.stopped(),
            client.accept_bi(),
            client.accept_uni(),
            client.read_datagram(),
            client.closed(),
        )
    };
    let close = async { pair.server.close(VarInt::from_u32(3), b"enough") };
    let (heard, (), reset) = tokio::join!(waiting, close, resets.received_reset());

    let (read, stopped, bi, uni, datagram, closed) = heard;
    assert!(matches!(closed, ConnectionError::ApplicationClosed(_)));
    assert_eq!(read, Err(ReadError::ConnectionLost(closed.clone())));
    assert_eq!(stopped, Err(StoppedError::ConnectionLost(closed.clone())));
    assert_eq!(bi.err(), Some(closed.clone()));
    assert_eq!(uni.err(), Some(closed.clone()));
    assert_eq!(datagram, Err(closed));
    assert_eq!(reset, Err(ConnectionError::LocallyClosed));
}

fn client_stream(number: u64) -> hitotsu_quic::StreamId {
    VarInt::from_u64(number * 4).unwrap().into()
}
