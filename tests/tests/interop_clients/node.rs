//! HTTP/2 with Node's core module.

use hitotsu_tests::process::PATIENCE;
use hitotsu_tests::systems;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::aioquic::watched;
use crate::setup::{Setup, assert_refused, target, with, with_bundle};

/// RFC 9113 §7.
const H2_CONNECT_ERROR: u64 = 0xa;
const H2_NO_ERROR: u64 = 0;

async fn flows(setup: &Setup, target: &str, flows: usize, octets: usize) -> Vec<Value> {
    let (flows, octets) = (flows.to_string(), octets.to_string());
    let said = setup.node(&["tcp", "--target", target, "--flows", &flows, "--octets", &octets]).await;
    let Value::Array(flows) = said else { panic!("no list of flows: {said}") };
    flows
}

#[tokio::test]
async fn node_echoes_a_mebibyte_and_ends_each_half_by_itself() {
    let (echo, count) = (systems::echo().await, systems::count().await);
    let setup = with(&[("echo", echo.address, "tcp"), ("count", count.address, "tcp")]).await;

    let echoed = flows(&setup, &target("echo", echo.address), 1, 1024 * 1024).await;
    let counted = flows(&setup, &target("count", count.address), 1, 1024 * 1024).await;

    assert_eq!((&echoed[0]["echoed"], &echoed[0]["ended"]), (&json!(true), &json!(true)), "{}", echoed[0]["length"]);
    assert_eq!((&counted[0]["body"], &counted[0]["ended"]), (&json!("1048576"), &json!(true)));
}

#[tokio::test]
async fn node_has_forty_flows_at_once_and_none_gets_the_octets_of_another() {
    let echo = systems::echo().await;
    let setup = with(&[("echo", echo.address, "tcp")]).await;

    let flows = flows(&setup, &target("echo", echo.address), 40, 64 * 1024).await;

    assert_eq!(flows.len(), 40);
    for flow in flows {
        assert_eq!((&flow["status"], &flow["echoed"], &flow["ended"]), (&json!(200), &json!(true), &json!(true)));
    }
}

#[tokio::test]
async fn node_carries_udp_in_capsules_up_to_the_largest() {
    let echo = systems::udp_echo().await;
    let setup = with(&[("echo", echo.address, "udp")]).await;

    let flow = setup.node(&["udp", "--target", &target("echo", echo.address), "--sizes", "0,1,1400,20000,65507"]).await;

    assert_eq!(flow["status"], 200, "{flow}");
    assert_eq!(flow["headers"]["capsule-protocol"], "?1", "{flow}");
    assert_eq!(flow["echoed"], json!([true, true, true, true, true]), "{flow}");
}

#[tokio::test]
async fn a_refusal_tells_node_its_status_proxy_status_and_problem() {
    let (hidden, refusing) = (systems::echo().await, systems::refusing().await);
    let bundle = hitotsu_tests::bundle::TestBundle::new()
        .tcp("hidden", hidden.address)
        .system("refusing", "tier3", &[refusing], "tcp")
        .permit("refusing", "context.profile == \"relay\"");
    let setup = with_bundle(&bundle).await;

    let not_permitted = &flows(&setup, &target("hidden", hidden.address), 1, 0).await[0];
    let not_there = &flows(&setup, &target("refusing", refusing), 1, 0).await[0];
    let unknown = setup.node(&["websocket"]).await;

    assert_refused(not_permitted, 403, "http_request_denied", "not-permitted");
    assert_refused(not_there, 502, "connection_refused", "upstream-refused");
    assert_eq!(unknown["status"], 501, "{unknown}");
}

#[tokio::test]
async fn a_reset_by_the_system_reaches_node_as_a_connect_error() {
    let reset = systems::reset().await;
    let setup = with(&[("reset", reset.address, "tcp")]).await;

    let flow = &flows(&setup, &target("reset", reset.address), 1, 1).await[0];

    assert_eq!((&flow["code"], &flow["ended"]), (&json!(H2_CONNECT_ERROR), &json!(false)), "{flow}");
}

#[tokio::test]
async fn a_reset_by_node_reaches_the_system_as_a_reset() {
    let (system, saw) = watched().await;
    let setup = with(&[("watched", system, "tcp")]).await;

    setup.node(&["reset", "--target", &target("watched", system)]).await;

    let saw = timeout(PATIENCE, saw).await.expect("in time").expect("it saw something");
    // Node ends its half, then resets: writing on may meet the reset itself or the closed socket after it.
    assert!(matches!(saw, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe), "{saw}");
}

#[tokio::test]
async fn a_drain_sends_goaway_to_node_and_lets_its_flow_go_on() {
    let echo = systems::echo().await;
    let mut setup = with(&[("echo", echo.address, "tcp")]).await;
    let mut client = setup.start_node(&["drain", "--target", &target("echo", echo.address)]);
    assert_eq!(client.next_json().await["open"], true);

    let mut gateway = setup.world.gateway.take().expect("it runs");
    let (status, seen) = tokio::join!(gateway.terminate(), client.next_json());

    assert!(status.success(), "{status}");
    assert_eq!(seen["goaway"], H2_NO_ERROR, "{seen}");
    assert_eq!((&seen["flow"]["body"], &seen["flow"]["ended"]), (&json!("before and after"), &json!(true)), "{seen}");
}
