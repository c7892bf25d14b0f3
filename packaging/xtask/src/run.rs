//! Running programs.

use std::io::{self, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

/// Why a task cannot go on; a sentence for a developer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Trouble(String);

impl Trouble {
    /// From a sentence.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// How a program is named in messages: as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    if let Some(name) = words.first_mut().filter(|name| name.ends_with("/cargo")) {
        *name = "cargo".to_owned();
    }
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// What a program printed to standard output, when it succeeded.
///
/// # Errors
/// It cannot be started, or fails; its own words are in the message.
pub(crate) fn captured(command: &mut Command) -> Result<String, Trouble> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Trouble::new(format!("`{}` cannot be started: {error}", shown(command))))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    Err(Trouble::new(format!("`{}` failed ({}): {}", shown(command), output.status, words.join("\n"))))
}

/// True when the program can be started and succeeds; what it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// True when a program of this name is on the path.
pub(crate) fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Administration programs of Debian are not on every user's path, but can be run by it.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).any(|file| file.is_file())
}

/// Runs a program, showing what it prints while it runs, and also returns it.
///
/// # Errors
/// It cannot be started.
pub(crate) fn shown_and_captured(command: &mut Command) -> Result<(ExitStatus, String), Trouble> {
    println!("$ {}", shown(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Trouble::new(format!("`{}` cannot be started: {error}", shown(command))))?;
    let out = child.stdout.take().map(|from| thread::spawn(move || copy(from, io::stdout())));
    let err = child.stderr.take().map(|from| thread::spawn(move || copy(from, io::stderr())));
    let mut text = String::new();
    for copied in [out, err].into_iter().flatten() {
        text.push_str(&copied.join().unwrap_or_default());
    }
    let status = child.wait().map_err(|error| Trouble::new(format!("a program cannot be waited for: {error}")))?;
    Ok((status, text))
}

/// Copies until the end and returns what passed.
fn copy(mut from: impl Read, mut to: impl Write) -> String {
    let mut all = Vec::new();
    let mut buffer = [0_u8; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let part = buffer.get(..length).unwrap_or_default();
        let _unread = to.write_all(part).and_then(|()| to.flush());
        all.extend_from_slice(part);
    }
    String::from_utf8_lossy(&all).into_owned()
}
