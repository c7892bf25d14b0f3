//! Asking for things through the agent, as anybody's program would: with curl.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::run::{self, Trouble};

/// Longest wait of one request in seconds; the story's longest is a cut, which is awaited elsewhere.
const PATIENCE_SECONDS: &str = "20";

/// How the agent is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Through {
    /// Its SOCKS5 front, which also gets the name.
    Socks(SocketAddr),
    /// Its HTTP proxy, by CONNECT.
    Http(SocketAddr),
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    /// Status of the system's response; 0 where there was none.
    pub(super) status: u16,
    /// Status of the proxy's response to CONNECT; 0 where there was none.
    pub(super) connect: u16,
    /// Header lines, the proxy's first.
    pub(super) headers: String,
    /// The body.
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// True when a header of this name says `words` among others, whoever sent it.
    pub(super) fn says(&self, name: &str, words: &str) -> bool {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(':'));
        lines.any(|(own, value)| own.eq_ignore_ascii_case(name) && value.contains(words))
    }
}

/// Curl, ready for more words; `base` decides where it runs.
pub(super) fn through(mut base: Command, through: Through) -> Command {
    // The person's own settings and proxies are no part of the story.
    base.args(["--disable", "--silent", "--show-error", "--noproxy", ""]);
    match through {
        Through::Socks(address) => base.args(["--proxy", &format!("socks5h://{address}")]),
        Through::Http(address) => base.args(["--proxytunnel", "--proxy", &format!("http://{address}")]),
    };
    base
}

/// One request; an HTTP error is an answer too.
///
/// # Errors
/// Curl says that nothing came back at all.
pub(super) fn ask(command: Command, scratch: &Path, url: &str, more: &[&str]) -> Result<Answer, Trouble> {
    match attempt(command, scratch, url, more)? {
        (answer, None) => Ok(answer),
        (_, Some(words)) => Err(Trouble::new(format!("`{url}`: {words}"))),
    }
}

/// One request that may be refused on its way: what came back, and curl's words when it gave up.
///
/// # Errors
/// Curl cannot be started.
pub(super) fn attempt(
    mut command: Command,
    scratch: &Path,
    url: &str,
    more: &[&str],
) -> Result<(Answer, Option<String>), Trouble> {
    let (headers, body) = (scratch.join("headers"), scratch.join("body"));
    for file in [&headers, &body] {
        let _none_yet = std::fs::remove_file(file);
    }
    command.args(["--max-time", PATIENCE_SECONDS, "--write-out", "%{response_code} %{http_connect}"]);
    command.arg("--dump-header").arg(&headers).arg("--output").arg(&body).args(more).arg(url);
    let output = command
        .output()
        .map_err(|error| Trouble::new(format!("`{}` cannot be started: {error}", run::shown(&command))))?;
    let codes = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut codes = codes.split(' ').map(|code| code.trim().parse().unwrap_or(0));
    let answer = Answer {
        status: codes.next().unwrap_or(0),
        connect: codes.next().unwrap_or(0),
        headers: std::fs::read_to_string(headers).unwrap_or_default(),
        body: std::fs::read(body).unwrap_or_default(),
    };
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok((answer, (!output.status.success()).then_some(words)))
}
