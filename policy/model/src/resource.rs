//! What a flow wants to reach.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest host name in bytes (RFC 1035 §2.3.4, without the final dot).
pub const HOST_NAME_BYTES_MAX: usize = 253;

/// What runs over the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A byte stream.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Transport {
    /// The word in policy, JSON and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A DNS host name, lower case, without a final dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = TargetError;

    /// Accepts letters, digits, `-` and `_` in labels of 1 to 63 bytes; a final dot is dropped, case is folded.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let label_ok = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        // A last label of digits only would be read as an address by some resolvers (RFC 1123 §2.1).
        let numeric_end = name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x"));
        if name.is_empty() || name.len() > HOST_NAME_BYTES_MAX || numeric_end || !name.split('.').all(label_ok) {
            return Err(TargetError::Host(text.to_owned()));
        }
        Ok(Self(name))
    }
}

impl TryFrom<String> for HostName {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host as an application names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Host {
    /// By address.
    Address(IpAddr),
    /// By name.
    Name(HostName),
}

impl FromStr for Host {
    type Err = TargetError;

    /// An IPv6 address may stand in brackets.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        match bare.parse::<IpAddr>() {
            Ok(address) => Ok(Self::Address(address.to_canonical())),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// What an application asks for: a host, a port and what runs over it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port, never 0.
    pub port: u16,
    /// What runs over it.
    pub transport: Transport,
}

impl Target {
    /// From the authority form `host:port` (RFC 9110 §7.2); an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// [`TargetError`] says which part is wrong.
    pub fn parse(authority: &str, transport: Transport) -> Result<Self, TargetError> {
        let (host, port) = authority.rsplit_once(':').ok_or_else(|| TargetError::Port(authority.to_owned()))?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(TargetError::Host(host.to_owned()));
        }
        let port_ok = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        match port.parse::<u16>() {
            Ok(port) if port != 0 && port_ok => Ok(Self { host: host.parse()?, port, transport }),
            Ok(_) | Err(_) => Err(TargetError::Port(authority.to_owned())),
        }
    }

    /// `host:port`, with brackets around an IPv6 address.
    #[must_use]
    pub fn authority(&self) -> String {
        match &self.host {
            Host::Address(address) => SocketAddr::new(*address, self.port).to_string(),
            Host::Name(name) => format!("{name}:{}", self.port),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.authority(), self.transport)
    }
}

/// Why a target was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither a host name nor an address.
    #[error("`{0}` is neither a host name nor an address")]
    Host(String),
    /// No port, or not a number from 1 to 65535.
    #[error("`{0}` needs a port from 1 to 65535, as in `files.example:443`")]
    Port(String),
}

/// The three separated zones of Japanese local government (総務省 guideline), strictest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// マイナンバー利用事務系: systems that use My Number.
    Tier1,
    /// LGWAN接続系: systems of the government network.
    Tier2,
    /// インターネット接続系: systems that may face the Internet.
    Tier3,
}

impl Tier {
    /// The word in policy, JSON and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tier1 => "tier1",
            Self::Tier2 => "tier2",
            Self::Tier3 => "tier3",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_parse_and_print_back() {
        for good in ["files.example:443", "10.1.2.3:22", "[2001:db8::1]:5000"] {
            assert_eq!(Target::parse(good, Transport::Tcp).map(|t| t.authority()), Ok(good.to_owned()));
        }
        assert_eq!(
            Target::parse("Files.Example.:443", Transport::Tcp).map(|t| t.authority()),
            Ok("files.example:443".to_owned())
        );
    }

    #[test]
    fn ambiguous_hosts_are_refused() {
        for bad in [
            "files.example",
            "files.example:0",
            "files.example:65536",
            "files.example:+80",
            ":80",
            "2001:db8::1:80",
            "010.1:80",
            "127.1:80",
            "0x7f.0x1:80",
            "a..b:80",
            "-a.example:80",
            "a b.example:80",
            "例え.example:80",
        ] {
            assert!(Target::parse(bad, Transport::Tcp).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_address_that_it_maps() {
        let mapped = Target::parse("[::ffff:10.0.0.1]:80", Transport::Tcp).expect("parses");
        assert_eq!(mapped, Target::parse("10.0.0.1:80", Transport::Tcp).expect("parses"));
    }
}
