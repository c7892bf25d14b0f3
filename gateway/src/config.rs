//! The one configuration file. Paths in it are relative to the file's own folder.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hitotsu_model::ids::OrgId;
use hitotsu_tunnel::congestion::Congestion;
use serde::Deserialize;

use crate::words::{InWords, Words};

/// Longest path of a Unix socket, in bytes, without the final zero (`sockaddr_un` on Linux).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The configuration, with every path made absolute against the file's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that it came from.
    pub file: PathBuf,
    /// The organisation.
    pub org: OrgId,
    /// The host name that agents dial, which the server certificate carries.
    pub name: String,
    /// Where to listen, UDP and TCP.
    pub listen: SocketAddr,
    /// Where metrics and health are served, if at all. Never a public address.
    pub metrics_listen: Option<SocketAddr>,
    /// Server certificate and its issuer's, PEM, leaf first.
    pub server_chain: PathBuf,
    /// Server key, PKCS#8 PEM, encrypted when `server_key_passphrase` is set.
    pub server_key: PathBuf,
    /// File with the passphrase of the server key.
    pub server_key_passphrase: Option<PathBuf>,
    /// Root certificate, PEM.
    pub root: PathBuf,
    /// Folder of the issuing authorities: `<kind>.pem`, `<kind>.key.pem` and `<kind>.passphrase` for `devices`,
    /// `gateways` and `staff`. `serve` reads certificates there, never keys.
    pub authorities_dir: PathBuf,
    /// Certificate of the devices' issuing CA, PEM.
    pub devices_ca: PathBuf,
    /// Its encrypted key, read by the issuer process alone.
    pub devices_ca_key: PathBuf,
    /// File with its passphrase, read by the issuer process alone.
    pub devices_ca_passphrase: PathBuf,
    /// The issuer's socket.
    pub issuer_socket: PathBuf,
    /// Whether `serve` starts the issuer itself.
    pub issuer_spawn: bool,
    /// The database.
    pub database: PathBuf,
    /// Folder of the audit log.
    pub audit_dir: PathBuf,
    /// Folder of the policy bundle.
    pub policy_dir: PathBuf,
    /// The admin socket.
    pub admin_socket: PathBuf,
    /// DNS servers for internal names; the system's own where empty.
    pub dns_servers: Vec<SocketAddr>,
    /// How long a drain waits for sessions to leave.
    pub drain_seconds_max: u32,
    /// How much is sent to an agent at a time.
    pub congestion: Congestion,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One thing that is wrong, by key, with its remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: `{key}`: {what}; {remedy}")]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// The key.
    pub key: String,
    /// What is wrong.
    pub what: Words,
    /// How to mend it.
    pub remedy: Words,
}

impl InWords for ConfigErrors {
    fn words(&self) -> Words {
        Words::lines(self.0.iter().map(|error| {
            Words::new("config-wrong", &[("file", &error.file), ("key", &error.key)])
                .with("what", error.what.clone())
                .with("remedy", error.remedy.clone())
        }))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    org: Option<String>,
    name: Option<String>,
    listen: Option<String>,
    #[serde(default)]
    metrics: Metrics,
    #[serde(default)]
    tls: Tls,
    #[serde(default)]
    authorities: Authorities,
    #[serde(default)]
    issuer: Issuer,
    #[serde(default)]
    store: Store,
    #[serde(default)]
    audit: Folder,
    #[serde(default)]
    policy: Folder,
    #[serde(default)]
    admin: Admin,
    #[serde(default)]
    dns: Dns,
    #[serde(default)]
    drain: Drain,
    #[serde(default)]
    tunnel: Tunnel,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metrics {
    listen: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    chain: Option<PathBuf>,
    key: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Authorities {
    root: Option<PathBuf>,
    dir: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Issuer {
    socket: Option<PathBuf>,
    spawn: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Store {
    path: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Folder {
    dir: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Admin {
    socket: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dns {
    #[serde(default)]
    servers: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Drain {
    seconds_max: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tunnel {
    congestion: Option<String>,
}

/// How long a drain waits where the file does not say: a service manager kills after 90 s by default.
const DRAIN_SECONDS_MAX: u32 = 30;

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`ConfigErrors`] names every wrong key.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let one = |error: std::io::Error, remedy: &str| {
            ConfigErrors(vec![ConfigError {
                file: path.display().to_string(),
                key: "(file)".to_owned(),
                what: Words::system(&error),
                remedy: Words::new(remedy, &[]),
            }])
        };
        let text = std::fs::read_to_string(path).map_err(|error| one(error, "config-name-it"))?;
        let absolute = std::path::absolute(path).map_err(|error| one(error, "config-full-path"))?;
        Self::parse(&absolute, &text)
    }

    /// Checks the text of a configuration file; `file` must be absolute.
    ///
    /// # Errors
    /// [`ConfigErrors`] names every wrong key.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigErrors> {
        let mut check = Check { file, errors: Vec::new() };
        let raw: File = match toml::from_str(text) {
            Ok(raw) => raw,
            Err(error) => {
                let what = Words::new("config-syntax", &[("detail", error.to_string().trim_end())]);
                check.wrong("(syntax)", what, Words::new("config-see-comments", &[]));
                return Err(ConfigErrors(check.errors));
            }
        };
        let org = check.parsed("org", raw.org, "kawasaki.example");
        let name = check.required("name", raw.name, "gate.kawasaki.example");
        let listen = check.parsed("listen", raw.listen, "0.0.0.0:443");
        let metrics_listen = match raw.metrics.listen {
            Some(text) => check.parsed("metrics.listen", Some(text), "127.0.0.1:9464"),
            None => None,
        };
        let mut dns_servers = Vec::new();
        for server in raw.dns.servers {
            dns_servers.extend(check.parsed::<SocketAddr>("dns.servers", Some(server), "10.0.0.53:53"));
        }
        let congestion = match raw.tunnel.congestion {
            Some(name) => check.parsed("tunnel.congestion", Some(name), "steady"),
            None => None,
        };
        let authorities_dir = check.path(raw.authorities.dir, "authorities");
        let config = Self {
            org: org.unwrap_or_else(|| UNSET_ORG.clone()),
            name: name.unwrap_or_default(),
            listen: listen.unwrap_or(UNSET_ADDRESS),
            metrics_listen,
            server_chain: check.path(raw.tls.chain, "tls/chain.pem"),
            server_key: check.path(raw.tls.key, "tls/key.pem"),
            server_key_passphrase: raw.tls.passphrase_file.map(|path| check.path(Some(path), "")),
            root: check.path(raw.authorities.root, "authorities/root.pem"),
            devices_ca: authorities_dir.join("devices.pem"),
            devices_ca_key: authorities_dir.join("devices.key.pem"),
            devices_ca_passphrase: authorities_dir.join("devices.passphrase"),
            authorities_dir,
            issuer_socket: check.socket("issuer.socket", raw.issuer.socket, "run/issuer.sock"),
            issuer_spawn: raw.issuer.spawn.unwrap_or(true),
            database: check.path(raw.store.path, "gateway.sqlite"),
            audit_dir: check.path(raw.audit.dir, "audit"),
            policy_dir: check.path(raw.policy.dir, "policy"),
            admin_socket: check.socket("admin.socket", raw.admin.socket, "run/admin.sock"),
            dns_servers,
            drain_seconds_max: raw.drain.seconds_max.unwrap_or(DRAIN_SECONDS_MAX),
            congestion: congestion.unwrap_or_default(),
            file: file.to_path_buf(),
        };
        if check.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(check.errors)) }
    }
}

/// Stands in while other errors are collected; never leaves [`Config::parse`].
static UNSET_ORG: std::sync::LazyLock<OrgId> = std::sync::LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "INVARIANT (unset org): a constant that is an id")]
    "unset".parse().expect("an id")
});
const UNSET_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

struct Check<'f> {
    file: &'f Path,
    errors: Vec<ConfigError>,
}

impl Check<'_> {
    fn wrong(&mut self, key: &str, what: Words, remedy: Words) {
        self.errors.push(ConfigError { file: self.file.display().to_string(), key: key.to_owned(), what, remedy });
    }

    fn required(&mut self, key: &str, value: Option<String>, example: &str) -> Option<String> {
        match value {
            Some(value) if !value.trim().is_empty() => Some(value),
            Some(_) | None => {
                let remedy = Words::new("config-add", &[("key", key), ("example", example)]);
                self.wrong(key, Words::new("config-missing", &[]), remedy);
                None
            }
        }
    }

    fn parsed<T>(&mut self, key: &str, value: Option<String>, example: &str) -> Option<T>
    where
        T: std::str::FromStr,
        T::Err: Display,
    {
        let text = self.required(key, value, example)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let what = Words::new("config-not-so", &[("text", &text), ("error", &error.to_string())]);
                self.wrong(key, what, Words::new("config-write", &[("key", key), ("example", example)]));
                None
            }
        }
    }

    fn path(&self, given: Option<PathBuf>, default: &str) -> PathBuf {
        let path = given.unwrap_or_else(|| PathBuf::from(default));
        match self.file.parent() {
            Some(folder) => folder.join(path),
            None => path,
        }
    }

    fn socket(&mut self, key: &str, given: Option<PathBuf>, default: &str) -> PathBuf {
        let path = self.path(given, default);
        if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
            let (shown, max) = (path.display().to_string(), SOCKET_PATH_BYTES_MAX.to_string());
            let what = Words::new("config-socket-long", &[("path", &shown), ("max", &max)]);
            self.wrong(key, what, Words::new("config-shorter", &[]));
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "/etc/hitotsu/gateway.toml";

    fn errors(text: &str) -> String {
        Config::parse(Path::new(FILE), text).unwrap_err().to_string()
    }

    #[test]
    fn three_keys_are_enough_and_paths_are_beside_the_file() {
        let text = "org = \"kawasaki.example\"\nname = \"gate.example\"\nlisten = \"0.0.0.0:443\"\n";
        let config = Config::parse(Path::new(FILE), text).unwrap();
        assert_eq!(config.policy_dir, Path::new("/etc/hitotsu/policy"));
        assert_eq!(config.metrics_listen, None);
        assert!(config.issuer_spawn);
        assert_eq!(config.congestion, Congestion::Steady);
    }

    #[test]
    fn every_wrong_key_is_named_at_once_with_its_remedy() {
        let errors = errors(
            "name = \"\"\nlisten = \"443\"\n[dns]\nservers = [\"10.0.0.53\"]\n\
                             [tunnel]\ncongestion = \"fast\"\n",
        );
        for expected in [
            "`org`: is missing or empty; add `org = \"kawasaki.example\"`",
            "`name`: is missing or empty",
            "`listen`: `443`: invalid socket address syntax; write it as `listen = \"0.0.0.0:443\"`",
            "`dns.servers`: `10.0.0.53`",
            "`tunnel.congestion`: `fast`",
        ] {
            assert!(errors.contains(expected), "{expected}\n{errors}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_and_line() {
        let errors = errors("org = \"a\"\nlissten = \"1\"\n");
        assert!(errors.contains("lissten") && errors.contains("line 2"), "{errors}");
    }

    #[test]
    fn a_socket_path_that_the_system_cannot_take_is_refused() {
        let long = format!("[admin]\nsocket = \"/{}\"\n", "x".repeat(120));
        assert!(errors(&long).contains("choose a shorter path"));
    }
}
