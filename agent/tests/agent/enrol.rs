//! Enrolment against a door that the tests hold.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use data_encoding::BASE64;
use hitotsu_agent::enrol::{EnrolError, Existing, enrol};
use hitotsu_agent::identity::{FileStore, IdentityStore};
use hitotsu_agent::{clock, message};
use hitotsu_model::code::Code;
use hitotsu_model::control::{ENROL_ALPN, EnrolRequest, EnrolResponse, PROBLEM_MEDIA_TYPE, Problem, ProtocolVersion};
use hitotsu_model::message::Language;
use hitotsu_pki::csr::verify_csr;
use hitotsu_pki::enrol::{EnrolCode, EnrolSecret};
use hitotsu_pki::tls::certified_key;
use ring::rand::SystemRandom;
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::world::city::{CITY, City, OTHER_CITY, device};
use crate::world::soon;

#[tokio::test]
async fn a_code_becomes_an_identity_whose_key_is_the_one_that_was_certified() {
    let door = Door::open(&CITY, |request| answer(&CITY, request)).await;
    let dir = private_dir();
    let enrolled = try_enrol(&door.code(), dir.path(), Existing::Keep).await.unwrap();
    let (identity, key) = FileStore::new(dir.path().to_owned()).load().unwrap();
    assert_eq!(identity, enrolled.identity);
    assert_eq!((identity.org.as_str(), identity.device), (CITY.org.as_str(), device(7)));
    assert!(hitotsu_pki::export::from_pkcs8_pem(key.expose()).is_ok());
    let left: Vec<_> = names(dir.path()).into_iter().filter(|name| name.starts_with("enrol-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again_with_the_same_key() {
    let keys = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&keys);
    let door = Door::open(&CITY, move |request| {
        let csr = BASE64.decode(request.csr.as_bytes()).unwrap();
        let mut seen = seen.lock().unwrap();
        seen.push(verify_csr(&csr).unwrap().spki_sha256());
        if seen.len() == 1 { Answer::Nothing } else { answer(&CITY, request) }
    })
    .await;
    let dir = private_dir();
    let code = door.code();
    try_enrol(&code, dir.path(), Existing::Keep).await.unwrap_err();
    try_enrol(&code, dir.path(), Existing::Keep).await.unwrap();
    let keys = keys.lock().unwrap();
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_door_with_another_root_gets_no_secret() {
    let door = Door::open(&OTHER_CITY, |_| panic!("the secret was sent")).await;
    let code = code(&CITY, door.port);
    let error = try_enrol(&code, private_dir().path(), Existing::Keep).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::EnrolWrongGateway), "{error}");
}

#[tokio::test]
async fn a_refused_code_says_why() {
    let door = Door::open(&CITY, |_| Answer::Refusal(Code::EnrolCodeUsed)).await;
    let error = try_enrol(&door.code(), private_dir().path(), Existing::Keep).await.unwrap_err();
    let EnrolError::Problem(problem) = &error else { panic!("{error}") };
    assert_eq!(problem.help_code, 700_702);
}

#[tokio::test]
async fn a_certificate_for_another_key_name_or_root_is_not_kept() {
    let other_key = |_: &EnrolRequest| {
        let holder = CITY.device(device(7));
        response(&CITY, holder.chain, &CITY)
    };
    let other_name = |request: &EnrolRequest| {
        let mut response = response(&CITY, CITY.certify(device(8), &csr(request)), &CITY);
        response.device = device(7);
        response
    };
    let other_root = |request: &EnrolRequest| response(&CITY, CITY.certify(device(7), &csr(request)), &OTHER_CITY);
    let answers: [fn(&EnrolRequest) -> EnrolResponse; 3] = [other_key, other_name, other_root];
    for make in answers {
        let door = Door::open(&CITY, move |request| Answer::Enrolled(Box::new(make(request)))).await;
        let dir = private_dir();
        let error = try_enrol(&door.code(), dir.path(), Existing::Keep).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::EnrolWrongGateway), "{error}");
        assert!(FileStore::new(dir.path().to_owned()).load().is_err());
    }
}

#[tokio::test]
async fn an_identity_is_replaced_only_when_asked_for() {
    let door = Door::open(&CITY, |request| answer(&CITY, request)).await;
    let dir = private_dir();
    try_enrol(&door.code(), dir.path(), Existing::Keep).await.unwrap();
    let error = try_enrol(&door.code(), dir.path(), Existing::Keep).await.unwrap_err();
    assert!(matches!(error, EnrolError::Already), "{error}");
    try_enrol(&door.code(), dir.path(), Existing::Replace).await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_named_with_its_help_code() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = try_enrol(&code(&CITY, port), private_dir().path(), Existing::Keep).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::GatewayUnreachable), "{error}");
}

enum Answer {
    Enrolled(Box<EnrolResponse>),
    Refusal(Code),
    Nothing,
}

/// An enrolment door.
struct Door {
    city: &'static City,
    port: u16,
}

impl Door {
    async fn open(city: &'static City, answer: impl Fn(&EnrolRequest) -> Answer + Send + Sync + 'static) -> Self {
        let holder = city.gateway();
        let mut tls = rustls::ServerConfig::builder_with_provider(hitotsu_tunnel::crypto::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified_key(
                [holder.chain, vec![city.root.clone()]].concat(),
                holder.key,
            ))));
        tls.alpn_protocols = vec![ENROL_ALPN.to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let request = read(&mut stream).await;
                if let Some(bytes) = write(answer(&request)) {
                    stream.write_all(&bytes).await.unwrap();
                }
                let _ = stream.shutdown().await;
            }
        });
        Self { city, port }
    }

    fn code(&self) -> EnrolCode {
        code(self.city, self.port)
    }
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> EnrolRequest {
    let mut buffer = Vec::new();
    loop {
        stream.read_buf(&mut buffer).await.unwrap();
        let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        assert!(buffer.starts_with(b"POST /enrol HTTP/1.1\r\n"));
        if let Ok(request) = serde_json::from_slice(&buffer[head + 4..]) {
            return request;
        }
    }
}

fn write(answer: Answer) -> Option<Vec<u8>> {
    let (status, media_type, body) = match answer {
        Answer::Nothing => return None,
        Answer::Enrolled(response) => (200, "application/json", serde_json::to_vec(&response).unwrap()),
        Answer::Refusal(code) => {
            let problem = Problem::new(code, &message::messages(Language::Ja).unwrap());
            (code.http_status(), PROBLEM_MEDIA_TYPE, serde_json::to_vec(&problem).unwrap())
        }
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    Some([head.into_bytes(), body].concat())
}

fn answer(city: &City, request: &EnrolRequest) -> Answer {
    Answer::Enrolled(Box::new(response(city, city.certify(device(7), &csr(request)), city)))
}

fn response(city: &City, chain: Vec<rustls_pki_types::CertificateDer<'static>>, root: &City) -> EnrolResponse {
    EnrolResponse {
        version: ProtocolVersion::CURRENT,
        org: city.org.clone(),
        device: device(7),
        person: None,
        chain: chain.iter().map(|certificate| BASE64.encode(certificate)).collect(),
        root: BASE64.encode(&root.root),
        not_after: clock::now(),
    }
}

fn csr(request: &EnrolRequest) -> hitotsu_pki::csr::VerifiedCsr {
    verify_csr(&BASE64.decode(request.csr.as_bytes()).unwrap()).unwrap()
}

fn code(city: &City, port: u16) -> EnrolCode {
    let secret = EnrolSecret::draw(&SystemRandom::new()).unwrap();
    EnrolCode::new(&format!("127.0.0.1:{port}"), &city.root, secret).unwrap()
}

fn private_dir() -> tempfile::TempDir {
    let private = std::fs::Permissions::from_mode(0o700);
    tempfile::Builder::new().permissions(private).tempdir().unwrap()
}

fn names(dir: &std::path::Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn try_enrol(
    code: &EnrolCode,
    dir: &std::path::Path,
    existing: Existing,
) -> Result<hitotsu_agent::enrol::Enrolled, EnrolError> {
    let messages = message::messages(Language::Ja).unwrap();
    let store = FileStore::new(dir.to_owned());
    soon("the enrolment", enrol(code, &store, dir, existing, &messages, clock::now())).await
}
