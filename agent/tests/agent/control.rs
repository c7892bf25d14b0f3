//! Local control, as the commands use it.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use hitotsu_agent::clock;
use hitotsu_agent::control::{Answer, Answerer, Ask, ConnectionStatus, ControlError, SOCKET_FILE, Server, ask};
use hitotsu_model::code::Code;
use hitotsu_model::resource::{Target, Transport};

use crate::world::city::{CITY, device};
use crate::world::gateway::Gateway;
use crate::world::pc::Pc;
use crate::world::soon;

#[tokio::test]
async fn status_tells_the_tunnel_its_evidence_and_what_is_wrong() {
    let mut gateway = Gateway::start(&CITY).await;
    gateway.behave(|behaviour| behaviour.findings = vec![Code::FirewallOff]);
    let dir = tempfile::tempdir().unwrap();
    let (pc, _server) = controlled(&gateway, dir.path()).await;
    gateway.ready().await;
    pc.up().await;
    let mut catalogue = pc.handle().catalogue();
    soon("a catalogue", catalogue.wait_for(Option::is_some)).await.unwrap();
    let Answer::Status(status) = ask(dir.path(), &Ask::Status).await.unwrap() else { panic!("no status") };
    assert_eq!(status.gateway, gateway.address.to_string());
    assert_eq!(status.listening.socks5, Some(pc.socks5()));
    assert_eq!(status.place, Some("home".parse().unwrap()));
    let ConnectionStatus::Connected { transport, attested: Some(attested), leaving: false, .. } = &status.connection
    else {
        panic!("{:?}", status.connection)
    };
    assert_eq!(transport, "h3");
    assert_eq!(attested.findings[0].help_code, 300_301);
    assert_eq!(attested.findings[0].title, "ファイアウォールが無効です。");
}

#[tokio::test]
async fn why_comes_from_the_gateway_and_without_it_from_the_last_known_catalogue() {
    let mut gateway = Gateway::start(&CITY).await;
    let dir = tempfile::tempdir().unwrap();
    let (pc, _server) = controlled(&gateway, dir.path()).await;
    gateway.ready().await;
    pc.up().await;
    let mut catalogue = pc.handle().catalogue();
    soon("a catalogue", catalogue.wait_for(Option::is_some)).await.unwrap();
    let target = Target::parse("127.0.0.1:22", Transport::Tcp).unwrap();
    let question = Ask::Why { target };
    let Answer::Why { why, fresh: true } = ask(dir.path(), &question).await.unwrap() else { panic!("not fresh") };
    assert!(why.allowed);
    let mut phase = pc.handle().phase();
    gateway.kill().await;
    // The next flow finds out that the gateway is gone.
    let handle = pc.handle();
    let probe = tokio::spawn(async move {
        let target = Target::parse("127.0.0.1:22", Transport::Tcp).unwrap();
        handle.open_tcp(&target).await.map(drop)
    });
    let down =
        phase.wait_for(|phase| !matches!(phase, hitotsu_agent::session::Phase::Up(tunnel) if tunnel.takes_flows()));
    drop(soon("the loss", down).await.unwrap());
    probe.abort();
    let Answer::Why { why, fresh: false } = ask(dir.path(), &question).await.unwrap() else { panic!("not old") };
    assert!(!why.allowed);
    assert_eq!(why.problems[0].code, Code::GatewayUnreachable);
}

#[tokio::test]
async fn the_socket_is_its_owners_alone_and_a_second_agent_is_told() {
    let gateway = Gateway::start(&CITY).await;
    let dir = tempfile::tempdir().unwrap();
    let (_pc, server) = controlled(&gateway, dir.path()).await;
    let mode = std::fs::metadata(dir.path().join(SOCKET_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(matches!(Server::claim(dir.path()), Err(ControlError::AlreadyRunning)));
    drop(server);
    assert!(matches!(ask(dir.path(), &Ask::Status).await, Err(ControlError::NotRunning)));
    Server::claim(dir.path()).unwrap();
}

#[tokio::test]
async fn a_socket_left_by_an_agent_that_died_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(dir.path().join(SOCKET_FILE)).unwrap());
    assert!(matches!(ask(dir.path(), &Ask::Status).await, Err(ControlError::NotRunning)));
    Server::claim(dir.path()).unwrap();
}

async fn controlled(gateway: &Gateway, dir: &std::path::Path) -> (Pc, Server) {
    let pc = Pc::start(&CITY, gateway.address).with_fronts("").await;
    let mut server = Server::claim(dir).unwrap();
    server.serve(Answerer {
        session: pc.handle(),
        listening: Arc::new(pc.listening().clone()),
        org: CITY.org.clone(),
        device: device(1),
        started: clock::now(),
    });
    (pc, server)
}
