//! What a device says about its own state, signed by the key of its certificate and bound to one connection.

use hitotsu_model::code::Code;
use hitotsu_model::control::{AttestRequest, Statement};
use hitotsu_model::time::Timestamp;

use crate::key::{SignError, Signer};
use crate::peer::PeerIdentity;

/// What the gateway expects of the next statement of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The connection's exporter value.
    pub binding: [u8; 32],
    /// The nonce that the gateway gave last; `None` before the first statement.
    pub nonce: Option<[u8; 32]>,
    /// One more than the last statement's number; 0 at first.
    pub sequence_at_least: u64,
}

/// Why evidence is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceFault {
    /// Made for another connection: stolen, or relayed.
    #[error("the evidence was made for another connection")]
    OtherConnection,
    /// The nonce is not the last one given, or the number was used before.
    #[error("the evidence was used before, or answers another nonce")]
    Replayed,
    /// Made too long ago.
    #[error("the evidence is too old")]
    Stale,
    /// Signature or form is wrong.
    #[error("the evidence is invalid: {why}")]
    Invalid {
        /// What is wrong.
        why: String,
    },
}

impl EvidenceFault {
    /// The reason that the user is given.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::OtherConnection => Code::EvidenceOtherConnection,
            Self::Replayed => Code::EvidenceReplayed,
            Self::Stale => Code::EvidenceStale,
            Self::Invalid { .. } => Code::EvidenceInvalid,
        }
    }
}

/// Signs a statement with the device's key.
///
/// # Errors
/// [`SignError`] when the key cannot be used.
pub fn sign_statement(key: &dyn Signer, statement: &Statement) -> Result<AttestRequest, SignError> {
    let _ = (key, statement);
    todo!()
}

/// Checks evidence of `peer`, which must be who the connection was identified as.
///
/// # Errors
/// [`EvidenceFault`].
pub fn verify_statement(
    request: &AttestRequest,
    peer: &PeerIdentity,
    expect: &Expectation,
    now: Timestamp,
) -> Result<Statement, EvidenceFault> {
    let _ = (request, peer, expect, now);
    todo!()
}
