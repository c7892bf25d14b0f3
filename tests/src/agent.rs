//! Our own agent as a process, enrolled and running as a person would run it, on the true state of this machine.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::process::{PATIENCE, Running, placed, program, run};
use crate::world::World;

/// A running agent. Dropping it kills it.
#[derive(Debug)]
pub struct Agent {
    state: PathBuf,
    running: Running,
    /// Its SOCKS5 front.
    pub socks5: SocketAddr,
    /// Its HTTP front.
    pub http: SocketAddr,
}

impl World {
    /// Enrols our agent for a person and starts it; comes back once its tunnel is up.
    ///
    /// # Panics
    /// If a step fails.
    pub async fn agent(&self, person: &str) -> Agent {
        self.enrolled_agent(person, &[], "").await.start().await
    }

    /// Enrols our agent for a person, on this host or behind words that put it on another, with more of its configuration.
    ///
    /// # Panics
    /// If a step fails.
    pub async fn enrolled_agent(&self, person: &str, elsewhere: &[String], config: &str) -> EnrolledAgent {
        let state = self.dir().join("agent");
        std::fs::DirBuilder::new().mode(0o700).create(&state).expect("made");
        let config = format!("[listen]\nsocks5 = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n\n{config}");
        std::fs::write(state.join("agent.toml"), config).expect("written");
        let agent = EnrolledAgent { state, elsewhere: elsewhere.to_vec() };
        let code = self.enrol_code(Some(person), "issued").await.to_string();
        let (exit, said, errors) = run(agent.command(&["enrol", &code])).await;
        assert_eq!(exit, 0, "{said}{errors}");
        agent
    }
}

/// An agent that is enrolled, and does not run.
#[derive(Debug)]
pub struct EnrolledAgent {
    state: PathBuf,
    elsewhere: Vec<String>,
}

impl EnrolledAgent {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = placed(&self.elsewhere, "hitotsu");
        command.env("LC_ALL", "ja_JP.UTF-8").arg("--json").arg("--state-dir").arg(&self.state).args(words);
        command
    }

    /// Where it keeps what it knows.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// Starts it, and does not wait for its tunnel.
    #[must_use]
    pub fn launch(&self) -> Running {
        Running::start(self.command(&["run"]))
    }

    /// Starts it and comes back once its tunnel is up.
    ///
    /// # Panics
    /// If a step fails.
    pub async fn start(self) -> Agent {
        let mut running = self.launch();
        let ready = event(&mut running, "ready").await;
        let address =
            |front: &str| ready["listening"][front].as_str().expect("an address").parse().expect("an address");
        let (socks5, http) = (address("socks5"), address("http"));
        event(&mut running, "connected").await;
        Agent { state: self.state, running, socks5, http }
    }
}

impl Agent {
    /// What it tells next under this name.
    ///
    /// # Panics
    /// If it does not come in time.
    pub async fn event(&mut self, name: &str) -> Value {
        event(&mut self.running, name).await
    }

    /// What one of its commands says as JSON, whatever its exit code: a refusal is an answer too.
    ///
    /// # Panics
    /// If it says no JSON.
    pub async fn json(&self, words: &[&str]) -> Value {
        let mut command = Command::new(program("hitotsu"));
        command.arg("--json").arg("--state-dir").arg(&self.state).args(words);
        let (_, said, errors) = run(command).await;
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{words:?}: {error}: {said}{errors}"))
    }

    /// Opens a connection through its SOCKS5 front (RFC 1928), which gets the name.
    ///
    /// # Errors
    /// The reply's number where it is a refusal.
    ///
    /// # Panics
    /// If there is no reply.
    pub async fn open(&self, host: &str, port: u16) -> Result<TcpStream, u8> {
        let opening = async {
            let mut stream = TcpStream::connect(self.socks5).await.expect("connects");
            stream.write_all(&[5, 1, 0]).await.expect("sent");
            let mut method = [0; 2];
            stream.read_exact(&mut method).await.expect("a method");
            assert_eq!(method, [5, 0], "no authentication");
            let length = u8::try_from(host.len()).expect("a short name");
            let request = [&[5, 1, 0, 3, length], host.as_bytes(), &port.to_be_bytes()].concat();
            stream.write_all(&request).await.expect("sent");
            // Version, reply, reserved, and an IPv4 address with its port.
            let mut reply = [0; 10];
            stream.read_exact(&mut reply).await.expect("a reply");
            if reply[1] == 0 { Ok(stream) } else { Err(reply[1]) }
        };
        timeout(PATIENCE, opening).await.expect("in time")
    }
}

async fn event(running: &mut Running, name: &str) -> Value {
    loop {
        let told = running.next_json().await;
        if told["event"] == name {
            return told;
        }
    }
}
