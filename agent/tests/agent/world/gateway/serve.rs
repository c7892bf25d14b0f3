//! Serves one connection.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hitotsu_agent::clock;
use hitotsu_model::code::Code;
use hitotsu_model::control::{
    AttestRequest, AttestResponse, CONTROL_PATH, Notice, PROBLEM_MEDIA_TYPE, Problem, ProtocolVersion, WhyRequest,
    WhyResponse,
};
use hitotsu_model::identity::AssuranceLevel;
use hitotsu_model::message::{Language, Messages};
use hitotsu_model::resource::{Target, Transport};
use hitotsu_pki::attest::{Expectation, verify_statement};
use hitotsu_pki::peer::{PeerIdentity, verify_peer};
use hitotsu_tunnel::datagram::UdpOptions;
use hitotsu_tunnel::listener::Handshaken;
use hitotsu_tunnel::relay::{self, Counters};
use hitotsu_tunnel::server::{Exchange, PendingFlow, PendingHttp, PendingUdp, Request};
use http::{HeaderMap, Response, header::CONTENT_TYPE};
use serde::Serialize;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::super::PATIENCE;
use super::{Event, Live, Shared};

struct Evidence {
    nonce: Option<[u8; 32]>,
    sequence: u64,
    /// The last believed request, and its answer.
    last: Option<(AttestRequest, Response<Bytes>)>,
}

struct Served {
    shared: Arc<Shared>,
    number: usize,
    peer: PeerIdentity,
    binding: [u8; 32],
    evidence: Mutex<Evidence>,
    notices: Mutex<mpsc::UnboundedReceiver<Notice>>,
}

pub(super) async fn connection(shared: Arc<Shared>, handshaken: Handshaken) {
    let peer = verify_peer(&handshaken.peer_certificates, &shared.trust, clock::now()).unwrap();
    let (notices, told) = mpsc::unbounded_channel();
    let connection = handshaken.connection.trust();
    let number = {
        let mut live = shared.live.lock().unwrap();
        live.push(Live { connection: connection.clone(), notices });
        live.len() - 1
    };
    let served = Arc::new(Served {
        number,
        peer,
        binding: handshaken.binding,
        evidence: Mutex::new(Evidence { nonce: None, sequence: 0, last: None }),
        notices: Mutex::new(told),
        shared,
    });
    while let Some(exchange) = connection.next_exchange().await {
        tokio::spawn(Arc::clone(&served).exchange(exchange));
    }
    served.tell(Event::Closed { connection: number });
}

impl Served {
    fn tell(&self, event: Event) {
        let _ = self.shared.events.send(event);
    }

    async fn exchange(self: Arc<Self>, exchange: Exchange) {
        let stream = exchange.stream;
        match exchange.request {
            Request::Tcp { authority, headers: _, pending } => {
                self.tell(Event::Asked { connection: self.number, stream, authority: authority.clone() });
                self.tcp(&authority, pending).await;
            }
            Request::Udp { host, port, headers: _, pending } => self.udp(&host, port, pending).await,
            Request::Http { path, pending, .. } => self.http(&path, pending).await,
        }
    }

    /// Where a target leads, or why it does not.
    fn lookup(&self, target: &Target) -> Result<SocketAddr, Code> {
        let behaviour = self.shared.behaviour.lock().unwrap();
        let host = target.host.to_string();
        if let Some(code) = behaviour.refuse.get(&host) {
            return Err(*code);
        }
        match (behaviour.names.get(&host), host.parse()) {
            (Some(address), _) => Ok(*address),
            (None, Ok(address)) => Ok(SocketAddr::new(address, target.port)),
            (None, Err(_)) => Err(Code::NotPermitted),
        }
    }

    async fn tcp(&self, authority: &str, pending: PendingFlow) {
        let target = Target::parse(authority, Transport::Tcp).unwrap();
        let address = match self.lookup(&target) {
            Ok(address) => address,
            Err(code) => return pending.refuse(refusal(code)).await,
        };
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let Ok((send, recv)) = pending.accept(HeaderMap::new()).await else { return };
                relay::tcp(stream, send, recv, Counters::default(), CancellationToken::new()).await;
            }
            Err(_) => pending.refuse(refusal(Code::UpstreamRefused)).await,
        }
    }

    async fn udp(&self, host: &str, port: u16, pending: PendingUdp) {
        let target = Target { host: host.parse().unwrap(), port, transport: Transport::Udp };
        let address = match self.lookup(&target) {
            Ok(address) => address,
            Err(code) => return pending.refuse(refusal(code)).await,
        };
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(address).await.unwrap();
        let Ok(flow) = pending.accept(HeaderMap::new(), UdpOptions::default()).await else { return };
        relay::udp(socket, flow, Counters::default(), CancellationToken::new(), PATIENCE).await;
    }

    async fn http(&self, path: &str, mut pending: PendingHttp) {
        match path.strip_prefix(CONTROL_PATH).unwrap_or_default() {
            "/attest" => {
                let request = serde_json::from_slice(&pending.body(65_536).await.unwrap()).unwrap();
                // No answer at all: the stream is reset, as when a path breaks.
                if let Some(response) = self.attest(&request).await {
                    pending.respond(response).await;
                }
            }
            "/catalogue" => {
                let catalogue = self.shared.behaviour.lock().unwrap().catalogue.clone();
                pending.respond(json(&catalogue)).await;
            }
            "/why" => {
                let request: WhyRequest = serde_json::from_slice(&pending.body(65_536).await.unwrap()).unwrap();
                pending.respond(self.why(request)).await;
            }
            "/notices" => self.notices(pending).await,
            _ => pending.respond(refusal(Code::BadRequest)).await,
        }
    }

    async fn attest(&self, request: &AttestRequest) -> Option<Response<Bytes>> {
        let mut evidence = self.evidence.lock().await;
        if let Some((last, answer)) = &evidence.last
            && last == request
        {
            return Some(answer.clone());
        }
        let expectation =
            Expectation { binding: self.binding, nonce: evidence.nonce, sequence_at_least: evidence.sequence };
        let statement = match verify_statement(request, &self.peer, &expectation, clock::now()) {
            Ok(statement) => statement,
            Err(fault) => return Some(refusal(fault.code())),
        };
        let nonce = fresh();
        let mut behaviour = self.shared.behaviour.lock().unwrap();
        if let Some(code) = behaviour.refuse_evidence {
            return Some(refusal(code));
        }
        let sequence = statement.sequence;
        self.tell(Event::Attested { connection: self.number, statement: Box::new(statement) });
        let answer = json(&AttestResponse {
            version: ProtocolVersion::CURRENT,
            level: AssuranceLevel::L1,
            nonce: data_encoding::HEXLOWER.encode(&nonce),
            next_within_seconds: behaviour.next_within_seconds,
            forbidden_software: vec!["badtool".to_owned()],
            findings: behaviour.findings.clone(),
            gateway_time: clock::now(),
        });
        let sequence = evidence.sequence.max(sequence + 1);
        *evidence = Evidence { nonce: Some(nonce), sequence, last: Some((request.clone(), answer.clone())) };
        let lost = behaviour.lose_answers > 0;
        behaviour.lose_answers = behaviour.lose_answers.saturating_sub(1);
        (!lost).then_some(answer)
    }

    fn why(&self, request: WhyRequest) -> Response<Bytes> {
        let denied = self.lookup(&request.target).err();
        json(&WhyResponse {
            version: ProtocolVersion::CURRENT,
            target: request.target,
            allowed: denied.is_none(),
            rules: vec!["rules.files".parse().unwrap()],
            problems: denied.map(problem).into_iter().collect(),
            valid_until: clock::now(),
        })
    }

    async fn notices(&self, pending: PendingHttp) {
        let mut body = pending.respond_stream(Response::new(())).await.unwrap();
        let hello = Notice::Hello { version: ProtocolVersion::CURRENT, org: self.peer.name.org.clone() };
        if body.send(line(&hello)).await.is_err() {
            return;
        }
        self.tell(Event::Listening { connection: self.number });
        let mut notices = self.notices.lock().await;
        while let Some(notice) = notices.recv().await {
            if let Notice::Reattest { nonce, .. } = &notice {
                let nonce = data_encoding::HEXLOWER.decode(nonce.as_bytes()).unwrap().try_into().unwrap();
                self.evidence.lock().await.nonce = Some(nonce);
            }
            if body.send(line(&notice)).await.is_err() {
                return;
            }
        }
    }
}

pub(crate) fn fresh() -> [u8; 32] {
    let mut nonce = [0; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut nonce).unwrap();
    nonce
}

fn line(notice: &Notice) -> Bytes {
    let mut line = serde_json::to_vec(notice).unwrap();
    line.push(b'\n');
    line.into()
}

fn json(value: &impl Serialize) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(serde_json::to_vec(value).unwrap()));
    response.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    response
}

fn problem(code: Code) -> Problem {
    Problem::new(code, &Messages::new(Language::Ja, &[]).unwrap())
}

pub(crate) fn refusal(code: Code) -> Response<Bytes> {
    let mut response = json(&problem(code));
    *response.status_mut() = code.http_status().try_into().unwrap();
    response.headers_mut().insert(CONTENT_TYPE, PROBLEM_MEDIA_TYPE.parse().unwrap());
    let status = format!("hitotsu-gateway; error={}", code.proxy_error());
    response.headers_mut().insert("proxy-status", status.parse().unwrap());
    response
}
