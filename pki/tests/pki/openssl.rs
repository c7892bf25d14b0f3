//! The program `openssl` as a second opinion. The tests need it; without it they fail and say so.

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use data_encoding::BASE64;
use tempfile::TempDir;

pub(crate) struct OpenSsl {
    folder: TempDir,
}

impl OpenSsl {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn pem(&self, name: &str, label: &str, ders: &[&[u8]]) -> PathBuf {
        self.file(name, ders.iter().map(|der| pem(label, der)).collect::<String>())
    }

    /// Runs it and answers what it printed; panics with its complaint when it fails.
    pub(crate) fn run<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Vec<u8> {
        self.attempt(arguments).unwrap_or_else(|complaint| panic!("openssl: {complaint}"))
    }

    pub(crate) fn attempt<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Result<Vec<u8>, String> {
        let mut child = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program `openssl` is needed by these tests");
        child.stdin.take().unwrap().flush().unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            Ok(output.stdout)
        } else {
            let both = [output.stdout, output.stderr].concat();
            Err(String::from_utf8_lossy(&both).into_owned())
        }
    }
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
