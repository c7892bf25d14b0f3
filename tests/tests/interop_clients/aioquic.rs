//! HTTP/3 with aioquic.

use hitotsu_proto::error::Code;
use hitotsu_tests::bundle::TestBundle;
use hitotsu_tests::process::PATIENCE;
use hitotsu_tests::systems;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::setup::{Setup, assert_refused, target, with, with_bundle};

const CLIENT: &str = "aioquic/client.py";
const MIB: usize = 1024 * 1024;

async fn flows(setup: &Setup, target: &str, flows: usize, octets: usize) -> Vec<Value> {
    let (flows, octets) = (flows.to_string(), octets.to_string());
    let arguments = ["tcp", "--target", target, "--flows", &flows, "--octets", &octets];
    let Value::Array(flows) = setup.python(CLIENT, &arguments).await else { panic!("a list of flows") };
    flows
}

#[tokio::test]
async fn aioquic_echoes_a_mebibyte_and_ends_each_half_by_itself() {
    let (echo, count) = (systems::echo().await, systems::count().await);
    let setup = with(&[("echo", echo.address, "tcp"), ("count", count.address, "tcp")]).await;

    let echoed = flows(&setup, &target("echo", echo.address), 1, MIB).await;
    let counted = flows(&setup, &target("count", count.address), 1, MIB).await;

    assert_eq!(echoed[0]["status"], 200);
    assert_eq!((&echoed[0]["echoed"], &echoed[0]["ended"]), (&json!(true), &json!(true)), "{}", echoed[0]["length"]);
    // It answers only when its peer's half has ended, while the other half still carries the answer.
    assert_eq!((&counted[0]["body"], &counted[0]["ended"]), (&json!(MIB.to_string()), &json!(true)));
}

#[tokio::test]
async fn aioquic_has_forty_flows_at_once_and_none_gets_the_octets_of_another() {
    let echo = systems::echo().await;
    let setup = with(&[("echo", echo.address, "tcp")]).await;

    let flows = flows(&setup, &target("echo", echo.address), 40, 64 * 1024).await;

    assert_eq!(flows.len(), 40);
    for flow in flows {
        assert_eq!((&flow["status"], &flow["echoed"], &flow["ended"]), (&json!(200), &json!(true), &json!(true)));
    }
}

#[tokio::test]
async fn a_reset_by_the_system_reaches_aioquic_as_a_connect_error() {
    let reset = systems::reset().await;
    let setup = with(&[("reset", reset.address, "tcp")]).await;

    let flow = &flows(&setup, &target("reset", reset.address), 1, 1).await[0];

    assert_eq!(flow["reset"], Code::H3_CONNECT_ERROR.value());
    assert_eq!(flow["ended"], false);
}

#[tokio::test]
async fn a_reset_by_aioquic_reaches_the_system_as_a_reset() {
    let (system, saw) = watched().await;
    let setup = with(&[("watched", system, "tcp")]).await;

    setup.python(CLIENT, &["reset", "--target", &target("watched", system)]).await;

    let saw = timeout(PATIENCE, saw).await.expect("in time").expect("it saw something");
    assert_eq!(saw, std::io::ErrorKind::ConnectionReset);
}

/// A system that answers the first octet, then tells with what the connection breaks. It goes on writing where its peer
/// only ends its half, because some clients do that just before they reset.
pub(crate) async fn watched() -> (std::net::SocketAddr, tokio::task::JoinHandle<std::io::ErrorKind>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let saw = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let mut octets = [0; 16];
        let _first = stream.read(&mut octets).await.expect("reads");
        stream.write_all(b"y").await.expect("writes");
        if let Err(error) = stream.read(&mut octets).await {
            return error.kind();
        }
        loop {
            if let Err(error) = stream.write_all(b"y").await {
                return error.kind();
            }
            tokio::task::yield_now().await;
        }
    });
    (address, saw)
}

async fn udp(arguments: &[&str]) -> Vec<Value> {
    let echo = systems::udp_echo().await;
    let setup = with(&[("echo", echo.address, "udp")]).await;
    let target = target("echo", echo.address);
    let arguments = [&["udp", "--target", &target], arguments].concat();
    let Value::Array(flows) = setup.python(CLIENT, &arguments).await else { panic!("a list of flows") };
    for flow in &flows {
        assert_eq!(flow["status"], 200, "{flow}");
        assert_eq!(flow["headers"]["capsule-protocol"], "?1", "{flow}");
        assert!(flow["headers"].get("content-length").is_none(), "{flow}");
    }
    flows
}

fn all_echoed(flow: &Value, count: usize) -> bool {
    flow["echoed"].as_array().is_some_and(|echoed| echoed.len() == count && echoed.iter().all(|came| *came == true))
}

#[tokio::test]
async fn aioquic_carries_udp_in_datagrams_on_seventy_flows_and_none_gets_those_of_another() {
    // From the 64th flow on, the quarter stream id takes two octets.
    let flows = udp(&["--by", "datagram", "--flows", "70", "--sizes", "0,1,1000"]).await;

    assert_eq!(flows.len(), 70);
    assert!(flows.iter().all(|flow| all_echoed(flow, 3)), "{flows:?}");
}

#[tokio::test]
async fn aioquic_without_http_datagrams_carries_udp_in_capsules_up_to_the_largest() {
    // 65,507 octets is all that UDP over IPv4 has room for.
    let flows = udp(&["--by", "capsule", "--no-datagrams", "--flows", "3", "--sizes", "0,1,1400,65507"]).await;

    assert!(flows.iter().all(|flow| all_echoed(flow, 4)), "{flows:?}");
}

#[tokio::test]
async fn capsules_are_taken_where_http_datagrams_are_agreed_too() {
    let flows = udp(&["--by", "capsule", "--sizes", "10,1000"]).await;

    assert!(all_echoed(&flows[0], 2), "{flows:?}");
}

#[tokio::test]
async fn a_refusal_tells_aioquic_its_status_proxy_status_and_problem() {
    let (hidden, refusing) = (systems::echo().await, systems::refusing().await);
    let bundle = TestBundle::new()
        // A rule that does not name clients without our agent is not for them.
        .tcp("hidden", hidden.address)
        .system("refusing", "tier3", &[refusing], "tcp")
        .permit("refusing", "context.profile == \"relay\"");
    let setup = with_bundle(&bundle).await;

    let not_permitted = &flows(&setup, &target("hidden", hidden.address), 1, 0).await[0];
    let not_there = &flows(&setup, &target("refusing", refusing), 1, 0).await[0];

    assert_refused(not_permitted, 403, "http_request_denied", "not-permitted");
    assert_refused(not_there, 502, "connection_refused", "upstream-refused");
}

#[tokio::test]
async fn a_drain_sends_goaway_lets_the_flow_of_aioquic_go_on_and_rejects_a_later_request() {
    let echo = systems::echo().await;
    let mut setup = with(&[("echo", echo.address, "tcp")]).await;
    let mut client = setup.start_python(CLIENT, &["drain", "--target", &target("echo", echo.address)]);
    assert_eq!(client.next_json().await["open"], true);

    let mut gateway = setup.world.gateway.take().expect("it runs");
    let (status, seen) = tokio::join!(gateway.terminate(), client.next_json());

    assert!(status.success(), "{status}");
    let goaway = seen["goaway"][0].as_u64().expect("a stream id");
    assert!(goaway <= seen["late_id"].as_u64().expect("a stream id"), "{seen}");
    assert_eq!(seen["late"]["reset"], Code::H3_REQUEST_REJECTED.value(), "{seen}");
    assert_eq!((&seen["flow"]["body"], &seen["flow"]["ended"]), (&json!("before and after"), &json!(true)), "{seen}");
    assert_eq!(seen["closed"], Code::H3_NO_ERROR.value(), "{seen}");
}
