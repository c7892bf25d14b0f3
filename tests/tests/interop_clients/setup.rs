//! A gateway with one client without our agent, and the programs that play it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hitotsu_tests::bundle::{PERSON, TestBundle};
use hitotsu_tests::process::{Running, run};
use hitotsu_tests::relay::ClientFiles;
use hitotsu_tests::world::World;
use serde_json::Value;
use tokio::process::Command;

/// What tells where Python with aioquic and pycurl is.
const PYTHON: &str = "HITOTSU_TEST_PYTHON";

/// A gateway and a client whose profile its rules name.
pub(crate) struct Setup {
    pub(crate) world: World,
    pub(crate) relay: ClientFiles,
}

/// A gateway whose only systems are these; all of them are open to the client.
pub(crate) async fn with(systems: &[(&str, SocketAddr, &str)]) -> Setup {
    let bundle = systems.iter().fold(TestBundle::new(), |bundle, (name, address, transport)| {
        bundle.system(name, "tier3", &[*address], transport).permit(name, "context.profile == \"relay\"")
    });
    with_bundle(&bundle).await
}

/// A gateway with this policy, and a client.
pub(crate) async fn with_bundle(bundle: &TestBundle) -> Setup {
    let world = World::new(&bundle.files()).await;
    let relay = world.relay(PERSON).await;
    Setup { world, relay }
}

impl Setup {
    /// Runs one of the Python clients to its end; gives what it says last.
    pub(crate) async fn python(&self, script: &str, arguments: &[&str]) -> Value {
        ended(self.python_command(script, Some(&self.relay), arguments)).await
    }

    /// Starts one of the Python clients.
    pub(crate) fn start_python(&self, script: &str, arguments: &[&str]) -> Running {
        Running::start(self.python_command(script, Some(&self.relay), arguments))
    }

    /// Runs the Node client to its end; gives what it says last.
    pub(crate) async fn node(&self, arguments: &[&str]) -> Value {
        ended(self.node_command(Some(&self.relay), arguments)).await
    }

    /// Starts the Node client.
    pub(crate) fn start_node(&self, arguments: &[&str]) -> Running {
        Running::start(self.node_command(Some(&self.relay), arguments))
    }

    /// A Python client with a certificate, or none.
    pub(crate) fn python_command(&self, script: &str, client: Option<&ClientFiles>, arguments: &[&str]) -> Command {
        let python = std::env::var_os(PYTHON).unwrap_or_else(|| {
            panic!(
                "missing: `{PYTHON}`, a python3 with aioquic and pycurl; `cargo xtask test --only interop` installs it"
            )
        });
        let mut command = Command::new(python);
        // The repository stays as it is.
        command.arg("-B").arg(script_path(script)).args(arguments);
        self.certificates(&mut command, client);
        command
    }

    /// The Node client with a certificate, or none.
    pub(crate) fn node_command(&self, client: Option<&ClientFiles>, arguments: &[&str]) -> Command {
        let mut command = Command::new("node");
        command.arg(script_path("node/client.mjs")).args(arguments);
        self.certificates(&mut command, client);
        command
    }

    fn certificates(&self, command: &mut Command, client: Option<&ClientFiles>) {
        command.arg("--gateway").arg(self.world.listen.to_string()).arg("--root").arg(self.world.root());
        if let Some(client) = client {
            command.arg("--certificate").arg(&client.certificate).arg("--key").arg(&client.key);
        }
    }
}

/// The name of a system of [`with`], with its port.
pub(crate) fn target(name: &str, address: SocketAddr) -> String {
    format!("{name}.test.internal:{}", address.port())
}

/// Runs a client to its end; gives what it says last.
pub(crate) async fn ended(command: Command) -> Value {
    let shown = format!("{command:?}");
    let (code, output, errors) = run(command).await;
    assert_eq!(code, 0, "{shown}: {errors}{output}");
    let last = output.lines().last().unwrap_or_else(|| panic!("{shown} says nothing: {errors}"));
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{shown}: {error}: {last}"))
}

fn script_path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(script)
}

/// Checks that an answer is a refusal that people and programs can read: status, `Proxy-Status` and problem document.
pub(crate) fn assert_refused(answer: &Value, status: u16, proxy_error: &str, slug: &str) {
    assert_eq!(answer["status"], status, "{answer}");
    assert_eq!(answer["headers"]["content-type"], "application/problem+json", "{answer}");
    let proxy_status = answer["headers"]["proxy-status"].as_str().expect("a proxy-status");
    assert!(proxy_status.contains(&format!("error={proxy_error};")), "{proxy_status}");
    let document: Value = serde_json::from_str(answer["body"].as_str().expect("a body")).expect("a problem document");
    assert_eq!(document["code"], slug, "{document}");
    assert_eq!(document["status"], status, "{document}");
    assert!(document["title"].as_str().is_some_and(|title| !title.is_empty()), "{document}");
}
