//! The organisation and its gateway, made and asked with the gateway's own commands.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::children::Running;
use super::systems::Systems;
use super::{Stage, word};
use crate::run::{self, Trouble};

/// The organisation of the demo.
const ORG: &str = "demo";

/// The person of the sample policy to whom the demo's devices belong.
const PERSON: &str = "p-1000";

/// The policy of the system that opens only to PCs with a firewall: file below the bundle's folder, and text.
const LEDGER_FILES: [(&str, &str); 3] = [
    ("hosts/ledger.toml", include_str!("../../policy/hosts/ledger.toml")),
    ("resources/ledger.toml", include_str!("../../policy/resources/ledger.toml")),
    ("rules/ledger.cedar", include_str!("../../policy/rules/ledger.cedar")),
];

/// A gateway that serves.
#[derive(Debug)]
pub(super) struct Gateway {
    config: PathBuf,
    program: PathBuf,
    locale: &'static str,
    address: SocketAddr,
    running: Option<Running>,
}

impl Gateway {
    /// Makes a fresh organisation: certificates, database, policy with the demo's systems.
    ///
    /// # Errors
    /// `init` refuses.
    pub(super) fn init(stage: &Stage<'_>, systems: &Systems) -> Result<Self, Trouble> {
        let host = stage.namespace.as_ref().map_or(Ipv4Addr::LOCALHOST, |namespace| namespace.gateway_side());
        let address = SocketAddr::from((host, free_port(host)?));
        let dir = stage.scratch.join("gateway");
        let mut init = stage.program("hitotsu-gateway");
        init.args(["init", "--dir", &word(&dir), "--name", &host.to_string(), "--org", ORG]);
        init.args(["--listen", &address.to_string(), "--metrics", "127.0.0.1:0"]);
        let ports = [systems.web, systems.files, systems.ssh, systems.secret].map(|port| port.to_string());
        init.arg("--demo-ports").args(ports);
        run::captured(&mut init)?;
        add_ledger(&dir.join("policy"), systems.ledger)?;
        Ok(Self {
            config: dir.join("gateway.toml"),
            program: stage.path("hitotsu-gateway"),
            locale: stage.language.locale(),
            address,
            running: None,
        })
    }

    /// Starts to serve, and returns when it does.
    ///
    /// # Errors
    /// It does not start.
    pub(super) fn serve(&mut self, stage: &Stage<'_>) -> Result<(), Trouble> {
        let mut serve = stage.program("hitotsu-gateway");
        serve.args(["serve", "--json", "--config", &word(&self.config)]);
        let mut running = Running::start(&stage.groups, &stage.logs()?, "gateway", serve)?;
        running.announcement()?;
        self.running = Some(running);
        Ok(())
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A one-time code for a device of the demo's person.
    ///
    /// # Errors
    /// The gateway refuses.
    pub(super) fn enrol_code(&self) -> Result<String, Trouble> {
        let answer = self.json(&["enrol-code", "--person", PERSON])?;
        let code = answer.get("code").and_then(Value::as_str);
        code.map(str::to_owned).ok_or_else(|| Trouble::new(format!("`enrol-code` gave no code but {answer}")))
    }

    /// Revokes a device.
    ///
    /// # Errors
    /// The gateway refuses.
    pub(super) fn revoke(&self, device: &str) -> Result<(), Trouble> {
        run::captured(&mut self.command(&["device", "revoke", device])).map(drop)
    }

    /// Its configuration file.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// What a command of the gateway says as JSON.
    ///
    /// # Errors
    /// The command fails; its own words are in the message.
    pub(super) fn json(&self, words: &[&str]) -> Result<Value, Trouble> {
        let mut command = self.command(words);
        command.arg("--json");
        let text = run::captured(&mut command)?;
        serde_json::from_str(text.trim())
            .map_err(|error| Trouble::new(format!("`{}` printed no JSON ({error}): {text}", run::shown(&command))))
    }

    /// A command of the gateway, as a person would type it.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env("LC_ALL", self.locale).args(["--config", &word(&self.config)]).args(words);
        command
    }
}

/// Adds a system that demands a firewall to the sample policy, as a site would: in files beside those of the sample.
fn add_ledger(policy: &Path, port: u16) -> Result<(), Trouble> {
    for (file, text) in LEDGER_FILES {
        let file = policy.join(file);
        let folder = file.parent().unwrap_or(policy);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, text.replace("{{ledger_port}}", &port.to_string())))
            .map_err(|error| Trouble::new(format!("`{}` cannot be written: {error}", file.display())))?;
    }
    Ok(())
}

/// A port that is free for TCP and UDP at once.
pub(super) fn free_port(host: Ipv4Addr) -> Result<u16, Trouble> {
    let none = |error| Trouble::new(format!("no port is free on {host}: {error}"));
    loop {
        let tcp = TcpListener::bind((host, 0)).map_err(none)?;
        let port = tcp.local_addr().map_err(none)?.port();
        if UdpSocket::bind((host, port)).is_ok() {
            return Ok(port);
        }
    }
}
