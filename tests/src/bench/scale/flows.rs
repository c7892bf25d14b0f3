//! More flows of one device.

use std::time::Duration;

use super::ground::Ground;
use super::loads;
use crate::bench::Scale;
use crate::bench::grid::Grid;
use crate::bench::memory::bring_up;
use crate::bench::process_figures::resident_kib;
use crate::bench::report::Unit;
use crate::bench::throughput::Direction;

/// Bulk flows at most, as [`super::devices`] has them.
const BULK_FLOWS_MAX: usize = 100;

/// Measures at every size. The largest is what the gateway lets one session have.
pub(super) async fn measure(scale: Scale) -> Grid {
    let sizes: &[usize] = scale.pick(&[1, 10, 100, 1_000], &[1, 3]);
    let mut grid = Grid::new("flows", sizes);
    for (column, size) in sizes.iter().enumerate() {
        eprintln!("scale: {size} flows ...");
        let ground = Ground::start(1).await;
        let tunnels = bring_up(1, &ground.devices).await;
        let before = resident_kib(ground.gateway());
        let mut flows = loads::open(&ground, &tunnels, *size).await;
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let each = (resident_kib(ground.gateway()) - before) / *size as f64;
        grid.add(column, "flow", each, Unit::Kibibytes);
        let lasting = scale.pick(Duration::from_millis(1000), Duration::from_millis(30));
        for _ in 0..scale.pick(3, 1) {
            let shown = loads::requests(&ground, &mut flows, lasting).await;
            grid.add(column, "requests", shown.per_s, Unit::PerSecond);
            grid.add(column, "request_gateway", shown.gateway_s * 1e6, Unit::Microseconds);
            let times = loads::echo(&mut flows, scale.pick(3_000, 20)).await;
            grid.add(column, "echo_p50", times.percentile_us(50), Unit::Microseconds);
            grid.add(column, "echo_p99", times.percentile_us(99), Unit::Microseconds);
        }
        drop(flows);
        for _ in 0..scale.pick(3, 1) {
            for (word, direction) in [("up", Direction::Up), ("down", Direction::Down)] {
                let shown = loads::bulk(&ground, &tunnels, (*size).min(BULK_FLOWS_MAX), direction, lasting).await;
                grid.add(column, &format!("bulk_{word}"), shown.per_s * 8.0 / 1e9, Unit::GigabitsPerSecond);
                let name = format!("bulk_{word}_gateway");
                grid.add(column, &name, shown.gateway_s * 1e9, Unit::CpuSecondsPerGigabyte);
            }
        }
        grid.add(column, "gateway_after_loads", resident_kib(ground.gateway()), Unit::Kibibytes);
    }
    grid
}
