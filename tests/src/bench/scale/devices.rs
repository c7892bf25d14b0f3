//! More devices, each with a tunnel of its own. Each size has a gateway of its own, so that no memory is left of another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::column::Column;
use super::ground::Ground;
use super::loads;
use crate::bench::Scale;
use crate::bench::grid::Grid;
use crate::bench::memory::{Tunnel, bring_up, idle_cpu};
use crate::bench::process_figures::resident_kib;
use crate::bench::report::Unit;

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
        Stage { column: Column { grid: &mut grid, number: column, scale }, scale }.measure(*size).await;
    }
    grid
}

/// One size.
struct Stage<'g> {
    column: Column<'g>,
    scale: Scale,
}

impl Stage<'_> {
    async fn measure(&mut self, size: usize) {
        let ground = Ground::start(size).await;
        let tunnels = self.tunnels(&ground).await;
        for _ in 0..self.scale.pick(3, 1) {
            self.column.bulk(&ground, &tunnels, tunnels.len().clamp(BULK_FLOWS.0, BULK_FLOWS.1)).await;
        }
        self.requests(&ground, &tunnels).await;
        for _ in 0..self.scale.pick(3, 1) {
            self.column.new_flows(&ground, &tunnels).await;
            self.calls(&ground, &tunnels).await;
        }
        self.column.add("gateway_after_loads", resident_kib(ground.gateway()), Unit::Kibibytes);
    }

    async fn tunnels(&mut self, ground: &Ground) -> Arc<[Tunnel]> {
        let (before, begun) = (resident_kib(ground.gateway()), Instant::now());
        let tunnels: Arc<[Tunnel]> = bring_up(ground.devices.len(), &ground.devices).await.into();
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let count = tunnels.len() as f64;
        self.column.add("brought_up", count / begun.elapsed().as_secs_f64(), Unit::PerSecond);
        let counted = ground.world.figure("hitotsu_sessions").await;
        assert!((counted - count).abs() < 0.5, "{counted} of {count} tunnels live");
        self.column.add("tunnel", (resident_kib(ground.gateway()) - before) / count, Unit::Kibibytes);
        let watched = self.scale.pick(Duration::from_secs(5), Duration::from_millis(50));
        self.column.add("idle_cpu", idle_cpu(ground.gateway(), watched).await, Unit::Percent);
        tunnels
    }

    async fn requests(&mut self, ground: &Ground, tunnels: &[Tunnel]) {
        let least = self.scale.pick(REQUEST_FLOWS.0, 4);
        let mut flows = loads::open(ground, tunnels, tunnels.len().clamp(least, REQUEST_FLOWS.1)).await;
        for _ in 0..self.scale.pick(3, 1) {
            self.column.requests(ground, &mut flows).await;
        }
    }

    async fn calls(&mut self, ground: &Ground, tunnels: &[Tunnel]) {
        let lasting = self.scale.pick(Duration::from_millis(1500), Duration::from_millis(60));
        let calls = loads::calls(ground, tunnels, self.scale.pick(CALLS, 3), lasting).await;
        self.column.add("voice_lost", calls.lost_percent, Unit::Percent);
        self.column.add("voice_p99", calls.times.percentile_us(99) / 1e3, Unit::Milliseconds);
        self.column.add("voice_gateway", calls.gateway_s * 1e6, Unit::Microseconds);
    }
}
