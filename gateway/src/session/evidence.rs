//! What a device proves about its state, and the nonces that keep it fresh.

use std::collections::VecDeque;
use std::time::Instant;

use hitotsu_model::code::Code;
use hitotsu_model::control::{AttestRequest, Statement};
use hitotsu_model::posture::Posture;
use hitotsu_model::time::Timestamp;
use hitotsu_pki::attest::{Expectation, verify_statement};

use super::Session;
use crate::limits::{NONCE_LIFE, NONCES_MAX};

/// Nonces given to one session, oldest first, and the position that its next statement must have.
#[derive(Debug, Default)]
pub struct Nonces {
    given: VecDeque<([u8; 32], Instant)>,
    next_sequence: u64,
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
}

/// Verifies a statement for this session and records it.
///
/// The first statement of a connection answers the connection's exporter value itself; each later one a nonce. Sequence
/// numbers only go up, so that a recorded statement of the same connection is refused too.
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
    let changed = session.believe(statement.posture.clone(), at);
    Ok(AttestOutcome { posture: statement.posture, changed })
}

/// What came of a believed statement.
#[derive(Debug)]
pub struct AttestOutcome {
    /// The state.
    pub posture: Posture,
    /// Whether it differs from the one before.
    pub changed: bool,
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
}
