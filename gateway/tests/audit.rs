//! The audit log against deaths and full disks of a real kind, in processes of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hitotsu_gateway::audit::{AuditError, AuditLog, AuditState, tail, verify};
use hitotsu_model::audit::{AuditEvent, AuditRecord, Durability, FlowEnd};
use hitotsu_model::code::Code;
use hitotsu_model::ids::{FlowId, SessionId};
use hitotsu_model::resource::{Target, Transport};
use hitotsu_model::time::Timestamp;

const DIR: &str = "HITOTSU_TEST_AUDIT_DIR";
const NOW: Timestamp = Timestamp(1_795_000_000_000);

#[test]
fn kill_9_during_writes_loses_no_acknowledged_record() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..3 {
        let mut child = again("child_that_writes_until_it_is_killed", dir.path(), &[]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed while it writes, after it has told of some hundred records more.
        let target = acknowledged + 300 + round * 50;
        while acknowledged < target {
            let line = lines.next().expect("the child writes on").unwrap();
            if let Some(number) = line.strip_prefix("acknowledged ") {
                acknowledged = number.parse::<u64>().unwrap() + 1;
            }
        }
        child.kill().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("acknowledged ") {
                acknowledged = number.parse::<u64>().unwrap() + 1;
            }
        }
        child.wait().unwrap();
        let (log, recovery) = AuditLog::open(dir.path(), NOW).unwrap();
        assert!(recovery.records >= acknowledged, "{} of {acknowledged}", recovery.records);
        assert_eq!(recovery.damage, []);
        acknowledged = recovery.records;
        drop(log);
    }
    let report = verify(dir.path()).unwrap();
    assert!(report.is_intact(), "{:?}", report.damage);
    let entries = tail(dir.path(), usize::MAX).unwrap();
    assert_eq!(entries.len() as u64, acknowledged);
    assert!(entries.iter().zip(0..).all(|(entry, number)| entry.position.0 == number));
}

/// Not a test of its own: the process that the test above kills.
#[test]
#[ignore = "runs as the child of another test"]
fn child_that_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    runtime().block_on(async {
        let (log, recovery) = AuditLog::open(&PathBuf::from(dir), NOW).unwrap();
        for flow in recovery.next_flow.. {
            let durability = if flow % 10 == 0 { Durability::Durable } else { Durability::Safe };
            let open = log.begin(FlowId(flow), intent(flow), durability).await.unwrap();
            println!("acknowledged {}", open.position().0);
            open.complete(NOW, 1, 2, FlowEnd::Finished);
        }
    });
}

#[test]
fn netns_on_a_really_full_disk_nothing_begins_and_every_owed_outcome_is_written() {
    if !rustix::process::geteuid().is_root() {
        panic!("a small file system can only be mounted by root; leave this group out, or run it as root");
    }
    let dir = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size=1m tmpfs '{}' && exec \"$@\"", dir.path().display());
    let child = again("child_on_a_small_disk", dir.path(), &["unshare", "--mount", "sh", "-c", &mount, "sh"]);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("on the full disk"), "{text}");
}

/// Not a test of its own: runs on a disk of 1 MiB.
#[test]
#[ignore = "runs as the child of another test"]
fn child_on_a_small_disk() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    runtime().block_on(async {
        let (log, _) = AuditLog::open(&dir, NOW).unwrap();
        let mut open = Vec::new();
        let refused = loop {
            let flow = open.len() as u64;
            match log.begin(FlowId(flow), intent(flow), Durability::Safe).await {
                Ok(begun) => open.push(begun),
                Err(error) => break error,
            }
        };
        assert_eq!(refused, AuditError::Full);
        assert_eq!(*log.state().borrow(), AuditState::Full);
        // Whatever is left of the disk is taken away.
        let filled = std::fs::write(dir.join("filler"), vec![1; 1024 * 1024]);
        assert!(filled.is_err());
        let count = open.len() as u64;
        println!("{count} intents on the full disk");
        for begun in open {
            begun.complete(NOW, u64::MAX, u64::MAX, FlowEnd::Cut { code: Code::EvidenceOtherConnection });
        }
        let mut state = log.state();
        drop(log);
        while state.changed().await.is_ok() {}
        let report = verify(&dir).unwrap();
        assert!(report.is_intact(), "{:?}", report.damage);
        assert_eq!((report.records, report.open_intents), (2 * count, 0));
        // With space again, the log goes on.
        std::fs::remove_file(dir.join("filler")).unwrap();
        let (log, _) = AuditLog::open(&dir, NOW).unwrap();
        log.append(intent(count), Durability::Durable).await.unwrap();
    });
}

/// Runs one function of this file in a process of its own, behind `wrapper`.
fn again(function: &str, dir: &Path, wrapper: &[&str]) -> std::process::Child {
    let this = std::env::current_exe().unwrap();
    let mut words: Vec<std::ffi::OsString> = wrapper.iter().map(Into::into).collect();
    words.push(this.into());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args([function, "--exact", "--ignored", "--nocapture"]).env(DIR, dir);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn intent(flow: u64) -> AuditRecord {
    let event = AuditEvent::FlowIntent {
        flow: FlowId(flow),
        session: SessionId(uuid::Uuid::nil()),
        target: Target::parse("files.example:443", Transport::Tcp).unwrap(),
        address: "10.1.2.3".parse().unwrap(),
        resource: "files".parse().unwrap(),
        rules: vec!["files.staff".parse().unwrap()],
        bundle: "0123456789abcdef".to_owned(),
    };
    AuditRecord { at: NOW, event }
}
