//! The commands as a person types them: their words and their times.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// 2026-11-18 11:06:40.007 UTC, as the log writes it.
const LINE: &str = "{\"timestamp\":\"2026-11-18T11:06:40.007123Z\",\"level\":\"INFO\",\"fields\":{\"message\":\"connected\"},\"target\":\"x\"}";

#[test]
fn the_log_tells_instants_in_the_time_of_the_machine_and_in_utc_to_programs() {
    let state = state();
    std::fs::write(state.path().join("agent.log"), format!("{LINE}\n")).unwrap();
    let logs = |zone: Option<&str>, more: &[&str]| {
        let mut command = hitotsu(state.path());
        match zone {
            Some(zone) => command.env("TZ", zone),
            None => command.env_remove("TZ"),
        };
        let output = command.args(more).arg("logs").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };

    assert_eq!(logs(Some("Asia/Tokyo"), &[]), "2026-11-18 20:06:40.007 +09:00  INFO connected\n");
    assert_eq!(logs(Some("UTC"), &[]), "2026-11-18 11:06:40.007 +00:00  INFO connected\n");
    assert_eq!(logs(Some("Asia/Tokyo"), &["--json"]), format!("{LINE}\n"));
    let here = jiff::tz::TimeZone::system();
    let instant: jiff::Timestamp = "2026-11-18T11:06:40.007Z".parse().unwrap();
    if std::env::var_os("TZ").is_none() {
        let told = instant.to_zoned_datetime(here).strftime("%F %T%.3f %:z").to_string();
        assert_eq!(logs(None, &[]), format!("{told}  INFO connected\n"));
    }
}

#[test]
fn what_went_wrong_is_told_in_the_language_of_the_reader() {
    let state = state();
    let folder = state.path();
    let shut = ["enrol", "ABCD-EFGH"];
    assert_eq!(
        said(folder, "ja", &shut),
        "hitotsu: 登録コードに「@」がありません。`@gateway.example:443` のように、「@」とゲートウェイの場所で終わります。\n"
    );
    assert!(said(folder, "en", &shut).starts_with("hitotsu: The enrolment code has no “@”"));
    assert!(said(folder, "ja", &["why", "files.example"]).contains("ポートがありません。"));
    for (text, words) in [
        ("[listen]\nsocks5 = \"0.0.0.0:1080\"", "listen.socks5：0.0.0.0:1080 では、ほかの機械が"),
        ("[listen]\nhttp = \"8118\"", "listen.http：8118 はアドレスとポートの形ではありません。"),
        ("[routes]\nunlisted = \"vpn\"", "`tunnel`、`direct`、`block` のどれかを指定してください。"),
        ("[[forward]]\nlisten = \"127.0.0.1:1\"\nto = \"x\"", "forward[0].to：x にポートがありません。"),
        ("[listen]\nsocks = 1", "agent.toml の 2 行目が正しくありません"),
    ] {
        std::fs::write(folder.join("agent.toml"), text).unwrap();
        let said = said(folder, "ja", &["run"]);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_folder_that_others_may_open_is_told_with_the_command_that_closes_it() {
    let state = state();
    std::fs::set_permissions(state.path(), std::fs::Permissions::from_mode(0o755)).unwrap();

    let words = said(state.path(), "ja", &["run"]);

    assert!(words.contains("ほかの利用者が開ける状態です。") && words.contains("`chmod 700 '"), "{words}");
}

#[test]
fn a_second_agent_with_the_same_folder_is_refused_in_words() {
    let state = state();
    let lock = std::fs::File::create(state.path().join("agent.lock")).unwrap();
    lock.lock().unwrap();

    assert!(said(state.path(), "ja", &["run"]).contains("すでに動いています。先に止めてください。"));
}

fn state() -> tempfile::TempDir {
    let state = tempfile::tempdir().unwrap();
    std::fs::set_permissions(state.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    state
}

fn hitotsu(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hitotsu"));
    command.arg("--state-dir").arg(state);
    command
}

/// What a command says that does not do what it was asked.
fn said(state: &Path, language: &str, words: &[&str]) -> String {
    let output = hitotsu(state).args(["--lang", language]).args(words).output().unwrap();
    assert!(!output.status.success(), "{words:?}");
    String::from_utf8(output.stderr).unwrap()
}
