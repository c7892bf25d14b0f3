//! Opening flows: name permitted, resolved, admitted, audit record safe, dialled. Beside a bare dial of the same system.

use std::time::Instant;

use bytes::Bytes;
use futures_util::future::join_all;

use super::pipe::{Pipe, Way};
use super::process_figures::{Histogram, cpu_time};
use super::report::{Aim, Report, Unit};
use super::samples::Samples;
use super::site::{Site, named};
use super::{Scale, disk};
use crate::device::Connected;

/// Flows that are opened at once where the figure is how many a second.
const AT_ONCE: usize = 32;

/// The gateway's own figure of all that comes before the dial.
const ADMISSION: &str = "hitotsu_admission_seconds";

/// What admission may add to the opening of a flow, in microseconds.
const ADMISSION_US_MAX: f64 = 50.0;

/// What admission to tier 1 may add besides the disk's own sync, in microseconds.
const ADMISSION_TIER1_US_MAX: f64 = 500.0;

/// Runs it.
pub async fn run(scale: Scale) -> Report {
    let site = Site::start().await;
    let connected = site.tunnel().await;
    let mut report = Report::new("connections");
    say_what_is_measured(&mut report);
    one_at_a_time(&site, &connected, scale, &mut report).await;
    tier1(&site, &connected, scale, &mut report).await;
    many_at_once(&site, &connected, scale, &mut report).await;
    report
}

fn say_what_is_measured(report: &mut Report) {
    report.note("open: from a device's request to its answer, a round trip of the tunnel and the dial included.");
    report.note("bare dial: a socket straight to the same system. By turns with open, one at a time.");
    report.note(
        "admission: by the gateway's own clock, from the registered flow to the dial: rules asked twice (name, then",
    );
    report
        .note("  address), name resolved from the bundle, audit record written. Percentiles within histogram buckets.");
    report
        .note("tier 1: the same, but the audit record is on the disk first. The disk's own sync is measured quiet and");
    report.note(
        "  beside traffic; the smaller p50 is taken off: a virtual machine may hear late of what its disk has done.",
    );
    report.note(format!("flows a second: open, one octet there and back, close; {AT_ONCE} at once on one tunnel."));
}

async fn one_at_a_time(site: &Site, connected: &Connected, scale: Scale, report: &mut Report) {
    let authority = named("echo", site.echo.address);
    let before = Histogram::read(site.world.metrics, ADMISSION).await;
    let (mut open, mut dial) = (Samples::default(), Samples::default());
    for number in 0..scale.pick(3_000, 30) {
        open_once(Way::Direct(site.echo.address), &mut dial).await;
        open_once(Way::Tunnel(connected, &authority), &mut open).await;
        if number == 0 {
            // The first pays for what is remembered from then on; it is in the histogram's tail.
            (open, dial) = Default::default();
        }
    }
    let admission = Histogram::read(site.world.metrics, ADMISSION).await.since(&before);
    for percent in [50, 99] {
        report.figure(format!("open_p{percent}"), open.percentile_us(percent), Unit::Microseconds);
        report.figure(format!("bare_dial_p{percent}"), dial.percentile_us(percent), Unit::Microseconds);
        let beyond = open.percentile_us(percent) - dial.percentile_us(percent);
        report.figure(format!("open_beyond_dial_p{percent}"), beyond, Unit::Microseconds);
    }
    let aim = Aim::AtMost(ADMISSION_US_MAX);
    report.aimed("admission_p50", admission.percentile_us(50.0), Unit::Microseconds, aim);
    report.figure("admission_p99", admission.percentile_us(99.0), Unit::Microseconds);
}

async fn tier1(site: &Site, connected: &Connected, scale: Scale, report: &mut Report) {
    let authority = named("residents", site.residents.address);
    let before = Histogram::read(site.world.metrics, ADMISSION).await;
    let (mut open, mut quiet, mut busy) = (Samples::default(), Samples::default(), Samples::default());
    let records = scale.pick(50, 5);
    // By turns in short rows: other work on the disk disturbs all alike.
    for _ in 0..scale.pick(10, 1) {
        quiet.merge(disk_alone(site, records).await);
        for _ in 0..records {
            open_once(Way::Tunnel(connected, &authority), &mut open).await;
        }
    }
    let admission = Histogram::read(site.world.metrics, ADMISSION).await.since(&before);
    for _ in 0..scale.pick(10, 1) {
        busy.merge(disk_beside_traffic(site, connected, records).await);
    }
    let own = admission.percentile_us(50.0);
    report.figure("tier1_open_p50", open.percentile_us(50), Unit::Microseconds);
    report.figure("tier1_open_p99", open.percentile_us(99), Unit::Microseconds);
    report.figure("tier1_admission_p50", own, Unit::Microseconds);
    report.figure("tier1_admission_p99", admission.percentile_us(99.0), Unit::Microseconds);
    let disk = [("quiet", &quiet), ("beside_traffic", &busy)].map(|(when, times)| {
        let p50 = times.percentile_us(50);
        report.figure(format!("disk_sync_{when}_p50"), p50, Unit::Microseconds);
        report.figure(format!("disk_sync_{when}_p99"), times.percentile_us(99), Unit::Microseconds);
        p50
    });
    // The smaller one, so that a slow figure of the disk never makes admission look fast.
    let beyond = own - disk.into_iter().fold(f64::INFINITY, f64::min);
    let aim = Aim::AtMost(ADMISSION_TIER1_US_MAX);
    report.aimed("tier1_admission_beyond_disk_p50", beyond, Unit::Microseconds, aim);
}

async fn disk_alone(site: &Site, records: usize) -> Samples {
    let folder = site.world.dir().to_owned();
    tokio::task::spawn_blocking(move || disk::sync_times(&folder, records)).await.expect("ran")
}

/// What the disk takes while the processors are as busy as they are when a flow is opened. A virtual machine may hear of
/// the end of a write only when something else makes its processor leave the guest, so that a disk that is asked alone
/// seems up to a clock tick slower than it is.
async fn disk_beside_traffic(site: &Site, connected: &Connected, records: usize) -> Samples {
    let octet = Bytes::from_static(b"x");
    let authority = named("echo", site.echo.address);
    let mut pipe = Pipe::open(Way::Tunnel(connected, &authority)).await;
    let traffic = async {
        loop {
            pipe.echo(&octet).await;
        }
    };
    tokio::select! {
        times = disk_alone(site, records) => times,
        () = traffic => Samples::default(),
    }
}

async fn many_at_once(site: &Site, connected: &Connected, scale: Scale, report: &mut Report) {
    let authority = named("echo", site.echo.address);
    // Few enough that no run waits for a port of this machine to be free again.
    let flows = scale.pick(8_000, 64);
    let direct = rate(Way::Direct(site.echo.address), flows).await;
    let cpu = cpu_time(site.gateway());
    let tunnel = rate(Way::Tunnel(connected, &authority), flows).await;
    let cpu = cpu_time(site.gateway()).saturating_sub(cpu);
    report.figure("new_flows_direct", direct, Unit::PerSecond);
    report.figure("new_flows_tunnel", tunnel, Unit::PerSecond);
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    report.figure("new_flow_gateway_cpu", cpu.as_secs_f64() * 1e6 / flows as f64, Unit::Microseconds);
}

/// How many flows a second are opened, used for one octet and closed.
async fn rate(way: Way<'_>, flows: usize) -> f64 {
    let octet = Bytes::from_static(b"x");
    let lane = || async {
        for _ in 0..flows / AT_ONCE {
            let mut pipe = Pipe::open(way).await;
            pipe.echo(&octet).await;
            pipe.finish().await;
            assert_eq!(pipe.receive_to_end().await, 0, "nothing comes after the echo");
        }
    };
    let begun = Instant::now();
    join_all((0..AT_ONCE).map(|_| lane())).await;
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let flows = (flows / AT_ONCE * AT_ONCE) as f64;
    flows / begun.elapsed().as_secs_f64()
}

async fn open_once(way: Way<'_>, times: &mut Samples) {
    let begun = Instant::now();
    let mut pipe = Pipe::open(way).await;
    times.push(begun.elapsed());
    pipe.finish().await;
    assert_eq!(pipe.receive_to_end().await, 0, "nothing was sent");
}
