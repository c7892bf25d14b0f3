//! The internal systems: real servers in processes of their own.

use std::path::PathBuf;

use serde_json::Value;

use super::children::Running;
use super::{Stage, word};
use crate::run::Trouble;

/// The host names that the sample policy gives the systems.
pub(super) const PORTAL: &str = "portal.demo.internal";
/// The document library.
pub(super) const FILES: &str = "files.demo.internal";
/// The SSH server.
pub(super) const SSH: &str = "ssh.demo.internal";
/// A system that opens only to PCs with a firewall, for the second PC.
pub(super) const LEDGER: &str = "ledger.demo.internal";
/// A system that uses My Number, which nobody reaches from home.
pub(super) const RESIDENTS: &str = "residents.demo.internal";

/// The systems that run, and where.
#[derive(Debug)]
pub(super) struct Systems {
    /// Port of the web system.
    pub(super) web: u16,
    /// Port of the document library.
    pub(super) files: u16,
    /// Port of the SSH server.
    pub(super) ssh: u16,
    /// Port of the system that nobody reaches from home.
    pub(super) secret: u16,
    /// Port of the system that opens only to PCs with a firewall.
    pub(super) ledger: u16,
    /// The SSH server's host key.
    pub(super) ssh_key: String,
    /// The document library's folder.
    pub(super) library: PathBuf,
    _running: Vec<Running>,
}

impl Systems {
    /// Starts them all.
    ///
    /// # Errors
    /// One does not start.
    pub(super) fn start(stage: &Stage<'_>) -> Result<Self, Trouble> {
        let library = stage.folder("library")?;
        let (web, web_running) = start(stage, "web", "web", &[])?;
        let (files, files_running) = start(stage, "files", "webdav", &["--dir".to_owned(), word(&library)])?;
        let (ssh, ssh_running) = start(stage, "ssh", "ssh", &[])?;
        let (secret, secret_running) = start(stage, "residents", "web", &[])?;
        let (ledger, ledger_running) = start(stage, "ledger", "web", &[])?;
        let ssh_key = ssh.get("host_key").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self {
            web: port(&web)?,
            files: port(&files)?,
            ssh: port(&ssh)?,
            secret: port(&secret)?,
            ledger: port(&ledger)?,
            ssh_key,
            library,
            _running: vec![web_running, files_running, ssh_running, secret_running, ledger_running],
        })
    }
}

fn start(stage: &Stage<'_>, name: &str, system: &str, more: &[String]) -> Result<(Value, Running), Trouble> {
    let mut command = stage.program("hitotsu-systems");
    command.arg(system).arg("--until-stdin-closes").args(more);
    let mut running = Running::start(&stage.groups, &stage.logs()?, name, command)?;
    let announcement = running.announcement()?;
    Ok((announcement, running))
}

/// The port of an announcement's address.
fn port(announcement: &Value) -> Result<u16, Trouble> {
    let address = announcement.get("listening").and_then(Value::as_str).unwrap_or_default();
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.ok_or_else(|| Trouble::new(format!("a system announced `{address}`, which is no address")))
}
