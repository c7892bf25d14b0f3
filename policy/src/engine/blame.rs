//! What would have had to be otherwise for a rule to answer otherwise.

use hitotsu_model::code::Code;
use hitotsu_model::posture::ClaimName;

use crate::engine::evaluate::Question;
use crate::rules::attribute::Attribute;
use crate::rules::expression::Expr;

/// A smallest part of a condition that is not as it should be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unmet<'r>(pub(crate) &'r Expr);

impl Unmet<'_> {
    pub(crate) fn attributes(self) -> Vec<Attribute> {
        self.0.attributes().into_iter().collect()
    }
}

/// What keeps a permit from matching.
pub(crate) fn unmet_of_permit<'r>(question: &Question<'_>, clauses: &'r [Expr]) -> Vec<Unmet<'r>> {
    let mut unmet = Vec::new();
    for clause in clauses {
        if question.truth(clause) == Ok(false) {
            blame(question, clause, true, &mut unmet);
        }
    }
    unmet
}

/// What lets a forbid match: the parts of its `unless`, or of its `when` where it has no `unless`.
pub(crate) fn unmet_of_forbid<'r>(clauses: &'r [Expr], question: &Question<'_>) -> Vec<Unmet<'r>> {
    let has_unless = clauses.iter().any(|clause| matches!(clause, Expr::Not(_)));
    let mut unmet = Vec::new();
    for clause in clauses.iter().filter(|clause| !has_unless || matches!(clause, Expr::Not(_))) {
        blame(question, clause, false, &mut unmet);
    }
    unmet
}

/// Collects the parts of `expr`, which is not `wanted`, that would have to change.
fn blame<'r>(question: &Question<'_>, expr: &'r Expr, wanted: bool, unmet: &mut Vec<Unmet<'r>>) {
    match (expr, wanted) {
        // Each false part of a conjunction; those that cannot be read because of an earlier one are passed over.
        (Expr::All(parts), true) | (Expr::Any(parts), false) => {
            for part in parts {
                if question.truth(part) == Ok(!wanted) {
                    blame(question, part, wanted, unmet);
                }
            }
        }
        // Any part of a disjunction would do. That the asker is no relay is not worth telling where there is another.
        (Expr::Any(parts), true) | (Expr::All(parts), false) => {
            let others: Vec<&Expr> = parts.iter().filter(|part| !part.is_about_who()).collect();
            let chosen = if others.is_empty() { parts.iter().collect() } else { others };
            for part in chosen {
                if question.truth(part) == Ok(!wanted) {
                    blame(question, part, wanted, unmet);
                }
            }
        }
        (Expr::Not(part), wanted) => blame(question, part, !wanted, unmet),
        (
            Expr::Constant(_)
            | Expr::Principal
            | Expr::Action
            | Expr::Resource
            | Expr::RequirePerson
            | Expr::Context(_)
            | Expr::Has(_)
            | Expr::If(_)
            | Expr::Two(..)
            | Expr::Negate(_)
            | Expr::IsEmpty(_)
            | Expr::Like(..)
            | Expr::IsKind(..)
            | Expr::Set(_),
            _,
        ) => unmet.push(Unmet(expr)),
    }
}

/// Whether every part of a permit's condition that is only about who asks, with what kind of certificate and for what,
/// holds: then the permit is meant for the asker.
pub(crate) fn is_meant_for(question: &Question<'_>, clauses: &[Expr]) -> bool {
    let holds = |expr: &Expr| !expr.is_about_who() || question.truth(expr) == Ok(true);
    clauses.iter().flat_map(Expr::conjuncts).all(holds)
}

/// The claim that an attribute is about.
pub(crate) fn claim_of(attribute: Attribute) -> Option<ClaimName> {
    match attribute {
        Attribute::Claim(name) | Attribute::ClaimSource(name) | Attribute::ClaimAge(name) => Some(name),
        Attribute::Profile
        | Attribute::Ownership
        | Attribute::Level
        | Attribute::Place
        | Attribute::PlaceKind
        | Attribute::LocalMinute
        | Attribute::Weekday
        | Attribute::Holiday
        | Attribute::Date
        | Attribute::Approved
        | Attribute::EvidenceAge => None,
    }
}

/// The reason that helps most when a permit fails on `attribute`.
pub(crate) fn code_of(question: &Question<'_>, attribute: Attribute) -> Code {
    match attribute {
        Attribute::Place | Attribute::PlaceKind => Code::PlaceNotPermitted,
        Attribute::LocalMinute | Attribute::Weekday | Attribute::Holiday | Attribute::Date => Code::TimeNotPermitted,
        Attribute::Level => Code::LevelTooLow,
        Attribute::Ownership => Code::OwnershipNotPermitted,
        Attribute::Approved => Code::ApprovalMissing,
        Attribute::Profile => Code::NotPermitted,
        Attribute::EvidenceAge if question.attribute(attribute).is_none() => Code::EvidenceMissing,
        Attribute::EvidenceAge | Attribute::ClaimAge(_) => Code::EvidenceStale,
        Attribute::Claim(_) | Attribute::ClaimSource(_) if question.attribute(attribute).is_none() => {
            Code::PostureUnknown
        }
        // Who vouches for it is not who the rule wants: as good as unknown.
        Attribute::ClaimSource(_) => Code::PostureUnknown,
        Attribute::Claim(name) => match name {
            ClaimName::FirewallOn => Code::FirewallOff,
            ClaimName::DiskEncrypted => Code::DiskNotEncrypted,
            ClaimName::OsVersion | ClaimName::KernelVersion | ClaimName::SecurityUpdateAgeDays => Code::UpdatesOverdue,
            ClaimName::ScreenLockOn | ClaimName::ScreenLockSeconds => Code::ScreenLockOff,
            ClaimName::AntivirusRunning => Code::AntivirusOff,
            ClaimName::AntivirusSignatureAgeDays => Code::AntivirusOld,
            ClaimName::SecureBoot => Code::SecureBootOff,
            ClaimName::TpmPresent => Code::LevelTooLow,
            ClaimName::AgentIntact => Code::AgentNotIntact,
            ClaimName::ForbiddenSoftware => Code::ForbiddenSoftware,
            ClaimName::ClockSkewSeconds => Code::ClockWrong,
            ClaimName::OsName => Code::OwnershipNotPermitted,
        },
    }
}

/// The reason of a forbid that matched: its own, unless the state that it asks for is not bad but unknown or too old.
pub(crate) fn code_of_forbid(question: &Question<'_>, own: Code, attributes: &[Attribute]) -> Code {
    // The help desk's first digit: 2 is evidence, 3 is the state of the device.
    let about_state = matches!(own.number() / 100_000, 2 | 3);
    let claims: Vec<&Attribute> = attributes.iter().filter(|attribute| attribute.optional()).collect();
    if !about_state || claims.is_empty() {
        return own;
    }
    let absent = claims.iter().find(|attribute| question.attribute(***attribute).is_none());
    match absent {
        Some(attribute) => code_of(question, **attribute),
        None if claims.iter().all(|attribute| matches!(attribute, Attribute::ClaimAge(_))) => Code::EvidenceStale,
        None => own,
    }
}
