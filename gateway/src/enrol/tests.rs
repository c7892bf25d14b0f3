use hitotsu_model::identity::{HolderName, Ownership};
use hitotsu_model::time::Timestamp;
use hitotsu_pki::csr::make_csr;
use hitotsu_pki::key::PrivateKey;
use hitotsu_pki::trust::Trust;
use ring::rand::SystemRandom;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::audit::{AuditLog, tail};
use crate::issuer::IssuerClient;
use crate::registry::{Registry, RegistrySnapshot};
use crate::store::{NewEnrolCode, Store};

#[tokio::test]
async fn a_machine_with_a_good_code_gets_a_name_from_us_and_a_record_that_is_durable_first() {
    let door = Door::open().await;
    let secret = door.code(3600).await;
    let key = key();
    let (status, enrolled) = door.knock(&request(&secret, &key)).await;
    assert_eq!(status, 200, "{enrolled}");
    let enrolled: EnrolResponse = serde_json::from_value(enrolled).unwrap();
    assert_eq!(enrolled.person.as_ref().map(|person| person.as_str()), Some("p-1000"));
    let der = |text: &String| CertificateDer::from(BASE64.decode(text.as_bytes()).unwrap());
    let chain: Vec<_> = enrolled.chain.iter().map(der).collect();
    let trust = Trust::new(&der(&enrolled.root), enrolled.org.clone()).unwrap();
    let peer = hitotsu_pki::peer::verify_peer(&chain, &trust, clock::now()).unwrap();
    assert_eq!(peer.name, HolderName { org: enrolled.org, profile: Profile::Device, id: enrolled.device });
    assert!(door.registry.snapshot().device(&enrolled.device).is_some());
    let events: Vec<AuditEvent> =
        tail(&door.audit_dir(), 9).unwrap().into_iter().map(|entry| entry.record.event).collect();
    assert!(matches!(&events[0], AuditEvent::DeviceEnrolled { device, .. } if *device == enrolled.device));
    assert!(matches!(&events[1], AuditEvent::CertificateIssued { holder, .. } if *holder == enrolled.device));

    // The same machine may ask again: its answer may have been lost.
    let (status, again) = door.knock(&request(&secret, &key)).await;
    assert_eq!((status, again["device"].as_str()), (200, Some(enrolled.device.to_string().as_str())));
}

#[tokio::test]
async fn used_expired_and_unknown_codes_are_told_apart_in_the_language_asked_for() {
    let door = Door::open().await;
    let used = door.code(3600).await;
    assert_eq!(door.knock(&request(&used, &key())).await.0, 200);
    let expired = door.code(-1).await;
    let unknown = EnrolSecret::draw(&SystemRandom::new()).unwrap();
    for (secret, code, ja, en) in [
        (&used, Code::EnrolCodeUsed, "使", "used"),
        (&expired, Code::EnrolCodeExpired, "期限", "expired"),
        (&unknown, Code::EnrolCodeUnknown, "登録コード", "code"),
    ] {
        for (language, word) in [("ja", ja), ("en", en)] {
            let (status, problem) = door.knock_in(language, &request(secret, &key())).await;
            assert_eq!(status, 403, "{problem}");
            assert_eq!(problem["code"], code.slug());
            let title = problem["title"].as_str().unwrap();
            assert!(title.contains(word), "{title}");
            assert!(!problem["remedy"].as_str().unwrap().is_empty());
        }
    }
    let refused = tail(&door.audit_dir(), 6).unwrap();
    assert!(refused.iter().all(|entry| matches!(entry.record.event, AuditEvent::EnrolRefused { .. })));
}

#[tokio::test]
async fn malformed_requests_are_refused_before_a_code_is_spent() {
    let door = Door::open().await;
    let secret = door.code(3600).await;
    let good = request(&secret, &key());
    let mut unproven = good.clone();
    let mut csr = BASE64.decode(unproven["csr"].as_str().unwrap().as_bytes()).unwrap();
    *csr.last_mut().unwrap() ^= 1;
    unproven["csr"] = json!(BASE64.encode(&csr));
    let with = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed[field] = value;
        changed
    };
    for bad in [
        unproven,
        with("csr", json!("not base64!")),
        with("version", json!(99)),
        with("platform", json!("linux\n; rm -rf /")),
        json!({ "hello": 1 }),
    ] {
        let (status, problem) = door.knock(&bad).await;
        assert_eq!((status, &problem["code"]), (400, &json!("enrol-request-invalid")), "{bad}");
    }
    let (status, problem) = door.raw("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((status, &problem["code"]), (400, &json!("bad-request")));
    let large = format!("POST /enrol HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n{}", "x".repeat(20_000));
    assert_eq!(door.raw(&large).await.0, 400);
    let long = format!("POST /enrol HTTP/1.1\r\nHost: x\r\nX-A: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(door.raw(&long).await.0, 431);
    assert_eq!(door.knock(&good).await.0, 200);
}

#[tokio::test]
async fn a_revoked_device_does_not_come_back_by_its_old_code() {
    let door = Door::open().await;
    let secret = door.code(3600).await;
    let key = key();
    let (_, enrolled) = door.knock(&request(&secret, &key)).await;
    let id = enrolled["device"].as_str().unwrap().parse().unwrap();
    door.enrolment.inner.state.store.revoke_device(id, "lost", clock::now()).await.unwrap();
    let (status, problem) = door.knock(&request(&secret, &key)).await;
    assert_eq!((status, &problem["code"]), (403, &json!("enrol-code-used")));
}

#[tokio::test]
async fn an_issuer_that_is_away_costs_no_code() {
    let mut door = Door::open().await;
    let secret = door.code(3600).await;
    let body = request(&secret, &key());
    let away = IssuerClient::impatient(&door.dir.path().join("nobody.sock"));
    let there = door.change(|state| std::mem::replace(&mut state.issuer, away));
    let (status, problem) = door.knock(&body).await;
    assert_eq!((status, &problem["code"]), (503, &json!("issuer-unavailable")));
    door.change(|state| state.issuer = there);
    assert_eq!(door.knock(&body).await.0, 200);
}

#[tokio::test]
async fn one_source_is_slowed_and_told_when_to_come_back() {
    let door = Door::open().await;
    let unknown = EnrolSecret::draw(&SystemRandom::new()).unwrap();
    let body = request(&unknown, &key());
    let mut codes = Vec::new();
    for _ in 0..31 {
        codes.push(door.knock(&body).await.1["code"].as_str().unwrap().to_owned());
    }
    assert!(codes[..30].iter().all(|code| code == "enrol-code-unknown"));
    assert_eq!(codes[30], "over-limit");
    // What is over the limit does not reach the audit log.
    assert_eq!(tail(&door.audit_dir(), 100).unwrap().len(), 30);
}

/// The enrolment door with everything behind it, the issuer in this process.
struct Door {
    dir: tempfile::TempDir,
    enrolment: Enrolment,
    registry: Registry,
    _stop: tokio_util::sync::DropGuard,
}

impl Door {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (folder, offline) = (dir.path().join("authorities"), dir.path().join("offline"));
        let org = "kawasaki.example".parse().unwrap();
        let (root, _) =
            crate::authorities::create(&folder, &offline, &org, &["localhost".to_owned()], clock::now()).unwrap();
        let socket = dir.path().join("issuer.sock");
        let authority = crate::authorities::open(&folder, hitotsu_pki::profile::CaKind::Devices).unwrap();
        let stop = crate::issuer::in_process(authority, &socket);
        let registry = Registry::new(RegistrySnapshot::default());
        let (audit, _) = AuditLog::open(&dir.path().join("audit"), clock::now()).unwrap();
        let state = AdminState {
            store: Store::open(&dir.path().join("gateway.sqlite")).await.unwrap(),
            registry: registry.clone(),
            copy: crate::registry::RegistryCopy::beside(&dir.path().join("gateway.sqlite")),
            owed: crate::revocation::Owed::default(),
            audit,
            issuer: IssuerClient::new(&socket),
            root,
            authority: "localhost:443".to_owned(),
            changing: Arc::default(),
        };
        let enrolment = Enrolment::new(state, Sentences::new(&[], &[]).unwrap());
        Self { dir, enrolment, registry, _stop: stop.drop_guard() }
    }

    fn change<T>(&mut self, with: impl FnOnce(&mut AdminState) -> T) -> T {
        with(&mut Arc::get_mut(&mut self.enrolment.inner).expect("no connection is open").state)
    }

    fn audit_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("audit")
    }

    /// A code that ends in so many seconds.
    async fn code(&self, seconds: i64) -> EnrolSecret {
        let secret = EnrolSecret::draw(&SystemRandom::new()).unwrap();
        let now = clock::now();
        let code = NewEnrolCode {
            id: uuid::Uuid::new_v4().to_string(),
            secret_hash: secret.hash(),
            person: Some("p-1000".parse().unwrap()),
            ownership: Ownership::Issued,
            created_at: now,
            expires_at: Timestamp(now.0 + seconds * 1000),
        };
        self.enrolment.inner.state.store.insert_enrol_code(&code).await.unwrap();
        secret
    }

    async fn knock(&self, body: &Value) -> (u16, Value) {
        self.knock_in("ja", body).await
    }

    async fn knock_in(&self, language: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let head = format!("Host: x\r\nAccept-Language: {language}\r\nContent-Length: {}", body.len());
        self.raw(&format!("POST /enrol HTTP/1.1\r\n{head}\r\n\r\n{body}")).await
    }

    async fn raw(&self, request: &str) -> (u16, Value) {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        let serving = self.enrolment.serve(far, "192.0.2.7:5000".parse().unwrap());
        let asking = async {
            near.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            near.read_to_end(&mut answer).await.unwrap();
            String::from_utf8(answer).unwrap()
        };
        let (_, answer) = tokio::join!(serving, asking);
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

fn key() -> PrivateKey {
    PrivateKey::generate_p256(&SystemRandom::new()).unwrap()
}

fn request(secret: &EnrolSecret, key: &PrivateKey) -> Value {
    json!({
        "version": 1, "secret": secret.text().as_str(), "csr": BASE64.encode(&make_csr(key).unwrap()),
        "platform": "linux", "agent_version": "1",
    })
}
