//! The session: evidence, notices, held flows, and one tunnel after another.

use std::time::Duration;

use hitotsu_agent::session::{FeedRequest, Phase, TcpFlow, Timing};
use hitotsu_model::code::Code;
use hitotsu_model::control::{Notice, Problem};
use hitotsu_model::posture::{ClaimName, ClaimValue};
use hitotsu_model::resource::{Target, Transport};
use hitotsu_tunnel::dialer::Preference;
use hitotsu_tunnel::server::TransportKind;

use crate::world::city::{CITY, OTHER_CITY};
use crate::world::gateway::{Event, Gateway};
use crate::world::pc::{Pc, firewall, timing};
use crate::world::{soon, systems};

#[tokio::test]
async fn the_first_statement_is_bound_to_the_connection_and_answers_no_nonce() {
    let mut gateway = Gateway::start(&CITY).await;
    let pc = Pc::start(&CITY, gateway.address);
    let (_, statement) = gateway.attested().await;
    let tunnel = pc.up().await;
    assert_eq!(statement.binding, data_encoding::HEXLOWER.encode(&tunnel.connection.binding()));
    assert_eq!((statement.nonce, statement.sequence), (None, 0));
    assert_eq!(tunnel.connection.transport(), TransportKind::H3);
}

#[tokio::test]
async fn a_change_of_posture_is_attested_at_once_with_the_last_nonce() {
    let mut gateway = Gateway::start(&CITY).await;
    let pc = Pc::start(&CITY, gateway.address);
    gateway.attested().await;
    pc.posture.send_replace(firewall(false));
    let (connection, statement) = gateway.attested().await;
    assert_eq!((connection, statement.sequence), (0, 1));
    assert!(statement.nonce.is_some());
    let claim = statement.posture.claim(ClaimName::FirewallOn).unwrap();
    assert_eq!(claim.value, ClaimValue::Bool(false));
}

#[tokio::test]
async fn a_lost_answer_costs_neither_the_tunnel_nor_a_second_use_of_its_nonce() {
    let mut gateway = Gateway::start(&CITY).await;
    let pc = Pc::start(&CITY, gateway.address);
    gateway.attested().await;
    gateway.behave(|behaviour| behaviour.lose_answers = 2);
    pc.posture.send_replace(firewall(false));
    let (_, unanswered) = gateway.attested().await;
    let (connection, next) = gateway.attested().await;
    assert_eq!((connection, unanswered.sequence, next.sequence), (0, 1, 2), "the tunnel lives on");
    assert!(next.nonce.is_some() && next.nonce != unanswered.nonce, "the next statement answers a new nonce");
    // That answer was lost too, and the state changes before it is asked for again.
    pc.posture.send_replace(firewall(true));
    let (connection, newest) = gateway.attested().await;
    assert_eq!((connection, newest.sequence), (0, 3));
    let claim = newest.posture.claim(ClaimName::FirewallOn).unwrap();
    assert_eq!(claim.value, ClaimValue::Bool(true));
}

#[tokio::test]
async fn what_the_gateway_says_about_collecting_reaches_the_collectors() {
    let gateway = Gateway::start(&CITY).await;
    let mut pc = Pc::start(&CITY, gateway.address);
    let mut forbidden = false;
    let mut time = false;
    while !(forbidden && time) {
        match soon("a word of the gateway", pc.told.recv()).await.unwrap() {
            FeedRequest::Forbidden(programs) => forbidden |= programs == ["badtool"],
            FeedRequest::GatewayTime { .. } => time = true,
            FeedRequest::Recollect(_) => {}
        }
    }
}

#[tokio::test]
async fn evidence_is_renewed_before_the_gateways_time_is_over() {
    let mut gateway = Gateway::start(&CITY).await;
    gateway.behave(|behaviour| behaviour.next_within_seconds = 1);
    let _pc = Pc::start(&CITY, gateway.address);
    gateway.attested().await;
    let (connection, statement) = gateway.attested().await;
    assert_eq!((connection, statement.sequence), (0, 1));
}

#[tokio::test]
async fn a_notice_to_attest_again_is_answered_with_its_nonce() {
    let mut gateway = Gateway::start(&CITY).await;
    let _pc = Pc::start(&CITY, gateway.address);
    let connection = gateway.ready().await;
    let nonce = "5a".repeat(32);
    let notice = Notice::Reattest { nonce: nonce.clone(), within_seconds: 5, forbidden_software: Vec::new() };
    gateway.notify(connection, notice);
    let statement = gateway
        .saw("the answer to the notice", |event| match event {
            Event::Attested { statement, .. } if statement.nonce.as_ref() == Some(&nonce) => Some(statement),
            _ => None,
        })
        .await;
    assert!(statement.sequence >= 1);
}

#[tokio::test]
async fn a_notice_of_a_changed_catalogue_brings_the_new_one() {
    let mut gateway = Gateway::start(&CITY).await;
    let pc = Pc::start(&CITY, gateway.address);
    let connection = gateway.ready().await;
    let mut catalogue = pc.handle().catalogue();
    soon("a catalogue", catalogue.wait_for(Option::is_some)).await.unwrap();
    gateway.behave(|behaviour| behaviour.catalogue.entries.clear());
    gateway.notify(connection, Notice::CatalogueChanged);
    let empty = catalogue.wait_for(|catalogue| catalogue.as_ref().is_some_and(|known| known.entries.is_empty()));
    soon("the new catalogue", empty).await.unwrap();
}

#[tokio::test]
async fn a_cut_ends_the_flow_at_once_and_is_remembered_with_its_reason() {
    let mut gateway = Gateway::start(&CITY).await;
    let pc = Pc::start(&CITY, gateway.address);
    let connection = gateway.ready().await;
    let target = tcp(systems::echo().await);
    let flow = soon("a flow", pc.handle().open_tcp(&target)).await.unwrap();
    let (_, stream, _) = gateway.asked().await;
    let problem = Problem::new(Code::FirewallOff, pc.handle().messages());
    let flow_id = hitotsu_model::ids::FlowId(1);
    gateway.notify(connection, Notice::Cut { flow: flow_id, stream, target: target.clone(), problem });
    soon("the cut", flow.ticket.cut().cancelled_owned()).await;
    let recent = pc.handle().flows().recent();
    assert_eq!((recent[0].problem.code, recent[0].was_open, &recent[0].target), (Code::FirewallOff, true, &target));
}

#[tokio::test]
async fn a_flow_asked_for_before_the_tunnel_is_up_waits_for_it() {
    let target = tcp(systems::echo().await);
    let address = Gateway::start(&CITY).await.kill().await;
    let pc = Pc::start(&CITY, address);
    let handle = pc.handle();
    let held = tokio::spawn(async move { handle.open_tcp(&target).await.map(drop) });
    let _gateway = Gateway::start_at(&CITY, address).await;
    soon("the held flow", held).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_flow_that_waits_too_long_is_refused_with_the_gateways_absence() {
    let address = Gateway::start(&CITY).await.kill().await;
    let timing = Timing { held_open_time_max: Duration::from_millis(100), ..timing() };
    let pc = Pc::start_with(&CITY, address, timing, Preference::QuicFirst);
    let refused = soon("the refusal", pc.handle().open_tcp(&tcp(address))).await.unwrap_err();
    assert_eq!(refused.problem.help_code, 800_801);
}

#[tokio::test]
async fn a_device_that_the_gateway_refuses_says_so_to_every_flow_at_once() {
    let gateway = Gateway::start(&CITY).await;
    gateway.behave(|behaviour| behaviour.refuse_evidence = Some(Code::DeviceRevoked));
    let pc = Pc::start(&CITY, gateway.address);
    let mut phase = pc.handle().phase();
    soon("the refusal", phase.wait_for(|phase| matches!(phase, Phase::Refused(_)))).await.unwrap();
    let refused = pc.handle().open_tcp(&tcp(gateway.address)).await.unwrap_err();
    assert_eq!(refused.problem.code, Code::DeviceRevoked);
    gateway.behave(|behaviour| behaviour.refuse_evidence = None);
    pc.up().await;
}

#[tokio::test]
async fn a_gateway_that_dies_without_a_word_is_found_again_within_three_seconds() {
    let target = tcp(systems::echo().await);
    let gateway = Gateway::start(&CITY).await;
    let pc = Pc::start_with(&CITY, gateway.address, Timing::default(), Preference::QuicFirst);
    pc.up().await;
    let mut before = soon("a flow", pc.handle().open_tcp(&target)).await.unwrap();
    assert_echoes(&mut before).await;
    let address = gateway.kill().await;
    let _again = Gateway::start_at(&CITY, address).await;
    let began = std::time::Instant::now();
    let mut flow = soon("a flow", pc.handle().open_tcp(&target)).await.unwrap();
    assert_echoes(&mut flow).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    // A flow of the dead gateway ends; it does not hang until the idle time is over.
    let ended = soon("an end", before.recv.recv()).await;
    assert!(ended.is_err(), "an end without its last bytes is no orderly one");
}

#[tokio::test]
async fn an_agent_that_nobody_asks_for_anything_finds_a_restarted_gateway_too() {
    let gateway = Gateway::start(&CITY).await;
    let timing = Timing { heartbeat_every: Duration::from_millis(50), ..timing() };
    let pc = Pc::start_with(&CITY, gateway.address, timing, Preference::QuicFirst);
    pc.up().await;
    let address = gateway.kill().await;
    let mut again = Gateway::start_at(&CITY, address).await;
    let (_, statement) = again.attested().await;
    assert_eq!(statement.sequence, 0);
}

#[tokio::test]
async fn a_draining_gateway_gets_no_new_flows_and_its_open_ones_live_on() {
    let target = tcp(systems::echo().await);
    let mut gateway = Gateway::start(&CITY).await;
    let pc = Pc::start(&CITY, gateway.address);
    let first = gateway.ready().await;
    let mut old = soon("a flow", pc.handle().open_tcp(&target)).await.unwrap();
    let number = pc.up().await.number;
    gateway.notify(first, Notice::Draining);
    gateway.goaway(first);
    let (second, _) = gateway.attested().await;
    assert_ne!(first, second);
    while pc.up().await.number == number {
        let mut phase = pc.handle().phase();
        soon("the next tunnel", phase.changed()).await.unwrap();
    }
    let mut new = soon("a flow", pc.handle().open_tcp(&target)).await.unwrap();
    let on = gateway.saw("the new flow", |event| match event {
        Event::Asked { connection, .. } if connection != first => Some(connection),
        _ => None,
    });
    assert_eq!(on.await, second);
    assert_echoes(&mut old).await;
    assert_echoes(&mut new).await;
    drop(old);
    let closed = |event| match event {
        Event::Closed { connection } => Some(connection),
        _ => None,
    };
    assert_eq!(gateway.saw("the end of the old tunnel", closed).await, first);
}

#[tokio::test]
async fn a_closed_tunnel_is_dialled_again() {
    let mut gateway = Gateway::start(&CITY).await;
    let _pc = Pc::start(&CITY, gateway.address);
    let first = gateway.ready().await;
    gateway.close(first);
    let (second, statement) = gateway.attested().await;
    assert_ne!(first, second);
    assert_eq!(statement.sequence, 0);
}

#[tokio::test]
async fn where_udp_is_dropped_the_tunnel_runs_over_http_2() {
    let target = tcp(systems::echo().await);
    let gateway = Gateway::start(&CITY).await;
    let pc = Pc::start(&CITY, systems::tcp_only(gateway.address).await);
    assert_eq!(pc.up().await.connection.transport(), TransportKind::H2);
    let mut flow = soon("a flow", pc.handle().open_tcp(&target)).await.unwrap();
    assert_echoes(&mut flow).await;
}

#[tokio::test]
async fn a_gateway_of_another_organisation_is_not_believed() {
    let gateway = Gateway::start(&OTHER_CITY).await;
    let pc = Pc::start(&CITY, gateway.address);
    let mut phase = pc.handle().phase();
    let down = phase.wait_for(|phase| matches!(phase, Phase::Down(Some(_))));
    let failure = match &*soon("the failure", down).await.unwrap() {
        Phase::Down(Some(failure)) => failure.clone(),
        Phase::Down(None) | Phase::Up(_) | Phase::Refused(_) | Phase::Stopped => panic!("not down"),
    };
    assert_eq!(failure.problem.code, Code::EnrolWrongGateway);
}

#[tokio::test]
async fn the_gateway_says_why_and_its_refusals_keep_their_words() {
    let mut gateway = Gateway::start(&CITY).await;
    gateway.behave(|behaviour| {
        behaviour.refuse.insert("personnel.example".to_owned(), Code::PlaceNotPermitted);
    });
    let pc = Pc::start(&CITY, gateway.address);
    gateway.ready().await;
    let target = Target::parse("personnel.example:443", Transport::Tcp).unwrap();
    let why = soon("the reason", pc.handle().why(&target)).await.unwrap();
    assert!(!why.allowed);
    assert_eq!(why.problems[0].code, Code::PlaceNotPermitted);
    let refused = soon("the refusal", pc.handle().open_tcp(&target)).await.unwrap_err();
    assert_eq!(refused.problem.code, Code::PlaceNotPermitted);
    assert_eq!(refused.proxy_status, ["hitotsu-gateway; error=http_request_denied"]);
    assert_eq!(pc.handle().flows().recent()[0].problem.code, Code::PlaceNotPermitted);
}

async fn assert_echoes(flow: &mut TcpFlow) {
    flow.send.send("hello".into()).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 5 {
        let batch = soon("an echo", flow.recv.recv()).await.unwrap().expect("more");
        heard.extend_from_slice(&batch.into_bytes());
    }
    assert_eq!(heard, b"hello");
}

fn tcp(address: std::net::SocketAddr) -> Target {
    Target::parse(&address.to_string(), Transport::Tcp).unwrap()
}
