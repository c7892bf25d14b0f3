//! The tunnels that a user could choose, and ours.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Command;

use super::hosts::{Hosts, NUMBERS};
use super::recipes;
use crate::agent::EnrolledAgent;
use crate::bench::process_figures::{cpu_time, resident_kib};
use crate::process::{Running, children, program};
use crate::world::World;

/// One way from the client to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// No tunnel at all: the gateway forwards.
    Direct,
    /// Our agent and our gateway.
    Hitotsu,
    /// OpenSSH with local forwards, AES-128-GCM.
    Ssh,
    /// HAProxy on both sides, mutual TLS.
    Haproxy,
    /// HAProxy on both sides and nothing between them: what two hops cost that neither encrypt nor decide. A floor, no choice.
    TwoHops,
    /// stunnel on both sides, mutual TLS.
    Stunnel,
    /// OpenVPN over UDP, AES-256-GCM.
    Openvpn,
    /// WireGuard in user space.
    WireguardGo,
    /// Ours with its own congestion controller on both sides.
    HitotsuSteady,
    /// Ours with BBR on both sides.
    HitotsuBbr,
}

impl Peer {
    /// All that `peers` measures, in the order in which they take turns.
    pub const ALL: [Self; 8] = [
        Self::Direct,
        Self::TwoHops,
        Self::Hitotsu,
        Self::Ssh,
        Self::Haproxy,
        Self::Stunnel,
        Self::Openvpn,
        Self::WireguardGo,
    ];

    /// Those that are measured over bad lines.
    pub const OVER_LINES: [Self; 6] =
        [Self::Direct, Self::Hitotsu, Self::HitotsuSteady, Self::HitotsuBbr, Self::Ssh, Self::WireguardGo];

    /// How ours controls congestion; none is as it comes.
    pub(super) fn congestion(self) -> Option<&'static str> {
        match self {
            Self::HitotsuSteady => Some("steady"),
            Self::HitotsuBbr => Some("bbr"),
            Self::Direct
            | Self::TwoHops
            | Self::Hitotsu
            | Self::Ssh
            | Self::Haproxy
            | Self::Stunnel
            | Self::Openvpn
            | Self::WireguardGo => None,
        }
    }

    /// Its name in figures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Hitotsu => "hitotsu",
            Self::Ssh => "ssh",
            Self::Haproxy => "haproxy",
            Self::TwoHops => "two_hops",
            Self::Stunnel => "stunnel",
            Self::Openvpn => "openvpn",
            Self::WireguardGo => "wireguard_go",
            Self::HitotsuSteady => "hitotsu_steady",
            Self::HitotsuBbr => "hitotsu_bbr",
        }
    }

    /// The programs of others that it needs.
    fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Direct | Self::Hitotsu | Self::HitotsuSteady | Self::HitotsuBbr => &[],
            Self::Ssh => &["ssh", "sshd", "ssh-keygen"],
            Self::Haproxy => &["haproxy", "openssl"],
            Self::TwoHops => &["haproxy"],
            Self::Stunnel => &["stunnel4", "openssl"],
            Self::Openvpn => &["openvpn", "openssl"],
            Self::WireguardGo => &["wireguard-go", "wg"],
        }
    }

    /// Those of them that this machine does not have.
    #[must_use]
    pub fn missing(self) -> Vec<&'static str> {
        self.needs().iter().copied().filter(|name| find(name).is_none()).collect()
    }

    /// Whether datagrams can pass it.
    #[must_use]
    pub fn carries_datagrams(self) -> bool {
        match self {
            Self::Direct
            | Self::Hitotsu
            | Self::HitotsuSteady
            | Self::HitotsuBbr
            | Self::Openvpn
            | Self::WireguardGo => true,
            Self::TwoHops | Self::Ssh | Self::Haproxy | Self::Stunnel => false,
        }
    }

    /// Whether the client reaches the server by the server's own address.
    fn is_routed(self) -> bool {
        match self {
            Self::Direct | Self::Openvpn | Self::WireguardGo => true,
            Self::Hitotsu
            | Self::HitotsuSteady
            | Self::HitotsuBbr
            | Self::TwoHops
            | Self::Ssh
            | Self::Haproxy
            | Self::Stunnel => false,
        }
    }

    fn number(self) -> u8 {
        NUMBERS.start + self as u8
    }

    /// Its own address of the gateway, as the client sees the gateway.
    pub(super) fn gateway(self) -> IpAddr {
        Ipv4Addr::new(198, 18, 1, self.number()).into()
    }

    /// Its own address of the server.
    pub(super) fn server(self) -> IpAddr {
        Ipv4Addr::new(198, 18, 2, self.number()).into()
    }

    /// Where the load on the client turns to.
    #[must_use]
    pub fn entry(self) -> IpAddr {
        if self.is_routed() { self.server() } else { Ipv4Addr::new(127, 0, 0, self.number()).into() }
    }
}

/// Where a program of others lies. Those of administrators are not on everybody's path.
pub(super) fn find(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Ports of the systems behind one peer.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Takes or gives as much as it can.
    pub bulk: u16,
    /// Sends back what comes, over TCP.
    pub echo: u16,
    /// The same over UDP.
    pub voice: u16,
    /// One page.
    pub http: u16,
}

impl Ports {
    fn from_json(said: &Value) -> Self {
        let port = |name: &str| u16::try_from(said[name].as_u64().expect("a port")).expect("a port");
        Self { bulk: port("bulk"), echo: port("echo"), voice: port("voice"), http: port("http") }
    }

    /// Those over TCP.
    pub(super) fn tcp(self) -> [u16; 3] {
        [self.bulk, self.echo, self.http]
    }
}

/// What a peer consists of while it stands. Dropping it ends all of its processes.
#[derive(Debug)]
pub struct Line {
    /// Which it is.
    pub peer: Peer,
    /// The ports at [`Peer::entry`] and at the server.
    pub ports: Ports,
    _systems: Running,
    /// Ours alone.
    pub(super) ours: Option<Ours>,
    pub(super) gateway: Vec<Running>,
    pub(super) client: Vec<Running>,
}

/// Our organisation, and the agent that belongs to it.
#[derive(Debug)]
pub(super) struct Ours {
    pub(super) world: World,
    pub(super) agent: EnrolledAgent,
}

impl Line {
    /// Starts the server's and the gateway's side.
    ///
    /// # Errors
    /// What failed.
    pub async fn new(peer: Peer, hosts: &Hosts, dir: &Path) -> Result<Self, String> {
        let mut command = hosts.server.command(program("hitotsu-load"));
        command.arg("serve").arg(SocketAddr::new(peer.server(), 0).to_string());
        let mut systems = Running::start(command);
        let ports = Ports::from_json(&systems.next_json().await);
        let (gateway, client) = (Vec::new(), Vec::new());
        let mut line = Self { peer, ports, _systems: systems, ours: None, gateway, client };
        recipes::start_gateway(&mut line, hosts, dir).await?;
        Ok(line)
    }

    /// Starts the client's side.
    ///
    /// # Errors
    /// What failed.
    pub async fn start_client(&mut self, hosts: &Hosts, dir: &Path) -> Result<(), String> {
        recipes::start_client(self, hosts, dir).await
    }

    /// Ends the client's side.
    ///
    /// # Panics
    /// If a process cannot be ended.
    pub async fn stop_client(&mut self) {
        let descendants: Vec<u32> = self.client.iter().flat_map(|process| tree(process.id())).collect();
        for mut process in self.client.drain(..) {
            process.kill().await;
        }
        end(&descendants);
    }

    /// Processes of the gateway's side, with those that they started.
    #[must_use]
    pub fn gateway_processes(&self) -> Vec<u32> {
        let ours = self.ours.iter().filter_map(|ours| ours.world.gateway.as_ref());
        self.gateway.iter().chain(ours).flat_map(|process| tree(process.id())).collect()
    }

    /// Processes that carry on the client's side. Those that our agent starts look at the device and carry nothing.
    fn client_processes(&self) -> Vec<u32> {
        self.client.iter().map(Running::id).collect()
    }

    /// Whether a process of the client's side still has others at work, as our agent has when it looks at the device.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.client.iter().all(|process| tree(process.id()).len() == 1)
    }

    /// Processor seconds that the client's and the gateway's side have used.
    #[must_use]
    pub fn cpu_seconds(&self) -> (f64, f64) {
        let sum = |processes: Vec<u32>| processes.into_iter().map(|id| cpu_time(id).as_secs_f64()).sum();
        (sum(self.client_processes()), sum(self.gateway_processes()))
    }

    /// Resident memory of the gateway's side in KiB.
    #[must_use]
    pub fn gateway_kib(&self) -> f64 {
        self.gateway_processes().into_iter().map(resident_kib).sum()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Those that we started end with their handles; what they started themselves would outlive them.
        let client = self.client.iter().flat_map(|process| tree(process.id()));
        end(&client.chain(self.gateway_processes()).collect::<Vec<_>>());
    }
}

fn end(processes: &[u32]) {
    for process in processes.iter().filter_map(|process| Pid::from_raw(i32::try_from(*process).ok()?)) {
        let _ = kill_process(process, Signal::KILL);
    }
}

/// A process and all that descend from it.
fn tree(process: u32) -> Vec<u32> {
    std::iter::once(process).chain(children(process).into_iter().flat_map(tree)).collect()
}

/// A program of others by name.
pub(super) fn other(hosts: &super::hosts::Host, name: &str) -> Command {
    hosts.command(find(name).expect("it was looked for"))
}
