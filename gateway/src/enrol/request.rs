//! Reads the one request that there is.

use hitotsu_model::code::Code;
use hitotsu_model::control::{EnrolRequest, ProtocolVersion};
use http::Method;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::Refusal;

/// Longest request in bytes: a CSR of a P-256 key is some 400 bytes of Base64.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Longest name of a platform in bytes; it is kept in the database.
const PLATFORM_BYTES_MAX: usize = 32;

pub(super) async fn read(request: http::Request<Incoming>) -> Result<EnrolRequest, Refusal> {
    if request.method() != Method::POST || request.uri().path() != "/enrol" {
        return Err(Refusal::new(Code::BadRequest, "only `POST /enrol` is answered here"));
    }
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| Refusal::new(Code::BadRequest, error))?.to_bytes();
    let wanted: EnrolRequest =
        serde_json::from_slice(&body).map_err(|error| Refusal::new(Code::EnrolRequestInvalid, error))?;
    if wanted.version != ProtocolVersion::CURRENT {
        let why = format!("version {} is not spoken here", wanted.version.0);
        return Err(Refusal::new(Code::EnrolRequestInvalid, why));
    }
    let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if wanted.platform.len() > PLATFORM_BYTES_MAX || !word(&wanted.platform) {
        return Err(Refusal::new(Code::EnrolRequestInvalid, "the platform is not a short word"));
    }
    Ok(wanted)
}
