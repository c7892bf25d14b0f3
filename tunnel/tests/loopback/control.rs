//! Ordinary requests beside the flows.

use bytes::Bytes;
use hitotsu_tunnel::dialer::Preference;
use hitotsu_tunnel::fault::{FlowError, OpenError};
use hitotsu_tunnel::limits;
use hitotsu_tunnel::server::{Exchange, PendingHttp, Request};
use http::{HeaderMap, Method, Response, StatusCode};

use crate::world::{Judged, World, exchange};

over_h3_and_h2! {
    a_request_is_answered
    a_request_body_over_the_limit_is_cut_off
    a_response_over_the_limit_is_an_error
    notices_come_as_they_are_written
    a_notice_stream_that_is_dropped_is_noticed
}

async fn http(server: &Judged) -> (Method, String, HeaderMap, PendingHttp) {
    let Exchange { request: Request::Http { method, path, headers, pending, .. }, .. } = exchange(server).await else {
        panic!("not an ordinary request")
    };
    (method, path, headers, pending)
}

async fn a_request_is_answered(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());

    let asking = client.request(Method::POST, "/.well-known/hitotsu/attest?x=1", headers, Bytes::from_static(b"{}"));
    let answering = async {
        let (method, path, headers, mut pending) = http(&server).await;
        assert_eq!((method, path.as_str()), (Method::POST, "/.well-known/hitotsu/attest?x=1"));
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(pending.body(16).await.unwrap(), "{}");
        let response = Response::builder().status(201).header("x-test", "yes").body(Bytes::from_static(b"done"));
        pending.respond(response.unwrap()).await;
    };
    let (response, ()) = tokio::join!(asking, answering);

    let response = response.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["x-test"], "yes");
    assert_eq!(response.headers()["content-length"], "4");
    assert_eq!(response.body(), "done");
}

async fn a_request_body_over_the_limit_is_cut_off(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;

    let asking = client.request(Method::POST, "/big", HeaderMap::new(), Bytes::from(vec![0; 100_000]));
    let answering = async {
        let (.., mut pending) = http(&server).await;
        let error = pending.body(50_000).await.unwrap_err();
        assert_eq!(error, FlowError::OverLimit("octets of the body"));
        let mut response = Response::new(Bytes::from_static(b"too large"));
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        pending.respond(response).await;
    };
    let (response, ()) = tokio::join!(asking, answering);

    assert_eq!(response.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
}

async fn a_response_over_the_limit_is_an_error(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;

    let asking = client.request(Method::GET, "/huge", HeaderMap::new(), Bytes::new());
    let answering = async {
        let (.., pending) = http(&server).await;
        pending.respond(Response::new(Bytes::from(vec![0; limits::RESPONSE_BODY_MAX + 1]))).await;
    };
    let (response, ()) = tokio::join!(asking, answering);

    assert_eq!(response.unwrap_err(), OpenError::Flow(FlowError::OverLimit("octets of the body")));
}

async fn notices_come_as_they_are_written(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;

    let asking = client.stream("/.well-known/hitotsu/notices", HeaderMap::new());
    let answering = async {
        let (.., pending) = http(&server).await;
        pending.respond_stream(Response::new(())).await.unwrap()
    };
    let (asked, mut sender) = tokio::join!(asking, answering);
    let (head, mut receiver) = asked.unwrap();
    assert_eq!(head.status(), StatusCode::OK);

    for notice in ["first\n", "second\n"] {
        sender.send(Bytes::from_static(notice.as_bytes())).await.unwrap();
        assert_eq!(receiver.recv().await.unwrap().unwrap(), notice);
    }
    sender.finish().await.unwrap();
    assert_eq!(receiver.recv().await.unwrap(), None);
}

async fn a_notice_stream_that_is_dropped_is_noticed(preference: Preference) {
    let world = World::new().await;
    let (client, server) = world.pair(preference).await;

    let asking = client.stream("/.well-known/hitotsu/notices", HeaderMap::new());
    let answering = async {
        let (.., pending) = http(&server).await;
        pending.respond_stream(Response::new(())).await.unwrap()
    };
    let (asked, mut sender) = tokio::join!(asking, answering);
    drop(asked.unwrap());

    sender.abandoned().await;
}
