//! The bench beside the peers runs, with tiny numbers, so that it does not rot.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use hitotsu_tests::bench::{Scale, chosen};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ours_carries_every_load_beside_no_tunnel_at_all() {
    assert!(rustix::process::geteuid().is_root(), "network namespaces can only be made by root");
    let bench = chosen(&["peers".to_owned()]).expect("it is there")[0];
    let report = bench.run(Scale::Tiny).await;
    for peer in ["direct", "hitotsu"] {
        for measure in ["bulk_up_1", "bulk_down_4", "tcp_p50", "udp_p99", "requests", "new_connections", "voice_50_p99"]
        {
            let name = format!("{measure}_{peer}");
            let figure = report.figures().iter().find(|figure| figure.key().starts_with(&name));
            assert!(figure.is_some_and(|figure| figure.value() > 0.0), "{name}: {report}");
        }
    }
    assert!(report.figures().iter().all(|figure| figure.value().is_finite()), "{report}");
}
