//! Our tunnel over a bad line, in network namespaces.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use hitotsu_tests::bench::peers::hosts::{Hosts, Link};
use hitotsu_tests::bench::peers::peer::{Line, Peer};
use hitotsu_tests::bench::peers::stands;
use hitotsu_tests::bench::{Scale, chosen};
use hitotsu_tests::link::shape::{Loss, Profile, Shape};
use hitotsu_tests::process::{program, run};
use serde_json::Value;

const MS: Duration = Duration::from_millis(1);

/// Calls on a line whose buffer holds a second are held up by no more than this, the line's own 20 ms included. On a
/// machine that tests much at once a processor can be a while in coming.
const CALL_P99_MS_MAX: f64 = 500.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn octets_survive_losses_in_bursts_and_packets_that_overtake_each_other_in_both_directions() {
    let mut world = World::new(Peer::Hitotsu).await;
    let loss = Loss::Bursts { share: 0.02, length: 3.0 };
    let shape = Shape {
        delay: 10 * MS,
        bits_per_second: 20_000_000,
        loss,
        reordered: 0.02,
        held_back: 4 * MS,
        ..Shape::default()
    };
    world.link.be(&Profile::even(shape.buffered(100 * MS))).await;

    let said = world.load(&["intact", &world.target(world.line.ports.echo), "1000000"]).await;

    let told = world.link.told().await;
    assert!(told.up.lost > 0 && told.down.lost > 0, "the line lost nothing: {told:?}");
    assert_eq!(said["octets"], 1_000_000, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_beside_bulk_lose_nothing_and_do_not_wait_in_the_queue_that_bulk_could_build() {
    let mut world = World::new(Peer::HitotsuSteady).await;
    let shape = Shape { delay: 10 * MS, bits_per_second: 20_000_000, ..Shape::default() };
    world.link.be(&Profile::even(shape.buffered(1_000 * MS))).await;
    for way in ["down", "up"] {
        let mut bulk = world.hosts.client.command(program("hitotsu-load"));
        bulk.args(["bulk-for", &world.target(world.line.ports.bulk), way, "60000"])
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let _bulk = bulk.spawn().expect("it starts");

        let said = world.load(&["voice", &world.target(world.line.ports.voice), "2", "2000", "1500"]).await;

        let told = world.link.told().await;
        assert!(told.up.octets.max(told.down.octets) > 1_000_000, "bulk did not fill the line {way}: {told:?}");
        assert_eq!(said["lost_percent"].as_f64(), Some(0.0), "{way}: {said} {told:?}");
        let p99 = said["p99_us"].as_f64().expect("a number") / 1e3;
        assert!(p99 < CALL_P99_MS_MAX, "{way}: {said} {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bench_over_bad_lines_runs_with_tiny_numbers() {
    let bench = chosen(&["line".to_owned()]).expect("it is there")[0];
    let report = bench.run(Scale::Tiny).await;
    for measure in ["bulk_up", "bulk_down", "page_p95", "page_beside_up_p50", "voice_beside_down_p99"] {
        for peer in ["direct", "hitotsu"] {
            let found = report.figures().iter().any(|figure| figure.key().contains(&format!("{measure}_{peer}")));
            assert!(found, "{measure} {peer}: {report}");
        }
    }
    assert!(report.figures().iter().all(|figure| figure.value().is_finite()), "{report}");
}

/// Ours over a link, between client, gateway and server.
struct World {
    line: Line,
    hosts: Hosts,
    link: Link,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new(peer: Peer) -> Self {
        assert!(rustix::process::geteuid().is_root(), "network namespaces can only be made by root");
        let dir = tempfile::tempdir().expect("a folder");
        let (hosts, link) = Hosts::over_a_link().await;
        let line = stands(peer, &hosts, dir.path()).await.expect("ours stands");
        Self { line, hosts, link, _dir: dir }
    }

    fn target(&self, port: u16) -> String {
        SocketAddr::new(self.line.peer.entry(), port).to_string()
    }

    async fn load(&self, words: &[&str]) -> Value {
        let mut command = self.hosts.client.command(program("hitotsu-load"));
        command.args(words);
        let (code, output, errors) = run(command).await;
        assert_eq!(code, 0, "{words:?}: {errors}");
        serde_json::from_str(&output).expect("JSON")
    }
}
