//! The commands as people type them, against a real gateway process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

#[test]
fn a_relay_certificate_is_issued_listed_revoked_and_listed_for_outsiders() {
    let org = Org::new();
    let gateway = org.serve();
    let out = org.dir.path().join("relay");
    let issued = org.json(&["ca", "issue", "--profile", "relay", "--person", "p-1000", "--out", path(&out)]);
    let serial = issued["serial"].as_str().unwrap();
    for (file, mode) in
        [("key.pem", 0o600), ("relay.p12", 0o600), ("p12.passphrase", 0o600), ("chain.pem", 0o644), ("root.pem", 0o644)]
    {
        use std::os::unix::fs::PermissionsExt;
        let found = std::fs::metadata(out.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{file}");
    }
    let listed = org.json(&["ca", "list"]);
    assert_eq!(listed[0]["serial"], serial);
    let device = org.json(&["device", "list"]);
    assert_eq!((&device[0]["profile"], &device[0]["person"]), (&"relay".into(), &"p-1000".into()));

    org.json(&["ca", "revoke", serial, "--reason", "key-compromise"]);
    let list = org.dir.path().join("devices.crl");
    let made = org.json(&["ca", "crl", "--out", path(&list)]);
    assert_eq!((made["number"].as_u64(), made["revoked"].as_u64()), (Some(1), Some(1)));
    assert!(std::fs::metadata(&list).unwrap().len() > 100);
    assert_eq!(org.json(&["ca", "crl", "--out", path(&list)])["number"], 2);
    drop(gateway);
}

#[test]
fn gateways_and_staff_are_certified_while_the_gateway_stands_still_and_while_it_runs() {
    let org = Org::new();
    let issue = |profile: &str, out: &str, more: &[&str]| {
        let out = org.dir.path().join(out);
        org.json(&[&["ca", "issue", "--profile", profile, "--out", path(&out)], more].concat())
    };
    issue("gateway", "one", &[]);
    issue("relay", "two", &[]);
    let gateway = org.serve();
    issue("staff", "three", &["--person", "p-1000"]);
    assert_eq!(org.json(&["ca", "list"]).as_array().unwrap().len(), 3);
    drop(gateway);
    let list = org.dir.path().join("staff.crl");
    assert_eq!(org.json(&["ca", "crl", "--kind", "staff", "--out", path(&list)])["revoked"], 0);
    org.json(&["audit", "verify"]);
}

#[test]
fn an_authority_is_rotated_with_the_root_key_and_the_gateway_serves_with_it() {
    let org = Org::new();
    let root = org.root().join("offline-root");
    let before = std::fs::read(org.root().join("authorities/devices.pem")).unwrap();
    let gateway = org.serve();
    let refused = org.refused(&["ca", "rotate", "--kind", "devices", "--root", path(&root)]);
    assert!(refused.contains("stop it first"), "{refused}");
    drop(gateway);
    org.json(&["ca", "rotate", "--kind", "devices", "--root", path(&root)]);
    assert_ne!(std::fs::read(org.root().join("authorities/devices.pem")).unwrap(), before);
    let gateway = org.serve();
    org.json(&["ca", "issue", "--profile", "relay", "--out", path(&org.dir.path().join("relay"))]);
    drop(gateway);
}

#[test]
fn a_gateway_starts_without_its_database_for_those_who_are_enrolled_and_refuses_changes() {
    let org = Org::new();
    let gateway = org.serve();
    let relay = |out: &str| org.dir.path().join(out);
    let issued = org.json(&["ca", "issue", "--profile", "relay", "--out", path(&relay("one"))]);
    drop(gateway);
    let database = org.root().join("gateway.sqlite");
    for side in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{side}", database.display()));
    }
    std::fs::write(&database, "whatever overwrote the database, long enough for SQLite to look at").unwrap();
    let gateway = org.serve();
    assert_eq!(org.json(&["device", "list"])[0]["id"], issued["holder"]);
    let refused = org.refused(&["ca", "issue", "--profile", "relay", "--out", path(&relay("two"))]);
    assert!(refused.contains("the database does not answer"), "{refused}");
    drop(gateway);
    std::fs::remove_file(&database).unwrap();
    let _gateway = org.serve();
    assert_eq!(org.json(&["device", "list"])[0]["id"], issued["holder"]);
    assert!(!database.exists(), "no empty database takes its place");
}

#[test]
fn wrong_commands_say_what_to_do_instead() {
    let org = Org::new();
    let out = org.dir.path().join("out");
    for (command, words) in [
        (
            &["ca", "issue", "--profile", "device", "--out", path(&out)][..],
            "make a code with `hitotsu-gateway enrol-code`",
        ),
        (&["ca", "issue", "--profile", "staff", "--out", path(&out)][..], "with `--person`"),
        (&["ca", "issue", "--profile", "relay", "--host", "x.example", "--out", path(&out)][..], "leave out `--host`"),
        (&["ca", "issue", "--profile", "relay", "--out", path(&org.root())][..], "is not empty; choose another folder"),
        (&["ca", "revoke", "4a01"][..], "start it with `hitotsu-gateway serve`"),
        (&["enrol-code", "--person", "p-1000"][..], "start it with `hitotsu-gateway serve`"),
        (&["ca", "init", "--dir", path(&org.root()), "--org", "a.example", "--host", "x.example"][..], "is not empty"),
    ] {
        let said = org.refused(command);
        assert!(said.contains(words), "{command:?}: {said}");
    }
    let _gateway = org.serve();
    for (command, words) in [
        (&["ca", "revoke", "4a01"][..], "there is no certificate `4a01`; see `hitotsu-gateway ca list`"),
        (&["device", "revoke", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"][..], "there is no device"),
        (&["enrol-code", "--ownership", "shared-desk", "--person", "p-1"][..], "leave out `--person`"),
        (&["enrol-code", "--person", "p-1001", "--valid", "30d"][..], "choose `--valid` within that"),
        (&["enrol-code", "--person", "p-9999"][..], "policy/people.toml` and run `hitotsu-gateway policy reload`"),
    ] {
        let said = org.refused(command);
        assert!(said.contains(words), "{command:?}: {said}");
    }
}

#[test]
fn a_code_for_a_person_whom_the_policy_does_not_know_is_made_only_when_that_is_meant() {
    let org = Org::new();
    let _gateway = org.serve();
    org.refused(&["enrol-code", "--person", "p-9999"]);
    assert!(org.json(&["enrol-code", "--person", "p-9999", "--unlisted"])["code"].is_string());
}

#[test]
fn what_a_person_reads_is_in_their_language_wherever_it_comes_from() {
    let org = Org::new();
    let said = |arguments: &[&str]| {
        let mut command = program();
        command.args(["--lang", "ja", "--config"]).arg(org.root().join("gateway.toml")).args(arguments);
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said(&["session", "list"]).contains("ゲートウェイが動いていません"), "of the command itself");
    let _gateway = org.serve();
    let answered = said(&["device", "revoke", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"]);
    assert!(answered.contains("登録されていません") && answered.contains("device list"), "of the gateway: {answered}");
    assert!(said(&["ca", "issue", "--profile", "device", "--out", "x"]).contains("登録コードを作って"));
    assert!(said(&["enrol-code", "--person", "p-9999"]).contains("people.toml"));
}

#[test]
fn wrong_files_are_told_in_the_language_of_the_reader_and_programs_get_english() {
    let org = Org::new();
    let told = |arguments: &[&str]| {
        let mut command = program();
        command.args(["--lang", "ja", "--config"]).arg(org.root().join("gateway.toml")).args(arguments);
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    std::fs::remove_dir_all(org.root().join("policy")).unwrap();
    let said = told(&["policy", "check"]);
    assert!(said.contains("ポリシーの ") && said.contains("を読めません(見つかりません)。"), "{said}");
    let said = told(&["serve"]);
    assert!(said.contains("ポリシーがないと、ゲートウェイは起動できません。"), "{said}");
    let segment = std::fs::read_dir(org.root().join("audit")).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in segment.filter(|path| path.extension().is_some_and(|kind| kind == "audit")) {
        std::fs::write(path, "no segment").unwrap();
    }
    std::fs::create_dir_all(org.root().join("audit")).unwrap();
    std::fs::write(org.root().join("audit/00000000000000000000.audit"), "no segment").unwrap();
    let said = told(&["audit", "verify"]);
    assert!(said.contains("監査ログに誤りがあります。") && said.contains("途中で切れています。"), "{said}");
    std::fs::write(org.root().join("gateway.toml"), "name = \"\"\nlisten = \"443\"\n").unwrap();
    let said = told(&["check"]);
    for words in ["の org: 値がありません。", "の listen: 443 は使えません(", "の形で書いてください。"]
    {
        assert!(said.contains(words), "{said}");
    }
    let english = org.refused(&["check"]);
    assert!(english.contains("`443`: invalid socket address syntax; write it as"), "{english}");
}

#[test]
fn records_are_told_in_the_time_of_the_machine() {
    let org = Org::new();
    drop(org.serve());
    let tail = |zone: Option<&str>| {
        let mut command = program();
        match zone {
            Some(zone) => command.env("TZ", zone),
            None => command.env_remove("TZ"),
        };
        command.arg("--config").arg(org.root().join("gateway.toml")).args(["audit", "tail", "-n", "1"]);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let records = org.json(&["audit", "tail", "-n", "1"]);
    let at = jiff::Timestamp::from_millisecond(records[0]["at"].as_i64().unwrap()).unwrap();
    let shown = |zone| at.to_zoned_datetime(zone).strftime("%F %T%.3f %:z").to_string();
    let tokyo = tail(Some("Asia/Tokyo"));
    assert!(
        tokyo.contains("+09:00") && tokyo.contains(&shown(jiff::tz::TimeZone::get("Asia/Tokyo").unwrap())),
        "{tokyo}"
    );
    if std::env::var_os("TZ").is_none() {
        let here = tail(None);
        assert!(here.contains(&shown(jiff::tz::TimeZone::system())), "{here}");
    }
}

#[test]
fn the_issuer_ends_with_a_gateway_that_is_killed() {
    let org = Org::new();
    let mut gateway = org.serve();
    org.json(&["ca", "issue", "--profile", "relay", "--out", path(&org.dir.path().join("relay"))]);
    let socket = org.root().join("run/issuer.sock");
    let mut watch = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    gateway.child.kill().unwrap();
    gateway.child.wait().unwrap();
    // The connection ends when the issuer does: nothing is polled, nothing slept for.
    assert_eq!(end_of(&mut watch), Some(std::io::ErrorKind::UnexpectedEof));
    // Its connections close a moment before its listening socket does. One taken in that moment is reset.
    while let Ok(mut late) = std::os::unix::net::UnixStream::connect(&socket) {
        let end = end_of(&mut late);
        assert_ne!(end, Some(std::io::ErrorKind::WouldBlock), "the issuer still listens");
    }
}

/// How reading from a connection ends: with its end, its reset, or `WouldBlock` when nothing came in 20 s.
fn end_of(stream: &mut std::os::unix::net::UnixStream) -> Option<std::io::ErrorKind> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    std::io::Read::read_exact(stream, &mut [0; 1]).err().map(|error| error.kind())
}

/// An organisation in a folder of its own.
struct Org {
    dir: tempfile::TempDir,
}

impl Org {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let org = Self { dir };
        let root = org.root();
        let arguments = ["init", "--name", "localhost", "--org", "kawasaki.example", "--listen", "127.0.0.1:0"];
        let output = program().args(arguments).arg("--metrics").arg("127.0.0.1:0").arg("--dir").arg(root).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        org
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("org")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(["--json", "--config"]).arg(self.root().join("gateway.toml")).args(arguments);
        command
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {errors}"))
    }

    /// What a refused command says; its exit code is 1 or 2.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn serve(&self) -> Gateway {
        let mut command = self.command(&["serve"]);
        let mut child = command.stdout(Stdio::piped()).env("RUST_LOG", "error").spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("\"listen\""), "{line}");
        Gateway { child }
    }
}

/// A running gateway, asked to stop when dropped.
struct Gateway {
    child: Child,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hitotsu-gateway"));
    command.env("LC_ALL", "C.UTF-8");
    command
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
