//! The fronts, with curl as the application and real systems behind a gateway.

use std::net::SocketAddr;
use std::process::Output;

use hitotsu_model::code::Code;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::process::Command;

use crate::world::city::CITY;
use crate::world::gateway::Gateway;
use crate::world::pc::Pc;
use crate::world::{soon, systems};

#[tokio::test]
async fn curl_reaches_a_named_system_over_socks5() {
    let (_gateway, pc) = office().await;
    let proxy = format!("socks5h://{}", pc.socks5());
    let out = curl(&["--proxy", &proxy, "http://files.example/report"]).await;
    assert!(text(&out).starts_with("GET /report HTTP/1.1\r\n"), "{out:?}");
}

#[tokio::test]
async fn curl_reaches_a_system_through_a_connect_tunnel() {
    let (_gateway, pc) = office().await;
    let proxy = format!("http://{}", pc.http());
    let out = curl(&["--proxytunnel", "--proxy", &proxy, "http://files.example/report"]).await;
    assert!(text(&out).starts_with("GET /report HTTP/1.1\r\n"), "{out:?}");
}

#[tokio::test]
async fn a_plain_request_is_forwarded_as_the_system_must_see_it() {
    let (_gateway, pc) = office().await;
    let proxy = format!("http://{}", pc.http());
    let out = curl(&[
        "--proxy",
        &proxy,
        "-H",
        "Host: liar.example",
        "-H",
        "Proxy-Authorization: Basic eA==",
        "-H",
        "Connection: close, X-Hop",
        "-H",
        "X-Hop: 1",
        "http://files.example/a?b=c",
    ])
    .await;
    let head = text(&out).to_ascii_lowercase();
    assert!(head.starts_with("get /a?b=c http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: files.example\r\n") && !head.contains("liar"), "{head}");
    assert!(head.contains("via: 1.1 hitotsu-agent"), "{head}");
    assert!(!head.contains("x-hop") && !head.contains("proxy-authorization"), "{head}");
}

#[tokio::test]
async fn several_plain_requests_share_one_flow() {
    let (mut gateway, pc) = office().await;
    let proxy = format!("http://{}", pc.http());
    let out = curl(&["--proxy", &proxy, "http://files.example/one", "http://files.example/two"]).await;
    assert!(text(&out).contains("GET /one") && text(&out).contains("GET /two"), "{out:?}");
    gateway.asked().await;
    assert_eq!(pc.handle().flows().sums().opened, 1);
}

#[tokio::test]
async fn a_refused_connect_shows_its_status_and_a_refused_request_its_reason() {
    let (gateway, pc) = office().await;
    gateway.behave(|behaviour| {
        behaviour.refuse.insert("personnel.example".to_owned(), Code::FirewallOff);
    });
    let proxy = format!("http://{}", pc.http());
    let connect = curl(&["-v", "--proxytunnel", "--proxy", &proxy, "http://personnel.example/"]).await;
    let seen = String::from_utf8_lossy(&connect.stderr).into_owned();
    assert!(!connect.status.success() && seen.contains("403"), "{seen}");
    assert!(seen.contains("hitotsu-gateway; error=http_request_denied"), "{seen}");

    let plain = curl(&["--proxy", &proxy, "http://personnel.example/"]).await;
    let problem: hitotsu_model::control::Problem = serde_json::from_slice(&plain.stdout).unwrap();
    assert_eq!((problem.help_code, problem.title.as_str()), (300_301, "ファイアウォールが無効です。"));

    let html = ["--proxy", &proxy, "-H", "Accept: text/html", "-H", "Accept-Language: en", "http://personnel.example/"];
    let page = text(&curl(&html).await);
    assert!(page.contains("<html lang=\"en\">") && page.contains("300301"), "{page}");
}

#[tokio::test]
async fn socks5_refusals_have_the_reply_that_fits() {
    let (gateway, pc) = office().await;
    gateway.behave(|behaviour| {
        behaviour.refuse.insert("personnel.example".to_owned(), Code::FirewallOff);
        behaviour.refuse.insert("gone.example".to_owned(), Code::UpstreamRefused);
    });
    for (host, reply) in [("personnel.example", 2), ("gone.example", 5)] {
        let (_, answer) = socks_connect(pc.socks5(), host, 443).await;
        assert_eq!(answer[1], reply, "{host}");
    }
}

#[tokio::test]
async fn a_socks5_client_that_cannot_go_without_a_password_is_told() {
    let (_gateway, pc) = office().await;
    let mut stream = TcpStream::connect(pc.socks5()).await.unwrap();
    stream.write_all(b"\x05\x01\x02").await.unwrap();
    let mut answer = Vec::new();
    soon("an answer", stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"\x05\xff");
}

#[tokio::test]
async fn bytes_and_half_closes_pass_both_ways_over_socks5() {
    let gateway = Gateway::start(&CITY).await;
    let echo = systems::echo().await;
    let pc = Pc::start(&CITY, gateway.address).with_fronts("").await;
    let (mut stream, answer) = socks_connect(pc.socks5(), &echo.ip().to_string(), echo.port()).await;
    assert_eq!(answer[1], 0);
    let sent: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
    let (mut reader, mut writer) = stream.split();
    let write = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let read = async { reader.read_to_end(&mut heard).await.unwrap() };
    soon("the end", async { tokio::join!(write, read) }).await;
    assert!(heard == sent, "{} of {}", heard.len(), sent.len());
    let sums = pc.handle().flows().sums();
    assert_eq!((sums.bytes_up, sums.bytes_down), (1_000_000, 1_000_000));
}

#[tokio::test]
async fn datagrams_pass_both_ways_over_a_udp_association_and_fragments_do_not() {
    let gateway = Gateway::start(&CITY).await;
    let echo = systems::udp_echo().await;
    let pc = Pc::start(&CITY, gateway.address).with_fronts("").await;
    let mut control = TcpStream::connect(pc.socks5()).await.unwrap();
    control.write_all(b"\x05\x01\x00\x05\x03\x00\x01\0\0\0\0\0\0").await.unwrap();
    let mut answer = [0; 12];
    soon("an answer", control.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer[..6], [5, 0, 5, 0, 0, 1]);
    let relay =
        SocketAddr::from(([answer[6], answer[7], answer[8], answer[9]], u16::from_be_bytes([answer[10], answer[11]])));
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut whole = vec![0, 0, 0, 1, 127, 0, 0, 1];
    whole.extend_from_slice(&echo.port().to_be_bytes());
    let mut fragment = whole.clone();
    fragment[2] = 1;
    client.send_to(&[&fragment[..], b"fragment"].concat(), relay).await.unwrap();
    client.send_to(&[&whole[..], b"whole"].concat(), relay).await.unwrap();
    let mut buffer = [0; 100];
    let (length, from) = soon("an echo", client.recv_from(&mut buffer)).await.unwrap();
    assert_eq!((&buffer[..length], from), (&[&whole[..], b"whole"].concat()[..], relay));
}

#[tokio::test]
async fn static_forwards_carry_tcp_and_udp() {
    let gateway = Gateway::start(&CITY).await;
    let (tcp, udp) = (systems::echo().await, systems::udp_echo().await);
    let config = format!(
        "[[forward]]\nlisten = \"127.0.0.1:0\"\nto = \"{tcp}\"\n\
         [[forward]]\nlisten = \"127.0.0.1:0\"\nto = \"{udp}\"\ntransport = \"udp\"\n"
    );
    let pc = Pc::start(&CITY, gateway.address).with_fronts(&config).await;
    let forwards = &pc.listening().forwards;

    let mut stream = TcpStream::connect(forwards[0].listen).await.unwrap();
    stream.write_all(b"early words").await.unwrap();
    let mut heard = [0; 11];
    soon("an echo", stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"early words");

    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(forwards[1].listen).await.unwrap();
    client.send(b"ping").await.unwrap();
    let mut buffer = [0; 100];
    let length = soon("an echo", client.recv(&mut buffer)).await.unwrap();
    assert_eq!(&buffer[..length], b"ping");
}

#[tokio::test]
async fn a_refused_forward_is_reset_not_ended() {
    let gateway = Gateway::start(&CITY).await;
    let config = "[[forward]]\nlisten = \"127.0.0.1:0\"\nto = \"nowhere.example:22\"\n";
    let pc = Pc::start(&CITY, gateway.address).with_fronts(config).await;
    let mut stream = TcpStream::connect(pc.listening().forwards[0].listen).await.unwrap();
    let error = soon("the reset", stream.read(&mut [0; 8])).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(pc.handle().flows().recent()[0].problem.code, Code::NotPermitted);
}

#[tokio::test]
async fn the_pac_file_is_served_to_those_who_name_us_and_to_no_rebound_name() {
    let (_gateway, pc) = office().await;
    let mut catalogue = pc.handle().catalogue();
    soon("a catalogue", catalogue.wait_for(Option::is_some)).await.unwrap();
    let url = format!("http://{}/proxy.pac", pc.http());
    let pac = text(&curl(&[&url]).await);
    assert!(pac.contains(&format!("if (host === \"files.example\") return \"PROXY {}\";", pc.http())), "{pac}");
    let status = |host: &'static str| {
        let url = url.clone();
        async move { text(&curl(&["-o", "/dev/null", "-w", "%{http_code}", "-H", &format!("Host: {host}"), &url]).await) }
    };
    assert_eq!(status("evil.example").await, "421");
    assert_eq!(status("").await, "421");
}

#[tokio::test]
async fn what_the_configuration_blocks_goes_nowhere_and_what_it_lets_out_goes_direct() {
    let gateway = Gateway::start(&CITY).await;
    gateway.behave(|behaviour| behaviour.catalogue.entries.clear());
    let web = systems::web().await;
    let config = "[routes]\nunlisted = \"block\"\ndirect = [\"127.0.0.0/8\"]\n";
    let pc = Pc::start(&CITY, gateway.address).with_fronts(config).await;
    let proxy = format!("http://{}", pc.http());
    let out = curl(&["--proxytunnel", "--proxy", &proxy, &format!("http://{web}/direct")]).await;
    assert!(text(&out).starts_with("GET /direct"), "{out:?}");
    assert_eq!(pc.handle().flows().sums().opened, 0);
    let blocked = curl(&["--proxy", &proxy, "http://elsewhere.example/"]).await;
    let problem: hitotsu_model::control::Problem = serde_json::from_slice(&blocked.stdout).unwrap();
    assert_eq!(problem.code, Code::NotRouted);
}

#[tokio::test]
async fn another_user_of_the_machine_is_turned_away() {
    use std::os::unix::process::CommandExt as _;
    assert_eq!(hitotsu_agent::platform::own_user_id(), 0, "needs root: it asks as another user");
    let (_gateway, pc) = office().await;
    let proxy = format!("http://{}", pc.http());
    let mut command = std::process::Command::new("curl");
    command.uid(65_534).args(["-s", "--max-time", "10", "--proxy", &proxy, "http://files.example/"]);
    let out = soon("curl", Command::from(command).output()).await.unwrap();
    let problem: hitotsu_model::control::Problem = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(problem.code, Code::OtherUser);
    let mut command = std::process::Command::new("curl");
    let proxy = format!("socks5h://{}", pc.socks5());
    command.uid(65_534).args(["-s", "--max-time", "10", "--proxy", &proxy, "http://files.example/"]);
    let out = soon("curl", Command::from(command).output()).await.unwrap();
    assert!(!out.status.success() && out.stdout.is_empty(), "{out:?}");
    assert_eq!(pc.handle().flows().sums().opened, 0);
}

/// A gateway with a web system named `files.example`, and a PC with its fronts open.
async fn office() -> (Gateway, Pc) {
    let gateway = Gateway::start(&CITY).await;
    let web = systems::web().await;
    gateway.behave(|behaviour| {
        behaviour.names.insert("files.example".to_owned(), web);
    });
    let pc = Pc::start(&CITY, gateway.address).with_fronts("").await;
    (gateway, pc)
}

async fn curl(arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "15"]).args(arguments).env_remove("http_proxy").env_remove("no_proxy");
    soon("curl", command.kill_on_drop(true).output()).await.expect("curl is installed")
}

fn text(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

async fn socks_connect(proxy: SocketAddr, host: &str, port: u16) -> (TcpStream, [u8; 10]) {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let mut hello = vec![5, 1, 0, 5, 1, 0, 3, u8::try_from(host.len()).unwrap()];
    hello.extend_from_slice(host.as_bytes());
    hello.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&hello).await.unwrap();
    let mut method = [0; 2];
    soon("a method", stream.read_exact(&mut method)).await.unwrap();
    assert_eq!(method, [5, 0]);
    let mut answer = [0; 10];
    soon("an answer", stream.read_exact(&mut answer)).await.unwrap();
    (stream, answer)
}
