//! TCP flows.

use bytes::Bytes;
use hitotsu_tunnel::client::ClientFlow;
use hitotsu_tunnel::dialer::Preference;
use hitotsu_tunnel::fault::{FlowError, OpenError, ResetReason};
use hitotsu_tunnel::server::{Exchange, Request};
use http::{HeaderMap, Response};

use crate::world::{World, accept, exchange, flow, read_all};

over_h3_and_h2! {
    octets_go_both_ways
    a_large_transfer_arrives_whole
    the_client_may_finish_first
    the_gateway_may_finish_first
    a_reset_of_the_client_reaches_the_gateway
    a_reset_of_the_gateway_reaches_the_client
    dropping_a_flow_resets_it
    octets_sent_before_the_answer_arrive
    a_refusal_carries_its_problem_document
    a_client_that_gives_up_is_noticed_before_the_answer
    what_cannot_be_asked_for_is_said_so
}

async fn octets_go_both_ways(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((mut send, mut recv), (mut back, mut there)) = flow(&client, &server).await;

    send.send(Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(there.recv().await.unwrap().unwrap().into_bytes(), "hello");
    back.send(Bytes::from_static(b"welcome")).await.unwrap();
    assert_eq!(recv.recv().await.unwrap().unwrap().into_bytes(), "welcome");

    assert_eq!(client.binding(), server.binding);
    assert_eq!(client.transport(), server.transport);
    assert_eq!(client.local_address().unwrap(), server.remote);
    assert_eq!(client.remote_address(), server.local);
    assert_eq!(server.peer_certificates.len(), 1);
}

async fn a_large_transfer_arrives_whole(preference: Preference) {
    const CHUNKS: usize = 256;
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((mut send, _recv), (_back, mut there)) = flow(&client, &server).await;

    let sending = async {
        for number in 0..CHUNKS {
            send.send(Bytes::from(vec![number as u8; 64 * 1024])).await.unwrap();
        }
        send.finish().await.unwrap();
    };
    let ((), received) = tokio::join!(sending, read_all(&mut there));

    assert_eq!(received.len(), CHUNKS * 64 * 1024);
    for (number, chunk) in received.chunks(64 * 1024).enumerate() {
        assert!(chunk.iter().all(|octet| *octet == number as u8), "chunk {number}");
    }
}

async fn the_client_may_finish_first(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((mut send, mut recv), (mut back, mut there)) = flow(&client, &server).await;

    send.send(Bytes::from_static(b"question")).await.unwrap();
    send.finish().await.unwrap();
    assert_eq!(read_all(&mut there).await, b"question");
    back.send(Bytes::from_static(b"answer")).await.unwrap();
    back.finish().await.unwrap();

    assert_eq!(read_all(&mut recv).await, b"answer");
    assert_eq!(send.send(Bytes::from_static(b"more")).await, Err(FlowError::Finished));
}

async fn the_gateway_may_finish_first(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((mut send, mut recv), (mut back, mut there)) = flow(&client, &server).await;

    back.send(Bytes::from_static(b"banner")).await.unwrap();
    back.finish().await.unwrap();
    assert_eq!(read_all(&mut recv).await, b"banner");
    send.send(Bytes::from_static(b"upload")).await.unwrap();
    send.finish().await.unwrap();

    assert_eq!(read_all(&mut there).await, b"upload");
}

async fn a_reset_of_the_client_reaches_the_gateway(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((send, _recv), (mut back, mut there)) = flow(&client, &server).await;

    send.reset(ResetReason::Connect);

    assert_eq!(there.recv().await.unwrap_err(), FlowError::Reset(ResetReason::Connect));
    drop(_recv);
    assert!(matches!(back.stopped().await, FlowError::Reset(_)));
}

async fn a_reset_of_the_gateway_reaches_the_client(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((mut send, mut recv), (back, there)) = flow(&client, &server).await;

    back.reset(ResetReason::Connect);
    there.stop(ResetReason::Connect);

    assert_eq!(recv.recv().await.unwrap_err(), FlowError::Reset(ResetReason::Connect));
    assert_eq!(send.stopped().await, FlowError::Reset(ResetReason::Connect));
}

async fn dropping_a_flow_resets_it(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let ((send, recv), (_back, mut there)) = flow(&client, &server).await;

    drop((send, recv));

    assert_eq!(there.recv().await.unwrap_err(), FlowError::Reset(ResetReason::Cancelled));
}

async fn octets_sent_before_the_answer_arrive(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;

    let ClientFlow { mut send, response, .. } = client.open_tcp("files.test:443", HeaderMap::new()).await.unwrap();
    send.send(Bytes::from_static(b"optimistic")).await.unwrap();
    let (_back, mut there) = accept(&server).await;

    assert_eq!(there.recv().await.unwrap().unwrap().into_bytes(), "optimistic");
    response.ready().await.unwrap();
}

async fn a_refusal_carries_its_problem_document(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;

    let ClientFlow { send: _send, response, .. } = client.open_tcp("secret.test:22", HeaderMap::new()).await.unwrap();
    let Exchange { request: Request::Tcp { authority, pending, .. }, .. } = exchange(&server).await else { panic!() };
    assert_eq!(authority, "secret.test:22");
    let refusal = Response::builder()
        .status(403)
        .header("content-type", "application/problem+json")
        .header("proxy-status", "gateway; error=http_request_denied")
        .body(Bytes::from_static(b"{\"code\":\"tier-1\"}"))
        .unwrap();
    pending.refuse(refusal).await;

    let Err(OpenError::Refused(refused)) = response.ready().await else { panic!() };
    assert_eq!(refused.status, 403);
    assert_eq!(refused.headers["proxy-status"], "gateway; error=http_request_denied");
    assert_eq!(refused.body, "{\"code\":\"tier-1\"}");
}

async fn a_client_that_gives_up_is_noticed_before_the_answer(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;

    let flow = client.open_tcp("files.test:443", HeaderMap::new()).await.unwrap();
    let Exchange { request: Request::Tcp { mut pending, .. }, .. } = exchange(&server).await else { panic!() };
    drop(flow);

    pending.abandoned().await;
}

async fn what_cannot_be_asked_for_is_said_so(preference: Preference) {
    let world = World::new().await;
    let (client, _server) = world.pair(preference).await;

    for authority in ["files.test", "files.test:0", "files.test:99999", "a b:80", "", "::1:80"] {
        let refused = client.open_tcp(authority, HeaderMap::new()).await.unwrap_err();
        assert_eq!(refused, OpenError::BadRequest(authority.to_owned()));
    }
}
