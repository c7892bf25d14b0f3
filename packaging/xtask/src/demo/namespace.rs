//! A second PC: a network namespace of its own, with a real firewall that the story can switch off (needs root).

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use crate::run::{self, Trouble};

/// The firewall of the second PC: nothing comes in but answers.
const FIREWALL: &str = "table inet demo_firewall {\n\
    chain input {\n\
        type filter hook input priority filter; policy drop;\n\
        iif \"lo\" accept\n\
        ct state established,related accept\n\
    }\n\
}\n";

/// The namespace and the wire to it. Dropping it takes both away.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
    gateway_side: Ipv4Addr,
}

impl Namespace {
    /// Makes the namespace with one wire to this machine, and its firewall on.
    ///
    /// # Errors
    /// Some of it cannot be made; what was made is taken away again.
    pub(super) fn new() -> Result<Self, Trouble> {
        let pid = std::process::id();
        // 198.18.0.0/15 is set apart for tests between two hosts (RFC 2544 §C.2.2); the process id keeps demos apart.
        let [_, _, high, low] = pid.to_be_bytes();
        let gateway_side = Ipv4Addr::new(198, 18, high, (low & 0xfc) | 1);
        let pc_side = Ipv4Addr::new(198, 18, high, (low & 0xfc) | 2);
        let namespace = Self { name: format!("hitotsu-demo-{pid}"), gateway_side };
        let (here, there) = (format!("hd{pid}h"), format!("hd{pid}p"));
        ip(&["netns", "add", &namespace.name])?;
        ip(&["link", "add", &here, "type", "veth", "peer", "name", &there, "netns", &namespace.name])?;
        ip(&["address", "add", &format!("{gateway_side}/30"), "dev", &here])?;
        ip(&["link", "set", &here, "up"])?;
        ip(&["-n", &namespace.name, "address", "add", &format!("{pc_side}/30"), "dev", &there])?;
        ip(&["-n", &namespace.name, "link", "set", "lo", "up"])?;
        ip(&["-n", &namespace.name, "link", "set", &there, "up"])?;
        Ok(namespace)
    }

    /// Where the gateway listens, so that both PCs reach it.
    pub(super) fn gateway_side(&self) -> Ipv4Addr {
        self.gateway_side
    }

    /// A program inside the namespace.
    pub(super) fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--", "ip", "netns", "exec", &self.name]).arg(program);
        command
    }

    /// Switches the firewall on: for real, by nftables.
    ///
    /// # Errors
    /// nftables refuses.
    pub(super) fn firewall_on(&self, scratch: &Path) -> Result<(), Trouble> {
        let file = scratch.join("firewall.nft");
        std::fs::write(&file, FIREWALL).map_err(|error| Trouble::new(format!("`{}`: {error}", file.display())))?;
        let mut nft = self.inside(Path::new("nft"));
        nft.arg("-f").arg(&file);
        run::captured(&mut nft).map(drop)
    }

    /// Switches it off.
    ///
    /// # Errors
    /// nftables refuses.
    pub(super) fn firewall_off(&self) -> Result<(), Trouble> {
        let mut nft = self.inside(Path::new("nft"));
        nft.args(["delete", "table", "inet", "demo_firewall"]);
        run::captured(&mut nft).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The wire goes with the namespace that holds its other end.
        let _gone = ip(&["netns", "delete", &self.name]);
    }
}

fn ip(words: &[&str]) -> Result<(), Trouble> {
    run::captured(Command::new("ip").args(words)).map(drop)
}
