//! The one configuration file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hitotsu_model::ids::OrgId;

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
    pub what: String,
    /// How to mend it.
    pub remedy: String,
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`ConfigErrors`] names every wrong key.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Err(ConfigErrors(vec![ConfigError {
            file: path.display().to_string(),
            key: "org".to_owned(),
            what: "is missing".to_owned(),
            remedy: "add it".to_owned(),
        }]))
    }
}
