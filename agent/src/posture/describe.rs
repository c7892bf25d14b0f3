//! The posture in words.

use hitotsu_model::message::Messages;
use hitotsu_model::posture::{ClaimName, Posture, Source};
use hitotsu_model::time::Timestamp;

/// One claim in words.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Description {
    /// The claim.
    pub claim: ClaimName,
    /// `Some(true)` when there is nothing to mend, `Some(false)` when there is, `None` when it is not known.
    pub good: Option<bool>,
    /// The claim's name for people.
    pub title: String,
    /// What was found.
    pub found: String,
    /// How to mend it; empty when there is nothing to mend.
    pub remedy: String,
    /// Who vouches for it.
    pub source: Source,
    /// When it was observed.
    pub observed_at: Timestamp,
}

/// Every claim in words, in the order in which people read them. Whether a claim is good enough is the policy's to
/// say; `good` here is what any computer should be.
#[must_use]
pub fn describe(posture: &Posture, messages: &Messages) -> Vec<Description> {
    let _ = (posture, messages);
    Vec::new()
}
