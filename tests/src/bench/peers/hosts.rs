//! Three hosts in a row, each a network namespace: client, gateway, server. MTU 1500.
//!
//! The namespaces have no names: each lives in a process that we started, which the kernel ends with us, so nothing is left
//! behind however the bench ends.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};

use crate::link::carry::Told;
use crate::link::shape::Profile;
use crate::process::{Running, program, run};

/// One host.
#[derive(Debug)]
pub struct Host {
    /// Does nothing; the namespace lives as long as it.
    holder: Running,
}

impl Host {
    async fn new() -> Self {
        let mut command = Command::new("setpriv");
        command.args(DIES_WITH_US);
        command.args(["unshare", "--net", "sh", "-c", "ip link set lo up && echo {} && exec sleep infinity"]);
        let mut holder = Running::start(command);
        holder.next_json().await;
        Self { holder }
    }

    /// The words before a command that run it here. The process they start becomes the command.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let namespace = format!("--net=/proc/{}/ns/net", self.holder.id());
        let words = ["setpriv"].into_iter().chain(DIES_WITH_US).chain(["nsenter", &namespace]);
        words.map(str::to_owned).collect()
    }

    /// A command that runs here.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let words = self.words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(program);
        command
    }

    /// A command that runs here with a `/run` of its own, where it may leave what it likes. It says `{}` once it has that.
    #[must_use]
    pub fn command_with_run(&self, program: &str) -> Command {
        let mut command = self.command("unshare");
        let script = "mount -t tmpfs tmpfs /run && mkdir /run/sshd && echo {} && exec \"$0\" \"$@\"";
        command.args(["--mount", "sh", "-c", script, program]);
        command
    }

    /// Runs a script of the shell here.
    ///
    /// # Errors
    /// What it said when it failed.
    pub async fn script(&self, script: &str) -> Result<(), String> {
        let mut command = self.command("sh");
        command.args(["-euc", script]);
        said(command).await
    }

    /// As [`Host::script`], with the `/run` of a process that has its own.
    ///
    /// # Errors
    /// What it said when it failed.
    pub async fn script_beside(&self, process: &Running, script: &str) -> Result<(), String> {
        let mut command = self.command("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", process.id())).args(["sh", "-euc", script]);
        said(command).await
    }
}

async fn said(command: Command) -> Result<(), String> {
    let (code, output, errors) = run(command).await;
    if code == 0 { Ok(()) } else { Err(format!("{output}{errors}").trim().to_owned()) }
}

/// Words of `setpriv` after which the kernel ends a process when the bench ends.
const DIES_WITH_US: [&str; 2] = ["--pdeathsig", "KILL"];

/// All three, joined by two links.
#[derive(Debug)]
pub struct Hosts {
    /// Where the load and the client's side of a tunnel run.
    pub client: Host,
    /// Where the gateway's side runs.
    pub gateway: Host,
    /// Where the systems run.
    pub server: Host,
}

/// Each peer has a number, and with it an address at each place, so that all can stand at once and be measured by turns.
/// 198.18.0.0/15 is set apart for measurements (RFC 2544 §C.2.2).
pub const NUMBERS: std::ops::Range<u8> = 10..20;

impl Hosts {
    /// Makes them.
    ///
    /// # Panics
    /// If this machine cannot.
    pub async fn new() -> Self {
        let hosts = Self::unjoined().await;
        hosts.client.script(&veth("out", "in", &hosts.gateway)).await.expect("a link");
        hosts.join().await;
        hosts
    }

    /// As [`Hosts::new`], with a link between client and gateway that can be as bad as one likes.
    ///
    /// # Panics
    /// If this machine cannot.
    pub async fn over_a_link() -> (Self, Link) {
        let hosts = Self::unjoined().await;
        let link = Link::between(&hosts.client, "out", &hosts.gateway, "in").await;
        hosts.join().await;
        (hosts, link)
    }

    async fn unjoined() -> Self {
        Self { client: Host::new().await, gateway: Host::new().await, server: Host::new().await }
    }

    /// The other link, and addresses for all devices.
    async fn join(&self) {
        let Self { client, gateway, server } = self;
        gateway.script(&veth("out", "in", server)).await.expect("a link");
        let numbered = |network: &str, device: &str| {
            let add = |number| format!("ip address add {network}.{number}/24 dev {device}\n");
            NUMBERS.map(add).collect::<String>()
        };
        let client_side = format!("{KERNEL}ip address add 198.18.1.1/24 dev out\nip link set out up");
        client.script(&client_side).await.expect("addresses");
        let (inner, outer) = (numbered("198.18.1", "in"), "ip address add 198.18.2.1/24 dev out");
        let gateway_side = format!("{KERNEL}{inner}{outer}\nip link set in up\nip link set out up");
        gateway.script(&gateway_side).await.expect("addresses");
        let addresses = numbered("198.18.2", "in");
        let server_side = format!("{KERNEL}{addresses}ip link set in up\nip route add default via 198.18.2.1");
        server.script(&server_side).await.expect("addresses");
    }
}

fn veth(name: &str, peer: &str, host: &Host) -> String {
    format!("ip link add {name} mtu 1500 type veth peer name {peer} mtu 1500 netns {}", host.holder.id())
}

/// Runs a program whose threads come first when a packet is due, whatever else the machine does. Some control groups permit
/// nobody that; it is then late more often, which its figures show.
const FIRST: &str = r#"if chrt --rr 1 true 2> /dev/null; then exec chrt --rr 1 "$@"; fi
echo "link: without real-time priority, which this machine refuses" >&2
exec "$@""#;

/// A link in user space between two hosts, see [`crate::link`]. It is a wire until it is told what to be.
#[derive(Debug)]
pub struct Link {
    process: Running,
    input: ChildStdin,
}

impl Link {
    async fn between(near: &Host, near_device: &str, far: &Host, far_device: &str) -> Self {
        let mut command = near.command("sh");
        command.args(["-c", FIRST, "sh"]).arg(program("hitotsu-load")).args(["link", near_device, far_device]);
        let (mut process, input) = Running::start_told(command);
        process.next_json().await;
        let settings = format!(
            "ip link set {near_device} mtu 1500 txqueuelen {DEVICE_QUEUE}\n\
             ip link set {far_device} mtu 1500 txqueuelen {DEVICE_QUEUE} netns {}",
            far.holder.id()
        );
        near.script(&settings).await.expect("devices");
        Self { process, input }
    }

    /// It is like this from now on, and its losses begin anew.
    ///
    /// # Panics
    /// If its process has ended.
    pub async fn be(&mut self, profile: &Profile) {
        self.ask(&serde_json::to_string(profile).expect("JSON")).await;
    }

    /// What it did since it was asked last, or became what it is.
    ///
    /// # Panics
    /// If its process has ended.
    pub async fn told(&mut self) -> Told {
        self.ask("null").await
    }

    /// Waits until nothing has passed for a time: what one tunnel still had to send must not slow the next.
    ///
    /// # Panics
    /// If its process has ended.
    pub async fn quiet(&mut self, lasting: Duration, patience: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            let idle = self.told().await.idle;
            if idle >= lasting {
                return;
            }
            tokio::time::sleep(lasting - idle).await;
        }
    }

    async fn ask(&mut self, line: &str) -> Told {
        self.input.write_all(format!("{line}\n").as_bytes()).await.expect("it listens");
        serde_json::from_value(self.process.next_json().await).expect("counts")
    }
}

/// Packets that a device holds for the emulator: more than come in the millisecond that it may take to run. The buffer of
/// the link is the emulator's.
const DEVICE_QUEUE: u32 = 10_000;

/// Settings of each host: it forwards, and has ports enough for tens of thousands of short connections.
const KERNEL: &str = "cd /proc/sys/net\n\
                      echo 1 >ipv4/ip_forward\n\
                      echo 0 >ipv4/conf/all/rp_filter\n\
                      echo 1 >ipv4/tcp_tw_reuse\n\
                      echo 5 >ipv4/tcp_fin_timeout\n\
                      echo '1024 65000' >ipv4/ip_local_port_range\n\
                      echo 8192 >core/somaxconn\n";
