//! A client without our agent: a certificate of profile `relay` in files that any program can read.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::process::run;
use crate::world::World;

/// Files of a client certificate.
#[derive(Debug, Clone)]
pub struct ClientFiles {
    /// The certificate and its issuer's, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

impl World {
    /// Makes a client certificate of profile `relay` for a person.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn relay(&self, person: &str) -> ClientFiles {
        let out = self.dir().join("relay");
        let folder = out.to_str().expect("a path of ours");
        self.gateway_command(&["ca", "issue", "--profile", "relay", "--person", person, "--out", folder]).await;
        ClientFiles { certificate: out.join("chain.pem"), key: out.join("key.pem") }
    }

    /// The organisation's root, PEM.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.org_dir().join("authorities/root.pem")
    }
}

/// A certificate that nobody but itself vouches for. But for that, it is as a real one would be.
///
/// # Panics
/// If `openssl` is missing or fails.
pub async fn self_signed(folder: &Path) -> ClientFiles {
    let (certificate, key) = (folder.join("self.pem"), folder.join("self-key.pem"));
    let config = folder.join("self.conf");
    std::fs::write(&config, SELF_SIGNED).expect("written");
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]);
    command.args(["-subj", "/CN=relay", "-config"]).arg(&config);
    command.arg("-out").arg(&certificate).arg("-keyout").arg(&key);
    let (code, _, errors) = run(command).await;
    assert_eq!(code, 0, "{errors}");
    ClientFiles { certificate, key }
}

const SELF_SIGNED: &str = "[req]
distinguished_name = name
x509_extensions = client
[name]
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = URI:hitotsu://kawasaki.example/relay/7f6f2f8e-3c1b-4b4e-9a57-0d9f0f0f0f0f
";
