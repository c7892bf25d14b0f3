//! Answers remembered for one session.

use std::collections::HashMap;
use std::sync::Arc;

use hitotsu_model::ids::ResourceId;
use hitotsu_model::time::Timestamp;

use crate::bundle::Bundle;
use crate::decision::Decision;
use crate::limits::MEMO_ENTRIES_MAX;
use crate::subject::{PreparedSubject, Subject};

/// Answers of one session, each kept until it expires, the clock goes back, or bundle or subject are others.
#[derive(Debug, Default)]
pub struct Memo {
    bundle: Option<Arc<str>>,
    subject: Option<Arc<Subject>>,
    answers: HashMap<ResourceId, Remembered>,
}

#[derive(Debug)]
struct Remembered {
    decided_at: Timestamp,
    decision: Decision,
}

impl Memo {
    /// As [`Bundle::decide`], from memory where the answer still holds.
    pub fn decide(
        &mut self,
        bundle: &Bundle,
        subject: &PreparedSubject,
        resource: &ResourceId,
        now: Timestamp,
    ) -> Decision {
        if !self.is_about(bundle, subject) {
            self.answers.clear();
            self.bundle = Some(bundle.shared_version());
            self.subject = Some(Arc::clone(&subject.subject));
        }
        let holds = |known: &&Remembered| known.decided_at <= now && now < known.decision.expires_at;
        if let Some(known) = self.answers.get(resource).filter(holds) {
            return known.decision.clone();
        }
        let decision = bundle.decide(subject, resource, now);
        if self.answers.len() >= MEMO_ENTRIES_MAX && !self.answers.contains_key(resource) {
            self.answers.clear();
        }
        let remembered = Remembered { decided_at: now, decision: decision.clone() };
        self.answers.insert(resource.clone(), remembered);
        decision
    }

    /// How many answers are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// The same value is most often the same allocation; else every field is compared, for a hash could be forged.
    fn is_about(&self, bundle: &Bundle, subject: &PreparedSubject) -> bool {
        let same_bundle = self.bundle.as_deref() == Some(bundle.version());
        let same = |known: &Arc<Subject>| Arc::ptr_eq(known, &subject.subject) || known == &subject.subject;
        same_bundle && self.subject.as_ref().is_some_and(same)
    }
}
