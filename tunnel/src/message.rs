//! Heads of requests and responses between `hitotsu-proto`, the `http` crate, and the three things a peer can ask for.

use bytes::Bytes;
use hitotsu_proto::error::Error;
use hitotsu_proto::fields::{Fields, RawField};
use hitotsu_proto::head::{Authority, RequestForm, RequestHead, ResponseHead};
use hitotsu_proto::masque;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};

/// What a peer asks for, checked.
#[derive(Debug)]
pub(crate) enum Ask {
    Tcp {
        authority: String,
        headers: HeaderMap,
    },
    Udp {
        host: String,
        port: u16,
        headers: HeaderMap,
    },
    Http {
        method: Method,
        scheme: String,
        authority: String,
        path: String,
        headers: HeaderMap,
    },
    /// A request that is well formed, but not one that we know; to be answered with this.
    Unknown(StatusCode),
}

impl Ask {
    /// Sorts a checked request.
    pub(crate) fn of(head: RequestHead) -> Result<Self, Error> {
        let headers = headers(&head.fields);
        match head.form {
            RequestForm::Connect { authority } => Ok(Self::Tcp { authority: authority.to_string(), headers }),
            RequestForm::Extended { protocol, path, .. } => {
                if protocol != masque::CONNECT_UDP {
                    return Ok(Self::Unknown(StatusCode::NOT_IMPLEMENTED));
                }
                match masque::udp_target(&path)? {
                    Some(Authority { host, port }) => Ok(Self::Udp { host: host.to_string(), port, headers }),
                    None => Ok(Self::Unknown(StatusCode::NOT_FOUND)),
                }
            }
            RequestForm::Ordinary { method, scheme, authority, path } => {
                let method =
                    Method::from_bytes(method.as_bytes()).map_err(|_| Error::Message("the method is no token"))?;
                Ok(Self::Http {
                    method,
                    scheme: scheme.to_string(),
                    authority: authority.to_string(),
                    path: path.to_string(),
                    headers,
                })
            }
        }
    }
}

/// The head of a request that `h2` has read, under the same rules as one of HTTP/3.
pub(crate) fn from_h2<B>(request: &Request<B>) -> Result<RequestHead, Error> {
    let uri = request.uri();
    let mut section = vec![raw(":method", request.method().as_str())];
    if let Some(protocol) = request.extensions().get::<h2::ext::Protocol>() {
        section.push(raw(":protocol", protocol.as_str()));
    }
    if let Some(scheme) = uri.scheme_str() {
        section.push(raw(":scheme", scheme));
    }
    if let Some(authority) = uri.authority() {
        section.push(raw(":authority", authority.as_str()));
    }
    if let Some(path) = uri.path_and_query() {
        section.push(raw(":path", path.as_str()));
    }
    for (name, value) in request.headers() {
        section.push(RawField {
            name: Bytes::copy_from_slice(name.as_str().as_bytes()),
            value: Bytes::copy_from_slice(value.as_bytes()),
        });
    }
    RequestHead::from_h3(section)
}

fn raw(name: &'static str, value: &str) -> RawField {
    RawField { name: Bytes::from_static(name.as_bytes()), value: Bytes::copy_from_slice(value.as_bytes()) }
}

/// Fields as the programs know them.
pub(crate) fn headers(fields: &Fields) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(field.value.clone());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// Fields as the wire knows them. Fields that HTTP/3 does not have are left out.
pub(crate) fn fields(headers: &HeaderMap) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in headers {
        if matches!(name.as_str(), "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade") {
            continue;
        }
        // A value of the `http` crate may only differ in white space at its ends; such a field is left out as well.
        let _ = fields.push(name.as_str(), Bytes::copy_from_slice(value.as_bytes()));
    }
    fields
}

/// A response's head for the wire.
pub(crate) fn response_head(status: StatusCode, headers: &HeaderMap) -> ResponseHead {
    ResponseHead { status: status.as_u16(), fields: fields(headers) }
}

/// A whole response: its head says how long its body is.
pub(crate) fn with_length(response: Response<Bytes>) -> (Response<()>, Bytes) {
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    (Response::from_parts(parts, ()), body)
}

/// The head of a received response as the programs know it.
pub(crate) fn response(head: &ResponseHead) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = headers(&head.fields);
    response
}

/// An answer without a body.
pub(crate) fn bare(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
