//! The admin socket itself: a Unix socket that only its owner may open, and the client that commands use.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::files::make_private_dir;
use crate::words::Words;

/// Longest answer of a gateway to a command: 30,000 sessions with some flows each fit.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a command waits for an answer: a revocation waits for the disk, a reload for a compile.
const PATIENCE: Duration = Duration::from_secs(60);

/// Binds the socket at `path`, for its owner only. A socket that a dead process left is replaced; one that somebody
/// answers on is not.
///
/// # Errors
/// `AddrInUse` when another process listens there; otherwise what the system says.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        make_private_dir(folder)?;
    }
    if path.exists() {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens here; stop it first"));
        }
        std::fs::remove_file(path)?;
    }
    // Bound under another name, closed to others, then moved in place: nobody else can open it in between.
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let listener = UnixListener::bind(&beside)?;
    let placed = std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&beside, path));
    match placed {
        Ok(()) => Ok(listener),
        Err(error) => {
            // The first error is the one to tell.
            drop(std::fs::remove_file(&beside));
            Err(error)
        }
    }
}

/// Why a command got no answer from the gateway.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("the gateway does not run (`{path}`: {error}); start it with `hitotsu-gateway serve`")]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It did not answer in time, or not in HTTP.
    #[error("the gateway did not answer: {0}; see its log")]
    NoAnswer(String),
    /// It refused; its own words.
    #[error("{error}")]
    Refused {
        /// In English.
        error: String,
        /// As a sentence that has a name, where it has one.
        words: Option<Words>,
    },
}

impl ClientError {
    /// The sentence, where it has a name.
    #[must_use]
    pub fn words(&self) -> Option<Words> {
        match self {
            Self::NotRunning { path, .. } => {
                Some(Words::new("gateway-not-running", &[("path", &path.display().to_string())]))
            }
            Self::NoAnswer(detail) => Some(Words::new("gateway-no-answer", &[("detail", detail)])),
            Self::Refused { words, .. } => words.clone(),
        }
    }
}

/// Speaks to a running gateway.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the gateway that listens on `socket`.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_path_buf() }
    }

    /// Whether a gateway listens now.
    pub async fn is_running(&self) -> bool {
        UnixStream::connect(&self.socket).await.is_ok()
    }

    /// GET, answered in JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// POST with a JSON body, answered in JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.ask(Method::POST, path, Bytes::from(body.to_string())).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Value, ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| ClientError::NotRunning { path: self.socket.clone(), error })?;
        let no_answer = |error: &dyn std::fmt::Display| ClientError::NoAnswer(error.to_string());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| no_answer(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| no_answer(&error))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| no_answer(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(|error| no_answer(&error))?.to_bytes();
            Ok::<_, ClientError>((status, body))
        };
        let answered = async {
            tokio::pin!(exchange);
            tokio::pin!(connection);
            tokio::select! {
                answer = &mut exchange => answer,
                ended = &mut connection => match ended {
                    Ok(()) => exchange.await,
                    Err(error) => Err(no_answer(&error)),
                },
            }
        };
        let (status, body) = timeout(PATIENCE, answered).await.map_err(|_| no_answer(&"it takes too long"))??;
        answer(status, &body)
    }
}

fn answer(status: StatusCode, body: &[u8]) -> Result<Value, ClientError> {
    let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(value);
    }
    let said = value.get("error").and_then(Value::as_str).map(str::to_owned);
    let words = value.get("words").and_then(|words| serde_json::from_value(words.clone()).ok());
    Err(ClientError::Refused { error: said.unwrap_or_else(|| format!("the gateway answered {status}")), words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_without_a_gateway_says_how_to_start_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = Client::new(&dir.path().join("admin.sock")).get("/v1/sessions").await.unwrap_err();
        assert!(error.to_string().contains("start it with `hitotsu-gateway serve`"), "{error}");
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run").join("admin.sock");
        drop(bind(&path).unwrap());
        let listener = bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
    }

    #[tokio::test]
    async fn a_refusal_comes_in_the_gateways_own_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let listener = bind(&path).unwrap();
        let refuse = || async { (StatusCode::NOT_FOUND, axum::Json(serde_json::json!({ "error": "there is no x" }))) };
        let router = axum::Router::new().route("/x", axum::routing::post(refuse));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let error = Client::new(&path).post("/x", &Value::Null).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no x");
        server.abort();
    }
}
