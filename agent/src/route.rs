//! Where a target goes: through the tunnel, straight out, or nowhere. Pure.
//!
//! The agent decides nothing about access; the gateway does that. It only keeps what is not the organisation's own
//! out of the tunnel where the configuration says so.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hitotsu_model::control::{Catalogue, CataloguePorts};
use hitotsu_model::resource::{Host, HostName, Target};

/// Where a target goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Through the tunnel; the gateway decides.
    Tunnel,
    /// Straight out, as if the agent were not there.
    Direct,
    /// Nowhere (code `not-routed`).
    Block,
}

/// What happens to a target that no list names and the catalogue does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unlisted {
    /// Through the tunnel, so that the gateway answers with its reason. The default: what comes to a front of ours was
    /// sent there on purpose, and the PAC file already keeps the rest away.
    #[default]
    Tunnel,
    /// Straight out.
    Direct,
    /// Nowhere.
    Block,
}

/// The lists of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteRules {
    /// What happens to the rest.
    pub unlisted: Unlisted,
    /// Straight out, unless the catalogue has it.
    pub direct: Vec<HostPattern>,
    /// Nowhere, whatever the catalogue says.
    pub block: Vec<HostPattern>,
}

/// A host name, every name below one, or a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// `files.example`: that name only.
    Name(HostName),
    /// `*.files.example`: every name below, at any depth, without the name itself.
    Below(HostName),
    /// `10.1.0.0/24`: the addresses of that range; a single address is a range of one.
    Prefix(IpAddr, u8),
}

impl HostPattern {
    /// Whether the host is one of these. A name never matches a range: names are resolved by the gateway alone.
    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Name(pattern), Host::Name(name)) => pattern == name,
            (Self::Below(pattern), Host::Name(name)) => {
                let parent = name.as_str().strip_suffix(pattern.as_str());
                parent.is_some_and(|head| head.len() > 1 && head.ends_with('.'))
            }
            (Self::Prefix(network, bits), Host::Address(address)) => in_prefix(*network, *bits, *address),
            (Self::Name(_) | Self::Below(_), Host::Address(_)) | (Self::Prefix(..), Host::Name(_)) => false,
        }
    }
}

fn in_prefix(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32u32.saturating_sub(u32::from(bits));
            let high = |value: u32| value.checked_shr(shift).unwrap_or(0);
            high(network.to_bits()) == high(address.to_bits())
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128u32.saturating_sub(u32::from(bits));
            let high = |value: u128| value.checked_shr(shift).unwrap_or(0);
            high(network.to_bits()) == high(address.to_bits())
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

impl FromStr for HostPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = || PatternError(text.to_owned());
        if let Some(parent) = text.strip_prefix("*.") {
            return parent.parse().map(Self::Below).map_err(|_| wrong());
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        match (address.parse::<IpAddr>(), bits) {
            (Ok(address), None) => {
                let address = address.to_canonical();
                Ok(Self::Prefix(address, if address.is_ipv4() { 32 } else { 128 }))
            }
            (Ok(address), Some(bits)) => {
                let width = if address.is_ipv4() { 32 } else { 128 };
                let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= width).ok_or_else(wrong)?;
                Ok(Self::Prefix(address, bits))
            }
            (Err(_), None) => text.parse().map(Self::Name).map_err(|_| wrong()),
            (Err(_), Some(_)) => Err(wrong()),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Below(parent) => write!(f, "*.{parent}"),
            Self::Prefix(address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host pattern; use a name (`files.example`), `*.example` or a range (`10.1.0.0/24`)")]
pub struct PatternError(pub String);

/// The rules and the catalogue together, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    rules: RouteRules,
    systems: Vec<System>,
}

#[derive(Debug, Clone)]
struct System {
    hosts: Vec<HostPattern>,
    ports: Vec<CataloguePorts>,
}

impl RouteTable {
    /// From the configuration and the last known catalogue. A host of the catalogue that this build cannot read is
    /// left out, so its system is treated as unlisted.
    #[must_use]
    pub fn new(rules: RouteRules, catalogue: Option<&Catalogue>) -> Self {
        let entries = catalogue.map(|catalogue| catalogue.entries.as_slice()).unwrap_or_default();
        let systems = entries.iter().map(|entry| System {
            hosts: entry.hosts.iter().filter_map(|host| host.parse().ok()).collect(),
            ports: entry.ports.clone(),
        });
        Self { rules, systems: systems.collect() }
    }

    /// Where `target` goes: blocked hosts first, then internal systems, then direct hosts, then the rest.
    #[must_use]
    pub fn route(&self, target: &Target) -> Route {
        let named = |patterns: &[HostPattern]| patterns.iter().any(|pattern| pattern.matches(&target.host));
        if named(&self.rules.block) {
            return Route::Block;
        }
        if self.systems.iter().any(|system| named(&system.hosts) && covers(&system.ports, target)) {
            return Route::Tunnel;
        }
        if named(&self.rules.direct) {
            return Route::Direct;
        }
        match self.rules.unlisted {
            Unlisted::Tunnel => Route::Tunnel,
            Unlisted::Direct => Route::Direct,
            Unlisted::Block => Route::Block,
        }
    }
}

/// Whether one of the ranges has the target's transport and port.
#[must_use]
pub fn covers(ports: &[CataloguePorts], target: &Target) -> bool {
    ports.iter().any(|range| range.transport == target.transport && (range.first..=range.last).contains(&target.port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitotsu_model::control::{CatalogueEntry, ProtocolVersion};
    use hitotsu_model::identity::AssuranceLevel;
    use hitotsu_model::resource::{Tier, Transport};

    #[test]
    fn an_internal_system_goes_through_the_tunnel_even_if_a_direct_rule_names_it() {
        let table = table(Unlisted::Direct, &["*.example"], &[]);
        assert_eq!(table.route(&tcp("files.example:443")), Route::Tunnel);
        assert_eq!(table.route(&tcp("10.1.0.9:443")), Route::Tunnel);
        assert_eq!(table.route(&tcp("www.example:443")), Route::Direct);
    }

    #[test]
    fn a_blocked_host_goes_nowhere_even_if_the_catalogue_has_it() {
        let table = table(Unlisted::Tunnel, &[], &["files.example"]);
        assert_eq!(table.route(&tcp("files.example:443")), Route::Block);
    }

    #[test]
    fn another_port_or_transport_of_a_system_is_not_that_system() {
        let table = table(Unlisted::Block, &[], &[]);
        assert_eq!(table.route(&tcp("files.example:22")), Route::Block);
        assert_eq!(table.route(&udp("files.example:443")), Route::Block);
    }

    #[test]
    fn what_nobody_lists_follows_the_configuration() {
        for (unlisted, route) in
            [(Unlisted::Tunnel, Route::Tunnel), (Unlisted::Direct, Route::Direct), (Unlisted::Block, Route::Block)]
        {
            assert_eq!(table(unlisted, &[], &[]).route(&tcp("elsewhere.example:443")), route);
        }
    }

    #[test]
    fn a_star_stands_for_at_least_one_label() {
        let pattern: HostPattern = "*.files.example".parse().expect("parses");
        let host = |text: &str| text.parse::<Host>().expect("parses");
        assert!(pattern.matches(&host("a.files.example")));
        assert!(pattern.matches(&host("b.a.files.example")));
        assert!(!pattern.matches(&host("files.example")));
        assert!(!pattern.matches(&host("evilfiles.example")));
    }

    #[test]
    fn ranges_of_every_length_match_their_own_addresses_only() {
        let matches = |pattern: &str, address: &str| {
            pattern.parse::<HostPattern>().expect("parses").matches(&address.parse().expect("parses"))
        };
        assert!(matches("0.0.0.0/0", "203.0.113.9"));
        assert!(matches("10.1.0.0/24", "10.1.0.255"));
        assert!(!matches("10.1.0.0/24", "10.1.1.0"));
        assert!(matches("10.1.0.7", "10.1.0.7"));
        assert!(!matches("10.1.0.7", "10.1.0.8"));
        assert!(matches("::/0", "2001:db8::1"));
        assert!(!matches("::/0", "10.0.0.1"));
        assert!(matches("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!matches("2001:db8::/32", "2001:db9::1"));
    }

    #[test]
    fn a_pattern_that_means_nothing_is_refused_with_the_remedy() {
        for bad in ["", "*", "*.", "10.1.0.0/33", "files.example/24", "a b", "::/129", "*.*.x"] {
            let error = bad.parse::<HostPattern>().expect_err(bad);
            assert!(error.to_string().contains("use a name"), "{error}");
        }
    }

    fn tcp(authority: &str) -> Target {
        Target::parse(authority, Transport::Tcp).expect("parses")
    }

    fn udp(authority: &str) -> Target {
        Target::parse(authority, Transport::Udp).expect("parses")
    }

    fn table(unlisted: Unlisted, direct: &[&str], block: &[&str]) -> RouteTable {
        let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("parses")).collect();
        let rules = RouteRules { unlisted, direct: patterns(direct), block: patterns(block) };
        let entry = CatalogueEntry {
            resource: "files".parse().expect("id"),
            title_ja: "文書庫".to_owned(),
            title_en: "Documents".to_owned(),
            tier: Tier::Tier3,
            hosts: vec!["files.example".to_owned(), "10.1.0.0/24".to_owned()],
            ports: vec![CataloguePorts { transport: Transport::Tcp, first: 443, last: 443 }],
            allowed: true,
            problems: Vec::new(),
        };
        let catalogue = Catalogue {
            version: ProtocolVersion::CURRENT,
            org: "example".parse().expect("id"),
            device: "6ba7b810-9dad-41d1-80b4-00c04fd430c8".parse().expect("id"),
            person: None,
            place: None,
            level: AssuranceLevel::L1,
            attested_at: None,
            entries: vec![entry],
        };
        RouteTable::new(rules, Some(&catalogue))
    }
}
