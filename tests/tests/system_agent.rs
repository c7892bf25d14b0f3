//! Our own agent against our own gateway, both as processes: what a person's programs meet when a gateway dies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hitotsu_tests::bundle::{PERSON, TestBundle};
use hitotsu_tests::process::PATIENCE;
use hitotsu_tests::systems;
use hitotsu_tests::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a person may wait, once the gateway is there again, for a connection that works.
const BACK_WITHIN: Duration = Duration::from_secs(3);

/// Flows of one burst: enough that the gateway writes their records in several batches.
const BURST: usize = 100;

#[tokio::test]
async fn an_agent_is_back_within_three_seconds_of_its_gateways_power_cut_and_every_answered_flow_is_recorded() {
    let echo = systems::echo().await;
    let mut world = World::new(&TestBundle::new().on_this_machine().tcp("echo", echo.address).files()).await;
    let agent = world.agent(PERSON).await;
    let port = echo.address.port();
    let mut answered = Vec::new();
    for _ in 0..BURST {
        answered.push(agent.open("echo.test.internal", port).await.expect("opens"));
    }
    let mut open_flow = answered.pop().expect("a flow");
    echoes(&mut open_flow, "before").await;

    world.kill_gateway().await;
    world.start_gateway().await;
    let begun = Instant::now();
    let mut again = agent.open("echo.test.internal", port).await.expect("opens again");
    echoes(&mut again, "after").await;
    let took = begun.elapsed();

    assert!(took < BACK_WITHIN, "{took:?}");
    let ended = timeout(PATIENCE, open_flow.read(&mut [0; 1])).await.expect("what was open is told to have ended");
    assert!(ended.is_err(), "what was cut off is reset and does not look finished: {ended:?}");
    let report = world.gateway_command(&["audit", "verify"]).await;
    assert_eq!(report["damage"].as_array().map(Vec::len), Some(0), "{report}");
    let records = world.gateway_command(&["audit", "tail", "-n", "100000"]).await;
    let intents = flows(&records, "flow-intent");
    assert_eq!(intents.len(), BURST + 1, "each answered flow has its record: {records}");
    let closed = &flows(&records, "flow-closed") | &closed_by_a_start(&records);
    let open: Vec<&u64> = intents.difference(&closed).collect();
    assert_eq!(open.len(), 1, "only the flow of now is open: {open:?}");
}

#[tokio::test]
async fn an_agent_says_that_it_is_connected_again_when_one_tunnel_follows_another() {
    let world = World::new(&TestBundle::new().on_this_machine().files()).await;
    let mut agent = world.agent(PERSON).await;
    let sessions = world.gateway_command(&["session", "list"]).await;
    let session = sessions[0]["session"].as_str().expect("a session");

    world.gateway_command(&["session", "kill", session]).await;

    agent.event("connected").await;
}

/// Sends a text to the echo system and waits for it.
async fn echoes(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("sent");
    let mut got = vec![0; text.len()];
    timeout(PATIENCE, stream.read_exact(&mut got)).await.expect("in time").expect("comes back");
    assert_eq!(got, text.as_bytes());
}

/// The flows of the records of one kind.
fn flows(records: &serde_json::Value, kind: &str) -> BTreeSet<u64> {
    let events = records.as_array().expect("records").iter();
    events.filter(|event| event["event"] == kind).map(|event| event["flow"].as_u64().expect("a number")).collect()
}

/// The flows that a start found open and closed.
fn closed_by_a_start(records: &serde_json::Value) -> BTreeSet<u64> {
    let events = records.as_array().expect("records").iter();
    let closed = events.filter_map(|event| event["closed_intents"].as_array());
    closed.flatten().map(|flow| flow.as_u64().expect("a number")).collect()
}
