//! The SSH server: real transport, keys and channels; no shell of the machine behind it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::key::safe_rng;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream};
use russh::{Channel, ChannelId};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{Where, announce};

/// Longest line of an interactive session in bytes; what comes after it in the same line is dropped.
const LINE_BYTES_MAX: usize = 4096;

/// An idle session ends after this: longer than any test, short enough that nothing stays for days.
const IDLE: Duration = Duration::from_secs(600);

/// Serves SSH with a fresh host key until it is to stop.
///
/// # Errors
/// The port cannot be had.
pub(crate) async fn serve(place: &Where) -> io::Result<()> {
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(io::Error::other)?;
    let public = key.public_key().to_openssh().map_err(io::Error::other)?;
    let listener = announce::tcp(place, json!({ "system": "ssh", "host_key": public })).await?;
    let config = Arc::new(Config {
        keys: vec![key],
        inactivity_timeout: Some(IDLE),
        auth_rejection_time: Duration::ZERO,
        nodelay: true,
        ..Config::default()
    });
    let accept = async {
        let mut sessions = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            while sessions.try_join_next().is_some() {}
            let config = config.clone();
            sessions.spawn(async move {
                if let Ok(session) = run_stream(config, stream, Visitor::default()).await {
                    let _gone = session.await;
                }
            });
        }
    };
    tokio::select! {
        served = accept => served,
        ended = announce::end(place) => ended,
    }
}

/// Whoever connected.
#[derive(Debug, Default)]
struct Visitor {
    user: String,
    /// The line being typed in an interactive session.
    line: Vec<u8>,
}

impl Handler for Visitor {
    type Error = russh::Error;

    async fn auth_none(&mut self, user: &str) -> Result<Auth, Self::Error> {
        user.clone_into(&mut self.user);
        Ok(Auth::Accept)
    }

    async fn auth_publickey(&mut self, user: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        user.clone_into(&mut self.user);
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        let (text, status) = reply_to(&self.user, &String::from_utf8_lossy(data));
        session.data(channel, text)?;
        session.exit_status_request(channel, status)?;
        session.eof(channel)?;
        session.close(channel)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        session.data(channel, format!("{}\r\n$ ", HELP.replace('\n', "\r\n")))
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        for byte in data {
            match byte {
                b'\r' | b'\n' => {
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                    if line.trim() == "exit" {
                        session.exit_status_request(channel, 0)?;
                        return session.close(channel);
                    }
                    let (text, _) = reply_to(&self.user, &line);
                    session.data(channel, format!("\r\n{}$ ", text.replace('\n', "\r\n")))?;
                }
                3 | 4 => return session.close(channel),
                byte => {
                    if self.line.len() < LINE_BYTES_MAX {
                        self.line.push(*byte);
                        session.data(channel, vec![*byte])?;
                    }
                }
            }
        }
        Ok(())
    }
}

const HELP: &str = "commands: echo TEXT, uname, whoami, hostname, help, exit\n";

/// What the server says to a command, and the exit status.
fn reply_to(user: &str, command: &str) -> (String, u32) {
    let command = command.trim();
    let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
    match name {
        "" => (String::new(), 0),
        "echo" => (format!("{rest}\n"), 0),
        "uname" => ("Hitotsu sample system\n".to_owned(), 0),
        "whoami" => (format!("{user}\n"), 0),
        "hostname" => ("jump.example\n".to_owned(), 0),
        "help" => (HELP.to_owned(), 0),
        other => (format!("{other}: command not found\n"), 127),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_command_fails_as_a_shell_would() {
        assert_eq!(reply_to("mika", "echo こんにちは 世界"), ("こんにちは 世界\n".to_owned(), 0));
        assert_eq!(reply_to("mika", "whoami"), ("mika\n".to_owned(), 0));
        assert_eq!(reply_to("mika", "rm -r /").1, 127);
    }
}
