//! The issuer as a process, and the care that the gateway takes of it.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::service::Service;
use super::wire;
use crate::authorities::{self, AuthorityError};
use crate::clock;
use crate::config::Config;
use crate::local;
use crate::memory;
use crate::words::{InWords, Words};

/// Connections at once: the gateway's enrolments and the commands of a few administrators.
const CONNECTIONS_MAX: usize = 64;
/// A connection that asks nothing for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How long a dead issuer's successor waits: long enough that one that cannot start does not fill the log, short enough
/// that an enrolment that waits for it ([`super::PATIENCE`]) may still succeed.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Why the issuer cannot run.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The authority cannot be opened.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The socket cannot be listened on.
    #[error("issuer socket `{path}`: {error}")]
    Socket {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl InWords for IssuerError {
    fn words(&self) -> Words {
        match self {
            Self::Authority(error) => error.words(),
            Self::Socket { path, error } => Words::new("serve-port", &[("address", &path.display().to_string())])
                .with("error", Words::system(error)),
        }
    }
}

/// Runs the issuer until `stop`. With `parent`, it also ends when that process does.
///
/// # Errors
/// [`IssuerError`] when it cannot start.
pub async fn run(config: &Config, parent: Option<u32>, stop: CancellationToken) -> Result<(), IssuerError> {
    if let Some(parent) = parent {
        follow(parent, &stop);
    }
    let passphrase = authorities::read_passphrase(&config.devices_ca_passphrase)?;
    let authority = authorities::open_files(&config.devices_ca, &config.devices_ca_key, &passphrase)?;
    let service = Arc::new(Service::new(authority, Instant::now()));
    let listener = local::bind(&config.issuer_socket)
        .map_err(|error| IssuerError::Socket { path: config.issuer_socket.clone(), error })?;
    tracing::info!("the issuer answers");
    tokio::spawn(memory::give_back(|| 0, stop.clone()));
    serve(&listener, &service, &stop).await;
    Ok(())
}

pub(super) async fn serve(listener: &UnixListener, service: &Arc<Service>, stop: &CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        // Over the bound, the asker is told by a closed connection and tries again.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let service = Arc::clone(service);
        let stop = stop.clone();
        tokio::spawn(async move {
            let _place = place;
            let served = stop.run_until_cancelled_owned(converse(stream, &service)).await;
            if let Some(Err(error)) = served {
                tracing::debug!(%error, "a connection to the issuer ended");
            }
        });
    }
}

async fn converse(mut stream: UnixStream, service: &Service) -> io::Result<()> {
    // The socket's mode keeps others out; this holds even where its folder was opened up.
    let peer = stream.peer_cred()?.uid();
    if peer != rustix::process::geteuid().as_raw() && peer != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    loop {
        let request = timeout(IDLE_MAX, wire::receive(&mut stream)).await.map_err(|_| io::ErrorKind::TimedOut)?;
        let Some(request) = request? else { return Ok(()) };
        wire::send(&mut stream, &service.answer(request, clock::now(), Instant::now())).await?;
    }
}

/// Ends the issuer with its parent, however that ends.
fn follow(parent: u32, stop: &CancellationToken) {
    let signal = rustix::process::Signal::TERM;
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(signal)) {
        tracing::warn!(%error, "the issuer will not notice when the gateway dies");
    }
    // The parent may have died before it was asked for.
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if now != Some(parent) {
        stop.cancel();
    }
}

/// Runs the issuer of `config` as a child, starts it anew when it ends, and ends it with `stop`.
pub async fn supervise(config: PathBuf, stop: CancellationToken) {
    loop {
        let ended = match start(&config) {
            Ok(mut child) => tokio::select! {
                ended = child.wait() => ended.map(|status| status.to_string()),
                () = stop.cancelled() => {
                    end(&mut child).await;
                    return;
                }
            },
            Err(error) => Err(error),
        };
        let why = ended.unwrap_or_else(|error| error.to_string());
        tracing::error!(why, "the issuer ended; nobody can enrol until it is back");
        if stop.run_until_cancelled(tokio::time::sleep(RESTART_AFTER)).await.is_none() {
            return;
        }
    }
}

fn start(config: &Path) -> io::Result<Child> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.arg("issuer").arg("--config").arg(config).arg("--parent").arg(std::process::id().to_string());
    // A group of its own: Ctrl-C in a terminal reaches the gateway alone, which drains and then ends the issuer.
    command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    Command::from(command).kill_on_drop(true).spawn()
}

async fn end(child: &mut Child) {
    let asked = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = asked
        && let Err(error) = rustix::process::kill_process(pid, rustix::process::Signal::TERM)
    {
        tracing::debug!(%error, "the issuer was gone");
    }
    if timeout(Duration::from_secs(2), child.wait()).await.is_err()
        && let Err(error) = child.kill().await
    {
        tracing::warn!(%error, "the issuer could not be ended");
    }
}
