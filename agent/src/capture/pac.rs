//! The proxy auto-configuration file: which hosts a browser sends to the HTTP front. Pure.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hitotsu_model::control::Catalogue;

use crate::route::HostPattern;

/// Media type of the file.
pub(crate) const MEDIA_TYPE: &str = "application/x-ns-proxy-autoconfig";

/// The file for a catalogue: its TCP systems go to the HTTP front at `proxy`, everything else straight out.
///
/// There is no `; DIRECT` after the proxy: an internal name must not be asked for outside the tunnel when the agent
/// stands still. The script resolves no names (`dnsResolve`, `isInNet` on names): that would tell the local network
/// what its user is about to open.
#[must_use]
pub(crate) fn file(catalogue: Option<&Catalogue>, proxy: SocketAddr) -> String {
    let entries = catalogue.map(|catalogue| catalogue.entries.as_slice()).unwrap_or_default();
    let mut conditions: Vec<String> = entries
        .iter()
        .filter(|entry| entry.ports.iter().any(|ports| ports.transport == hitotsu_model::resource::Transport::Tcp))
        .flat_map(|entry| &entry.hosts)
        // INVARIANT (pac injection): only what parses as a pattern is written, and no pattern can hold a quote.
        .filter_map(|host| host.parse::<HostPattern>().ok())
        .filter_map(|pattern| condition(&pattern))
        .collect();
    conditions.sort();
    conditions.dedup();
    let mut text = String::from("function FindProxyForURL(url, host) {\n  host = host.toLowerCase();\n");
    text.push_str("  var literal = /^[0-9]+(\\.[0-9]+){3}$/.test(host);\n");
    for condition in conditions {
        let _ = writeln!(text, "  if ({condition}) return \"PROXY {proxy}\";");
    }
    text.push_str("  return \"DIRECT\";\n}\n");
    text
}

fn condition(pattern: &HostPattern) -> Option<String> {
    match pattern {
        HostPattern::Name(name) => Some(format!("host === \"{name}\"")),
        HostPattern::Below(parent) => Some(format!("dnsDomainIs(host, \".{parent}\")")),
        HostPattern::Prefix(IpAddr::V4(network), bits) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(u32::from(*bits))).unwrap_or(0);
            Some(format!("literal && isInNet(host, \"{network}\", \"{}\")", Ipv4Addr::from_bits(mask)))
        }
        // No portable function compares IPv6 addresses; single ones compare as text.
        HostPattern::Prefix(IpAddr::V6(address), 128) => {
            Some(format!("host === \"{address}\" || host === \"[{address}]\""))
        }
        HostPattern::Prefix(IpAddr::V6(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitotsu_model::control::{CatalogueEntry, CataloguePorts, ProtocolVersion};
    use hitotsu_model::identity::AssuranceLevel;
    use hitotsu_model::resource::{Tier, Transport};

    #[test]
    fn the_catalogue_goes_to_the_proxy_and_the_rest_stays_direct() {
        let catalogue = catalogue(&["files.example", "*.web.example", "10.1.0.0/20", "2001:db8::1"], Transport::Tcp);
        let file = file(Some(&catalogue), "127.0.0.1:8118".parse().expect("address"));
        for line in [
            "  if (host === \"files.example\") return \"PROXY 127.0.0.1:8118\";",
            "  if (dnsDomainIs(host, \".web.example\")) return \"PROXY 127.0.0.1:8118\";",
            "  if (literal && isInNet(host, \"10.1.0.0\", \"255.255.240.0\")) return \"PROXY 127.0.0.1:8118\";",
            "  if (host === \"2001:db8::1\" || host === \"[2001:db8::1]\") return \"PROXY 127.0.0.1:8118\";",
            "  return \"DIRECT\";",
        ] {
            assert!(file.lines().any(|found| found == line), "{line}\n{file}");
        }
        assert!(!file.contains("; DIRECT"), "{file}");
    }

    #[test]
    fn a_host_that_would_break_out_of_the_script_is_left_out() {
        let catalogue = catalogue(&["x\") return \"DIRECT\"; //", "*.\"", "10.0.0.0/8\""], Transport::Tcp);
        let with = file(Some(&catalogue), "127.0.0.1:1".parse().expect("address"));
        assert_eq!(with, file(None, "127.0.0.1:1".parse().expect("address")));
    }

    #[test]
    fn a_system_that_only_speaks_udp_is_not_for_a_browser() {
        let catalogue = catalogue(&["voice.example"], Transport::Udp);
        assert!(!file(Some(&catalogue), "127.0.0.1:1".parse().expect("address")).contains("voice"));
    }

    fn catalogue(hosts: &[&str], transport: Transport) -> Catalogue {
        Catalogue {
            version: ProtocolVersion::CURRENT,
            org: "example".parse().expect("id"),
            device: "6ba7b810-9dad-41d1-80b4-00c04fd430c8".parse().expect("id"),
            person: None,
            place: None,
            level: AssuranceLevel::L1,
            attested_at: None,
            entries: vec![CatalogueEntry {
                resource: "x".parse().expect("id"),
                title_ja: String::new(),
                title_en: String::new(),
                tier: Tier::Tier3,
                hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
                ports: vec![CataloguePorts { transport, first: 443, last: 443 }],
                allowed: true,
                problems: Vec::new(),
            }],
        }
    }
}
