//! Control requests: JSON over HTTP on the tunnel's own connection.

use std::time::Duration;

use bytes::Bytes;
use hitotsu_model::control::{CONTROL_PATH, PROBLEM_MEDIA_TYPE, Problem};
use hitotsu_model::message::Language;
use hitotsu_tunnel::client::ClientConnection;
use hitotsu_tunnel::fault::OpenError;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::{CONTROL_ANSWER_TIME_MAX, CONTROL_BODY_BYTES_MAX};

/// Why a control request got no usable answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RequestFailure {
    /// The gateway says no, with its reason.
    #[error("the gateway refused: {}", .0.code)]
    Problem(Box<Problem>),
    /// The connection failed.
    #[error(transparent)]
    Connection(#[from] OpenError),
    /// No answer came in time.
    #[error("the gateway did not answer in time")]
    Late,
    /// The gateway answered something that this build does not understand.
    #[error("the gateway's answer is not understood: {0}")]
    NotUnderstood(String),
}

/// The headers of every request: the language in which problems are wanted.
#[must_use]
pub(crate) fn headers(language: Language) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(language.as_str()));
    headers
}

/// `POST` of a JSON value.
pub(crate) async fn post<Answer: DeserializeOwned>(
    connection: &ClientConnection,
    name: &str,
    language: Language,
    value: &impl Serialize,
) -> Result<Answer, RequestFailure> {
    let body = serde_json::to_vec(value).map_err(|error| RequestFailure::NotUnderstood(error.to_string()))?;
    let mut headers = headers(language);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ask(connection, Method::POST, name, headers, body.into(), CONTROL_ANSWER_TIME_MAX).await
}

/// `GET` of a JSON value.
pub(crate) async fn get<Answer: DeserializeOwned>(
    connection: &ClientConnection,
    name: &str,
    language: Language,
) -> Result<Answer, RequestFailure> {
    ask(connection, Method::GET, name, headers(language), Bytes::new(), CONTROL_ANSWER_TIME_MAX).await
}

/// Whether the gateway answers anything at all in time.
pub(crate) async fn answers(connection: &ClientConnection, time_max: Duration) -> bool {
    // There is no such thing, and the gateway says so in fewer bytes than anything else that it can be asked.
    let path = format!("{CONTROL_PATH}/alive");
    let request = connection.request(Method::GET, &path, HeaderMap::new(), Bytes::new());
    match tokio::time::timeout(time_max, request).await {
        // Too long an answer is one too.
        Ok(Ok(_) | Err(OpenError::Draining | OpenError::Refused(_))) => true,
        Ok(Err(OpenError::Unsupported(_) | OpenError::BadRequest(_) | OpenError::Flow(_))) | Err(_) => false,
    }
}

async fn ask<Answer: DeserializeOwned>(
    connection: &ClientConnection,
    method: Method,
    name: &str,
    mut headers: HeaderMap,
    body: Bytes,
    time_max: Duration,
) -> Result<Answer, RequestFailure> {
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let path = format!("{CONTROL_PATH}/{name}");
    let asked = connection.request(method, &path, headers, body);
    let response = tokio::time::timeout(time_max, asked).await.map_err(|_| RequestFailure::Late)??;
    if response.status() == StatusCode::OK {
        if response.body().len() > CONTROL_BODY_BYTES_MAX {
            return Err(RequestFailure::NotUnderstood(format!("longer than {CONTROL_BODY_BYTES_MAX} bytes")));
        }
        return serde_json::from_slice(response.body())
            .map_err(|error| RequestFailure::NotUnderstood(error.to_string()));
    }
    match problem(response.headers(), response.body()) {
        Some(problem) => Err(RequestFailure::Problem(Box::new(problem))),
        None => Err(RequestFailure::NotUnderstood(status_line(&response))),
    }
}

fn status_line(response: &Response<Bytes>) -> String {
    format!("status {} to a request that has none such", response.status().as_u16())
}

/// The problem document of a refusal, if it is one.
#[must_use]
pub(crate) fn problem(headers: &HeaderMap, body: &[u8]) -> Option<Problem> {
    let media_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    if media_type.split(';').next()?.trim() != PROBLEM_MEDIA_TYPE {
        return None;
    }
    serde_json::from_slice(body).ok()
}
