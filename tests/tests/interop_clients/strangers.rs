//! Whoever has no certificate of ours is refused in TLS, on each transport; nothing of theirs is parsed.

use std::path::PathBuf;

use hitotsu_tests::process::run;
use hitotsu_tests::relay::{ClientFiles, self_signed};
use hitotsu_tests::systems::{self, System};
use serde_json::{Value, json};

use crate::curl::{curl, over_http2};
use crate::setup::{Setup, ended, target, with};

/// TLS alerts (RFC 8446 §6.2) as QUIC carries them (RFC 9001 §4.8).
const CERTIFICATE_REQUIRED: u64 = 0x100 + 116;
const UNKNOWN_AUTHORITY: u64 = 0x100 + 48;

async fn setup() -> (Setup, System) {
    let echo = systems::echo().await;
    let setup = with(&[("echo", echo.address, "tcp")]).await;
    (setup, echo)
}

/// How each transport ends for a client with these files, or without any.
async fn assert_refused(client: Option<&ClientFiles>, quic: u64, alert: &str, words: &str) {
    let (setup, echo) = setup().await;
    let target = target("echo", echo.address);

    let h3 = ended(setup.python_command("aioquic/client.py", client, &["handshake", "--target", &target])).await;
    assert_eq!(h3, json!({ "code": quic, "status": null }));

    let h2 = ended(setup.node_command(client, &["handshake", "--target", &target])).await;
    assert_eq!(h2, json!({ "status": null, "error": alert }));

    let curl_h2 = over_http2(&setup, client, &target).await;
    assert_eq!(curl_h2["connect"], Value::Null, "{curl_h2}");
    assert_ne!(curl_h2["error"], Value::Null, "{curl_h2}");

    let (code, said, errors) = run(curl(&setup, client, &format!("http://{target}/"))).await;
    assert_ne!(code, 0, "{said}");
    assert!(errors.contains(words), "{errors}");

    assert_eq!(setup.world.figure("hitotsu_sessions_opened_total").await, 0.0);
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_in_tls_on_each_transport() {
    let alert = "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED";
    assert_refused(None, CERTIFICATE_REQUIRED, alert, "certificate required").await;
}

#[tokio::test]
async fn a_client_with_a_certificate_of_its_own_making_is_refused_in_tls_on_each_transport() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = self_signed(folder.path()).await;
    assert_refused(Some(&files), UNKNOWN_AUTHORITY, "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "unknown ca").await;
}

#[tokio::test]
async fn a_client_with_a_certificate_of_another_organisation_is_refused_in_tls_on_each_transport() {
    let (other, _echo) = setup().await;
    assert_refused(Some(&other.relay), UNKNOWN_AUTHORITY, "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "unknown ca").await;
}

#[tokio::test]
async fn each_client_refuses_a_gateway_of_another_organisation() {
    let (setup, echo) = setup().await;
    let (other, _other_echo) = self::setup().await;
    let target = target("echo", echo.address);
    let wrong: PathBuf = other.world.root();
    let mut command = curl(&setup, Some(&setup.relay), &format!("http://{target}/"));
    command.arg("--proxy-cacert").arg(&wrong);

    let (code, said, errors) = run(command).await;

    // 60: the peer's certificate cannot be verified.
    assert_eq!(code, 60, "{said}{errors}");
}
