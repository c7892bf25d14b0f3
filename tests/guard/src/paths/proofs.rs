//! Who it is, in what state, and what is written down about it: `hitotsu-pki` and `hitotsu-model` alone.

use std::hint::black_box;

use data_encoding::HEXLOWER;
use hitotsu_model::audit::{AuditEvent, AuditRecord};
use hitotsu_model::control::{ProtocolVersion, Statement};
use hitotsu_model::ids::{FlowId, SessionId};
use hitotsu_model::resource::{Target, Transport};
use hitotsu_pki::attest::{Expectation, sign_statement, verify_statement};
use hitotsu_pki::peer::verify_peer;

use crate::city::{City, NOW, device};
use crate::counted::{Spent, counted};

const BINDING: [u8; 32] = [7; 32];
const NONCE: [u8; 32] = [9; 32];

/// The chain of a device, as at the start of each session.
pub(super) fn identify(operations: u64) -> Spent {
    let city = City::new();
    let once = || drop(black_box(verify_peer(black_box(&city.device.chain), &city.trust, NOW).unwrap()));
    once();
    counted(|| (0..operations).for_each(|_| once()))
}

/// The evidence of a device, as each session gets it every few minutes.
pub(super) fn evidence(operations: u64) -> Spent {
    let city = City::new();
    let peer = verify_peer(&city.device.chain, &city.trust, NOW).unwrap();
    let statement = Statement {
        version: ProtocolVersion::CURRENT,
        device: device(),
        binding: HEXLOWER.encode(&BINDING),
        nonce: Some(HEXLOWER.encode(&NONCE)),
        sequence: 3,
        made_at: NOW,
        agent_version: "0.1.0".to_owned(),
        posture: hitotsu_policy::bench::subject(7, NOW).posture.unwrap(),
    };
    let request = sign_statement(city.device.key.as_ref(), &statement).unwrap();
    let expect = Expectation { binding: BINDING, nonce: Some(NONCE), sequence_at_least: 3 };
    let once = || drop(black_box(verify_statement(black_box(&request), &peer, &expect, NOW).unwrap()));
    once();
    counted(|| (0..operations).for_each(|_| once()))
}

/// The JSON of what is written before each dial.
pub(super) fn audit_intent(operations: u64) -> Spent {
    let record = AuditRecord {
        at: NOW,
        event: AuditEvent::FlowIntent {
            flow: FlowId(1_000_000),
            session: SessionId(uuid::Uuid::from_u128(7)),
            target: Target::parse("files.kawasaki.example:443", Transport::Tcp).unwrap(),
            address: "10.20.30.40".parse().unwrap(),
            resource: "files".parse().unwrap(),
            rules: vec!["files.permit".parse().unwrap(), "floor.firewall".parse().unwrap()],
            bundle: HEXLOWER.encode(&BINDING),
        },
    };
    let once = || drop(black_box(serde_json::to_vec(black_box(&record)).unwrap()));
    once();
    counted(|| (0..operations).for_each(|_| once()))
}
