//! Evidence: what a thief, a replay and a wrong device look like.

use data_encoding::{BASE64, HEXLOWER};
use hitotsu_model::code::Code;
use hitotsu_model::control::{AttestRequest, ProtocolVersion, Statement};
use hitotsu_model::identity::Profile;
use hitotsu_model::posture::{Claim, ClaimName, ClaimValue, Posture, Source};
use hitotsu_pki::attest::{EvidenceFault, Expectation, Flaw, sign_statement, verify_statement};
use hitotsu_pki::key::{PrivateKey, Signer};
use hitotsu_pki::peer::{PeerIdentity, verify_peer};
use proptest::prelude::*;

use crate::world::{CITY, HOUR, Holder, NOW, device};

const BINDING: [u8; 32] = [7; 32];
const NONCE: [u8; 32] = [9; 32];

struct Scene {
    holder: Holder,
    peer: PeerIdentity,
}

impl Scene {
    fn new() -> Self {
        let holder = CITY.holder(Profile::Device, 1);
        let peer = verify_peer(&holder.chain, &CITY.trust, NOW).unwrap();
        Self { holder, peer }
    }

    fn judged(&self, statement: &Statement, expect: &Expectation) -> Result<Statement, EvidenceFault> {
        let request = sign_statement(self.holder.key.as_ref(), statement).unwrap();
        verify_statement(&request, &self.peer, expect, NOW)
    }
}

fn first() -> Expectation {
    Expectation { binding: BINDING, nonce: None, sequence_at_least: 0 }
}

fn later() -> Expectation {
    Expectation { binding: BINDING, nonce: Some(NONCE), sequence_at_least: 3 }
}

fn statement() -> Statement {
    let mut posture = Posture::default();
    let claim = Claim { value: ClaimValue::Bool(true), source: Source::Os, observed_at: NOW };
    posture.insert(ClaimName::FirewallOn, claim).unwrap();
    Statement {
        version: ProtocolVersion::CURRENT,
        device: device(1),
        binding: HEXLOWER.encode(&BINDING),
        nonce: None,
        sequence: 0,
        made_at: NOW,
        agent_version: "0.1.0".to_owned(),
        posture,
    }
}

fn answer() -> Statement {
    Statement { nonce: Some(HEXLOWER.encode(&NONCE)), sequence: 3, ..statement() }
}

#[test]
fn the_first_evidence_answers_the_connection_and_later_ones_the_nonce() {
    let scene = Scene::new();
    assert_eq!(scene.judged(&statement(), &first()), Ok(statement()));
    assert_eq!(scene.judged(&answer(), &later()), Ok(answer()));
    let skipped = Statement { sequence: 99, ..answer() };
    assert!(scene.judged(&skipped, &later()).is_ok());
}

#[test]
fn stolen_evidence_does_not_fit_another_connection() {
    let scene = Scene::new();
    let elsewhere = Expectation { binding: [8; 32], ..first() };
    let fault = scene.judged(&statement(), &elsewhere).unwrap_err();
    assert_eq!((fault.clone(), fault.code()), (EvidenceFault::OtherConnection, Code::EvidenceOtherConnection));
    let upper = Statement { binding: HEXLOWER.encode(&[0xab; 32]).to_uppercase(), ..statement() };
    let expect = Expectation { binding: [0xab; 32], ..first() };
    assert_eq!(scene.judged(&upper, &expect), Err(EvidenceFault::OtherConnection));
}

#[test]
fn a_nonce_or_number_that_was_used_is_a_replay() {
    let scene = Scene::new();
    let replayed = |statement: &Statement, expect: &Expectation| {
        let fault = scene.judged(statement, expect).unwrap_err();
        assert_eq!((fault.clone(), fault.code()), (EvidenceFault::Replayed, Code::EvidenceReplayed));
    };
    replayed(&answer(), &Expectation { nonce: Some([10; 32]), ..later() });
    replayed(&answer(), &Expectation { sequence_at_least: 4, ..later() });
    replayed(&Statement { nonce: None, ..answer() }, &later());
    replayed(&answer(), &first());
    replayed(&statement(), &Expectation { sequence_at_least: 1, ..first() });
}

#[test]
fn evidence_that_lay_about_is_stale_and_a_fast_clock_is_named() {
    let scene = Scene::new();
    let made = |made_at| scene.judged(&Statement { made_at, ..statement() }, &first());
    assert!(made(NOW.minus(HOUR / 6)).is_ok());
    let stale = made(NOW.minus(HOUR)).unwrap_err();
    assert_eq!((stale.clone(), stale.code()), (EvidenceFault::Stale, Code::EvidenceStale));
    let ahead = made(NOW.plus(HOUR)).unwrap_err();
    assert_eq!((ahead.clone(), ahead.code()), (EvidenceFault::ClockAhead, Code::ClockWrong));
}

fn flaw(why: Flaw) -> Result<Statement, EvidenceFault> {
    Err(EvidenceFault::Invalid { why })
}

#[test]
fn evidence_signed_by_another_key_is_invalid() {
    let scene = Scene::new();
    let thief = CITY.holder(Profile::Device, 2);
    let request = sign_statement(thief.key.as_ref(), &statement()).unwrap();
    assert_eq!(verify_statement(&request, &scene.peer, &first(), NOW), flaw(Flaw::Signature));
}

#[test]
fn a_device_speaks_only_about_itself() {
    let scene = Scene::new();
    let about = Statement { device: device(2), ..statement() };
    assert_eq!(scene.judged(&about, &first()), flaw(Flaw::OtherDevice));
}

#[test]
fn a_signature_over_the_bare_statement_is_invalid() {
    let scene = Scene::new();
    let json = serde_json::to_vec(&statement()).unwrap();
    let request = signed(&scene.holder.key, &json, |json| json.to_vec());
    assert_eq!(verify_statement(&request, &scene.peer, &first(), NOW), flaw(Flaw::Signature));
}

#[test]
fn changed_bytes_are_invalid() {
    let scene = Scene::new();
    let request = sign_statement(scene.holder.key.as_ref(), &statement()).unwrap();
    let json = String::from_utf8(BASE64.decode(request.statement.as_bytes()).unwrap()).unwrap();
    let lied = json.replace("\"bool\":true", "\"bool\":false");
    assert_ne!(lied, json);
    let changed = AttestRequest { statement: BASE64.encode(lied.as_bytes()), ..request.clone() };
    assert_eq!(verify_statement(&changed, &scene.peer, &first(), NOW), flaw(Flaw::Signature));
    let garbage = AttestRequest { signature: "****".to_owned(), ..request.clone() };
    assert_eq!(verify_statement(&garbage, &scene.peer, &first(), NOW), flaw(Flaw::Base64));
    let endless = AttestRequest { signature: "A".repeat(4000), ..request };
    assert_eq!(verify_statement(&endless, &scene.peer, &first(), NOW), flaw(Flaw::Signature));
}

#[test]
fn an_oversized_statement_is_refused_before_anything_else() {
    let scene = Scene::new();
    let long = Statement { agent_version: "x".repeat(64 * 1024), ..statement() };
    assert_eq!(scene.judged(&long, &first()), flaw(Flaw::TooLong));
}

#[test]
fn an_unknown_form_or_version_is_refused() {
    let scene = Scene::new();
    let of = |json: &[u8]| {
        let request = signed(&scene.holder.key, json, framed);
        verify_statement(&request, &scene.peer, &first(), NOW)
    };
    assert_eq!(of(b"{}"), flaw(Flaw::Form));
    assert_eq!(of(b""), flaw(Flaw::Form));
    let json = serde_json::to_string(&statement()).unwrap();
    assert!(of(json.as_bytes()).is_ok());
    assert_eq!(of(json.replacen('{', "{\"extra\":1,", 1).as_bytes()), flaw(Flaw::Form));
    assert_eq!(of(format!("{json} x").as_bytes()), flaw(Flaw::Form));
    assert_eq!(of(json.replace("\"version\":1", "\"version\":2").as_bytes()), flaw(Flaw::Version(2)));
    assert!(matches!(
        of(json.replace("{\"bool\":true}", "{\"text\":\"yes\"}").as_bytes()),
        Err(EvidenceFault::Invalid { why: Flaw::Claim(_) })
    ));
    let request = sign_statement(scene.holder.key.as_ref(), &statement()).unwrap();
    let other = AttestRequest { version: ProtocolVersion(2), ..request };
    assert_eq!(verify_statement(&other, &scene.peer, &first(), NOW), flaw(Flaw::Version(2)));
}

#[test]
fn only_devices_attest() {
    for profile in [Profile::Relay, Profile::Staff] {
        let holder = CITY.holder(profile, 1);
        let peer = verify_peer(&holder.chain, &CITY.trust, NOW).unwrap();
        let request = sign_statement(holder.key.as_ref(), &statement()).unwrap();
        assert_eq!(verify_statement(&request, &peer, &first(), NOW), flaw(Flaw::Profile));
    }
}

fn framed(json: &[u8]) -> Vec<u8> {
    [b"hitotsu-attest-v1\0".as_slice(), &u32::try_from(json.len()).unwrap().to_be_bytes(), json].concat()
}

fn signed(key: &PrivateKey, json: &[u8], form: impl Fn(&[u8]) -> Vec<u8>) -> AttestRequest {
    AttestRequest {
        version: ProtocolVersion::CURRENT,
        statement: BASE64.encode(json),
        signature: BASE64.encode(&key.sign(&form(json)).unwrap()),
    }
}

proptest! {
    #[test]
    fn nothing_signed_makes_the_verifier_panic(json in "[ -~]{0,200}", signature in "[A-Za-z0-9+/=]{0,110}") {
        let scene = Scene::new();
        let well_signed = signed(&scene.holder.key, json.as_bytes(), framed);
        prop_assert!(verify_statement(&well_signed, &scene.peer, &first(), NOW).is_err());
        let badly_signed = AttestRequest { signature, ..well_signed };
        prop_assert!(verify_statement(&badly_signed, &scene.peer, &first(), NOW).is_err());
    }
}
