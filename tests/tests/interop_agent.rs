//! Programs that share no code with us, behind our own agent and our own gateway, both as processes: curl through the
//! SOCKS5 and the HTTP front, and a JavaScript engine with the PAC file.
//!
//! `cargo xtask test --only interop` installs what they need.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::SocketAddr;

use hitotsu_tests::agent::Agent;
use hitotsu_tests::bundle::{PERSON, TestBundle};
use hitotsu_tests::process::{Running, program, run};
use hitotsu_tests::world::World;
use serde_json::Value;
use tokio::process::Command;

/// What curl says when a proxy refuses (`CURLE_RECV_ERROR`, `CURLE_PROXY`).
const CURL_REFUSED_BY_HTTP_PROXY: i32 = 56;
const CURL_REFUSED_BY_SOCKS: i32 = 97;

/// The intranet behind a gateway, and an agent in front: `web` may be opened, `hidden` may not.
struct Setup {
    _web: Running,
    _world: World,
    agent: Agent,
    port: u16,
}

async fn setup() -> Setup {
    let mut command = Command::new(program("hitotsu-systems"));
    command.arg("web");
    let mut web = Running::start(command);
    let address: SocketAddr = web.next_json().await["listening"].as_str().expect("an address").parse().expect("one");
    let elsewhere = SocketAddr::from(([127, 0, 0, 9], address.port()));
    let bundle = TestBundle::new().on_this_machine().tcp("web", address).system("hidden", "tier3", &[elsewhere], "tcp");
    let world = World::new(&bundle.files()).await;
    let agent = world.agent(PERSON).await;
    Setup { _web: web, _world: world, agent, port: address.port() }
}

impl Setup {
    fn url(&self, system: &str, path: &str) -> String {
        format!("http://{system}.test.internal:{}{path}", self.port)
    }
}

/// Curl without any settings of this machine: exit code, what it got, what it says.
async fn curl(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new("curl");
    command.args(["--disable", "--silent", "--show-error", "--noproxy", "", "--max-time", "20"]).args(arguments);
    run(command).await
}

#[tokio::test]
async fn curl_reaches_the_intranet_through_each_front_of_the_agent() {
    let setup = setup().await;
    let socks = setup.agent.socks5.to_string();
    let http = format!("http://{}", setup.agent.http);
    for way in [
        &["--socks5-hostname", socks.as_str()][..],
        &["--proxy", http.as_str()][..],
        &["--proxytunnel", "--proxy", http.as_str()][..],
    ] {
        let (code, page, errors) = curl(&[way, &[&setup.url("web", "/")]].concat()).await;
        assert_eq!(code, 0, "{way:?}: {errors}");
        assert!(page.contains("<title>庁内ポータル</title>"), "{way:?}: {page}");
        let (code, table, errors) = curl(&[way, &[&setup.url("web", "/download?bytes=1000000")]].concat()).await;
        assert_eq!((code, table.len()), (0, 1_000_000), "{way:?}: {errors}");
        let numbered = table.lines().zip(0..).all(|(line, number)| line.starts_with(&format!("{number:012},")));
        assert!(numbered, "{way:?}: lines are lost or doubled");
    }
}

#[tokio::test]
async fn who_is_refused_sees_the_reason_in_each_form_that_a_front_has() {
    let setup = setup().await;
    let http = format!("http://{}", setup.agent.http);
    let hidden = setup.url("hidden", "/");
    let (title, remedy) = (
        "このシステムを利用する権限がないか、該当するシステムがありません。",
        "宛先が正しいか確認してください。業務で必要なときは所属の担当者に申請してください。",
    );

    let accept = "Accept: text/html,*/*;q=0.8";
    let (code, page, errors) = curl(&["--include", "--proxy", &http, "--header", accept, &hidden]).await;
    assert_eq!(code, 0, "{errors}");
    for words in ["HTTP/1.1 403", "<html lang=\"ja\">", "<title>このページは開けません</title>", title, remedy]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(page.contains("お問い合わせ番号：400401"), "{page}");
    assert_refusal_headers(&page);

    let (code, answer, errors) = curl(&["--proxy", &http, "--header", "Accept-Language: en", &hidden]).await;
    assert_eq!(code, 0, "{errors}");
    let problem: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert_eq!((&problem["code"], &problem["status"]), (&"not-permitted".into(), &403.into()), "{problem}");
    assert_eq!(problem["title"], "You may not use this system, or there is no such system.", "{problem}");

    let written = ["--include", "--write-out", "connect=%{http_connect}", "--proxytunnel", "--proxy", &http, &hidden];
    let (code, told, _) = curl(&written).await;
    assert_eq!(code, CURL_REFUSED_BY_HTTP_PROXY, "{told}");
    assert!(told.contains("connect=403"), "{told}");
    assert_refusal_headers(&told);

    // SOCKS5 has a number and no words (RFC 1928 §6): 2, not allowed by the ruleset.
    let (code, _, said) = curl(&["--socks5-hostname", &setup.agent.socks5.to_string(), &hidden]).await;
    assert_eq!(code, CURL_REFUSED_BY_SOCKS, "{said}");
    assert!(said.contains("(2)"), "{said}");
    let status = setup.agent.json(&["status"]).await;
    assert_eq!(status["recent"][0]["problem"]["title"], title, "the agent keeps the words: {status}");
}

/// Both members of the chain have their say: the gateway that refused, and the agent that passed it on.
fn assert_refusal_headers(answer: &str) {
    let head = answer.to_ascii_lowercase();
    let gateway = "proxy-status: hitotsu; error=http_request_denied; details=\"400401 not-permitted\"";
    for words in [gateway, "proxy-status: hitotsu-agent", "cache-control: no-store", "content-language: ja"] {
        assert!(head.contains(words), "{words}: {answer}");
    }
}

#[tokio::test]
async fn the_pac_file_sends_a_browser_to_the_agent_for_what_its_person_may_open_and_for_nothing_else() {
    let setup = setup().await;
    let (code, pac, errors) = curl(&["--include", &format!("http://{}/proxy.pac", setup.agent.http)]).await;
    assert_eq!(code, 0, "{errors}");
    let (head, script) = pac.split_once("\r\n\r\n").expect("a head");
    assert!(head.to_ascii_lowercase().contains("content-type: application/x-ns-proxy-autoconfig"), "{head}");

    // What a browser gives a PAC script, as far as ours uses it.
    let browser = "function dnsDomainIs(host, domain) { return host.endsWith(domain); }\n\
                   function isInNet(host, network, mask) {\n\
                     const bits = text => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);\n\
                     return (bits(host) & bits(mask)) === (bits(network) & bits(mask));\n\
                   }\n";
    let asked = "for (const host of ['web.test.internal', 'WEB.test.internal', 'hidden.test.internal', 'www.example.org'])\n\
                   console.log(FindProxyForURL('http://' + host + '/', host));";
    let mut node = Command::new("node");
    node.arg("--eval").arg(format!("{browser}{script}{asked}"));
    let (code, said, errors) = run(node).await;

    assert_eq!(code, 0, "{errors}: {script}");
    let proxy = format!("PROXY {}", setup.agent.http);
    assert_eq!(said.lines().collect::<Vec<_>>(), [proxy.as_str(), proxy.as_str(), "DIRECT", "DIRECT"], "{script}");
}
