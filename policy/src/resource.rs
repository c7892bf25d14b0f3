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

    /// Whether `address` is one that it may have.
    #[must_use]
    pub fn may_have(&self, address: IpAddr) -> bool {
        self.prefixes.iter().any(|prefix| prefix.contains(address))
    }
}
