//! How soon the first octet comes back: from a device's dial, and from the start of the agent's process.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hitotsu_pki::tls::GatewayVerifier;
use hitotsu_tunnel::dialer::Preference;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Scale;
use super::report::{Aim, Report, Unit};
use super::samples::Samples;
use super::site::{Site, named};
use crate::agent::EnrolledAgent;
use crate::bundle::{PERSON, TestBundle};
use crate::device::{Device, good_posture};
use crate::process::{PATIENCE, Running, children};
use crate::systems;
use crate::world::World;

/// What a dial may take until the first octet is back, in milliseconds.
const DIAL_MS_MAX: f64 = 3.0;

/// What the agent's process may take for the same, in milliseconds.
const PROCESS_MS_MAX: f64 = 15.0;

/// What the agent keeps in its state directory so that its next start need not find it out again.
const KEPT: [&str; 2] = ["updates.json", "program.hashed.json"];

/// How long the agent may look at the device for the first time, and how often we ask whether it has done.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);
const ASKED_EVERY: Duration = Duration::from_millis(100);

/// Looks in a row that must find the agent alone: between two programs that it runs it is alone for a moment.
const ALONE_LOOKS: usize = 5;

/// Runs it.
pub async fn run(scale: Scale) -> Report {
    let mut report = Report::new("setup");
    for text in ABOUT {
        report.note(text);
    }
    dials(scale, &mut report).await;
    processes(scale, &mut report).await;
    report
}

const ABOUT: [&str; 6] = [
    "dial: a device's full handshake with X25519MLKEM768 and both certificates; then its statement is believed, then a",
    "  flow is admitted, and the first octet is back. Each from the beginning of the dial. One at a time. The device has",
    "  dialled before, so it knows the gateway's issuing authority; first dial: it does not, and checks the root's P-384",
    "  signature.",
    "process: from the start of the agent's program to the first octet that is back through a port forward of it, with",
    "  what it knows of this machine from its last run. first start: without that, as after enrolment.",
];

async fn dials(scale: Scale, report: &mut Report) {
    let site = Site::start().await;
    let device = site.world.enrol(PERSON).await;
    let echo = named("echo", site.echo.address);
    let verifier = device.verifier();
    let (mut first, mut again) = <(Stages, Stages)>::default();
    for number in 0..scale.pick(300, 4) {
        let (to_first, to_again) =
            (dial(&device, device.verifier(), &echo).await, dial(&device, verifier.clone(), &echo).await);
        // The first pays for what both sides remember from then on.
        if number > 0 {
            first.push(to_first);
            again.push(to_again);
        }
    }
    again.tell("dial", report);
    aimed("dial_to_octet", &again.octet, scale, DIAL_MS_MAX, report);
    first.tell("first_dial", report);
    report.figure("first_dial_to_octet_p50", first.octet.percentile_us(50) / 1e3, Unit::Milliseconds);
}

/// When what was done, of many dials.
#[derive(Debug, Default)]
struct Stages {
    handshake: Samples,
    believed: Samples,
    octet: Samples,
}

impl Stages {
    fn push(&mut self, [handshake, believed, octet]: [Duration; 3]) {
        self.handshake.push(handshake);
        self.believed.push(believed);
        self.octet.push(octet);
    }

    fn tell(&self, name: &str, report: &mut Report) {
        for (what, samples) in [("handshake", &self.handshake), ("believed", &self.believed)] {
            report.figure(format!("{name}_to_{what}_p50"), samples.percentile_us(50) / 1e3, Unit::Milliseconds);
        }
    }
}

/// Dials, attests, opens a flow and has one octet sent back: when each was done.
async fn dial(device: &Device, verifier: Arc<GatewayVerifier>, authority: &str) -> [Duration; 3] {
    let begun = Instant::now();
    let connection = device.dialer_judging(Preference::QuicOnly, None, verifier).dial().await.expect("dials");
    let mut connected = device.on(connection);
    let handshake = begun.elapsed();
    connected.attest(good_posture()).await.expect("is believed");
    let believed = begun.elapsed();
    let (mut send, mut recv) = connected.open(authority).await.expect("is admitted");
    send.send(Bytes::from_static(b"x")).await.expect("sent");
    let batch = timeout(PATIENCE, recv.recv()).await.expect("in time").expect("received").expect("not ended");
    assert_eq!(batch.into_bytes(), b"x".as_slice());
    let octet = begun.elapsed();
    connected.connection.close("");
    [handshake, believed, octet]
}

async fn processes(scale: Scale, report: &mut Report) {
    let echo = systems::echo().await;
    let world = World::new(&TestBundle::new().on_this_machine().tcp("echo", echo.address).files()).await;
    let forward = format!(
        "[[forward]]\nlisten = \"127.0.0.1:0\"\nto = \"{}\"\ntransport = \"tcp\"\n",
        named("echo", echo.address)
    );
    let agent = world.enrolled_agent(PERSON, &[], &forward).await;
    let (mut first, mut usual, mut listening) = <(Samples, Samples, Samples)>::default();
    for _ in 0..scale.pick(3, 1) {
        forget(agent.state_dir());
        first.push(start(&agent).await.octet);
    }
    settle(&agent, scale).await;
    for _ in 0..scale.pick(40, 1) {
        let started = start(&agent).await;
        listening.push(started.listening);
        usual.push(started.octet);
    }
    report.figure("process_to_listening_p50", listening.percentile_us(50) / 1e3, Unit::Milliseconds);
    aimed("process_to_octet", &usual, scale, PROCESS_MS_MAX, report);
    report.figure("first_start_to_octet_p50", first.percentile_us(50) / 1e3, Unit::Milliseconds);
}

/// When an agent did what.
#[derive(Debug)]
struct Started {
    listening: Duration,
    octet: Duration,
}

/// Starts the agent, sends an octet as soon as it listens, and ends it once that is back.
async fn start(agent: &EnrolledAgent) -> Started {
    let begun = Instant::now();
    let mut running = agent.launch();
    let port = forward(&mut running).await;
    let listening = begun.elapsed();
    let mut stream = TcpStream::connect(port).await.expect("connects");
    stream.set_nodelay(true).expect("set");
    stream.write_all(b"x").await.expect("sent");
    timeout(PATIENCE, stream.read_exact(&mut [0])).await.expect("in time").expect("comes back");
    let octet = begun.elapsed();
    running.kill().await;
    Started { listening, octet }
}

/// Where its forward listens, once it does.
async fn forward(running: &mut Running) -> SocketAddr {
    loop {
        let told: Value = running.next_json().await;
        if told["event"] == "ready" {
            return told["listening"]["forwards"][0]["listen"]
                .as_str()
                .expect("a forward")
                .parse()
                .expect("an address");
        }
    }
}

/// Lets the agent look at the device until it knows all.
async fn settle(agent: &EnrolledAgent, scale: Scale) {
    let mut running = agent.launch();
    forward(&mut running).await;
    let (begun, mut alone) = (Instant::now(), 0);
    while scale == Scale::Full && alone < ALONE_LOOKS && begun.elapsed() < SETTLES_WITHIN {
        tokio::time::sleep(ASKED_EVERY).await;
        alone = if children(running.id()).is_empty() { alone + 1 } else { 0 };
    }
    running.kill().await;
}

fn forget(state: &Path) {
    for name in KEPT {
        let _ = std::fs::remove_file(state.join(name));
    }
}

fn aimed(name: &str, samples: &Samples, scale: Scale, most: f64, report: &mut Report) {
    let p50 = samples.percentile_us(50) / 1e3;
    report.aimed_at(scale, format!("{name}_p50"), p50, Unit::Milliseconds, Aim::AtMost(most));
    report.figure(format!("{name}_p95"), samples.percentile_us(95) / 1e3, Unit::Milliseconds);
}
