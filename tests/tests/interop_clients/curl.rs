//! The gateway as an HTTPS proxy of curl.

use hitotsu_tests::bundle::TestBundle;
use hitotsu_tests::process::run;
use hitotsu_tests::relay::ClientFiles;
use hitotsu_tests::systems;
use tokio::process::Command;

use crate::setup::{Setup, ended, target, with, with_bundle};

const HTTP2_PROXY: &str = "curl/http2_proxy.py";

/// The system's curl with the gateway as its HTTPS proxy, as a client with these files.
pub(crate) fn curl(setup: &Setup, client: Option<&ClientFiles>, url: &str) -> Command {
    let (host, port) = (setup.world.listen.ip(), setup.world.listen.port());
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--noproxy", "", "--max-time", "20", "--proxytunnel"]);
    command.args(["--proxy", &format!("https://localhost:{port}"), "--resolve", &format!("localhost:{port}:{host}")]);
    command.arg("--proxy-cacert").arg(setup.world.root());
    if let Some(client) = client {
        command.arg("--proxy-cert").arg(&client.certificate).arg("--proxy-key").arg(&client.key);
    }
    command.arg(url);
    command
}

#[tokio::test]
async fn curl_reaches_a_web_system_through_a_tunnel_over_http1() {
    let web = systems::web().await;
    let setup = with(&[("web", web.address, "tcp")]).await;
    let url = format!("http://{}/", target("web", web.address));
    let (sent, got) = (setup.world.dir().join("sent"), setup.world.dir().join("got"));
    let octets: Vec<u8> = (0..1024 * 1024_u32).map(|index| u8::try_from(index * 7 % 256).expect("an octet")).collect();
    std::fs::write(&sent, &octets).expect("written");

    let (code, text, errors) = run(curl(&setup, Some(&setup.relay), &url)).await;
    let mut post = curl(&setup, Some(&setup.relay), &url);
    post.arg("--data-binary").arg(format!("@{}", sent.display())).arg("--output").arg(&got);
    let (post_code, _, post_errors) = run(post).await;

    assert_eq!((code, text.as_str()), (0, "hello"), "{errors}");
    assert_eq!(post_code, 0, "{post_errors}");
    assert!(std::fs::read(&got).expect("an answer") == octets, "the body came back changed");
}

#[tokio::test]
async fn curl_reads_the_pkcs12_file_of_a_client() {
    let web = systems::web().await;
    let setup = with(&[("web", web.address, "tcp")]).await;
    let folder = setup.relay.key.parent().expect("a folder");
    let passphrase = std::fs::read_to_string(folder.join("p12.passphrase")).expect("a passphrase");
    let mut command = curl(&setup, None, &format!("http://{}/", target("web", web.address)));
    command.args(["--proxy-cert-type", "P12", "--proxy-pass", passphrase.trim(), "--proxy-cert"]);
    command.arg(folder.join("relay.p12"));

    let (code, text, errors) = run(command).await;

    assert_eq!((code, text.as_str()), (0, "hello"), "{errors}");
}

#[tokio::test]
async fn curl_is_told_the_status_and_proxy_status_of_a_refusal_over_http1() {
    let hidden = systems::web().await;
    let setup = with_bundle(&TestBundle::new().tcp("hidden", hidden.address)).await;
    let mut command = curl(&setup, Some(&setup.relay), &format!("http://{}/", target("hidden", hidden.address)));
    command.args(["--include", "--write-out", "connect=%{http_connect}"]);

    let (code, told, errors) = run(command).await;

    // 56: the proxy refused the tunnel.
    assert_eq!(code, 56, "{told}{errors}");
    assert!(told.contains("connect=403"), "{told}");
    let told = told.to_ascii_lowercase();
    assert!(told.contains("proxy-status: hitotsu; error=http_request_denied;"), "{told}");
    assert!(told.contains("content-type: application/problem+json"), "{told}");
}

#[tokio::test]
async fn curl_reaches_a_web_system_through_a_tunnel_over_http2() {
    let web = systems::web().await;
    let setup = with(&[("web", web.address, "tcp")]).await;
    let target = target("web", web.address);

    let got = setup.python(HTTP2_PROXY, &["get", "--target", &target]).await;
    let posted = setup.python(HTTP2_PROXY, &["post", "--target", &target]).await;

    assert_eq!((&got["error"], &got["text"]), (&serde_json::Value::Null, &serde_json::json!("hello")), "{got}");
    assert_eq!((&got["connect"], &got["http2"]), (&serde_json::json!(200), &serde_json::json!(true)), "{got}");
    assert_eq!(posted["echoed"], true, "{posted}");
}

#[tokio::test]
async fn curl_is_told_the_status_and_proxy_status_of_a_refusal_over_http2() {
    let hidden = systems::web().await;
    let setup = with_bundle(&TestBundle::new().tcp("hidden", hidden.address)).await;

    let refused = setup.python(HTTP2_PROXY, &["get", "--target", &target("hidden", hidden.address)]).await;

    assert_eq!(
        (&refused["connect"], &refused["http2"]),
        (&serde_json::json!(403), &serde_json::json!(true)),
        "{refused}"
    );
    let told = refused["information"].as_str().expect("what curl says");
    assert!(told.contains("proxy-status: hitotsu; error=http_request_denied;"), "{told}");
    assert!(told.contains("content-type: application/problem+json"), "{told}");
}

#[tokio::test]
async fn a_request_that_is_no_tunnel_is_answered_and_reaches_no_system() {
    let web = systems::web().await;
    let setup = with(&[("web", web.address, "tcp")]).await;
    // Without --proxytunnel curl sends a request line with the whole address, as browsers do for plain http.
    let url = format!("http://{}/", target("web", web.address));
    let mut command = curl(&setup, Some(&setup.relay), &url);
    command.args(["--no-proxytunnel", "--output", "/dev/null", "--write-out", "%{http_code}"]);

    let (code, status, errors) = run(command).await;

    assert_eq!((code, status.as_str()), (0, "404"), "{errors}");
}

/// For the strangers: over HTTP/2 as these.
pub(crate) async fn over_http2(setup: &Setup, client: Option<&ClientFiles>, target: &str) -> serde_json::Value {
    ended(setup.python_command(HTTP2_PROXY, client, &["get", "--target", target])).await
}
