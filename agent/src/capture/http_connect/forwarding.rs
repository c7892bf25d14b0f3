//! Absolute-form requests (RFC 9112 §3.2.2): a flow to the host's port, and an HTTP client on it.

use bytes::Bytes;
use hitotsu_model::code::Code;
use hitotsu_model::resource::{Target, Transport};
use http::header::{
    CONNECTION, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE, VIA,
};
use http::{HeaderMap, HeaderValue, Request, Response, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::super::{Context, direct, pump};
use super::Body;
use crate::limits::{HTTP_FIELDS_MAX, HTTP_HEAD_BYTES_MAX, PUMP_BYTES_MAX};
use crate::route::Route;
use crate::session::Refused;

/// What we call ourselves in `Via` (RFC 9110 §7.6.3).
const VIA_US: &str = "1.1 hitotsu-agent";

/// The one upstream connection that a client's connection keeps alive; it goes when another host is asked for.
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    last: Mutex<Option<Upstream>>,
}

#[derive(Debug)]
struct Upstream {
    target: Target,
    sender: SendRequest<Incoming>,
    _tasks: JoinSet<()>,
}

/// The target of an `http:` URI; `None` without a host.
pub(crate) fn target(uri: &Uri) -> Option<Target> {
    let host = uri.host()?.parse().ok()?;
    let port = uri.port_u16().unwrap_or(80);
    (port != 0).then_some(Target { host, port, transport: Transport::Tcp })
}

impl Upstreams {
    /// Sends a request to its target and gives the answer's head; its body follows as it comes.
    pub(crate) async fn send(
        &self,
        context: &Context,
        target: &Target,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refused> {
        let request = rewritten(request).ok_or_else(|| context.refused(Code::BadRequest))?;
        // HTTP/1.1 answers in order, so holding the lock until the head is there costs nothing.
        let mut last = self.last.lock().await;
        let alive = match last.as_mut() {
            Some(upstream) if upstream.target == *target => upstream.sender.ready().await.is_ok(),
            Some(_) | None => false,
        };
        if !alive {
            *last = None;
            *last = Some(connect(context, target).await?);
        }
        let Some(upstream) = last.as_mut() else { return Err(context.refused(Code::Internal)) };
        match upstream.sender.send_request(request).await {
            Ok(response) => Ok(cleaned(response)),
            Err(error) => {
                tracing::debug!(%error, "a system's answer cannot be used");
                *last = None;
                Err(context.refused(Code::UpstreamReset))
            }
        }
    }
}

async fn connect(context: &Context, target: &Target) -> Result<Upstream, Refused> {
    let mut tasks = JoinSet::new();
    let sender = match context.route(target) {
        Route::Tunnel => {
            let flow = context.session.open_tcp(target).await?;
            let (near, far) = tokio::io::duplex(PUMP_BYTES_MAX);
            tasks.spawn(pump::carry(far, flow));
            handshake(near, &mut tasks).await
        }
        Route::Direct => {
            let stream = direct::dial(target).await.map_err(|code| context.refused(code))?;
            handshake(stream, &mut tasks).await
        }
        Route::Block => return Err(context.refused(Code::NotRouted)),
    };
    let sender = sender.map_err(|_| context.refused(Code::UpstreamReset))?;
    Ok(Upstream { target: target.clone(), sender, _tasks: tasks })
}

async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    tasks: &mut JoinSet<()>,
) -> Result<SendRequest<Incoming>, hyper::Error> {
    let mut builder = http1::Builder::new();
    builder.max_headers(HTTP_FIELDS_MAX).max_buf_size(HTTP_HEAD_BYTES_MAX);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    tasks.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a system ended");
        }
    });
    Ok(sender)
}

/// The request as its system must see it: origin form, the Host of the target ("a proxy MUST ignore the received Host
/// header field and instead replace it", RFC 9112 §3.2.2), nothing that was meant for us.
fn rewritten(mut request: Request<Incoming>) -> Option<Request<Incoming>> {
    let authority = request.uri().authority()?;
    // User information before the host must not travel (RFC 9110 §4.2.4).
    let host = authority.as_str().rsplit('@').next()?;
    let host = HeaderValue::from_str(host).ok()?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    *request.uri_mut() = path.parse().ok()?;
    *request.version_mut() = Version::HTTP_11;
    strip(request.headers_mut());
    // Our server side has answered it already by reading the body.
    request.headers_mut().remove(EXPECT);
    request.headers_mut().insert(HOST, host);
    request.headers_mut().append(VIA, HeaderValue::from_static(VIA_US));
    Some(request)
}

fn cleaned(mut response: Response<Incoming>) -> Response<Body> {
    strip(response.headers_mut());
    response.headers_mut().append(VIA, HeaderValue::from_static(VIA_US));
    *response.version_mut() = Version::HTTP_11;
    response.map(|body| body.map_frame(|frame| frame.map_data(Bytes::from)).boxed())
}

/// Removes what belongs to one connection only (RFC 9110 §7.6.1).
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, PROXY_AUTHORIZATION, PROXY_AUTHENTICATE] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uri_with_a_plain_host_has_a_target() {
        let found = |uri: &str| target(&uri.parse().expect("uri")).map(|target| target.authority());
        assert_eq!(found("http://files.example/x"), Some("files.example:80".to_owned()));
        assert_eq!(found("http://files.example:8080/x"), Some("files.example:8080".to_owned()));
        assert_eq!(found("http://[2001:db8::1]:81/"), Some("[2001:db8::1]:81".to_owned()));
        assert_eq!(found("http://files.example:0/x"), None);
        assert_eq!(found("http://127.1/x"), None);
    }

    #[test]
    fn what_the_connection_field_names_is_stripped_too() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("x-kept", "1"),
            ("proxy-authorization", "Basic eA=="),
            ("keep-alive", "timeout=5"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        strip(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    }
}
