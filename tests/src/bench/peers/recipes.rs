//! How each peer is set up, with the settings that its own handbook would choose for speed.

use std::fmt::Write;
use std::path::Path;

use super::hosts::{Host, Hosts};
use super::peer::{Line, Ours, Peer, find, other};
use crate::bundle::{PERSON, TestBundle};
use crate::process::Running;
use crate::world::World;

/// Starts what stands at the gateway.
pub(super) async fn start_gateway(line: &mut Line, hosts: &Hosts, dir: &Path) -> Result<(), String> {
    let host = &hosts.gateway;
    match line.peer {
        Peer::Direct => {}
        Peer::Hitotsu | Peer::HitotsuSteady | Peer::HitotsuBbr => line.ours = Some(ours(line, hosts).await),
        Peer::Ssh => {
            let script = SSH_FILES.replace("DIR", &text(dir)).replace("ADDRESS", &line.peer.gateway().to_string());
            host.script(&script).await?;
            let sshd = find("sshd").ok_or("no sshd")?;
            let mut command = host.command_with_run(&text(&sshd));
            command.args(["-D", "-e", "-f"]).arg(dir.join("sshd.conf"));
            let mut sshd = quietly(command, dir, "sshd");
            sshd.next_json().await;
            line.gateway.push(sshd);
            host.script(WAIT_FOR_SSHD).await?;
        }
        Peer::Haproxy => {
            certificates(host, dir).await?;
            line.gateway.push(haproxy(line, host, dir, Side::Gateway)?);
        }
        Peer::TwoHops => line.gateway.push(haproxy(line, host, dir, Side::Gateway)?),
        Peer::Stunnel => {
            certificates(host, dir).await?;
            line.gateway.push(stunnel(line, host, dir, Side::Gateway)?);
        }
        Peer::Openvpn => {
            certificates(host, dir).await?;
            let mut command = other(host, "openvpn");
            command.args(OPENVPN).args(["--local", &line.peer.gateway().to_string(), "--topology", "subnet"]);
            command.args(["--server", "198.18.3.0", "255.255.255.0", "--dh", "none", "--keepalive", "10", "60"]);
            line.gateway.push(quietly(identified(command, dir, Side::Gateway), dir, "openvpn-gateway"));
            host.script(WAIT_FOR_TUNNEL).await?;
        }
        Peer::WireguardGo => {
            host.script(&WIREGUARD_KEYS.replace("DIR", &text(dir))).await?;
            let own = "listen-port 51820";
            wireguard(line, host, dir, Side::Gateway, own, "allowed-ips 198.18.4.1/32", "198.18.4.2/24").await?;
        }
    }
    Ok(())
}

/// Starts what stands at the client.
pub(super) async fn start_client(line: &mut Line, hosts: &Hosts, dir: &Path) -> Result<(), String> {
    let host = &hosts.client;
    let (gateway, server, entry) = (line.peer.gateway(), line.peer.server(), line.peer.entry());
    match line.peer {
        Peer::Direct => host.script(&format!("ip route replace {server}/32 via {gateway}")).await?,
        Peer::Hitotsu | Peer::HitotsuSteady | Peer::HitotsuBbr => {
            line.client.extend(line.ours.iter().map(|ours| ours.agent.launch()))
        }
        Peer::Ssh => {
            let mut command = other(host, "ssh");
            command.args(["-N", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
            command.args(["-o", "Ciphers=aes128-gcm@openssh.com", "-o", "LogLevel=ERROR"]);
            command.arg("-i").arg(dir.join("id"));
            for port in line.ports.tcp() {
                command.arg("-L").arg(format!("{entry}:{port}:{server}:{port}"));
            }
            command.arg(format!("root@{gateway}"));
            line.client.push(quietly(command, dir, "ssh"));
        }
        Peer::Haproxy | Peer::TwoHops => line.client.push(haproxy(line, host, dir, Side::Client)?),
        Peer::Stunnel => line.client.push(stunnel(line, host, dir, Side::Client)?),
        Peer::Openvpn => {
            let mut command = other(host, "openvpn");
            command.args(OPENVPN).args(["--client", "--remote", &gateway.to_string(), "--nobind"]);
            command.args(["--remote-cert-tls", "server", "--route", &server.to_string(), "255.255.255.255"]);
            line.client.push(quietly(identified(command, dir, Side::Client), dir, "openvpn-client"));
        }
        Peer::WireguardGo => {
            let other_side = format!("allowed-ips 198.18.4.0/24,{server}/32 endpoint {gateway}:51820");
            wireguard(line, host, dir, Side::Client, "", &other_side, "198.18.4.1/24").await?;
            host.script(&format!("ip route add {server}/32 dev tunnel")).await?;
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Gateway,
    Client,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Client => "client",
        }
    }

    fn other_name(self) -> &'static str {
        match self {
            Self::Gateway => "client",
            Self::Client => "gateway",
        }
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path of ours").to_owned()
}

/// Starts a program whose complaints go to a file.
fn quietly(mut command: tokio::process::Command, dir: &Path, name: &str) -> Running {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join(format!("{name}.log")));
    command.stderr(log.expect("a file"));
    Running::start(command)
}

/// An organisation with these systems, its gateway, and an agent with a forward for each.
async fn ours(line: &Line, hosts: &Hosts) -> Ours {
    let (server, entry, ports) = (line.peer.server(), line.peer.entry(), line.ports);
    let bundle = TestBundle::new()
        .on_this_machine()
        .tcp("bulk", (server, ports.bulk).into())
        .tcp("echo", (server, ports.echo).into())
        .tcp("http", (server, ports.http).into())
        .udp("voice", (server, ports.voice).into());
    let congestion = line.peer.congestion();
    let world = World::elsewhere(&bundle.files(), line.peer.gateway(), &hosts.gateway.words(), congestion).await;
    let forward = |name: &str, port: u16, transport: &str| {
        format!(
            "[[forward]]\nlisten = \"{entry}:{port}\"\nto = \"{name}.test.internal:{port}\"\ntransport = \"{transport}\"\n"
        )
    };
    let forwards = [
        forward("bulk", ports.bulk, "tcp"),
        forward("echo", ports.echo, "tcp"),
        forward("http", ports.http, "tcp"),
        forward("voice", ports.voice, "udp"),
        congestion.map(|name| format!("[tunnel]\ncongestion = \"{name}\"\n")).unwrap_or_default(),
    ];
    let agent = world.enrolled_agent(PERSON, &hosts.client.words(), &forwards.concat()).await;
    Ours { world, agent }
}

const SSH_FILES: &str = "cd DIR\n\
     ssh-keygen -q -t ed25519 -N '' -f host\n\
     ssh-keygen -q -t ed25519 -N '' -f id\n\
     cat >sshd.conf <<END\n\
     ListenAddress ADDRESS\n\
     HostKey DIR/host\n\
     AuthorizedKeysFile DIR/id.pub\n\
     StrictModes no\n\
     PermitRootLogin prohibit-password\n\
     UsePAM no\n\
     PidFile none\n\
     LogLevel ERROR\n\
     END\n";

/// Until something listens on port 22 (0x16; state 0A).
const WAIT_FOR_SSHD: &str =
    "for try in $(seq 500); do grep -q ':0016 .* 0A ' /proc/net/tcp && exit; sleep 0.01; done; exit 1";

/// A P-256 authority, and a certificate of it for each side.
async fn certificates(host: &Host, dir: &Path) -> Result<(), String> {
    host.script(&CERTIFICATES.replace("DIR", &text(dir))).await
}

const CERTIFICATES: &str = "cd DIR\n\
     new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \"$@\" 2>/dev/null; }\n\
     new -x509 -keyout ca.key -out ca.pem -days 2 -subj /CN=bench -addext basicConstraints=critical,CA:TRUE\n\
     for side in gateway client; do\n\
       new -keyout $side.key -out $side.csr -subj /CN=$side\n\
       use=clientAuth; [ $side = client ] || use=serverAuth\n\
       printf \"extendedKeyUsage=$use\\nkeyUsage=digitalSignature\\nbasicConstraints=critical,CA:FALSE\\n\" >$side.ext\n\
       openssl x509 -req -in $side.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $side.pem -days 2 \\\n\
         -extfile $side.ext 2>/dev/null\n\
       cat $side.pem $side.key >$side.both\n\
     done\n";

fn haproxy(line: &Line, host: &Host, dir: &Path, side: Side) -> Result<Running, String> {
    let mut config = String::from(
        "global\n nbthread 2\n maxconn 8000\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 600s\n \
         timeout server 600s\n",
    );
    let tls = if line.peer == Peer::TwoHops {
        String::new()
    } else {
        format!("ssl crt {0}/{1}.both ca-file {0}/ca.pem verify required", text(dir), side.name())
    };
    let (gateway, server, entry) = (line.peer.gateway(), line.peer.server(), line.peer.entry());
    for port in line.ports.tcp() {
        let (from, to) = match side {
            Side::Gateway => (format!("{gateway}:{port} {tls}"), format!("{server}:{port}")),
            Side::Client => (format!("{entry}:{port}"), format!("{gateway}:{port} {tls}")),
        };
        write!(config, "listen l{port}\n bind {from}\n server s {to}\n").expect("a string");
    }
    let file = dir.join(format!("haproxy-{}.cfg", side.name()));
    std::fs::write(&file, config).map_err(|error| error.to_string())?;
    let mut command = other(host, "haproxy");
    command.args(["-db", "-f"]).arg(file);
    Ok(quietly(command, dir, "haproxy"))
}

fn stunnel(line: &Line, host: &Host, dir: &Path, side: Side) -> Result<Running, String> {
    let mut config = String::from(
        "foreground = yes\npid =\nsyslog = no\ndebug = 3\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n",
    );
    let (gateway, server, entry) = (line.peer.gateway(), line.peer.server(), line.peer.entry());
    for port in line.ports.tcp() {
        let (kind, from, to) = match side {
            Side::Gateway => ("requireCert = yes", gateway, server),
            Side::Client => ("client = yes", entry, gateway),
        };
        write!(
            config,
            "[s{port}]\n{kind}\naccept = {from}:{port}\nconnect = {to}:{port}\ncert = {0}/{1}.pem\nkey = {0}/{1}.key\n\
             CAfile = {0}/ca.pem\nverifyChain = yes\n",
            text(dir),
            side.name()
        )
        .expect("a string");
    }
    let file = dir.join(format!("stunnel-{}.conf", side.name()));
    std::fs::write(&file, config).map_err(|error| error.to_string())?;
    let mut command = other(host, "stunnel4");
    command.arg(file);
    Ok(quietly(command, dir, "stunnel"))
}

const OPENVPN: [&str; 18] = [
    "--dev",
    "tunnel-vpn",
    "--dev-type",
    "tun",
    "--proto",
    "udp",
    "--port",
    "1194",
    "--data-ciphers",
    "AES-256-GCM",
    "--sndbuf",
    "2097152",
    "--rcvbuf",
    "2097152",
    "--txqueuelen",
    "1000",
    "--verb",
    "1",
];

fn identified(mut command: tokio::process::Command, dir: &Path, side: Side) -> tokio::process::Command {
    command.arg("--ca").arg(dir.join("ca.pem"));
    command.arg("--cert").arg(dir.join(format!("{}.pem", side.name())));
    command.arg("--key").arg(dir.join(format!("{}.key", side.name())));
    command
}

const WAIT_FOR_TUNNEL: &str =
    "for try in $(seq 500); do ip link show dev tunnel-vpn >/dev/null 2>&1 && exit; sleep 0.01; done; exit 1";

const WIREGUARD_KEYS: &str = "cd DIR\numask 077\n\
     for side in gateway client; do wg genkey >$side.key; wg pubkey <$side.key >$side.pub; done\n";

async fn wireguard(
    line: &mut Line,
    host: &Host,
    dir: &Path,
    side: Side,
    own: &str,
    other_side: &str,
    address: &str,
) -> Result<(), String> {
    let program = find("wireguard-go").ok_or("no wireguard-go")?;
    let mut command = host.command_with_run(&text(&program));
    command.args(["-f", "tunnel"]);
    let mut process = quietly(command, dir, "wireguard");
    process.next_json().await;
    let (dir, name, other_name) = (text(dir), side.name(), side.other_name());
    let script = format!(
        "for try in $(seq 500); do wg show tunnel >/dev/null 2>&1 && break; sleep 0.01; done\n\
         wg set tunnel private-key {dir}/{name}.key {own} peer $(cat {dir}/{other_name}.pub) {other_side}\n\
         ip address add {address} dev tunnel\nip link set tunnel mtu 1420 up\n"
    );
    let done = host.script_beside(&process, &script).await;
    match side {
        Side::Gateway => line.gateway.push(process),
        Side::Client => line.client.push(process),
    }
    done
}
