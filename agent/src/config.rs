//! The agent's one configuration file, `agent.toml` in the state directory. Everything in it is optional.
//!
//! ```toml
//! gateway = "gateway.example:443"     # instead of the one that enrolment recorded
//!
//! [listen]
//! socks5 = "127.0.0.1:1080"           # "off" switches a front off; port 0 takes a free one
//! http = "127.0.0.1:8118"             # HTTP proxy, and the PAC file at /proxy.pac
//!
//! [[forward]]
//! listen = "127.0.0.1:5022"
//! to = "ssh.example:22"
//! transport = "tcp"                   # or "udp"
//!
//! [routes]
//! unlisted = "tunnel"                 # or "direct", "block"
//! direct = ["*.example.org"]
//! block = ["ads.example.org"]
//!
//! [tunnel]
//! congestion = "steady"               # or "cubic", "bbr": how much is sent at a time
//! ```

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hitotsu_model::resource::{Target, TargetError, Transport};
use hitotsu_tunnel::congestion::{Congestion, UnknownCongestion};
use serde::Deserialize;

use crate::limits::{CONFIG_BYTES_MAX, FORWARDS_MAX, ROUTE_PATTERNS_MAX};
use crate::route::{HostPattern, PatternError, RouteRules, Unlisted};

/// Name of the file in the state directory.
pub const CONFIG_FILE: &str = "agent.toml";

/// What the file says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The gateway to dial instead of the one that enrolment recorded.
    pub gateway: Option<GatewayAddress>,
    /// How much is sent to the gateway at a time.
    pub congestion: Congestion,
    /// Where the SOCKS5 front listens; `None` is off.
    pub socks5: Option<SocketAddr>,
    /// Where the HTTP proxy and the PAC file are; `None` is off.
    pub http: Option<SocketAddr>,
    /// Static forwards.
    pub forwards: Vec<Forward>,
    /// The lists of routes.
    pub routes: RouteRules,
}

impl Default for Config {
    /// The well-known ports of SOCKS (1080) and of a local HTTP proxy (8118) on IPv4 loopback.
    fn default() -> Self {
        Self {
            gateway: None,
            congestion: Congestion::default(),
            socks5: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 1080))),
            http: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8118))),
            forwards: Vec::new(),
            routes: RouteRules::default(),
        }
    }
}

/// `host:port` of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayAddress {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl FromStr for GatewayAddress {
    type Err = hitotsu_model::resource::TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let target = Target::parse(text, Transport::Tcp)?;
        Ok(Self { host: target.host.to_string(), port: target.port })
    }
}

impl std::fmt::Display for GatewayAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A port of this machine that leads to one internal system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it leads; its transport is that of the listener too.
    pub to: Target,
}

/// Why the file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("`{}` cannot be read: {source}; check its owner and permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too long.
    #[error("`{}` is longer than {CONFIG_BYTES_MAX} bytes; shorten its lists", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("{CONFIG_FILE} line {line}: {what}; mend or remove this line")]
    Form {
        /// Line, from 1.
        line: usize,
        /// What is wrong; names the key.
        what: String,
    },
    /// A value that means nothing.
    #[error("{CONFIG_FILE} key `{key}`: {fault}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong and how to mend it.
        fault: ValueFault,
    },
}

/// Why a value means nothing, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueFault {
    /// Not an address with a port.
    #[error("`{0}` is not an address with a port; use one such as `127.0.0.1:1080`")]
    NoAddress(String),
    /// An address that other machines reach.
    #[error("`{0}` would let other machines use this computer's access; use an address of `127.0.0.0/8` or `[::1]`")]
    NotLoopback(String),
    /// Not `host:port`.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Not a congestion controller.
    #[error(transparent)]
    Congestion(#[from] UnknownCongestion),
    /// Not a pattern of host names.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Neither TCP nor UDP.
    #[error("`{0}` is not a transport; use `tcp` or `udp`")]
    Transport(String),
    /// Two forwards with one port.
    #[error("`{0}` is used by an earlier forward; choose another port")]
    Taken(SocketAddr),
    /// Not a route.
    #[error("`{0}` is not a route; use `tunnel`, `direct` or `block`")]
    Route(String),
    /// Too many forwards.
    #[error("{0} forwards are more than {FORWARDS_MAX}; remove some")]
    Forwards(usize),
    /// Too many patterns.
    #[error("{0} patterns are more than {ROUTE_PATTERNS_MAX}; use ranges or `*.name`")]
    Patterns(usize),
}

impl Config {
    /// Reads the file of a state directory; a missing file is the default.
    ///
    /// # Errors
    /// [`ConfigError`] names the key and the remedy.
    pub fn load(state_dir: &Path) -> Result<Self, ConfigError> {
        let path = state_dir.join(CONFIG_FILE);
        let unreadable = |source| ConfigError::Unreadable { path: path.clone(), source };
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.len() > CONFIG_BYTES_MAX => return Err(ConfigError::TooLong { path }),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(error)),
        }
        std::fs::read_to_string(&path).map_err(unreadable)?.parse()
    }
}

impl FromStr for Config {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let raw: RawConfig = toml::from_str(text).map_err(|error| form_error(text, &error))?;
        let default = Self::default();
        let gateway = raw.gateway.as_deref().map(|gateway| value("gateway", gateway)).transpose()?;
        let congestion = raw.tunnel.congestion.as_deref().map(|name| value("tunnel.congestion", name)).transpose()?;
        let listen = raw.listen.unwrap_or_default();
        Ok(Self {
            gateway,
            congestion: congestion.unwrap_or_default(),
            socks5: front("listen.socks5", listen.socks5.as_deref(), default.socks5)?,
            http: front("listen.http", listen.http.as_deref(), default.http)?,
            forwards: forwards(&raw.forward)?,
            routes: routes(&raw.routes.unwrap_or_default())?,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    gateway: Option<String>,
    listen: Option<RawListen>,
    #[serde(default)]
    forward: Vec<RawForward>,
    routes: Option<RawRoutes>,
    #[serde(default)]
    tunnel: RawTunnel,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawListen {
    socks5: Option<String>,
    http: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTunnel {
    congestion: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawForward {
    listen: String,
    to: String,
    transport: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoutes {
    unlisted: Option<String>,
    #[serde(default)]
    direct: Vec<String>,
    #[serde(default)]
    block: Vec<String>,
}

fn form_error(text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count().saturating_add(1);
    ConfigError::Form { line, what: error.message().to_owned() }
}

fn value<T: FromStr>(key: &str, text: &str) -> Result<T, ConfigError>
where
    ValueFault: From<T::Err>,
{
    text.parse().map_err(|error: T::Err| ConfigError::Value { key: key.to_owned(), fault: error.into() })
}

fn front(key: &str, text: Option<&str>, default: Option<SocketAddr>) -> Result<Option<SocketAddr>, ConfigError> {
    match text {
        None => Ok(default),
        Some("off") => Ok(None),
        Some(text) => loopback(key, text).map(Some),
    }
}

fn loopback(key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    let refuse = |fault: ValueFault| ConfigError::Value { key: key.to_owned(), fault };
    let address: SocketAddr = text.parse().map_err(|_| refuse(ValueFault::NoAddress(text.to_owned())))?;
    if !address.ip().is_loopback() {
        return Err(refuse(ValueFault::NotLoopback(text.to_owned())));
    }
    Ok(address)
}

fn forwards(raw: &[RawForward]) -> Result<Vec<Forward>, ConfigError> {
    if raw.len() > FORWARDS_MAX {
        return Err(ConfigError::Value { key: "forward".to_owned(), fault: ValueFault::Forwards(raw.len()) });
    }
    let mut forwards: Vec<Forward> = Vec::with_capacity(raw.len());
    for (index, raw) in raw.iter().enumerate() {
        let key = |name: &str| format!("forward[{index}].{name}");
        let transport = match raw.transport.as_deref() {
            None | Some("tcp") => Transport::Tcp,
            Some("udp") => Transport::Udp,
            Some(other) => {
                let fault = ValueFault::Transport(other.to_owned());
                return Err(ConfigError::Value { key: key("transport"), fault });
            }
        };
        let listen = loopback(&key("listen"), &raw.listen)?;
        let to = Target::parse(&raw.to, transport)
            .map_err(|error| ConfigError::Value { key: key("to"), fault: error.into() })?;
        let taken = |other: &Forward| other.listen == listen && other.to.transport == transport && listen.port() != 0;
        if forwards.iter().any(taken) {
            return Err(ConfigError::Value { key: key("listen"), fault: ValueFault::Taken(listen) });
        }
        forwards.push(Forward { listen, to });
    }
    Ok(forwards)
}

fn routes(raw: &RawRoutes) -> Result<RouteRules, ConfigError> {
    let unlisted = match raw.unlisted.as_deref() {
        None | Some("tunnel") => Unlisted::Tunnel,
        Some("direct") => Unlisted::Direct,
        Some("block") => Unlisted::Block,
        Some(other) => {
            let fault = ValueFault::Route(other.to_owned());
            return Err(ConfigError::Value { key: "routes.unlisted".to_owned(), fault });
        }
    };
    Ok(RouteRules {
        unlisted,
        direct: patterns("routes.direct", &raw.direct)?,
        block: patterns("routes.block", &raw.block)?,
    })
}

fn patterns(key: &str, raw: &[String]) -> Result<Vec<HostPattern>, ConfigError> {
    if raw.len() > ROUTE_PATTERNS_MAX {
        return Err(ConfigError::Value { key: key.to_owned(), fault: ValueFault::Patterns(raw.len()) });
    }
    raw.iter().map(|text| value(key, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!("".parse::<Config>().expect("parses"), Config::default());
    }

    #[test]
    fn a_full_file_reads_as_written() {
        let text = r#"
            gateway = "[2001:db8::1]:4433"
            [listen]
            socks5 = "127.0.0.1:0"
            http = "off"
            [[forward]]
            listen = "127.0.0.2:5022"
            to = "ssh.example:22"
            [[forward]]
            listen = "[::1]:3478"
            to = "10.1.0.7:3478"
            transport = "udp"
            [routes]
            unlisted = "block"
            direct = ["*.example.org", "192.0.2.0/24"]
        "#;
        let config: Config = text.parse().expect("parses");
        assert_eq!(config.gateway.map(|gateway| gateway.to_string()).as_deref(), Some("[2001:db8::1]:4433"));
        assert_eq!(config.socks5, Some("127.0.0.1:0".parse().expect("address")));
        assert_eq!(config.http, None);
        let forwards: Vec<String> = config.forwards.iter().map(|f| format!("{} {}", f.listen, f.to)).collect();
        assert_eq!(forwards, ["127.0.0.2:5022 ssh.example:22/tcp", "[::1]:3478 10.1.0.7:3478/udp"]);
        assert_eq!(config.routes.unlisted, Unlisted::Block);
        assert_eq!(config.routes.direct.len(), 2);
    }

    #[test]
    fn every_error_names_the_key_and_the_remedy() {
        for (text, key, remedy) in [
            ("gateway = \"nowhere\"", "`gateway`", "needs a port"),
            ("[listen]\nsocks5 = \"0.0.0.0:1080\"", "`listen.socks5`", "127.0.0.0/8"),
            ("[listen]\nhttp = \"8118\"", "`listen.http`", "such as `127.0.0.1:1080`"),
            ("[listen]\nport = 1", "`port`", "mend or remove"),
            ("[listen]\nsocks5 = 1080", "integer `1080`", "mend or remove"),
            ("[[forward]]\nlisten = \"127.0.0.1:1\"\nto = \"x\"", "`forward[0].to`", "needs a port"),
            ("[[forward]]\nlisten = \"192.0.2.1:1\"\nto = \"x:1\"", "`forward[0].listen`", "127.0.0.0/8"),
            (
                "[[forward]]\nlisten = \"127.0.0.1:1\"\nto = \"x:1\"\ntransport = \"sctp\"",
                "`forward[0].transport`",
                "use `tcp`",
            ),
            (
                "[[forward]]\nlisten = \"127.0.0.1:1\"\nto = \"x:1\"\n[[forward]]\nlisten = \"127.0.0.1:1\"\nto = \"y:1\"",
                "`forward[1].listen`",
                "another port",
            ),
            ("[routes]\nunlisted = \"vpn\"", "`routes.unlisted`", "use `tunnel`"),
            ("[routes]\nblock = [\"*\"]", "`routes.block`", "use a name"),
            ("[tunnel]\ncongestion = \"fast\"", "`tunnel.congestion`", "use `steady`"),
        ] {
            let message = text.parse::<Config>().expect_err(text).to_string();
            assert!(message.contains(key), "{message}");
            assert!(message.contains(remedy), "{message}");
        }
    }

    #[test]
    fn an_error_of_form_names_the_line() {
        let message = "\n\n[listen]\nsock5 = \"off\"\n".parse::<Config>().expect_err("unknown key").to_string();
        assert!(message.contains("line 4") && message.contains("`sock5`"), "{message}");
    }

    #[test]
    fn a_missing_file_is_the_default_and_a_huge_one_is_refused() {
        let dir = tempfile::tempdir().expect("directory");
        assert_eq!(Config::load(dir.path()).expect("default"), Config::default());
        let long = "#".repeat(usize::try_from(CONFIG_BYTES_MAX).expect("fits") + 1);
        std::fs::write(dir.path().join(CONFIG_FILE), long).expect("writes");
        assert!(matches!(Config::load(dir.path()), Err(ConfigError::TooLong { .. })));
    }
}
