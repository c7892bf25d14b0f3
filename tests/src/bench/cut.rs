//! From a change to the end of every live flow that it forbids.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hitotsu_model::posture::{ClaimName, ClaimValue};
use hitotsu_tunnel::flow::{FlowRecv, FlowSend};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Scale;
use super::report::{Aim, Report, Unit};
use super::samples::Samples;
use super::site::named;
use crate::bundle::{PERSON, TestBundle};
use crate::device::{Connected, Device, good_posture, posture_with};
use crate::process::PATIENCE;
use crate::systems;
use crate::world::World;

/// A change must cut within this, in milliseconds.
const CUT_P99_MS_MAX: f64 = 1000.0;

/// Live flows, each watched by a task that notes when it ended.
type Watched = JoinSet<Instant>;

/// Runs it.
pub async fn run(scale: Scale) -> Report {
    let (sessions, each) = scale.pick((20, 50), (2, 3));
    let echo = systems::echo().await;
    let allowing = TestBundle::new().tcp("echo", echo.address);
    let forbidding = TestBundle::new().system("echo", "tier3", &[echo.address], "tcp");
    let world = World::new(&allowing.files()).await;
    let authority = named("echo", echo.address);
    let mut devices = Vec::new();
    for _ in 0..sessions {
        devices.push(world.enrol(PERSON).await);
    }
    let mut connected = join_all(devices.iter().map(Device::connect)).await;
    let mut report = Report::new("cut");
    report.note(format!("{} live flows of {sessions} devices on one gateway; each flow counts.", sessions * each));
    report
        .note("Upper bounds: from just before the device or the admin socket's client sends the change, to the moment");
    report.note("at which the device notices that its flow ended.");

    let live = open_all(&connected, &authority, each).await;
    let begun = Instant::now();
    let bad = posture_with(ClaimName::FirewallOn, ClaimValue::Bool(false));
    let telling = connected.iter_mut().map(|connected| connected.attest(bad.clone()));
    for told in join_all(telling).await {
        told.expect("a bad state is believed");
    }
    add(&mut report, "posture_change", begun, live).await;

    for believed in join_all(connected.iter_mut().map(|connected| connected.attest(good_posture()))).await {
        believed.expect("is believed");
    }
    let live = open_all(&connected, &authority, each).await;
    world.write_bundle(&forbidding.files());
    let begun = Instant::now();
    admin(&world, "/v1/policy/reload", "{}").await;
    add(&mut report, "bundle_reload", begun, live).await;

    world.write_bundle(&allowing.files());
    admin(&world, "/v1/policy/reload", "{}").await;
    let live = open_all(&connected, &authority, each).await;
    revoke(&mut report, &world, &devices, live, each).await;
    report
}

/// Revokes one device after another: each revocation must be on the disk before it takes effect, so that all at once
/// would measure the disk.
async fn revoke(report: &mut Report, world: &World, devices: &[Device], live: Vec<Watched>, each: usize) {
    let mut times = Samples::default();
    for (device, watched) in devices.iter().zip(live) {
        let begun = Instant::now();
        admin(world, &format!("/v1/devices/{}/revoke", device.id), r#"{"reason":"lost"}"#).await;
        times.merge(ends(watched, begun).await);
    }
    assert_eq!(times.len(), devices.len() * each);
    figures(report, "device_revocation", &times);
}

async fn add(report: &mut Report, what: &str, begun: Instant, live: Vec<Watched>) {
    let mut times = Samples::default();
    for watched in live {
        times.merge(ends(watched, begun).await);
    }
    figures(report, what, &times);
}

fn figures(report: &mut Report, what: &str, times: &Samples) {
    let milliseconds = |percent| times.percentile_us(percent) / 1e3;
    report.figure(format!("{what}_p50"), milliseconds(50), Unit::Milliseconds);
    report.aimed(format!("{what}_p99"), milliseconds(99), Unit::Milliseconds, Aim::AtMost(CUT_P99_MS_MAX));
    report.figure(format!("{what}_max"), milliseconds(100), Unit::Milliseconds);
}

/// Flows that have carried something, by session.
async fn open_all(connected: &[Connected], authority: &str, each: usize) -> Vec<Watched> {
    let of_one = |connected| async move {
        let mut watched = Watched::new();
        for (send, recv) in join_all((0..each).map(|_| open(connected, authority))).await {
            watched.spawn(end(send, recv));
        }
        watched
    };
    join_all(connected.iter().map(of_one)).await
}

async fn open(connected: &Connected, authority: &str) -> (FlowSend, FlowRecv) {
    let (mut send, mut recv) = connected.open(authority).await.unwrap_or_else(|problem| panic!("{problem:?}"));
    send.send(bytes::Bytes::from_static(b"x")).await.expect("sent");
    timeout(PATIENCE, recv.recv()).await.expect("in time").expect("received").expect("the echo");
    (send, recv)
}

/// When a flow ends.
async fn end(send: FlowSend, mut recv: FlowRecv) -> Instant {
    while let Ok(Some(_)) = recv.recv().await {}
    drop(send);
    Instant::now()
}

async fn ends(mut watched: Watched, begun: Instant) -> Samples {
    let all = async {
        let mut times: Vec<Duration> = Vec::new();
        while let Some(ended) = watched.join_next().await {
            times.push(ended.expect("watched").saturating_duration_since(begun));
        }
        times.into_iter().collect()
    };
    timeout(PATIENCE, all).await.expect("every flow is cut")
}

/// Asks the gateway over its admin socket. Our own command would do, but its start would be measured too.
pub(super) async fn admin(world: &World, path: &str, body: &str) {
    let socket: PathBuf = world.org_dir().join("run").join("admin.sock");
    let mut stream = UnixStream::connect(socket).await.expect("connects");
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
}
