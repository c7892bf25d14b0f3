//! An agent on a PC: enrolled, running, and asked with its own commands.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::children::Running;
use super::gateway::free_port;
use super::namespace::Namespace;
use super::systems::{SSH, Systems};
use super::{Stage, children, word};
use crate::run::{self, Trouble};

/// Between two looks at the agent's state.
const LOOK: Duration = Duration::from_millis(50);

/// One PC's agent.
#[derive(Debug)]
pub(super) struct Agent<'a> {
    name: &'static str,
    state: PathBuf,
    program: PathBuf,
    locale: &'static str,
    namespace: Option<&'a Namespace>,
    /// The SOCKS5 front.
    pub(super) socks: SocketAddr,
    /// The HTTP proxy.
    pub(super) http: SocketAddr,
    /// The forward to the SSH system.
    pub(super) ssh: SocketAddr,
    running: Option<Running>,
}

impl<'a> Agent<'a> {
    /// A PC that is not enrolled yet; in `namespace` when it is the second one.
    ///
    /// # Errors
    /// Its folder cannot be made.
    pub(super) fn new(
        stage: &Stage<'_>,
        name: &'static str,
        namespace: Option<&'a Namespace>,
        systems: &Systems,
    ) -> Result<Self, Trouble> {
        let state = stage.folder(name)?;
        let port = || free_port(Ipv4Addr::LOCALHOST).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let (socks, http, ssh) = (port()?, port()?, port()?);
        let config = format!(
            "[listen]\nsocks5 = \"{socks}\"\nhttp = \"{http}\"\n\n\
             [[forward]]\nlisten = \"{ssh}\"\nto = \"{SSH}:{}\"\ntransport = \"tcp\"\n",
            systems.ssh
        );
        std::fs::write(state.join("agent.toml"), config)
            .map_err(|error| Trouble::new(format!("the agent's configuration cannot be written: {error}")))?;
        let (program, locale) = (stage.path("hitotsu"), stage.language.locale());
        Ok(Self { name, state, program, locale, namespace, socks, http, ssh, running: None })
    }

    /// Enrols with a one-time code.
    ///
    /// # Errors
    /// The gateway or the agent refuses.
    pub(super) fn enrol(&self, code: &str) -> Result<(), Trouble> {
        run::captured(&mut self.command(&["enrol", code])).map(drop)
    }

    /// Starts the agent and waits until the gateway believes its evidence.
    ///
    /// # Errors
    /// It does not get there in time; its log is in the message.
    pub(super) fn start(&mut self, stage: &Stage<'_>, within: Duration) -> Result<(), Trouble> {
        let command = self.command(&["run"]);
        let running = Running::start(&stage.groups, &stage.logs()?, self.name, command)?;
        self.running = Some(running);
        let up = self.until(within, attested);
        up.map_err(|trouble| {
            let log = self.running.as_ref().map(Running::log_end).unwrap_or_default();
            Trouble::new(format!("{trouble}\n{log}"))
        })
    }

    /// Looks at `status` until it is as wanted.
    ///
    /// # Errors
    /// It is not so in time; the last status is in the message.
    pub(super) fn until(&self, within: Duration, wanted: impl Fn(&Value) -> bool) -> Result<(), Trouble> {
        let deadline = Instant::now() + within;
        loop {
            let status = self.json(&["status"]);
            match &status {
                Ok(status) if wanted(status) => return Ok(()),
                Ok(_) | Err(_) if Instant::now() < deadline => thread::sleep(LOOK),
                Ok(status) => return Err(Trouble::new(format!("after {within:?} the agent says {status}"))),
                Err(trouble) => return Err(Trouble::new(format!("after {within:?}: {trouble}"))),
            }
        }
    }

    /// What a command of the agent says as JSON.
    ///
    /// # Errors
    /// The command fails or prints no JSON.
    pub(super) fn json(&self, words: &[&str]) -> Result<Value, Trouble> {
        let mut command = self.command(words);
        command.arg("--json");
        let text = said(&mut command)?;
        serde_json::from_str(text.trim())
            .map_err(|error| Trouble::new(format!("`{}` printed no JSON ({error}): {text}", run::shown(&command))))
    }

    /// What a command of the agent says to a person, whether it is good news or not.
    ///
    /// # Errors
    /// The command cannot be started.
    pub(super) fn words(&self, words: &[&str]) -> Result<String, Trouble> {
        said(&mut self.command(words))
    }

    /// The device's id, as enrolment gave it.
    ///
    /// # Errors
    /// The status has none.
    pub(super) fn device(&self) -> Result<String, Trouble> {
        let status = self.json(&["status"])?;
        let device = status.get("device").and_then(Value::as_str);
        device.map(str::to_owned).ok_or_else(|| Trouble::new(format!("the agent's status names no device: {status}")))
    }

    /// Where it keeps its identity and configuration.
    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    /// A command of the agent on its PC.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.on_this_pc(&self.program);
        command.env("LC_ALL", self.locale).args(["--state-dir", &word(&self.state)]).args(words);
        command
    }

    /// Any program on this agent's PC.
    pub(super) fn on_this_pc(&self, program: &Path) -> Command {
        self.namespace.map_or_else(|| children::leashed(program), |namespace| namespace.inside(program))
    }

    /// True while it runs.
    pub(super) fn alive(&mut self) -> bool {
        self.running.as_mut().is_some_and(Running::alive)
    }
}

/// True when there is a tunnel and the gateway believes the evidence.
fn attested(status: &Value) -> bool {
    status.pointer("/connection/attested").is_some_and(|attested| !attested.is_null())
}

/// Standard output, whatever the exit status: a refusal is an answer too.
fn said(command: &mut Command) -> Result<String, Trouble> {
    let output = command
        .output()
        .map_err(|error| Trouble::new(format!("`{}` cannot be started: {error}", run::shown(command))))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.trim().is_empty() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(Trouble::new(format!("`{}` ({}): {}", run::shown(command), output.status, words.trim())));
    }
    Ok(text)
}
