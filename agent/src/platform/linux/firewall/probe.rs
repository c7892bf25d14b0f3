//! The packets that no firewall should let in.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::posture::Machine;

/// The first packet of a connection that nobody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) interface: String,
    pub(super) source: IpAddr,
    pub(super) transport: Transport,
    pub(super) port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    pub(super) fn is(self, name_or_number: &str) -> bool {
        match self {
            Self::Tcp => matches!(name_or_number, "tcp" | "6"),
            Self::Udp => matches!(name_or_number, "udp" | "17"),
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        let family = if self.source.is_ipv4() { "IPv4" } else { "IPv6" };
        write!(f, "{transport}/{} over {family} on {}", self.port, self.interface)
    }
}

/// Somewhere on the Internet: addresses for documentation (RFC 5737, RFC 3849), so that no real network is meant.
const SOURCES: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0x77))];
/// One port of each range (RFC 6335 §6), none of a service that somebody offers from a desktop.
const PORTS: [u16; 3] = [613, 26_531, 60_123];
/// The port that the probe comes from.
pub(super) const SOURCE_PORT: u16 = 50_321;

const NET: &str = "/proc/thread-self/net";

pub(super) fn probes(machine: &Machine) -> Vec<Probe> {
    let mut probes = Vec::new();
    for interface in outside(machine) {
        for source in SOURCES.into_iter().filter(|source| source.is_ipv4() || has_ipv6(machine)) {
            for transport in [Transport::Tcp, Transport::Udp] {
                let to = |port| Probe { interface: interface.clone(), source, transport, port };
                probes.extend(PORTS.into_iter().map(to));
            }
        }
    }
    probes
}

/// The interfaces that the Internet is behind; without a default route all but loopback, and were there none, one that
/// may be plugged in any time.
fn outside(machine: &Machine) -> BTreeSet<String> {
    let mut names = default_routes(machine);
    if names.is_empty() {
        let devices = machine.read(format!("{NET}/dev")).unwrap_or_default();
        names =
            devices.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim().to_owned()).collect();
        names.remove("lo");
    }
    if names.is_empty() {
        names.insert("eth0".to_owned());
    }
    names
}

fn default_routes(machine: &Machine) -> BTreeSet<String> {
    let v4 = machine.read(format!("{NET}/route")).unwrap_or_default();
    let v6 = machine.read(format!("{NET}/ipv6_route")).unwrap_or_default();
    let v4 = v4.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields.as_slice() {
            [name, "00000000", _, _, _, _, _, "00000000", ..] => Some((*name).to_owned()),
            _ => None,
        }
    });
    let v6 = v6.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields.as_slice() {
            [destination, "00", .., name] if destination.bytes().all(|byte| byte == b'0') => Some((*name).to_owned()),
            _ => None,
        }
    });
    v4.chain(v6).filter(|name| name != "lo").collect()
}

/// Whether any interface but loopback has an IPv6 address; where none has, nothing can come in that way.
fn has_ipv6(machine: &Machine) -> bool {
    match machine.read(format!("{NET}/if_inet6")) {
        Ok(addresses) => addresses.lines().any(|line| !line.trim_end().ends_with(" lo")),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}
