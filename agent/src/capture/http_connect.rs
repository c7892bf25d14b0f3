//! The HTTP front: CONNECT, absolute-form requests for `http:`, and the PAC file.

mod forwarding;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hitotsu_model::code::Code;
use hitotsu_model::resource::{Target, Transport};
use hitotsu_tunnel::relay;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::listening::{Guest, reset};
use super::{Context, direct, pac, refusal_response};
use crate::limits::{FRONT_HANDSHAKE_TIME_MAX, HTTP_FIELDS_MAX, HTTP_HEAD_BYTES_MAX};
use crate::route::Route;
use crate::session::{Refused, TcpFlow};
use forwarding::Upstreams;

/// Bodies of answers: our own or a system's.
type Body = BoxBody<Bytes, hyper::Error>;

/// Path of the PAC file.
const PAC_PATH: &str = "/proxy.pac";

/// Serves one connection, with as many requests as it brings.
pub(crate) async fn serve(stream: TcpStream, guest: Guest, context: &Context) {
    let Ok(local) = stream.local_addr() else { return };
    let own = guest.is_own();
    let connection = Arc::new(Connection {
        context: context.clone(),
        local,
        own,
        guest: Mutex::new(guest),
        tunnelled: Mutex::new(None),
        upstreams: Upstreams::default(),
    });
    let service = service_fn({
        let connection = Arc::clone(&connection);
        move |request| {
            let connection = Arc::clone(&connection);
            async move { Ok::<_, Infallible>(connection.answer(request).await) }
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(FRONT_HANDSHAKE_TIME_MAX)
        .max_headers(HTTP_FIELDS_MAX)
        .max_buf_size(HTTP_HEAD_BYTES_MAX)
        .half_close(true);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await {
        tracing::debug!(%error, "a connection to the HTTP front ended");
    }
    let tunnelled = connection.tunnelled.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(tunnelled) = tunnelled {
        tunnelled.run().await;
    }
}

struct Connection {
    context: Context,
    local: SocketAddr,
    own: bool,
    guest: Mutex<Guest>,
    tunnelled: Mutex<Option<Tunnelled>>,
    upstreams: Upstreams,
}

/// An accepted CONNECT: what was HTTP is the application's from now on.
struct Tunnelled {
    upgrade: OnUpgrade,
    far: Far,
}

/// Where an accepted CONNECT leads.
enum Far {
    Tunnel(Box<TcpFlow>),
    Direct(TcpStream),
}

impl Connection {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        self.guest.lock().unwrap_or_else(PoisonError::into_inner).settled();
        if !self.own {
            return self.refusal(&self.context.refused(Code::OtherUser), request.headers());
        }
        if request.method() == Method::CONNECT {
            return self.connect(request).await;
        }
        match request.uri().scheme_str() {
            Some("http") => self.forward(request).await,
            // `https:` in absolute form would have us speak TLS in the application's name.
            Some(_) => self.refusal(&self.context.refused(Code::BadRequest), request.headers()),
            None => self.own_page(&request),
        }
    }

    async fn connect(&self, mut request: Request<Incoming>) -> Response<Body> {
        let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
        let target = authority.and_then(|authority| Target::parse(&authority, Transport::Tcp).ok());
        let Some(target) = target else {
            return self.refusal(&self.context.refused(Code::BadRequest), request.headers());
        };
        let far = match self.context.route(&target) {
            Route::Tunnel => self.context.session.open_tcp(&target).await.map(|flow| Far::Tunnel(Box::new(flow))),
            Route::Direct => direct::dial(&target).await.map(Far::Direct).map_err(|code| self.context.refused(code)),
            Route::Block => Err(self.blocked(&target)),
        };
        match far {
            Ok(far) => {
                let upgrade = hyper::upgrade::on(&mut request);
                let tunnelled = Tunnelled { upgrade, far };
                *self.tunnelled.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnelled);
                Response::new(empty())
            }
            Err(refused) => self.refusal(&refused, request.headers()),
        }
    }

    async fn forward(&self, request: Request<Incoming>) -> Response<Body> {
        let Some(target) = forwarding::target(request.uri()) else {
            return self.refusal(&self.context.refused(Code::BadRequest), request.headers());
        };
        if self.context.route(&target) == Route::Block {
            return self.refusal(&self.blocked(&target), request.headers());
        }
        let headers = request.headers().clone();
        match self.upstreams.send(&self.context, &target, request).await {
            Ok(response) => response,
            Err(refused) => self.refusal(&refused, &headers),
        }
    }

    /// A request to the front itself, not through it.
    fn own_page(&self, request: &Request<Incoming>) -> Response<Body> {
        // INVARIANT (no rebinding): a web page whose name resolves to loopback sends its own name here.
        if !names_us(request.headers(), self.local) {
            return plain(StatusCode::MISDIRECTED_REQUEST);
        }
        if request.uri().path() != PAC_PATH {
            return plain(StatusCode::NOT_FOUND);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return plain(StatusCode::METHOD_NOT_ALLOWED);
        }
        let file = pac::file(self.context.catalogue.borrow().as_deref(), self.local);
        let mut response = Response::new(whole(Bytes::from(file)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(pac::MEDIA_TYPE));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    fn blocked(&self, target: &Target) -> Refused {
        let refused = self.context.refused(Code::NotRouted);
        self.context.session.flows().refused(target, &refused.problem);
        refused
    }

    fn refusal(&self, refused: &Refused, request: &HeaderMap) -> Response<Body> {
        refusal_response(refused, request, &self.context.sentences, self.context.language()).map(whole)
    }
}

impl Tunnelled {
    async fn run(self) {
        let upgraded = match self.upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "a CONNECT was given up"),
        };
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else { return };
        let (stream, early) = (parts.io.into_inner(), parts.read_buf);
        match self.far {
            Far::Tunnel(mut flow) => {
                flow.ticket.add_up(early.len());
                if !early.is_empty() && flow.send.send(early).await.is_err() {
                    return reset(stream);
                }
                let (counters, cut) = (flow.ticket.counters(), flow.ticket.cut());
                let outcome = relay::tcp(stream, flow.send, flow.recv, counters, cut).await;
                tracing::debug!(?outcome, "a flow ended");
            }
            Far::Direct(mut far) => {
                if far.write_all(&early).await.is_ok() {
                    direct::relay(stream, far).await;
                }
            }
        }
    }
}

/// Whether the Host field is one of the names by which a user reaches this front.
fn names_us(headers: &HeaderMap, local: SocketAddr) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host = host.to_str().unwrap_or_default();
    host == local.to_string() || host == format!("localhost:{}", local.port())
}

fn empty() -> Body {
    whole(Bytes::new())
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    response
}
