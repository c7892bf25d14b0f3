//! More devices, each with a tunnel of its own. Each size has a gateway of its own, so that no memory is left of another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ground::Ground;
use super::loads;
use crate::bench::Scale;
use crate::bench::grid::Grid;
use crate::bench::memory::{Tunnel, bring_up, idle_cpu};
use crate::bench::process_figures::resident_kib;
use crate::bench::report::Unit;
use crate::bench::throughput::Direction;

/// Bulk flows, of one device and of as many as there are. Systems and gateway share this machine's memory for TCP, which
/// more would fill.
const BULK_FLOWS: (usize, usize) = (8, 100);

/// Open flows on which requests are made: enough for those at once, and less than this process may open sockets.
const REQUEST_FLOWS: (usize, usize) = (64, 4_000);

/// Calls at once. One device may hold all of them, with flows that are just ending.
const CALLS: usize = 900;

/// Measures at every size.
pub(super) async fn measure(scale: Scale) -> Grid {
    let sizes: &[usize] = scale.pick(&[1, 10, 100, 1_000, 10_000], &[1, 3]);
    let mut grid = Grid::new("devices", sizes);
    for (column, size) in sizes.iter().enumerate() {
        eprintln!("scale: {size} devices ...");
        Stage { grid: &mut grid, column, scale }.measure(*size).await;
    }
    grid
}

struct Stage<'g> {
    grid: &'g mut Grid,
    column: usize,
    scale: Scale,
}

impl Stage<'_> {
    fn add(&mut self, name: &str, value: f64, unit: Unit) {
        self.grid.add(self.column, name, value, unit);
    }

    async fn measure(&mut self, size: usize) {
        let ground = Ground::start(size).await;
        let tunnels = self.tunnels(&ground).await;
        for _ in 0..self.scale.pick(3, 1) {
            self.bulk(&ground, &tunnels).await;
        }
        self.requests(&ground, &tunnels).await;
        for _ in 0..self.scale.pick(3, 1) {
            self.new_flows(&ground, &tunnels).await;
            self.calls(&ground, &tunnels).await;
        }
        self.add("gateway_after_loads", resident_kib(ground.gateway()), Unit::Kibibytes);
    }

    async fn tunnels(&mut self, ground: &Ground) -> Arc<[Tunnel]> {
        let (before, begun) = (resident_kib(ground.gateway()), Instant::now());
        let tunnels: Arc<[Tunnel]> = bring_up(ground.devices.len(), &ground.devices).await.into();
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let count = tunnels.len() as f64;
        self.add("brought_up", count / begun.elapsed().as_secs_f64(), Unit::PerSecond);
        let counted = ground.world.figure("hitotsu_sessions").await;
        assert!((counted - count).abs() < 0.5, "{counted} of {count} tunnels live");
        self.add("tunnel", (resident_kib(ground.gateway()) - before) / count, Unit::Kibibytes);
        let watched = self.scale.pick(Duration::from_secs(5), Duration::from_millis(50));
        self.add("idle_cpu", idle_cpu(ground.gateway(), watched).await, Unit::Percent);
        tunnels
    }

    async fn bulk(&mut self, ground: &Ground, tunnels: &[Tunnel]) {
        let flows = tunnels.len().clamp(BULK_FLOWS.0, BULK_FLOWS.1);
        let lasting = self.scale.pick(Duration::from_millis(1000), Duration::from_millis(30));
        for (word, direction) in [("up", Direction::Up), ("down", Direction::Down)] {
            let shown = loads::bulk(ground, tunnels, flows, direction, lasting).await;
            self.add(&format!("bulk_{word}"), shown.per_s * 8.0 / 1e9, Unit::GigabitsPerSecond);
            self.add(&format!("bulk_{word}_gateway"), shown.gateway_s * 1e9, Unit::CpuSecondsPerGigabyte);
        }
    }

    async fn requests(&mut self, ground: &Ground, tunnels: &[Tunnel]) {
        let least = self.scale.pick(REQUEST_FLOWS.0, 4);
        let mut flows = loads::open(ground, tunnels, tunnels.len().clamp(least, REQUEST_FLOWS.1)).await;
        for _ in 0..self.scale.pick(3, 1) {
            let lasting = self.scale.pick(Duration::from_millis(1000), Duration::from_millis(30));
            let shown = loads::requests(ground, &mut flows, lasting).await;
            self.add("requests", shown.per_s, Unit::PerSecond);
            self.add("request_gateway", shown.gateway_s * 1e6, Unit::Microseconds);
            let times = loads::echo(&mut flows, self.scale.pick(3_000, 20)).await;
            self.add("echo_p50", times.percentile_us(50), Unit::Microseconds);
            self.add("echo_p99", times.percentile_us(99), Unit::Microseconds);
        }
    }

    async fn new_flows(&mut self, ground: &Ground, tunnels: &Arc<[Tunnel]>) {
        let lasting = self.scale.pick(Duration::from_millis(1000), Duration::from_millis(30));
        let shown = loads::new_flows(ground, tunnels, lasting).await;
        self.add("new_flows", shown.per_s, Unit::PerSecond);
        self.add("new_flow_gateway", shown.gateway_s * 1e6, Unit::Microseconds);
    }

    async fn calls(&mut self, ground: &Ground, tunnels: &[Tunnel]) {
        let lasting = self.scale.pick(Duration::from_millis(1500), Duration::from_millis(60));
        let calls = loads::calls(ground, tunnels, self.scale.pick(CALLS, 3), lasting).await;
        self.add("voice_lost", calls.lost_percent, Unit::Percent);
        self.add("voice_p99", calls.times.percentile_us(99) / 1e3, Unit::Milliseconds);
        self.add("voice_gateway", calls.gateway_s * 1e6, Unit::Microseconds);
    }
}
