//! More flows of one device.

use super::column::Column;
use super::ground::Ground;
use super::loads;
use crate::bench::Scale;
use crate::bench::grid::Grid;
use crate::bench::memory::bring_up;
use crate::bench::process_figures::resident_kib;
use crate::bench::report::Unit;

/// Bulk flows at most, as [`super::devices`] has them.
const BULK_FLOWS_MAX: usize = 100;

/// Measures at every size. The largest is what the gateway lets one session have.
pub(super) async fn measure(scale: Scale) -> Grid {
    let sizes: &[usize] = scale.pick(&[1, 10, 100, 1_000], &[1, 3]);
    let mut grid = Grid::new("flows", sizes);
    for (number, size) in sizes.iter().enumerate() {
        eprintln!("scale: {size} flows ...");
        let mut column = Column { grid: &mut grid, number, scale };
        let ground = Ground::start(1).await;
        let tunnels = bring_up(1, &ground.devices).await;
        let before = resident_kib(ground.gateway());
        let mut flows = loads::open(&ground, &tunnels, *size).await;
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let each = (resident_kib(ground.gateway()) - before) / *size as f64;
        column.add("flow", each, Unit::Kibibytes);
        for _ in 0..scale.pick(3, 1) {
            column.requests(&ground, &mut flows).await;
        }
        drop(flows);
        for _ in 0..scale.pick(3, 1) {
            column.bulk(&ground, &tunnels, (*size).min(BULK_FLOWS_MAX)).await;
        }
        column.add("gateway_after_loads", resident_kib(ground.gateway()), Unit::Kibibytes);
    }
    grid
}
