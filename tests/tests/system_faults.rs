//! What happens when something breaks: the policy, the gateway, the database, the load.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use hitotsu_model::code::Code;
use hitotsu_model::control::Notice;
use hitotsu_tests::bundle::{PERSON, TestBundle};
use hitotsu_tests::device::{echoes, good_posture, problem};
use hitotsu_tests::process::PATIENCE;
use hitotsu_tests::systems;
use hitotsu_tests::world::World;
use hitotsu_tunnel::datagram::UdpOptions;
use hitotsu_tunnel::dialer::Preference;
use hitotsu_tunnel::fault::{Closed, OpenError};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What one session may have open at once.
const FLOWS_PER_SESSION: usize = 2_000;

#[tokio::test]
async fn a_broken_bundle_changes_nothing_and_says_file_line_and_remedy() {
    let echo = systems::echo().await;
    let bundle = TestBundle::new().tcp("echo", echo.address);
    let world = World::new(&bundle.files()).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let authority = format!("echo.test.internal:{}", echo.address.port());
    world.write_bundle(
        &bundle.clone().rule("@id(\"x\")\npermit (principal in Group::\"nobody-here\", action, resource);").files(),
    );
    let (code, _, errors) = world.try_gateway_command(&["policy", "reload"]).await;
    assert_eq!(code, 1);
    assert!(errors.contains("rules/tests.cedar") && errors.contains("nobody-here"), "{errors}");
    connected.open(&authority).await.expect("the old bundle still serves");
    assert!(world.figure("hitotsu_policy_refused_total").await >= 1.0);

    world.write_bundle(&TestBundle::new().system("echo", "tier3", &[echo.address], "tcp").files());
    world.gateway_command(&["policy", "reload"]).await;
    assert_eq!(connected.open(&authority).await.unwrap_err().code, Code::NotPermitted);
}

#[tokio::test]
async fn a_new_bundle_cuts_what_it_no_longer_permits_and_the_device_is_told() {
    let endless = systems::endless().await;
    let world = World::new(&TestBundle::new().tcp("endless", endless.address).files()).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let path = format!("{}/notices", hitotsu_model::control::CONTROL_PATH);
    let (_, mut notices) = connected.connection.stream(&path, http::HeaderMap::new()).await.expect("a stream");
    let authority = format!("endless.test.internal:{}", endless.address.port());
    let (_send, mut recv) = connected.open(&authority).await.expect("opens");
    assert!(recv.recv().await.expect("received").is_some());
    world.write_bundle(&TestBundle::new().system("endless", "tier3", &[endless.address], "tcp").files());
    world.gateway_command(&["policy", "reload"]).await;
    let cut = async { while let Ok(Some(_)) = recv.recv().await {} };
    timeout(Duration::from_secs(1), cut).await.expect("the flow is cut within a second");
    let mut text = Vec::new();
    let told = async {
        loop {
            text.extend_from_slice(&notices.recv().await.expect("received").expect("goes on"));
            let lines = String::from_utf8_lossy(&text).into_owned();
            let cut = lines.lines().filter_map(|line| serde_json::from_str::<Notice>(line).ok()).find_map(|notice| {
                if let Notice::Cut { target, problem, .. } = notice { Some((target, problem)) } else { None }
            });
            if let Some(cut) = cut {
                return cut;
            }
        }
    };
    let (target, problem) = timeout(PATIENCE, told).await.expect("the device is told");
    assert_eq!(target.authority(), authority);
    assert_eq!(problem.code, Code::NotPermitted);
}

#[tokio::test]
async fn a_gateway_killed_and_started_again_serves_within_three_seconds_and_lost_no_record() {
    let echo = systems::echo().await;
    let mut world = World::new(&TestBundle::new().tcp("echo", echo.address).files()).await;
    let device = world.enrol(PERSON).await;
    let connected = device.connect().await;
    let authority = format!("echo.test.internal:{}", echo.address.port());
    let open_flow = connected.open(&authority).await.expect("opens");
    let begun = Instant::now();
    world.kill_gateway().await;
    world.start_gateway().await;
    let again = device.connect().await;
    let back = again.open(&authority).await.expect("opens again");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    drop((open_flow, back));
    let report = world.gateway_command(&["audit", "verify"]).await;
    assert_eq!(report["damage"].as_array().map(Vec::len), Some(0), "{report}");
    let tail = world.gateway_command(&["audit", "tail", "-n", "1000"]).await.to_string();
    for expected in ["device-enrolled", "flow-intent", "gateway-started"] {
        assert!(tail.contains(expected), "{expected}: {tail}");
    }
    let orphans = tail.split("\"closed_intents\":[").filter(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(orphans.count(), 1, "the second start closes the flow that was open: {tail}");
}

#[tokio::test]
async fn a_thousand_flows_opened_at_once_all_open() {
    let echo = systems::echo().await;
    let world = World::new(&TestBundle::new().tcp("echo", echo.address).files()).await;
    let connected = std::sync::Arc::new(world.enrol(PERSON).await.connect().await);
    let authority = format!("echo.test.internal:{}", echo.address.port());
    let mut tasks = JoinSet::new();
    for number in 0..1000_u32 {
        let (connected, authority) = (connected.clone(), authority.clone());
        tasks.spawn(async move {
            let (mut send, mut recv) = connected.open(&authority).await.expect("opens");
            send.send(Bytes::copy_from_slice(&number.to_be_bytes())).await.expect("sent");
            let mut got = Vec::new();
            while got.len() < 4 {
                let batch = recv.recv().await.expect("received").expect("not ended");
                got.extend_from_slice(&batch.into_bytes());
            }
            assert_eq!(got, number.to_be_bytes());
        });
    }
    while let Some(done) = timeout(PATIENCE, tasks.join_next()).await.expect("in time") {
        done.expect("each flow carries its own bytes");
    }
}

#[tokio::test]
async fn a_flow_beyond_what_a_session_may_have_is_refused_in_words_and_all_others_live() {
    let (echo, datagrams) = (systems::echo().await, systems::udp_echo().await);
    let bundle = TestBundle::new().tcp("echo", echo.address).udp("datagrams", datagrams.address);
    let world = World::new(&bundle.files()).await;
    let device = world.enrol(PERSON).await;
    let connected = device.connect().await;
    let authority = format!("echo.test.internal:{}", echo.address.port());
    // A socket each in the gateway and none here: datagrams need but one in the system.
    let mut flows = Vec::new();
    let refused = loop {
        let (host, options) = ("datagrams.test.internal", UdpOptions::default());
        let asked = connected.connection.open_udp(host, datagrams.address.port(), http::HeaderMap::new(), options);
        match timeout(PATIENCE, asked).await.expect("answered, not left waiting") {
            Ok(opened) => flows.push(opened.flow),
            Err(OpenError::Refused(refusal)) => break problem(&refusal.body),
            Err(other) => panic!("after {} flows: {other}", flows.len()),
        }
    };

    assert_eq!(flows.len(), FLOWS_PER_SESSION);
    assert_eq!((refused.code, refused.help_code, refused.status), (Code::OverLimit, 600_602, 503));
    assert_eq!(refused.title, "接続が多すぎるため、これ以上開けません。");
    assert_eq!(refused.remedy, "使っていないものを閉じてから、もう一度試してください。");
    assert_eq!(connected.open(&authority).await.expect_err("no flow of any kind").code, Code::OverLimit);
    for index in [0, FLOWS_PER_SESSION / 2, FLOWS_PER_SESSION - 1] {
        flows[index].send(Bytes::from_static(b"alive")).await.expect("sent");
        let back = timeout(PATIENCE, flows[index].recv()).await.expect("in time").expect("received");
        assert_eq!(back.as_deref(), Some(&b"alive"[..]));
    }
    let beside = device.connect().await;
    let mut other = beside.open(&authority).await.expect("another session has its own room");
    echoes(&mut other, "beside").await;
    let tail = world.gateway_command(&["audit", "tail", "-n", "50"]).await.to_string();
    assert!(tail.contains("\"codes\":[\"over-limit\"]"), "{tail}");
    // Of too few for the gateway's QUIC to tell at once that their places are free.
    flows.truncate(FLOWS_PER_SESSION - 100);
    for _ in 0..100 {
        let asked = connected.connection.open_tcp(&authority, http::HeaderMap::new());
        let opened = timeout(PATIENCE, asked).await.expect("a place, not left waiting").expect("a stream");
        let _ = timeout(PATIENCE, opened.response.ready()).await.expect("answered");
    }
}

#[tokio::test]
async fn a_locked_database_stops_no_enrolled_device() {
    let echo = systems::echo().await;
    let world = World::new(&TestBundle::new().tcp("echo", echo.address).files()).await;
    let device = world.enrol(PERSON).await;
    let code = world.enrol_code(Some(PERSON), "issued").await;
    let database = world.org_dir().join("gateway.sqlite");
    let lock = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],isolation_level=None)\nc.execute('BEGIN EXCLUSIVE')\n\
                print('{\"locked\":true}',flush=True)\nsys.stdin.read()\nimport time\ntime.sleep(60)";
    let mut command = tokio::process::Command::new("python3");
    command.args(["-c", lock]).arg(&database);
    let mut holder = hitotsu_tests::process::Running::start(command);
    holder.next_json().await;
    let connected = device.connect().await;
    connected.open(&format!("echo.test.internal:{}", echo.address.port())).await.expect("opens");
    let key = std::sync::Arc::new(
        hitotsu_pki::key::PrivateKey::generate_p256(&ring::rand::SystemRandom::new()).expect("a key"),
    );
    let refused = world.redeem(&code, key.clone()).await.expect_err("the database is locked");
    assert_eq!((refused.code, refused.status), (Code::StoreUnavailable, 503));
    assert_eq!(refused.title, "ゲートウェイのデータベースが応答しません。");
    assert_eq!(refused.remedy, "しばらく待って、もう一度試してください。");
    let (exit, said, errors) = world.words(&["enrol-code", "--person", PERSON]).await;
    assert_eq!((exit, said.as_str()), (1, ""), "no code is shown that the database does not have");
    assert!(errors.starts_with("エラー: データベースが応答しません("), "{errors}");
    assert!(errors.ends_with("ディスクに空きがあるか確かめてください。\n"), "{errors}");
    holder.kill().await;
    world.enrol_code(Some(PERSON), "issued").await;
    world.redeem(&code, key).await.expect("the code is still good");
}

#[tokio::test]
async fn a_draining_gateway_lets_open_flows_end_and_takes_nothing_new() {
    let echo = systems::echo().await;
    let mut world = World::new(&TestBundle::new().tcp("echo", echo.address).files()).await;
    let mut connected = world.enrol(PERSON).await.dial(Preference::QuicOnly).await.expect("dials");
    connected.attest(good_posture()).await.expect("is believed");
    let authority = format!("echo.test.internal:{}", echo.address.port());
    let path = format!("{}/notices", hitotsu_model::control::CONTROL_PATH);
    let (_, mut notices) = connected.connection.stream(&path, http::HeaderMap::new()).await.expect("a stream");
    let mut flow = connected.open(&authority).await.expect("opens");
    let mut gateway = world.gateway.take().expect("it runs");
    let stopping = tokio::spawn(async move { gateway.terminate().await });
    let told = async {
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains("\"draining\"") {
            text.extend_from_slice(&notices.recv().await.expect("received").expect("goes on"));
        }
    };
    timeout(PATIENCE, told).await.expect("the device is told");
    // GOAWAY has a stream of its own, so the notice may overtake it; until it is here, each flow is refused by the gateway.
    let refused = loop {
        match connected.connection.open_tcp(&authority, http::HeaderMap::new()).await {
            Ok(flow) => {
                let answer = timeout(PATIENCE, flow.response.ready()).await.expect("an answer");
                answer.expect_err("nothing new is taken");
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, OpenError::Draining), "{refused:?}");
    let ready = world.health("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("draining"), "{ready}");
    assert!(world.health("/healthz").await.starts_with("HTTP/1.1 200"));
    echoes(&mut flow, "still here").await;
    let (mut send, mut recv) = flow;
    send.finish().await.expect("finished");
    while timeout(PATIENCE, recv.recv()).await.expect("in time").expect("an orderly end").is_some() {}
    drop((send, recv));
    let status = timeout(PATIENCE, stopping).await.expect("it stops").expect("joined");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_restarted_gateway_tells_an_idle_device_at_its_next_packet_that_it_forgot_the_connection() {
    let mut world = World::new(&TestBundle::new().files()).await;
    let connected = world.enrol(PERSON).await.connect().await;
    world.kill_gateway().await;
    world.start_gateway().await;
    let path = format!("{}/alive", hitotsu_model::control::CONTROL_PATH);
    let begun = std::time::Instant::now();
    let packet = connected.connection.request(http::Method::GET, &path, http::HeaderMap::new(), Bytes::new());
    timeout(Duration::from_secs(3), packet).await.expect("well below the idle time").expect_err("it is forgotten");
    let closed = timeout(PATIENCE, connected.connection.closed()).await.expect("it is over");
    assert!(matches!(closed, Closed::Forgotten), "{closed}");
    eprintln!("noticed after {:?}", begun.elapsed());
}
