//! What idle tunnels cost the gateway: memory and processor time.

use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use hitotsu_model::control::CONTROL_PATH;
use hitotsu_tunnel::client::BodyReceiver;
use hitotsu_tunnel::dialer::Preference;
use http::HeaderMap;
use tokio::time::timeout;

use super::Scale;
use super::process_figures::{cpu_time, resident_kib};
use super::report::{Aim, Report, Unit};
use super::site::Site;
use crate::bundle::PERSON;
use crate::device::{Connected, Device, good_posture};
use crate::process::PATIENCE;

/// Devices that the tunnels share: what a registered device costs is little and no tunnel's. So many that no device comes
/// near the sessions that a gateway allows it, and so few that one source may enrol them in a row.
const DEVICES: usize = 20;

/// Tunnels that are brought up at once.
const AT_ONCE: usize = 32;

/// What one idle tunnel may cost, in KiB.
const TUNNEL_KIB_MAX: f64 = 45.0;

/// A tunnel as our agent holds it.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// The device with its connection.
    pub(super) connected: Connected,
    _notices: BodyReceiver,
}

/// Runs it.
pub async fn run(scale: Scale) -> Report {
    let site = Site::start().await;
    let mut devices = Vec::new();
    for _ in 0..DEVICES {
        devices.push(site.world.enrol(PERSON).await);
    }
    let mut report = Report::new("memory");
    report.note(
        "Resident memory of the gateway process, less what it had without tunnels, for each QUIC tunnel. connected:",
    );
    report.note(
        "after the handshake. attested: its state believed. each: with its stream of notices open, as our agent holds",
    );
    report.note(format!("it. {DEVICES} devices share the tunnels; keep-alives go on. CPU: share of one processor."));
    let mut measure = Measure { before: resident_kib(site.gateway()), site, scale, report };
    measure.report.figure("gateway_without_tunnels", measure.before, Unit::Kibibytes);
    let mut tunnels = Vec::new();
    for wanted in scale.pick([1_000, 5_000], [10, 20]) {
        measure.up_to(wanted, &devices, &mut tunnels).await;
    }
    for tunnel in &tunnels {
        tunnel.connected.connection.close("");
    }
    drop(tunnels);
    measure.until_all_have_left().await;
    let settled = settled_kib(&measure.site, scale).await;
    measure.report.figure("gateway_after_all_left", settled, Unit::Kibibytes);
    // What is no leak is used again.
    let again = scale.pick(1_000, 10);
    let tunnels = bring_up(again, &devices).await;
    let resident = resident_kib(measure.site.gateway());
    measure.report.figure(format!("gateway_with_{again}_tunnels_again"), resident, Unit::Kibibytes);
    drop(tunnels);
    measure.report
}

/// Brings up so many tunnels of these devices in turn.
pub(super) async fn bring_up(count: usize, devices: &[Device]) -> Vec<Tunnel> {
    let whole = |device| async { listen(attest(dial(device).await).await).await };
    all(devices.iter().cycle().take(count).cloned().map(whole)).await
}

struct Measure {
    site: Site,
    scale: Scale,
    report: Report,
    /// Resident KiB without tunnels.
    before: f64,
}

impl Measure {
    /// Brings up tunnels until there are so many, and measures after each step.
    async fn up_to(&mut self, wanted: u32, devices: &[Device], tunnels: &mut Vec<Tunnel>) {
        let missing = wanted as usize - tunnels.len();
        let name = |what: &str| format!("{wanted}_tunnels_{what}");
        let begun = Instant::now();
        let dialling = devices.iter().cycle().take(missing).cloned().map(dial);
        let connected: Vec<Connected> = all(dialling).await;
        let handshakes = f64::from(u32::try_from(missing).expect("thousands")) / begun.elapsed().as_secs_f64();
        self.report.figure(name("brought_up"), handshakes, Unit::PerSecond);
        // Those of an earlier step have all that they need already, so only the first shows what each step costs.
        let first = tunnels.is_empty();
        if first {
            self.report.figure(name("connected"), self.each(wanted), Unit::Kibibytes);
        }
        let connected: Vec<Connected> = all(connected.into_iter().map(attest)).await;
        if first {
            self.report.figure(name("attested"), self.each(wanted), Unit::Kibibytes);
        }
        tunnels.extend(all(connected.into_iter().map(listen)).await);
        let counted = self.site.world.figure("hitotsu_sessions").await;
        assert!((counted - f64::from(wanted)).abs() < 0.5, "{counted} of {wanted} tunnels live");
        let each = self.each(wanted);
        self.report.aimed_at(self.scale, name("each"), each, Unit::Kibibytes, Aim::AtMost(TUNNEL_KIB_MAX));
        let watched = self.scale.pick(Duration::from_secs(10), Duration::from_millis(50));
        self.report.figure(name("idle_cpu"), idle_cpu(self.site.gateway(), watched).await, Unit::Percent);
    }

    fn each(&self, tunnels: u32) -> f64 {
        (resident_kib(self.site.gateway()) - self.before) / f64::from(tunnels)
    }

    /// Waits until the gateway itself counts no session.
    async fn until_all_have_left(&self) {
        let gone = async {
            let mut looks = tokio::time::interval(Duration::from_millis(50));
            while self.site.world.figure("hitotsu_sessions").await > 0.0 {
                looks.tick().await;
            }
        };
        timeout(PATIENCE, gone).await.expect("every session ends");
    }
}

/// What the gateway keeps once it has given back what it gives back by itself, for which it takes some seconds.
async fn settled_kib(site: &Site, scale: Scale) -> f64 {
    let mut least = resident_kib(site.gateway());
    let mut looks = tokio::time::interval(scale.pick(Duration::from_secs(1), Duration::from_millis(1)));
    for _ in 0..20 {
        looks.tick().await;
        least = least.min(resident_kib(site.gateway()));
    }
    least
}

async fn all<T, F: Future<Output = T>>(each: impl Iterator<Item = F>) -> Vec<T> {
    stream::iter(each).buffer_unordered(AT_ONCE).collect().await
}

async fn dial(device: Device) -> Connected {
    device.dial(Preference::QuicOnly).await.expect("dials")
}

async fn attest(mut connected: Connected) -> Connected {
    connected.attest(good_posture()).await.expect("is believed");
    connected
}

async fn listen(connected: Connected) -> Tunnel {
    let path = format!("{CONTROL_PATH}/notices");
    let asked = connected.connection.stream(&path, HeaderMap::new());
    let (_, mut notices) = timeout(PATIENCE, asked).await.expect("in time").expect("a stream");
    timeout(PATIENCE, notices.recv()).await.expect("in time").expect("a notice");
    Tunnel { connected, _notices: notices }
}

/// Processor time that the gateway uses while nothing is asked of it, in hundredths of one processor.
pub(super) async fn idle_cpu(gateway: u32, watched: Duration) -> f64 {
    let before = cpu_time(gateway);
    // This is what is measured: a time in which nothing happens.
    tokio::time::sleep(watched).await;
    let used = cpu_time(gateway).saturating_sub(before);
    used.as_secs_f64() * 100.0 / watched.as_secs_f64()
}
