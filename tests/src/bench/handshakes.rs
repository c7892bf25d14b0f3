//! What handshakes cost the gateway: its processor time alone, for the clients share the machine.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use hitotsu_tunnel::dialer::{Dialer, Preference};
use tokio::time::timeout;

use super::Scale;
use super::process_figures::cpu_time;
use super::report::{Aim, Report, Unit};
use super::samples::median;
use super::site::Site;
use crate::bundle::PERSON;
use crate::device::{Device, good_posture};
use crate::process::PATIENCE;

/// Devices that take turns: so few that one source may enrol them in a row.
const DEVICES: usize = 20;

/// Connections that are brought up at once.
const AT_ONCE: usize = 32;

/// Full handshakes that one processor should carry in a second.
const EACH_SECOND_MIN: f64 = 4_500.0;

/// Runs it.
pub async fn run(scale: Scale) -> Report {
    let site = Site::start().await;
    let mut devices = Vec::new();
    for _ in 0..DEVICES {
        devices.push(site.world.enrol(PERSON).await);
    }
    let mut report = Report::new("handshakes");
    for text in ABOUT {
        report.note(text);
    }
    let bench = Bench { site, devices, count: scale.pick(2_000, 20) };
    // What the first pays for is remembered from then on.
    bench.each(Kind::Full).await;
    let full = median(vec![bench.each(Kind::Full).await, bench.each(Kind::Full).await, bench.each(Kind::Full).await]);
    report.figure("full_gateway_cpu", full, Unit::Microseconds);
    // So few as a test brings up may cost less than the kernel's clock shows.
    let rate = (1e6 / full).min(f64::MAX);
    report.aimed_at(scale, "full_each_core", rate, Unit::PerSecond, Aim::AtLeast(EACH_SECOND_MIN));
    let attested = median(vec![
        bench.each(Kind::Attested).await,
        bench.each(Kind::Attested).await,
        bench.each(Kind::Attested).await,
    ]);
    report.figure("full_and_attested_gateway_cpu", attested, Unit::Microseconds);
    report.figure("resumed_gateway_cpu", bench.each(Kind::Resumed).await, Unit::Microseconds);
    report
}

const ABOUT: [&str; 3] = [
    "Processor time of the gateway process for each connection over QUIC, kernel included: handshake with",
    "  X25519MLKEM768 and both certificates, who it is, the session's two audit records, and the close.",
    "attested: with a statement that is believed. resumed: with a ticket of an earlier connection.",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Full,
    Attested,
    Resumed,
}

struct Bench {
    site: Site,
    devices: Vec<Device>,
    count: usize,
}

impl Bench {
    /// Microseconds for each.
    async fn each(&self, kind: Kind) -> f64 {
        // A dialler that is kept remembers its tickets; one for each connection knows none.
        let kept: Vec<Dialer> = self.devices.iter().map(|device| device.dialer(Preference::QuicOnly)).collect();
        if kind == Kind::Resumed {
            for (device, dialer) in self.devices.iter().zip(&kept) {
                come_and_go(device, dialer, Kind::Full).await;
            }
        }
        self.until_all_have_left().await;
        let before = cpu_time(self.site.gateway());
        let lanes = self.devices.iter().cloned().zip(kept).map(|(device, dialer)| async move {
            for _ in 0..self.count / DEVICES {
                match kind {
                    Kind::Resumed => come_and_go(&device, &dialer, kind).await,
                    Kind::Full | Kind::Attested => {
                        come_and_go(&device, &device.dialer(Preference::QuicOnly), kind).await;
                    }
                }
            }
        });
        stream::iter(lanes).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        self.until_all_have_left().await;
        let used = cpu_time(self.site.gateway()).saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let count = (self.count / DEVICES * DEVICES) as f64;
        used.as_secs_f64() * 1e6 / count
    }

    async fn until_all_have_left(&self) {
        let gone = async {
            let mut looks = tokio::time::interval(Duration::from_millis(20));
            while self.site.world.figure("hitotsu_sessions").await > 0.0 {
                looks.tick().await;
            }
        };
        timeout(PATIENCE, gone).await.expect("every session ends");
    }
}

async fn come_and_go(device: &Device, dialer: &Dialer, kind: Kind) {
    let connection = dialer.dial().await.expect("dials");
    let mut connected = device.on(connection);
    match kind {
        Kind::Attested => drop(connected.attest(good_posture()).await.expect("is believed")),
        // An answer shows that the gateway has let it in, and brings the tickets.
        Kind::Full | Kind::Resumed => drop(connected.get("alive").await),
    }
    connected.connection.close("");
}
