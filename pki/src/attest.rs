//! What a device says about its own state, signed by the key of its certificate and bound to one connection.
//!
//! The signature is over `hitotsu-attest-v1`, a zero byte, the length of the statement (4 bytes, big-endian) and the
//! statement's JSON as sent. The domain in front keeps it apart from everything else that the key signs: TLS 1.3 signs
//! 64 spaces first (RFC 8446 §4.4.3), a certificate request a DER sequence.

use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use hitotsu_model::code::Code;
use hitotsu_model::control::{AttestRequest, ProtocolVersion, Statement};
use hitotsu_model::identity::Profile;
use hitotsu_model::posture::ClaimMisfit;
use hitotsu_model::time::Timestamp;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use subtle::ConstantTimeEq;

use crate::key::{Algorithm, SignError, Signer};
use crate::limits::{SIGNATURE_BYTES_MAX, STATEMENT_BYTES_MAX};
use crate::peer::PeerIdentity;
use crate::spki;

/// What stands before every signed statement.
const DOMAIN: &[u8] = b"hitotsu-attest-v1\0";

/// How long before its arrival a statement may have been made, by the device's clock. That it is fresh is proved by
/// binding, nonce and number; this catches what lay in a sleeping machine. Clocks of PCs may well be minutes off.
pub const STATEMENT_AGE_MAX: Duration = Duration::from_secs(600);

/// How far the device's clock may be ahead of ours.
pub const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(600);

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
    /// Made too long ago by the device's clock, which may also be slow.
    #[error("the evidence was made more than {} seconds ago by the device's clock", STATEMENT_AGE_MAX.as_secs())]
    Stale,
    /// Made in the future by the device's clock.
    #[error("the device's clock is more than {} seconds ahead", CLOCK_AHEAD_MAX.as_secs())]
    ClockAhead,
    /// Signature or form is wrong.
    #[error("the evidence is invalid: {why}")]
    Invalid {
        /// What is wrong.
        why: Flaw,
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
            Self::ClockAhead => Code::ClockWrong,
            Self::Invalid { .. } => Code::EvidenceInvalid,
        }
    }
}

impl From<Flaw> for EvidenceFault {
    fn from(why: Flaw) -> Self {
        Self::Invalid { why }
    }
}

/// What is wrong with a signature or form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The protocol version is another one.
    #[error("protocol version {0} is not known")]
    Version(u16),
    /// Longer than [`STATEMENT_BYTES_MAX`].
    #[error("the statement is longer than {STATEMENT_BYTES_MAX} bytes")]
    TooLong,
    /// Not Base64.
    #[error("statement or signature is not Base64")]
    Base64,
    /// The signature is not the device's over this statement.
    #[error("the signature is wrong")]
    Signature,
    /// The statement is not JSON of our form.
    #[error("the statement is not of the known form")]
    Form,
    /// It speaks about another device than the connection's.
    #[error("the statement is about another device")]
    OtherDevice,
    /// Only certificates of profile `device` attest.
    #[error("only certificates of profile `device` attest")]
    Profile,
    /// A claim has a value of the wrong type or size.
    #[error(transparent)]
    Claim(#[from] ClaimMisfit),
}

/// Signs a statement with the device's key.
///
/// # Errors
/// [`SignError`] when the key cannot be used.
pub fn sign_statement(key: &dyn Signer, statement: &Statement) -> Result<AttestRequest, SignError> {
    let json = serde_json::to_vec(statement).map_err(|error| SignError::Unavailable(error.to_string()))?;
    let signature = key.sign(&signed_bytes(&json))?;
    Ok(AttestRequest {
        version: ProtocolVersion::CURRENT,
        statement: BASE64.encode(&json),
        signature: BASE64.encode(&signature),
    })
}

/// Checks evidence of `peer`, which must be who the connection was identified as. Nothing of the statement is parsed
/// before its signature is found right.
///
/// # Errors
/// [`EvidenceFault`].
pub fn verify_statement(
    request: &AttestRequest,
    peer: &PeerIdentity,
    expect: &Expectation,
    now: Timestamp,
) -> Result<Statement, EvidenceFault> {
    let json = verify_signature(request, peer)?;
    let statement: Statement = serde_json::from_slice(&json).map_err(|_| Flaw::Form)?;
    if statement.version != ProtocolVersion::CURRENT {
        return Err(Flaw::Version(statement.version.0).into());
    }
    if statement.device != peer.name.id {
        return Err(Flaw::OtherDevice.into());
    }
    if !is_hex_of(&statement.binding, &expect.binding) {
        return Err(EvidenceFault::OtherConnection);
    }
    let answers = match (&statement.nonce, &expect.nonce) {
        (None, None) => true,
        (Some(nonce), Some(expected)) => is_hex_of(nonce, expected),
        (None, Some(_)) | (Some(_), None) => false,
    };
    if !answers || statement.sequence < expect.sequence_at_least {
        return Err(EvidenceFault::Replayed);
    }
    statement.posture.check().map_err(Flaw::Claim)?;
    if statement.made_at.plus(STATEMENT_AGE_MAX) < now {
        return Err(EvidenceFault::Stale);
    }
    if statement.made_at > now.plus(CLOCK_AHEAD_MAX) {
        return Err(EvidenceFault::ClockAhead);
    }
    Ok(statement)
}

/// The statement's bytes, found to be signed by the peer's key.
fn verify_signature(request: &AttestRequest, peer: &PeerIdentity) -> Result<Vec<u8>, Flaw> {
    if request.version != ProtocolVersion::CURRENT {
        return Err(Flaw::Version(request.version.0));
    }
    match peer.name.profile {
        Profile::Device => {}
        Profile::Relay | Profile::Gateway | Profile::Staff => return Err(Flaw::Profile),
    }
    if request.statement.len() > BASE64.encode_len(STATEMENT_BYTES_MAX) {
        return Err(Flaw::TooLong);
    }
    if request.signature.len() > BASE64.encode_len(SIGNATURE_BYTES_MAX) {
        return Err(Flaw::Signature);
    }
    let json = BASE64.decode(request.statement.as_bytes()).map_err(|_| Flaw::Base64)?;
    if json.len() > STATEMENT_BYTES_MAX {
        return Err(Flaw::TooLong);
    }
    let signature = BASE64.decode(request.signature.as_bytes()).map_err(|_| Flaw::Base64)?;
    let Some((Algorithm::P256, point)) = spki::decode(&peer.spki) else { return Err(Flaw::Signature) };
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
        .verify(&signed_bytes(&json), &signature)
        .map_err(|_| Flaw::Signature)?;
    Ok(json)
}

fn signed_bytes(json: &[u8]) -> Vec<u8> {
    // INVARIANT (length): verified statements are at most 64 KiB; one that is too long to count is signed for nobody.
    let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
    [DOMAIN, &length.to_be_bytes(), json].concat()
}

/// Compares in constant time, in the one spelling that we write.
fn is_hex_of(text: &str, bytes: &[u8; 32]) -> bool {
    text.as_bytes().ct_eq(HEXLOWER.encode(bytes).as_bytes()).into()
}
