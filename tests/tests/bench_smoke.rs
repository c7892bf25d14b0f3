//! Every bench runs, with tiny numbers, so that none rots.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use hitotsu_tests::bench::{BENCHES, Scale, chosen, summary};

async fn runs(name: &str) {
    let bench = chosen(&[name.to_owned()]).expect("it is there")[0];
    let report = bench.run(Scale::Tiny).await;
    assert_eq!(report.bench(), name);
    assert!(!report.figures().is_empty());
    for figure in report.figures() {
        assert!(figure.value().is_finite(), "{}", figure.key());
    }
    let line = summary(&[report]).to_string();
    let object: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert!(object["benches"][name]["figures"].is_object() && !line.contains('\n'), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throughput_runs() {
    runs("throughput").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_runs() {
    runs("latency").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_runs() {
    runs("connections").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_runs() {
    runs("memory").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn setup_runs() {
    runs("setup").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_runs() {
    runs("handshakes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decide_runs() {
    runs("decide").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_runs() {
    runs("cut").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scale_runs() {
    runs("scale").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fairness_runs() {
    runs("fairness").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_runs() {
    runs("stalled").await;
}

#[test]
fn a_wrong_name_is_answered_with_the_right_ones() {
    let wrong = chosen(&["speed".to_owned()]).unwrap_err();
    for bench in BENCHES {
        assert!(wrong.contains(bench.name), "{wrong}");
    }
}

#[test]
fn xtask_knows_every_bench_by_name() {
    let source = include_str!("../../packaging/xtask/src/bench.rs");
    for bench in BENCHES {
        assert!(source.contains(&format!("\"{}\"", bench.name)), "{}", bench.name);
    }
}
