//! One size of what grows, as a column of its grid: loads that are the same whatever grows.

use std::sync::Arc;
use std::time::Duration;

use super::ground::Ground;
use super::loads;
use crate::bench::Scale;
use crate::bench::grid::Grid;
use crate::bench::memory::Tunnel;
use crate::bench::pipe::Pipe;
use crate::bench::report::Unit;
use crate::bench::throughput::Direction;

/// Where the figures of one size go.
pub(super) struct Column<'g> {
    pub(super) grid: &'g mut Grid,
    pub(super) number: usize,
    pub(super) scale: Scale,
}

impl Column<'_> {
    pub(super) fn add(&mut self, name: &str, value: f64, unit: Unit) {
        self.grid.add(self.number, name, value, unit);
    }

    /// How long a load lasts.
    fn lasting(&self) -> Duration {
        self.scale.pick(Duration::from_millis(1000), Duration::from_millis(30))
    }

    /// Octets up and down, on so many flows of all tunnels in turn.
    pub(super) async fn bulk(&mut self, ground: &Ground, tunnels: &[Tunnel], flows: usize) {
        for direction in Direction::BOTH {
            let shown = loads::bulk(ground, tunnels, flows, direction, self.lasting()).await;
            let name = format!("bulk_{}", direction.word());
            self.add(&name, shown.per_s * 8.0 / 1e9, Unit::GigabitsPerSecond);
            self.add(&format!("{name}_gateway"), shown.gateway_s * 1e9, Unit::CpuSecondsPerGigabyte);
        }
    }

    /// Requests and single octets on open flows.
    pub(super) async fn requests(&mut self, ground: &Ground, flows: &mut Vec<Pipe>) {
        let shown = loads::requests(ground, flows, self.lasting()).await;
        self.add("requests", shown.per_s, Unit::PerSecond);
        self.add("request_gateway", shown.gateway_s * 1e6, Unit::Microseconds);
        let times = loads::echo(flows, self.scale.pick(3_000, 20)).await;
        self.add("echo_p50", times.percentile_us(50), Unit::Microseconds);
        self.add("echo_p99", times.percentile_us(99), Unit::Microseconds);
    }

    /// New flows of all tunnels in turn.
    pub(super) async fn new_flows(&mut self, ground: &Ground, tunnels: &Arc<[Tunnel]>) {
        let shown = loads::new_flows(ground, tunnels, self.lasting()).await;
        self.add("new_flows", shown.per_s, Unit::PerSecond);
        self.add("new_flow_gateway", shown.gateway_s * 1e6, Unit::Microseconds);
    }
}
