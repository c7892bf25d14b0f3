//! An organisation and its gateway, as `hitotsu-gateway init` makes them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::BASE64;
use hitotsu_model::control::{ENROL_ALPN, EnrolRequest, EnrolResponse, Problem, ProtocolVersion};
use hitotsu_pki::csr::make_csr;
use hitotsu_pki::enrol::EnrolCode;
use hitotsu_pki::key::PrivateKey;
use hitotsu_pki::tls::EnrolVerifier;
use hitotsu_tunnel::crypto;
use hitotsu_tunnel::dialer::other_protocol;
use ring::rand::SystemRandom;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::device::{Device, problem};
use crate::fleet;
use crate::process::{PATIENCE, Running, placed, program, run};

/// The name of a gateway on this host.
const LOCALHOST: &str = "localhost";

/// A fresh organisation with a running gateway.
#[derive(Debug)]
pub struct World {
    dir: TempDir,
    /// Size of a file system of its own for the audit log, as `mount` names it.
    audit_disk: Option<&'static str>,
    /// Words before each of the gateway's commands, which put it elsewhere than on this host.
    elsewhere: Vec<String>,
    /// What its certificate names, and agents dial.
    name: String,
    /// The gateway; gone after [`World::kill_gateway`].
    pub gateway: Option<Running>,
    /// Where it listens, UDP and TCP.
    pub listen: SocketAddr,
    /// Its figures and health.
    pub metrics: SocketAddr,
}

impl World {
    /// Makes an organisation with this policy bundle and starts its gateway.
    ///
    /// # Panics
    /// If any step fails; the message says which.
    pub async fn new(bundle: &BTreeMap<String, String>) -> Self {
        Self::with_dns(bundle, &[]).await
    }

    /// As [`World::new`], with name servers of the test's own for internal names.
    ///
    /// # Panics
    /// If any step fails; the message says which.
    pub async fn with_dns(bundle: &BTreeMap<String, String>, servers: &[SocketAddr]) -> Self {
        let mut world = Self::still(bundle, LOCALHOST, &[]).await;
        if !servers.is_empty() {
            let config = std::fs::read_to_string(world.config()).expect("the configuration");
            let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
            let config = config.replace("servers = []", &format!("servers = [{}]", servers.join(", ")));
            std::fs::write(world.config(), config).expect("written");
        }
        world.start_gateway().await;
        world
    }

    /// As [`World::new`], with so many devices of this person on record before the gateway starts.
    ///
    /// # Panics
    /// If any step fails; the message says which.
    pub async fn with_fleet(bundle: &BTreeMap<String, String>, person: &str, count: usize) -> (Self, Vec<Device>) {
        let mut world = Self::still(bundle, LOCALHOST, &[]).await;
        let mut devices = fleet::enrol(&world.config(), person, count).await;
        world.start_gateway().await;
        for device in &mut devices {
            device.gateway = world.listen;
        }
        (world, devices)
    }

    /// As [`World::new`], with the audit log on a disk of its own of this size (`1m`). The disk is mounted in a mount
    /// namespace of the gateway's own, so nothing of it is left when the gateway has ended. Needs root.
    ///
    /// # Panics
    /// If any step fails; the message says which.
    pub async fn with_audit_disk(bundle: &BTreeMap<String, String>, size: &'static str) -> Self {
        let mut world = Self::still(bundle, LOCALHOST, &[]).await;
        world.audit_disk = Some(size);
        world.start_gateway().await;
        world
    }

    /// As [`World::new`], on another host: the words before each of its commands put it there, and it listens on this
    /// address, for which its certificate stands. `congestion` is how it controls that, if not as it comes.
    ///
    /// # Panics
    /// If any step fails; the message says which.
    pub async fn elsewhere(
        bundle: &BTreeMap<String, String>,
        address: IpAddr,
        elsewhere: &[String],
        congestion: Option<&str>,
    ) -> Self {
        let mut world = Self::still(bundle, &address.to_string(), elsewhere).await;
        if let Some(congestion) = congestion {
            let config = std::fs::read_to_string(world.config()).expect("the configuration");
            let config = config.replace("congestion = \"steady\"", &format!("congestion = \"{congestion}\""));
            std::fs::write(world.config(), config).expect("written");
        }
        world.listen = (address, 0).into();
        world.start_gateway().await;
        world
    }

    /// The folder of the audit log, as the running gateway sees it.
    ///
    /// # Panics
    /// If the gateway does not run.
    #[must_use]
    pub fn audit_dir(&self) -> PathBuf {
        let dir = self.org_dir().join("audit");
        if self.audit_disk.is_none() {
            return dir;
        }
        let gateway = self.gateway.as_ref().expect("it runs").id();
        let inside = dir.strip_prefix("/").expect("a whole path");
        Path::new("/proc").join(gateway.to_string()).join("root").join(inside)
    }

    /// An organisation whose gateway does not run yet.
    async fn still(bundle: &BTreeMap<String, String>, name: &str, elsewhere: &[String]) -> Self {
        let dir = tempfile::Builder::new().prefix("hitotsu-world-").tempdir().expect("a folder");
        let org = dir.path().join("org");
        let mut command = placed(elsewhere, "hitotsu-gateway");
        command.args(["init", "--name", name, "--org", "kawasaki.example", "--listen", "127.0.0.1:0", "--json"]);
        command.args(["--metrics", "127.0.0.1:0"]);
        command.arg("--dir").arg(&org);
        let (code, _, errors) = run(command).await;
        assert_eq!(code, 0, "{errors}");
        let nowhere = ([127, 0, 0, 1], 0).into();
        let (name, elsewhere) = (name.to_owned(), elsewhere.to_vec());
        let world = Self { dir, audit_disk: None, elsewhere, name, gateway: None, listen: nowhere, metrics: nowhere };
        world.write_bundle(bundle);
        world
    }

    /// The organisation's folder.
    #[must_use]
    pub fn org_dir(&self) -> PathBuf {
        self.dir.path().join("org")
    }

    /// A folder for the test's own files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Replaces the policy bundle's files; `policy reload` puts them into effect.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn write_bundle(&self, bundle: &BTreeMap<String, String>) {
        let policy = self.org_dir().join("policy");
        if policy.exists() {
            std::fs::remove_dir_all(&policy).expect("removed");
        }
        for (path, text) in bundle {
            let path = policy.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        }
    }

    /// Starts the gateway and waits until it listens. After a first start it listens on the same port again.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_gateway(&mut self) {
        let mut command = self.serving();
        command.args(["serve", "--json"]).arg("--config").arg(self.config());
        if self.listen.port() != 0 || !self.listen.ip().is_loopback() {
            command.arg("--listen").arg(self.listen.to_string());
        }
        command.env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned()));
        let mut gateway = Running::start(command);
        let ready = gateway.next_json().await;
        self.listen = ready["listen"].as_str().expect("an address").parse().expect("an address");
        if let Some(metrics) = ready["metrics"].as_str() {
            self.metrics = metrics.parse().expect("an address");
        }
        self.gateway = Some(gateway);
    }

    /// Ends the gateway as a power cut would.
    ///
    /// # Panics
    /// If it does not run.
    pub async fn kill_gateway(&mut self) {
        self.gateway.take().expect("it runs").kill().await;
    }

    /// The gateway's program, where it serves: with a disk of its own for the audit log if it is to have one.
    fn serving(&self) -> Command {
        let gateway = program("hitotsu-gateway");
        let Some(size) = self.audit_disk else { return placed(&self.elsewhere, "hitotsu-gateway") };
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"",
            "sh",
        ]);
        command.arg(size).arg(self.org_dir().join("audit")).arg(gateway);
        command
    }

    /// The gateway's program as a command beside the gateway, which sees the same disks.
    fn beside(&self) -> Command {
        let gateway = program("hitotsu-gateway");
        let Some(running) = self.gateway.as_ref().filter(|_| self.audit_disk.is_some()) else {
            return placed(&self.elsewhere, "hitotsu-gateway");
        };
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &running.id().to_string()]).arg(gateway);
        command
    }

    fn config(&self) -> PathBuf {
        self.org_dir().join("gateway.toml")
    }

    /// Runs a gateway command with `--json` and gives back what it says.
    ///
    /// # Panics
    /// If it fails.
    pub async fn gateway_command(&self, arguments: &[&str]) -> Value {
        let (code, output, errors) = self.try_gateway_command(arguments).await;
        assert_eq!(code, 0, "{arguments:?}: {errors}{output}");
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output}"))
    }

    /// Runs a gateway command with `--json`: exit code, output, errors.
    pub async fn try_gateway_command(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.beside();
        command.args(arguments).arg("--json").arg("--config").arg(self.config());
        run(command).await
    }

    /// Runs a gateway command as a person at a Japanese terminal does: exit code, output, errors.
    pub async fn words(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.beside();
        command.env("LC_ALL", "ja_JP.UTF-8").args(arguments).arg("--config").arg(self.config());
        run(command).await
    }

    /// Starts a gateway command with `--json` that goes on saying things.
    #[must_use]
    pub fn follow(&self, arguments: &[&str]) -> Running {
        let mut command = self.beside();
        command.args(arguments).arg("--json").arg("--config").arg(self.config());
        Running::start(command)
    }

    /// Makes an enrolment code.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn enrol_code(&self, person: Option<&str>, ownership: &str) -> EnrolCode {
        let mut arguments = vec!["enrol-code", "--ownership", ownership];
        if let Some(person) = person {
            arguments.extend(["--person", person]);
        }
        let made = self.gateway_command(&arguments).await;
        let code = made["code"].as_str().expect("a code");
        // The configured port may be 0; the real one is known only here.
        let (secret, _) = code.rsplit_once('@').expect("code@gateway");
        format!("{secret}@{}:{}", self.name, self.listen.port()).parse().expect("a code")
    }

    /// Enrols a device for a person.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn enrol(&self, person: &str) -> Device {
        let code = self.enrol_code(Some(person), "issued").await;
        let key = Arc::new(PrivateKey::generate_p256(&SystemRandom::new()).expect("a key"));
        self.redeem(&code, key).await.unwrap_or_else(|problem| panic!("{problem:?}"))
    }

    /// Redeems an enrolment code with this key.
    ///
    /// # Errors
    /// The gateway's problem document.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn redeem(&self, code: &EnrolCode, key: Arc<PrivateKey>) -> Result<Device, Box<Problem>> {
        let request = EnrolRequest {
            version: ProtocolVersion::CURRENT,
            secret: code.secret().text().to_string(),
            csr: BASE64.encode(&make_csr(&*key).expect("a request")),
            platform: "linux".to_owned(),
            agent_version: "test".to_owned(),
        };
        let body = serde_json::to_vec(&request).expect("json");
        let tls = rustls::ClientConfig::builder_with_provider(crypto::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("tls 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(EnrolVerifier::new(code)))
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream =
            other_protocol(self.listen, name, ENROL_ALPN, tls, PATIENCE).await.expect("the enrolment door opens");
        let head = format!(
            "POST /enrol HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.write_all(&body).await.expect("sent");
        let mut answer = Vec::new();
        // A peer that closes without close_notify has still sent its whole answer: its length is in the head.
        let _ = stream.read_to_end(&mut answer).await;
        let split = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let (head, body) = (String::from_utf8_lossy(&answer[..split]), &answer[split + 4..]);
        if !head.starts_with("HTTP/1.1 200") {
            return Err(Box::new(problem(body)));
        }
        let response: EnrolResponse = serde_json::from_slice(body).expect("an enrol response");
        let der = |text: &String| CertificateDer::from(BASE64.decode(text.as_bytes()).expect("base64"));
        Ok(Device {
            id: response.device,
            key,
            chain: response.chain.iter().map(der).collect(),
            root: der(&response.root),
            org: response.org,
            gateway: self.listen,
        })
    }

    /// What the health listener answers at `path`: the whole response.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn health(&self, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.metrics).await.expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("an answer");
        text
    }

    /// One figure of the gateway, as Prometheus would read it.
    ///
    /// # Panics
    /// If there is no such figure.
    pub async fn figure(&self, name: &str) -> f64 {
        let text = self.health("/metrics").await;
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        let value = line.and_then(|line| line.rsplit(' ').next()).unwrap_or_else(|| panic!("no figure {name}: {text}"));
        value.parse().expect("a number")
    }
}
