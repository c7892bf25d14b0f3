//! Internal systems, as a bundle describes them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hitotsu_model::control::CataloguePorts;
use hitotsu_model::ids::ResourceId;
use hitotsu_model::resource::{HostName, Tier, Transport};

use crate::prefix::Prefix;

/// A host name, or everything below one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// Exactly this name.
    Exact(HostName),
    /// `*.name`: every name below it, at any depth, but not the name itself.
    Below(HostName),
}

impl HostPattern {
    /// Whether the pattern means `host`.
    #[must_use]
    pub fn matches(&self, host: &HostName) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Below(name) => {
                host.as_str().strip_suffix(name.as_str()).is_some_and(|head| head.len() > 1 && head.ends_with('.'))
            }
        }
    }
}

impl FromStr for HostPattern {
    type Err = hitotsu_model::resource::TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("*.") {
            Some(below) => below.parse().map(Self::Below),
            None => text.parse().map(Self::Exact),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

/// One internal system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its id.
    pub id: ResourceId,
    /// Its name in Japanese.
    pub title_ja: String,
    /// Its name in English.
    pub title_en: String,
    /// Its zone.
    pub tier: Tier,
    /// The names that lead to it.
    pub hosts: Vec<HostPattern>,
    /// The addresses that it may have, named or not.
    pub prefixes: Vec<Prefix>,
    /// Its ports.
    pub ports: Vec<CataloguePorts>,
    /// Whether it may live on the gateway's own loopback.
    pub allow_loopback: bool,
    /// Whether a datagram that does not fit is sent as a capsule instead of being dropped (RFC 9298 §6.1).
    pub oversize_as_capsule: bool,
    /// Whether the device must be bound to a person.
    pub require_person: bool,
}

impl Resource {
    /// Whether it listens on `port` of `transport`.
    #[must_use]
    pub fn has_port(&self, port: u16, transport: Transport) -> bool {
        self.ports.iter().any(|range| range.transport == transport && (range.first..=range.last).contains(&port))
    }

    /// Whether `address` is one that it may have: one of its prefixes means it ([`Prefix::means`]), and loopback only
    /// where it says `allow_loopback`.
    #[must_use]
    pub fn may_have(&self, address: IpAddr) -> bool {
        let loopback_fits = self.allow_loopback || !address.to_canonical().is_loopback();
        loopback_fits && self.prefixes.iter().any(|prefix| prefix.means(address))
    }
}

/// Ports of one transport as bundles write them: `tcp/443`, `udp/3478-3497`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange(pub CataloguePorts);

/// A text that is no range of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a range of ports; write it as `tcp/443` or `udp/3478-3497`")]
pub struct PortsError(pub String);

impl FromStr for PortRange {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, PortsError> {
        let wrong = || PortsError(text.to_owned());
        let (transport, ports) = text.split_once('/').ok_or_else(wrong)?;
        let transport = match transport {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return Err(wrong()),
        };
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0 && !text.starts_with('+'));
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self(CataloguePorts { transport, first, last })),
            (Some(_) | None, Some(_) | None) => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_means_every_depth_below_but_not_the_name_itself() {
        let pattern: HostPattern = "*.City.example".parse().expect("a pattern");
        for (host, expected) in [("a.city.example", true), ("b.a.city.example", true), ("city.example", false)] {
            assert_eq!(pattern.matches(&host.parse().expect("a host")), expected, "{host}");
        }
        assert!(!pattern.matches(&"xcity.example".parse().expect("a host")));
        assert!("*".parse::<HostPattern>().is_err());
        assert!("a.*.example".parse::<HostPattern>().is_err());
    }

    #[test]
    fn ports_are_strict() {
        for good in ["tcp/443", "udp/3478-3497", "tcp/1-65535"] {
            assert!(good.parse::<PortRange>().is_ok(), "{good}");
        }
        for bad in ["443", "tcp/0", "tcp/5-4", "sctp/1", "tcp/65536", "tcp/+1", "tcp/", "tcp/1-"] {
            assert!(bad.parse::<PortRange>().is_err(), "{bad}");
        }
    }
}
