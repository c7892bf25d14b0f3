//! A device and a real gateway process: what opens, what does not, and why.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hitotsu_model::code::Code;
use hitotsu_model::control::{ProtocolVersion, WhyRequest, WhyResponse};
use hitotsu_model::posture::{ClaimName, ClaimValue};
use hitotsu_model::resource::{Target, Transport};
use hitotsu_pki::attest::sign_statement;
use hitotsu_tests::bundle::{PERSON, TestBundle};
use hitotsu_tests::device::{Device, echoes, good_posture, posture_with, problem};
use hitotsu_tests::nat::Nat;
use hitotsu_tests::process::{PATIENCE, Running, program};
use hitotsu_tests::systems;
use hitotsu_tests::world::World;
use hitotsu_tunnel::dialer::Preference;
use hitotsu_tunnel::fault::OpenError;
use tokio::time::timeout;

/// A place to which a device belongs that comes from 127.0.0.2.
const OFFICE: &str = "[[place]]\nid = \"office\"\ntitle_ja = \"区役所\"\ntitle_en = \"Ward office\"\nkind = \"office\"\n\
                      sources = [\"127.0.0.2/32\"]\n";

async fn world_with_echo() -> (World, systems::System, Device) {
    let echo = systems::echo().await;
    let world = World::new(&TestBundle::new().tcp("echo", echo.address).files()).await;
    let device = world.enrol(PERSON).await;
    (world, echo, device)
}

fn authority(system: &str, address: std::net::SocketAddr) -> String {
    format!("{system}.test.internal:{}", address.port())
}

#[tokio::test]
async fn an_enrolled_and_attested_device_reaches_a_system_over_each_transport() {
    let (_world, echo, device) = world_with_echo().await;
    for preference in [Preference::QuicOnly, Preference::Http2Only] {
        let mut connected = device.dial(preference).await.expect("dials");
        connected.attest(good_posture()).await.expect("is believed");
        let mut flow = connected.open(&authority("echo", echo.address)).await.expect("opens");
        echoes(&mut flow, "一つのトンネル").await;
        let (send, recv) = &mut flow;
        send.finish().await.expect("finished");
        assert!(timeout(PATIENCE, recv.recv()).await.expect("in time").expect("ended").is_none());
    }
}

#[tokio::test]
async fn a_device_without_evidence_opens_nothing() {
    let (_world, echo, device) = world_with_echo().await;
    let connected = device.dial(Preference::QuicOnly).await.expect("dials");
    let problem = connected.open(&authority("echo", echo.address)).await.unwrap_err();
    assert_eq!(problem.code, Code::EvidenceMissing);
    assert_eq!(problem.help_code, 200_201);
}

#[tokio::test]
async fn a_flow_that_comes_before_the_first_evidence_waits_for_it() {
    let (_world, echo, device) = world_with_echo().await;
    let mut connected = device.dial(Preference::QuicOnly).await.expect("dials");
    let authority = authority("echo", echo.address);
    let flow = connected.connection.open_tcp(&authority, http::HeaderMap::new()).await.expect("a stream");
    connected.attest(good_posture()).await.expect("is believed");
    timeout(PATIENCE, flow.response.ready()).await.expect("in time").expect("opens");
}

#[tokio::test]
async fn a_bad_state_is_refused_with_its_code_sentence_and_remedy_and_unknown_is_bad() {
    let (_world, echo, device) = world_with_echo().await;
    let authority = authority("echo", echo.address);
    let unknown = ClaimValue::Unknown("no way to tell".to_owned());
    let cases = [
        (ClaimValue::Bool(false), Code::FirewallOff, "ファイアウォールが無効です。"),
        (unknown, Code::PostureUnknown, "必要な安全確認の項目を調べられませんでした。"),
    ];
    for (value, code, sentence) in cases {
        let mut connected = device.dial(Preference::QuicOnly).await.expect("dials");
        let answer = connected.attest(posture_with(ClaimName::FirewallOn, value)).await.expect("is believed");
        assert_eq!(answer.findings, [code], "{answer:?}");
        let problem = connected.open(&authority).await.unwrap_err();
        assert_eq!((problem.code, problem.claim), (code, Some(ClaimName::FirewallOn)));
        assert_eq!(problem.title, sentence);
        assert!(!problem.remedy.is_empty());
    }
}

#[tokio::test]
async fn a_live_flow_is_cut_when_the_state_goes_bad_and_access_comes_back() {
    let endless = systems::endless().await;
    let world = World::new(&TestBundle::new().tcp("endless", endless.address).files()).await;
    let mut connected = world.enrol(PERSON).await.connect().await;
    let authority = authority("endless", endless.address);
    let (_send, mut recv) = connected.open(&authority).await.expect("opens");
    assert!(recv.recv().await.expect("received").is_some());
    let bad = posture_with(ClaimName::ForbiddenSoftware, ClaimValue::TextList(vec!["winny".to_owned()]));
    connected.attest(bad).await.expect("is believed");
    let cut = async { while let Ok(Some(_)) = recv.recv().await {} };
    timeout(PATIENCE, cut).await.expect("the flow is cut");
    assert_eq!(connected.open(&authority).await.unwrap_err().code, Code::ForbiddenSoftware);
    connected.attest(good_posture()).await.expect("is believed");
    connected.open(&authority).await.expect("opens again");
}

#[tokio::test]
async fn evidence_grows_stale_by_itself() {
    let endless = systems::endless().await;
    let bundle = TestBundle::new().tcp("endless", endless.address).evidence_max_age(30);
    let world = World::new(&bundle.files()).await;
    let connected = world.enrol(PERSON).await.connect().await;
    // A shorter age comes into effect: the evidence of before is then too old within seconds.
    let (_send, mut recv) = connected.open(&authority("endless", endless.address)).await.expect("opens");
    assert!(recv.recv().await.expect("received").is_some());
    let cut = async { while let Ok(Some(_)) = recv.recv().await {} };
    timeout(2 * PATIENCE, cut).await.expect("the flow is cut once its evidence is 30 s old");
    let problem = connected.open(&authority("endless", endless.address)).await.unwrap_err();
    assert_eq!(problem.code, Code::EvidenceStale);
}

#[tokio::test]
async fn evidence_of_another_connection_is_refused() {
    let (_world, _echo, device) = world_with_echo().await;
    let first = device.dial(Preference::QuicOnly).await.expect("dials");
    let second = device.dial(Preference::QuicOnly).await.expect("dials");
    let stolen = sign_statement(&*device.key, &first.statement(good_posture())).expect("signs");
    let problem = second.send_evidence(&stolen).await.unwrap_err();
    assert_eq!(problem.code, Code::EvidenceOtherConnection);
}

#[tokio::test]
async fn a_replayed_statement_is_refused() {
    let (_world, _echo, device) = world_with_echo().await;
    let mut connected = device.dial(Preference::QuicOnly).await.expect("dials");
    let first = sign_statement(&*device.key, &connected.statement(good_posture())).expect("signs");
    let answered = connected.send_evidence(&first).await.expect("is believed");
    (connected.sequence, connected.nonce) = (1, Some(answered.nonce));
    connected.attest(good_posture()).await.expect("is believed");
    assert_eq!(connected.send_evidence(&first).await.unwrap_err().code, Code::EvidenceReplayed);
    connected.nonce = Some("ab".repeat(32));
    let guessed = sign_statement(&*device.key, &connected.statement(good_posture())).expect("signs");
    assert_eq!(connected.send_evidence(&guessed).await.unwrap_err().code, Code::EvidenceReplayed);
}

#[tokio::test]
async fn a_statement_that_was_changed_after_signing_is_refused() {
    let (_world, _echo, device) = world_with_echo().await;
    let connected = device.dial(Preference::QuicOnly).await.expect("dials");
    let bad = posture_with(ClaimName::FirewallOn, ClaimValue::Bool(false));
    let honest = sign_statement(&*device.key, &connected.statement(bad)).expect("signs");
    let lie = serde_json::to_vec(&connected.statement(good_posture())).expect("json");
    let forged = hitotsu_model::control::AttestRequest { statement: data_encoding::BASE64.encode(&lie), ..honest };
    assert_eq!(connected.send_evidence(&forged).await.unwrap_err().code, Code::EvidenceInvalid);
}

#[tokio::test]
async fn unknown_and_forbidden_names_answer_alike() {
    let (echo, hidden) = (systems::echo().await, systems::echo().await);
    let bundle = TestBundle::new().tcp("echo", echo.address).system("hidden", "tier3", &[hidden.address], "tcp");
    let world = World::new(&bundle.files()).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let mut forbidden = connected.open(&authority("hidden", hidden.address)).await.unwrap_err();
    let mut unknown = connected.open("nowhere.test.internal:443").await.unwrap_err();
    assert!(forbidden.rules.is_empty());
    (forbidden.flow, unknown.flow) = (None, None);
    assert_eq!(forbidden, unknown);
    assert_eq!(forbidden.code, Code::NotPermitted);
}

#[tokio::test]
async fn a_strict_system_cannot_be_reached_by_its_address_through_a_looser_range() {
    let strict = systems::echo().await;
    let port = strict.address.port();
    let range = format!(
        "[[resource]]\nid = \"range\"\ntitle_ja = \"r\"\ntitle_en = \"r\"\ntier = \"tier3\"\nprefixes = [\"127.0.0.0/8\"]\n\
         ports = [\"tcp/{port}\"]\nallow_loopback = true\n"
    );
    let bundle = TestBundle::new()
        .system("strict", "tier2", &[strict.address], "tcp")
        .permit("strict", "context.level >= 3")
        .resource(&range)
        .permit("range", "true");
    let world = World::new(&bundle.files()).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let problem = connected.open(&format!("127.0.0.1:{port}")).await.unwrap_err();
    assert_eq!(problem.code, Code::LevelTooLow, "{problem:?}");
    // Another address of the range has no system, but is permitted: the dial itself is refused.
    let problem = connected.open(&format!("127.0.0.9:{port}")).await.unwrap_err();
    assert_eq!(problem.code, Code::UpstreamRefused, "{problem:?}");
}

#[tokio::test]
async fn the_gateway_itself_is_never_a_system() {
    let world = World::new(&TestBundle::new().files()).await;
    let range = format!(
        "[[resource]]\nid = \"self\"\ntitle_ja = \"s\"\ntitle_en = \"s\"\ntier = \"tier3\"\nprefixes = [\"127.0.0.0/8\"]\n\
         ports = [\"tcp/{}\", \"tcp/{}\"]\nallow_loopback = true\n",
        world.listen.port(),
        world.metrics.port()
    );
    world.write_bundle(&TestBundle::new().resource(&range).permit("self", "true").files());
    world.gateway_command(&["policy", "reload"]).await;
    let connected = world.enrol(PERSON).await.connect().await;
    for port in [world.listen.port(), world.metrics.port()] {
        let authority = format!("127.0.0.1:{port}");
        let problem = connected.open(&authority).await.unwrap_err();
        assert_eq!(problem.code, Code::AddressNotPermitted, "{problem:?}");
        let target = Target::parse(&authority, Transport::Tcp).expect("a target");
        let question = WhyRequest { version: ProtocolVersion::CURRENT, target };
        let (_, answer) = connected.post("why", serde_json::to_vec(&question).expect("json")).await;
        let answer: WhyResponse = serde_json::from_slice(&answer).expect("an answer");
        assert!(!answer.allowed, "why says what a flow would meet: {answer:?}");
    }
}

#[tokio::test]
async fn a_system_that_refuses_or_resets_is_told_as_such() {
    let (refusing, reset) = (systems::refusing().await, systems::reset().await);
    let world = World::new(&TestBundle::new().tcp("refusing", refusing).tcp("reset", reset.address).files()).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let problem = connected.open(&authority("refusing", refusing)).await.unwrap_err();
    assert_eq!((problem.code, problem.status), (Code::UpstreamRefused, 502));
    let (mut send, mut recv) = connected.open(&authority("reset", reset.address)).await.expect("opens");
    send.send(Bytes::from_static(b"x")).await.expect("sent");
    assert!(timeout(PATIENCE, recv.recv()).await.expect("in time").is_err(), "a reset is not an end");
}

#[tokio::test]
async fn half_close_works_towards_the_system() {
    let count = systems::count().await;
    let world = World::new(&TestBundle::new().tcp("count", count.address).files()).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let (mut send, mut recv) = connected.open(&authority("count", count.address)).await.expect("opens");
    for _ in 0..16 {
        send.send(Bytes::from(vec![0; 65_536])).await.expect("sent");
    }
    send.finish().await.expect("finished");
    let mut answer = Vec::new();
    while let Some(batch) = timeout(PATIENCE, recv.recv()).await.expect("in time").expect("received") {
        answer.extend_from_slice(&batch.into_bytes());
    }
    assert_eq!(answer, (16 * 65_536).to_string().as_bytes());
}

/// A name server with these names.
async fn name_server(names: &[&str]) -> (Running, SocketAddr) {
    let mut command = tokio::process::Command::new(program("hitotsu-systems"));
    command.arg("dns");
    for name in names {
        command.args(["--name", name]);
    }
    let mut server = Running::start(command);
    let address = server.next_json().await["listening"].as_str().expect("an address").parse().expect("an address");
    (server, address)
}

fn named(id: &str, prefixes: &str, port: u16) -> String {
    format!(
        "[[resource]]\nid = \"{id}\"\ntitle_ja = \"{id}\"\ntitle_en = \"{id}\"\ntier = \"tier3\"\n\
         hosts = [\"{id}.test.internal\"]\nprefixes = [{prefixes}]\nports = [\"tcp/{port}\"]\nallow_loopback = true\n"
    )
}

#[tokio::test]
async fn whoever_answers_dns_leads_no_flow_elsewhere() {
    let echo = systems::echo().await;
    let port = echo.address.port();
    let (_server, dns) = name_server(&[
        "good.test.internal=127.0.0.1",
        "rebound.test.internal=127.0.0.1",
        "metadata.test.internal=169.254.169.254",
    ])
    .await;
    let bundle = TestBundle::new()
        .resource(&named("good", "\"127.0.0.1/32\"", port))
        .permit("good", "true")
        .resource(&named("rebound", "\"10.99.0.0/24\"", port))
        .permit("rebound", "true")
        .resource(&named("metadata", "\"10.98.0.0/24\"", port))
        .permit("metadata", "true")
        .resource(&named("gone", "\"10.97.0.0/24\"", port))
        .permit("gone", "true");
    let world = World::with_dns(&bundle.files(), &[dns]).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let mut flow = connected.open(&format!("good.test.internal:{port}")).await.expect("opens");
    echoes(&mut flow, "resolved").await;
    for name in ["rebound", "metadata"] {
        let problem = connected.open(&format!("{name}.test.internal:{port}")).await.unwrap_err();
        assert_eq!(problem.code, Code::AddressNotPermitted, "{name}: {problem:?}");
    }
    let problem = connected.open(&format!("gone.test.internal:{port}")).await.unwrap_err();
    assert_eq!((problem.code, problem.status), (Code::NameNotResolved, 502));
}

#[tokio::test]
async fn a_name_that_resolves_to_the_gateway_itself_opens_nothing() {
    let (_server, dns) = name_server(&["self.test.internal=127.0.0.1"]).await;
    let world = World::with_dns(&TestBundle::new().files(), &[dns]).await;
    let port = world.listen.port();
    let bundle = TestBundle::new().resource(&named("self", "\"127.0.0.0/8\"", port)).permit("self", "true");
    world.write_bundle(&bundle.files());
    world.gateway_command(&["policy", "reload"]).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let problem = connected.open(&format!("self.test.internal:{port}")).await.unwrap_err();
    assert_eq!(problem.code, Code::AddressNotPermitted, "{problem:?}");
}

#[tokio::test]
async fn a_system_that_does_not_answer_is_told_as_such() {
    let (address, _queue) = systems::silent().await;
    let world = World::new(&TestBundle::new().tcp("silent", address).files()).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let problem = connected.open(&authority("silent", address)).await.unwrap_err();
    assert_eq!((problem.code, problem.status), (Code::UpstreamTimeout, 504));
}

#[tokio::test]
async fn a_policy_change_between_decision_and_dial_stops_the_dial() {
    let (address, _queue) = systems::silent().await;
    let world = World::new(&TestBundle::new().tcp("silent", address).files()).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let authority = authority("silent", address);
    let flow = connected.connection.open_tcp(&authority, http::HeaderMap::new()).await.expect("a stream");
    let admitted = async {
        loop {
            let sessions = world.gateway_command(&["session", "list"]).await;
            if sessions[0]["flows"][0]["resources"][0] == "silent" {
                return;
            }
        }
    };
    timeout(PATIENCE, admitted).await.expect("the flow is admitted and being dialled");
    world.write_bundle(&TestBundle::new().system("silent", "tier3", &[address], "tcp").files());
    world.gateway_command(&["policy", "reload"]).await;
    let refused =
        timeout(Duration::from_secs(2), flow.response.ready()).await.expect("at once, not when the dial ends");
    let Err(OpenError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(problem(&refusal.body).code, Code::NotPermitted);
    let tail = world.gateway_command(&["audit", "tail"]).await.to_string();
    assert!(tail.contains("\"how\":\"cut\""), "{tail}");
}

/// A system that is permitted in the office only.
fn echo_from_the_office(echo: SocketAddr) -> TestBundle {
    TestBundle::new()
        .place(OFFICE)
        .system("echo", "tier3", &[echo], "tcp")
        .permit("echo", "context.place == Place::\"office\"")
}

#[tokio::test]
async fn a_place_is_where_the_handshake_came_from() {
    let echo = systems::echo().await;
    let bundle = echo_from_the_office(echo.address);
    let world = World::new(&bundle.files()).await;
    let device = world.enrol(PERSON).await;
    let in_office = device.connect_from(([127, 0, 0, 2], 0).into()).await;
    in_office.open(&authority("echo", echo.address)).await.expect("opens in the office");
    let at_home = device.connect_from(([127, 0, 0, 3], 0).into()).await;
    let problem = at_home.open(&authority("echo", echo.address)).await.unwrap_err();
    assert_eq!(problem.code, Code::PlaceNotPermitted, "{problem:?}");
}

#[tokio::test]
async fn a_flow_that_a_place_allowed_is_cut_when_the_path_moves_away_from_that_place() {
    let echo = systems::echo().await;
    let bundle = echo_from_the_office(echo.address);
    let world = World::new(&bundle.files()).await;
    let nat = Nat::new(world.listen, [127, 0, 0, 2].into()).await;
    let device = Device { gateway: nat.address, ..world.enrol(PERSON).await };
    let connected = device.connect().await;
    let authority = authority("echo", echo.address);
    let mut flow = connected.open(&authority).await.expect("opens in the office");
    echoes(&mut flow, "in the office").await;

    nat.move_to([127, 0, 0, 3].into());

    let (mut send, mut recv) = flow;
    // The gateway sees the new path with the first packet that comes on it.
    let _ = send.send(Bytes::from_static(b"on the way home")).await;
    let cut = async { while let Ok(Some(_)) = recv.recv().await {} };
    timeout(PATIENCE, cut).await.expect("the flow is cut");
    let problem = connected.open(&authority).await.expect_err("nothing opens from there");
    assert_eq!((problem.code, problem.help_code), (Code::PlaceNotPermitted, 400_402));
    assert_eq!(problem.title, "今いる場所からは、このシステムを利用できません。");
    nat.move_to([127, 0, 0, 2].into());
    let problem = connected.open(&authority).await.expect_err("a place is not gained without a handshake");
    assert_eq!(problem.code, Code::PlaceNotPermitted);
    let records = world.gateway_command(&["audit", "tail", "-n", "100"]).await;
    let events = records.as_array().expect("records").iter();
    let closed = events.filter(|event| event["event"] == "flow-closed").collect::<Vec<_>>();
    assert_eq!(closed.len(), 1, "{records}");
    assert_eq!((&closed[0]["end"]["how"], &closed[0]["end"]["code"]), (&"cut".into(), &"place-not-permitted".into()));
}

#[tokio::test]
async fn a_system_of_tier_1_asked_for_by_its_address_through_a_looser_range_is_treated_as_tier_1() {
    let strict = systems::echo().await;
    let port = strict.address.port();
    let range = format!(
        "[[resource]]\nid = \"range\"\ntitle_ja = \"r\"\ntitle_en = \"r\"\ntier = \"tier3\"\nprefixes = [\"127.0.0.0/8\"]\n\
         ports = [\"tcp/{port}\"]\nallow_loopback = true\n"
    );
    let only_from_the_office = "@id(\"tier1-place\")\n@code(\"place-not-permitted\")\n\
                                forbid (principal, action, resource in Tier::\"tier1\")\n\
                                unless { [\"office\"].contains(context.place_kind) };";
    let bundle = TestBundle::new()
        .place(OFFICE)
        .system("strict", "tier1", &[strict.address], "tcp")
        .permit("strict", "context.ownership != \"byod\" && context.place_kind == \"office\"")
        .rule(only_from_the_office)
        .resource(&range)
        .permit("range", "true");
    let world = World::new(&bundle.files()).await;
    let device = world.enrol(PERSON).await;
    let (by_name, by_address) = (format!("strict.test.internal:{port}"), format!("127.0.0.1:{port}"));

    let at_home = device.connect_from(([127, 0, 0, 3], 0).into()).await;
    for target in [&by_name, &by_address] {
        let problem = at_home.open(target).await.expect_err("tier 1 is not for homes");
        assert_eq!((problem.code, problem.help_code), (Code::PlaceNotPermitted, 400_402), "{target}: {problem:?}");
    }
    let in_office = device.connect_from(([127, 0, 0, 2], 0).into()).await;
    let mut flow = in_office.open(&by_address).await.expect("opens in the office");
    echoes(&mut flow, "in the office").await;
    let records = world.gateway_command(&["audit", "tail", "-n", "100"]).await;
    let mut events = records.as_array().expect("records").iter();
    let intent = events.find(|event| event["event"] == "flow-intent").expect("an intent");
    let rules: Vec<&str> = intent["rules"].as_array().expect("rules").iter().filter_map(|rule| rule.as_str()).collect();
    assert!(rules.iter().any(|rule| rule.ends_with("strict")), "its own rule had to permit it too: {intent}");
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_is_told_as_such() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    let bundle = TestBundle::new().resource(&named("slow", "\"127.0.0.1/32\"", 443)).permit("slow", "true");
    let world = World::with_dns(&bundle.files(), &[silent.local_addr().expect("bound")]).await;
    let connected = world.enrol(PERSON).await.connect().await;
    let problem = connected.open("slow.test.internal:443").await.unwrap_err();
    assert_eq!((problem.code, problem.help_code, problem.status), (Code::NameTimeout, 500_502, 504));
    assert_eq!(problem.title, "システムのアドレスを調べるのに時間がかかりすぎました。");
    assert_eq!(problem.remedy, "しばらく待って、もう一度試してください。");
}
