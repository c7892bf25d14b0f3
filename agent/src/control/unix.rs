//! Unix: a socket in the state directory, readable and writable by its owner only.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use super::{Answer, Answerer, Ask, ControlError, SOCKET_FILE};
use crate::limits::{CONTROL_CLIENTS_MAX, CONTROL_LINE_BYTES_MAX, CONTROL_TIME_MAX};
use crate::platform;

/// Held by the running agent; the system lets go of it when the agent dies, however it dies.
const LOCK_FILE: &str = "agent.lock";

/// `sun_path` of unix(7), less the final zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The agent's end. Dropping it ends local control and removes the socket.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    listener: Option<UnixListener>,
    task: Option<JoinHandle<()>>,
    _lock: File,
}

impl Server {
    /// Takes the state directory for this agent alone, and listens.
    ///
    /// # Errors
    /// [`ControlError::AlreadyRunning`] when another agent has it.
    pub fn claim(state_dir: &Path) -> Result<Self, ControlError> {
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(state_dir.join(LOCK_FILE))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ControlError::AlreadyRunning),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let path = socket_path(state_dir)?;
        // With the lock held, a socket that is there belonged to an agent that died.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        // The directory is closed to others already; the peer's user is checked as well.
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { path, listener: Some(listener), task: None, _lock: lock })
    }

    /// Answers from now on.
    pub fn serve(&mut self, answerer: Answerer) {
        if let Some(listener) = self.listener.take() {
            self.task = Some(tokio::spawn(accept(listener, answerer)));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn accept(listener: UnixListener, answerer: Answerer) {
    let room = Arc::new(Semaphore::new(CONTROL_CLIENTS_MAX));
    let mut clients = JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a local command");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let user = stream.peer_cred().map(|peer| peer.uid());
        if !user.is_ok_and(|user| user == platform::own_user_id() || user == ROOT) {
            tracing::info!("a local command is not this user's");
            continue;
        }
        let answerer = answerer.clone();
        clients.spawn(async move {
            let served = tokio::time::timeout(CONTROL_TIME_MAX, serve(stream, &answerer)).await;
            if let Ok(Err(error)) = served {
                tracing::debug!(%error, "a local command ended");
            }
            drop(place);
        });
    }
}

/// The system's administrator may ask every user's agent; they could read its memory anyway.
const ROOT: u32 = 0;

async fn serve(stream: UnixStream, answerer: &Answerer) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader.take(CONTROL_LINE_BYTES_MAX as u64)).lines();
    while let Some(line) = lines.next_line().await? {
        let ask: Ask = serde_json::from_str(&line)?;
        let mut answer = serde_json::to_vec(&answerer.answer(ask).await)?;
        answer.push(b'\n');
        writer.write_all(&answer).await?;
    }
    Ok(())
}

/// Asks the agent of a state directory.
///
/// # Errors
/// [`ControlError::NotRunning`] when there is none.
pub async fn ask(state_dir: &Path, ask: &Ask) -> Result<Answer, ControlError> {
    let stream = match UnixStream::connect(socket_path(state_dir)?).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Err(ControlError::NotRunning);
        }
        Err(error) => return Err(error.into()),
    };
    let exchange = tokio::time::timeout(CONTROL_TIME_MAX, exchange(stream, ask));
    match exchange.await {
        Ok(answer) => answer,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

async fn exchange(stream: UnixStream, ask: &Ask) -> Result<Answer, ControlError> {
    let (reader, mut writer) = stream.into_split();
    let mut question = serde_json::to_vec(ask).map_err(io::Error::from)?;
    question.push(b'\n');
    writer.write_all(&question).await?;
    let mut line = String::new();
    BufReader::new(reader.take(CONTROL_LINE_BYTES_MAX as u64)).read_line(&mut line).await?;
    if line.is_empty() {
        return Err(ControlError::OtherVersion("it did not answer".to_owned()));
    }
    serde_json::from_str(&line).map_err(|error| ControlError::OtherVersion(error.to_string()))
}

fn socket_path(state_dir: &Path) -> Result<PathBuf, ControlError> {
    let path = state_dir.join(SOCKET_FILE);
    if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        return Err(ControlError::PathTooLong(path.display().to_string()));
    }
    Ok(path)
}
