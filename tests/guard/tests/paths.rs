//! Every path runs, a few times, so that none rots, and does nearly the same in each run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::process::{Command, Output};

use serde_json::Value;

fn guard(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hitotsu-guard")).args(words).output().unwrap()
}

fn paths() -> Vec<String> {
    String::from_utf8(guard(&["--list"]).stdout).unwrap().lines().map(str::to_owned).collect()
}

fn run(path: &str, operations: &str) -> Value {
    let output = guard(&[path, operations]);
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_path_runs() {
    let paths = paths();
    assert!(paths.len() >= 12, "{paths:?}");
    for path in paths {
        let object = run(&path, "2");
        assert_eq!((object["path"].as_str(), object["operations"].as_u64()), (Some(path.as_str()), Some(2)));
    }
}

#[test]
fn a_flow_does_nearly_the_same_each_time() {
    for path in ["relay-up-1mib", "relay-down-1mib", "datagram-round-trip"] {
        let [one, two] = [run(path, "4"), run(path, "4")].map(|object| object["allocations"].as_u64().unwrap());
        // Keys and connection ids are drawn anew.
        assert!(one.abs_diff(two) * 5 < one, "{path}: {one}, {two}");
    }
}

#[test]
fn a_wrong_name_is_answered_with_the_right_ones() {
    let output = guard(&["speed"]);
    assert!(!output.status.success());
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert!(paths().iter().all(|path| sentence.contains(path)), "{sentence}");
}
