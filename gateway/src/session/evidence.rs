//! What a device proves about its state, and the nonces that keep it fresh.

use std::collections::VecDeque;
use std::time::Instant;

use hitotsu_model::code::Code;
use hitotsu_model::control::{AttestRequest, Statement};
use hitotsu_model::time::Timestamp;
use hitotsu_pki::attest::{Expectation, verify_statement};
use ring::digest::{Context, SHA256};

use super::Session;
use crate::limits::{NONCE_LIFE, NONCES_MAX};

/// Nonces given to one session, oldest first, and the position that its next statement must have.
#[derive(Debug, Default)]
pub struct Nonces {
    given: VecDeque<([u8; 32], Instant)>,
    next_sequence: u64,
    last: Option<LastBelieved>,
}

/// The last statement that was believed, and the nonce of its answer.
#[derive(Debug)]
struct LastBelieved {
    sha256: [u8; 32],
    nonce: [u8; 32],
}

impl Nonces {
    /// Remembers a nonce that is about to be sent; the oldest is forgotten beyond [`NONCES_MAX`].
    pub fn give(&mut self, nonce: [u8; 32], at: Instant) {
        if self.given.len() >= NONCES_MAX {
            self.given.pop_front();
        }
        self.given.push_back((nonce, at));
    }

    /// Uses up a nonce. False if it was never given, was used before, or is too old.
    pub fn redeem(&mut self, nonce: &[u8; 32], at: Instant) -> bool {
        let Some(position) = self.given.iter().position(|(given, _)| given == nonce) else {
            return false;
        };
        let given_at = self.given.remove(position).map(|(_, given_at)| given_at);
        given_at.is_some_and(|given_at| at.saturating_duration_since(given_at) <= NONCE_LIFE)
    }

    /// Remembers how a believed statement was answered: its answer may be lost on the way.
    pub fn answered(&mut self, statement: StatementDigest, nonce: [u8; 32]) {
        self.last = Some(LastBelieved { sha256: statement.0, nonce });
    }

    /// Whether this is the last believed statement once more, bit for bit.
    fn is_repeated(&self, statement: &StatementDigest) -> bool {
        self.last.as_ref().is_some_and(|last| last.sha256 == statement.0)
    }

    /// The nonce that the last believed statement was answered with, if it may still be used.
    #[must_use]
    pub fn of_last_answer(&self) -> Option<[u8; 32]> {
        let nonce = self.last.as_ref()?.nonce;
        self.given.iter().any(|(given, _)| *given == nonce).then_some(nonce)
    }
}

/// SHA-256 of a statement with its signature, as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementDigest([u8; 32]);

impl StatementDigest {
    /// Of this request. Base64 holds no line feed, so the two parts cannot run into each other.
    #[must_use]
    pub fn of(request: &AttestRequest) -> Self {
        let mut context = Context::new(&SHA256);
        for part in [&request.statement, "\n", &request.signature] {
            context.update(part.as_bytes());
        }
        let mut sha256 = [0; 32];
        for (octet, computed) in sha256.iter_mut().zip(context.finish().as_ref()) {
            *octet = *computed;
        }
        Self(sha256)
    }
}

/// Verifies a statement for this session and records it.
///
/// The first statement of a connection answers the connection's exporter value itself; each later one a nonce. Sequence
/// numbers only go up, so that a recorded statement of the same connection is refused too. The last statement, bit for bit,
/// is the exception: its answer was lost, and is given again; it makes the evidence no younger.
///
/// # Errors
/// The reason code. Nothing is recorded then; a nonce that was named is used up all the same.
pub fn attest(
    session: &Session,
    binding: [u8; 32],
    request: &AttestRequest,
    now: Timestamp,
    at: Instant,
) -> Result<AttestOutcome, Code> {
    if session.with_nonces(|nonces| nonces.is_repeated(&StatementDigest::of(request))) {
        return Ok(AttestOutcome::Repeated);
    }
    let nonce = claimed_nonce(request)?;
    let sequence = session.with_nonces(|nonces| {
        let fresh = match &nonce {
            Some(nonce) => nonces.redeem(nonce, at),
            None => nonces.next_sequence == 0,
        };
        if fresh { Ok(nonces.next_sequence) } else { Err(Code::EvidenceReplayed) }
    })?;
    let expectation = Expectation { binding, nonce, sequence_at_least: sequence };
    let statement =
        verify_statement(request, session.identity.peer(), &expectation, now).map_err(|fault| fault.code())?;
    // Of two statements that arrive at once, the later one stays.
    let newest = session.with_nonces(|nonces| {
        let newest = statement.sequence >= nonces.next_sequence;
        nonces.next_sequence = nonces.next_sequence.max(statement.sequence.saturating_add(1));
        newest
    });
    if !newest {
        return Err(Code::EvidenceReplayed);
    }
    Ok(if session.believe(statement.posture, at) { AttestOutcome::Changed } else { AttestOutcome::Unchanged })
}

/// What came of a believed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttestOutcome {
    /// The device's state differs from what it was.
    Changed,
    /// The state is as it was, and known to be so anew.
    Unchanged,
    /// The statement was believed before, and is only to be answered again.
    Repeated,
}

/// The nonce that an unverified statement says it answers.
fn claimed_nonce(request: &AttestRequest) -> Result<Option<[u8; 32]>, Code> {
    let bytes = data_encoding::BASE64.decode(request.statement.as_bytes()).map_err(|_| Code::EvidenceInvalid)?;
    let statement: Statement = serde_json::from_slice(&bytes).map_err(|_| Code::EvidenceInvalid)?;
    let Some(nonce) = statement.nonce else { return Ok(None) };
    let nonce = data_encoding::HEXLOWER.decode(nonce.as_bytes()).map_err(|_| Code::EvidenceInvalid)?;
    nonce.try_into().map(Some).map_err(|_| Code::EvidenceInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_nonce_is_good_once() {
        let start = Instant::now();
        let mut nonces = Nonces::default();
        nonces.give([1; 32], start);
        assert!(!nonces.redeem(&[2; 32], start), "never given");
        assert!(nonces.redeem(&[1; 32], start));
        assert!(!nonces.redeem(&[1; 32], start), "used before");
    }

    #[test]
    fn an_old_nonce_is_refused_and_used_up() {
        let start = Instant::now();
        let mut nonces = Nonces::default();
        nonces.give([1; 32], start);
        let late = start + NONCE_LIFE + Duration::from_millis(1);
        assert!(!nonces.redeem(&[1; 32], late));
        assert!(!nonces.redeem(&[1; 32], start));
    }

    #[test]
    fn only_the_newest_nonces_are_remembered() {
        let start = Instant::now();
        let mut nonces = Nonces::default();
        for number in 0..=u8::try_from(NONCES_MAX).expect("small") {
            nonces.give([number; 32], start);
        }
        assert!(!nonces.redeem(&[0; 32], start));
        assert!(nonces.redeem(&[1; 32], start));
    }

    #[test]
    fn a_lost_answer_is_given_again_with_a_nonce_that_is_still_good() {
        let start = Instant::now();
        let request = |statement: &str, signature: &str| AttestRequest {
            version: hitotsu_model::control::ProtocolVersion::CURRENT,
            statement: statement.to_owned(),
            signature: signature.to_owned(),
        };
        let believed = StatementDigest::of(&request("e30=", "c2ln"));
        let mut nonces = Nonces::default();
        nonces.give([1; 32], start);
        nonces.answered(believed, [1; 32]);
        assert!(nonces.is_repeated(&believed));
        assert_eq!(nonces.of_last_answer(), Some([1; 32]));
        for other in [request("e30=", "c2lo"), request("e31=", "c2ln"), request("e30", "=c2ln")] {
            assert!(!nonces.is_repeated(&StatementDigest::of(&other)), "bit for bit: {other:?}");
        }
        assert!(nonces.redeem(&[1; 32], start));
        assert_eq!(nonces.of_last_answer(), None, "a nonce stays good once");
    }
}
