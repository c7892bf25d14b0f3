//! A disk without room for the audit log, as a client and an operator see it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::Write;
use std::time::Duration;

use hitotsu_model::code::Code;
use hitotsu_tests::bundle::{PERSON, TestBundle};
use hitotsu_tests::device::echoes;
use hitotsu_tests::systems;
use hitotsu_tests::world::World;

/// Flows that the room which the log has reserved ahead can hold, and more: each takes some 800 bytes of 256 KiB.
const FLOWS_UNTIL_FULL_MAX: usize = 4_000;

/// Refusals one after another until the last small room is used up too, which the records of refusals still take: some
/// 400 bytes each of the 800 that a flow needs.
const REFUSALS_IN_A_ROW: usize = 10;

/// Within this time space is noticed: the log looks every second, and machines that test are busy.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn on_a_full_audit_disk_nothing_new_opens_what_is_open_lives_and_space_brings_all_back() {
    assert!(rustix::process::geteuid().is_root(), "a small file system can only be mounted by root");
    let echo = systems::echo().await;
    let world = World::with_audit_disk(&TestBundle::new().tcp("echo", echo.address).files(), "2m").await;
    let device = world.enrol(PERSON).await;
    let connected = device.connect().await;
    let authority = format!("echo.test.internal:{}", echo.address.port());
    let mut before = connected.open(&authority).await.expect("opens");
    echoes(&mut before, "before").await;
    assert!(world.health("/readyz").await.starts_with("HTTP/1.1 200"));
    assert_eq!(world.figure("hitotsu_audit_failed").await, 0.0);

    let filler = fill(&world);
    let mut refusals = Vec::new();
    for _ in 0..FLOWS_UNTIL_FULL_MAX {
        match connected.open(&authority).await {
            Ok(_) => refusals.clear(),
            Err(problem) => refusals.push(problem),
        }
        if refusals.len() == REFUSALS_IN_A_ROW {
            break;
        }
    }

    assert_eq!(refusals.len(), REFUSALS_IN_A_ROW, "flows that cannot be recorded are refused");
    let refused = refusals.pop().expect("a refusal");
    assert_eq!((refused.code, refused.help_code, refused.status), (Code::AuditUnavailable, 600_601, 503));
    assert_eq!(refused.title, "記録を残せないため、新しい接続を止めています。");
    assert_eq!(refused.remedy, "情報システム担当に連絡してください。今の接続はそのまま使えます。");
    assert_eq!(world.figure("hitotsu_audit_failed").await, 1.0);
    assert!(world.figure("hitotsu_audit_failures_total").await >= 1.0);
    let denied = "hitotsu_flows_denied_total{code=\"600601\",reason=\"audit-unavailable\"}";
    assert!(world.figure(denied).await >= 1.0);
    let ready = world.health("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.ends_with("the audit log's disk is full\n"), "{ready}");
    assert!(world.health("/healthz").await.starts_with("HTTP/1.1 200"), "the process itself is well");
    echoes(&mut before, "what is open keeps working").await;

    std::fs::remove_file(filler).expect("removed");
    ready_again(&world).await;
    assert_eq!(world.figure("hitotsu_audit_failed").await, 0.0, "before anybody asks for a flow");
    let mut after = connected.open(&authority).await.expect("new flows open again by themselves");
    echoes(&mut after, "after").await;
    device.connect().await.open(&authority).await.expect("a new session too");
    let report = world.gateway_command(&["audit", "verify"]).await;
    assert_eq!(report["damage"].as_array().map(Vec::len), Some(0), "{report}");
}

/// Asks for nothing but readiness until the gateway is ready: space is noticed without a record.
async fn ready_again(world: &World) {
    let asked = async { while !world.health("/readyz").await.starts_with("HTTP/1.1 200") {} };
    tokio::time::timeout(NOTICED_WITHIN, asked).await.expect("ready again by itself");
}

/// Takes whatever is left of the audit log's disk, to the last byte.
fn fill(world: &World) -> std::path::PathBuf {
    let path = world.audit_dir().join("filler");
    let mut file = std::fs::File::create(&path).expect("made");
    for piece in [64 * 1024, 1] {
        while file.write_all(&vec![1; piece]).is_ok() {}
    }
    path
}
