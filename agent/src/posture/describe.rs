//! The posture in words.

use hitotsu_model::message::Messages;
use hitotsu_model::posture::{Claim, ClaimName, ClaimValue, Posture, Source};
use hitotsu_model::time::Timestamp;

use crate::posture::WhyUnknown;

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

/// Security updates and signatures older than this are called old here. Distributions publish weekly, ClamAV daily.
const OLD_DAYS: i64 = 14;
/// A screen that locks later than this is called slow here: guidelines for offices ask for 10 to
/// 15 minutes.
const SLOW_LOCK_SECONDS: i64 = 900;
/// A clock that is further off makes certificates and one-time codes fail.
const SKEW_SECONDS: i64 = 60;

/// Every claim in words, in the order in which people read them. Whether a claim is good enough is the policy's to
/// say; `good` here is what any computer should be.
#[must_use]
pub fn describe(posture: &Posture, messages: &Messages) -> Vec<Description> {
    posture.iter().map(|(name, claim)| description(name, claim, messages)).collect()
}

fn description(name: ClaimName, claim: &Claim, messages: &Messages) -> Description {
    let id = |suffix: &str| format!("posture-{}{suffix}", name.as_str().replace('_', "-"));
    let good = good(name, &claim.value);
    let found = match &claim.value {
        ClaimValue::Bool(true) => messages.text(&id("-yes"), &[]),
        ClaimValue::Bool(false) => messages.text(&id("-no"), &[]),
        ClaimValue::Integer(number) => messages.text(&id("-value"), &[("number", &number.to_string())]),
        ClaimValue::Text(text) => text.clone(),
        ClaimValue::TextList(list) if list.is_empty() => messages.text(&id("-none"), &[]),
        ClaimValue::TextList(list) => messages.text(&id("-list"), &[("list", &list.join(", "))]),
        ClaimValue::Unknown(why) => unknown(why, messages),
    };
    let remedy = match (good, &claim.value) {
        (Some(true), _) => String::new(),
        (_, ClaimValue::Unknown(why)) => match WhyUnknown::parse(why) {
            Some((why, _)) => optional(messages, &format!("why-{}-remedy", why.slug())),
            None => String::new(),
        },
        (Some(false) | None, _) => optional(messages, &id("-remedy")),
    };
    Description {
        claim: name,
        good,
        title: messages.text(&id(""), &[]),
        found,
        remedy,
        source: claim.source,
        observed_at: claim.observed_at,
    }
}

/// A sentence that not every claim or reason has.
fn optional(messages: &Messages, id: &str) -> String {
    let text = messages.text(id, &[]);
    if text == id { String::new() } else { text }
}

fn unknown(text: &str, messages: &Messages) -> String {
    match WhyUnknown::parse(text) {
        Some((why, detail)) => {
            let sentence = messages.text(&format!("why-{}", why.slug()), &[]);
            let id = if detail.is_empty() { "posture-unknown" } else { "posture-unknown-detail" };
            messages.text(id, &[("why", &sentence), ("detail", detail)])
        }
        None => messages.text("posture-unknown", &[("why", text)]),
    }
}

fn good(name: ClaimName, value: &ClaimValue) -> Option<bool> {
    match value {
        ClaimValue::Unknown(_) => None,
        ClaimValue::Bool(yes) => Some(*yes),
        ClaimValue::TextList(list) => Some(list.is_empty()),
        ClaimValue::Text(_) => Some(true),
        ClaimValue::Integer(number) => Some(match name {
            ClaimName::SecurityUpdateAgeDays | ClaimName::AntivirusSignatureAgeDays => *number <= OLD_DAYS,
            ClaimName::ScreenLockSeconds => *number <= SLOW_LOCK_SECONDS,
            ClaimName::ClockSkewSeconds => number.abs() <= SKEW_SECONDS,
            ClaimName::OsName
            | ClaimName::OsVersion
            | ClaimName::KernelVersion
            | ClaimName::DiskEncrypted
            | ClaimName::FirewallOn
            | ClaimName::ScreenLockOn
            | ClaimName::AntivirusRunning
            | ClaimName::SecureBoot
            | ClaimName::TpmPresent
            | ClaimName::AgentIntact
            | ClaimName::ForbiddenSoftware => true,
        }),
    }
}

#[cfg(test)]
mod tests {
    use hitotsu_model::message::Language;
    use hitotsu_model::posture::ClaimKind;

    use super::*;
    use crate::message::messages;
    use crate::posture::Finding;

    fn described(finding: Finding, language: Language) -> Description {
        let claim = Claim { value: finding.value, source: finding.source, observed_at: Timestamp(1) };
        description(finding.name, &claim, &messages(language).expect("parses"))
    }

    /// No text is a message's id, which stands in for a missing message.
    fn is_written(text: &str) -> bool {
        !text.is_empty() && !text.starts_with("posture-") && !text.starts_with("why-")
    }

    #[test]
    fn every_claim_has_words_for_good_and_bad_in_both_languages() {
        for language in [Language::Ja, Language::En] {
            for name in ClaimName::ALL.iter().copied() {
                let (good, bad) = match name.kind() {
                    ClaimKind::Bool => (Finding::yes_or_no(name, true), Finding::yes_or_no(name, false)),
                    ClaimKind::Integer => (Finding::number(name, 0), Finding::number(name, 5000)),
                    ClaimKind::TextList => (Finding::texts(name, []), Finding::texts(name, ["winny".to_owned()])),
                    ClaimKind::Text => (Finding::text(name, "debian"), Finding::text(name, "debian")),
                };
                let (good, bad) = (described(good, language), described(bad, language));
                assert!(is_written(&good.title) && is_written(&good.found), "{good:?}");
                assert_eq!((good.good, good.remedy.as_str()), (Some(true), ""), "{good:?}");
                if name.kind() != ClaimKind::Text {
                    assert!(bad.good == Some(false) && is_written(&bad.found) && is_written(&bad.remedy), "{bad:?}");
                }
            }
        }
    }

    #[test]
    fn every_reason_for_not_knowing_is_said_in_both_languages_with_its_detail() {
        for language in [Language::Ja, Language::En] {
            for why in WhyUnknown::ALL.iter().copied() {
                let plain = described(Finding::unknown(ClaimName::FirewallOn, why), language);
                assert!(!plain.found.contains("why-") && plain.good.is_none(), "{plain:?}");
                let detailed = Finding::unknown_because(ClaimName::FirewallOn, why, "detail 7");
                let detailed = described(detailed, language);
                assert!(detailed.found.contains("detail 7"), "{detailed:?}");
            }
        }
        let ja = described(Finding::unknown(ClaimName::FirewallOn, WhyUnknown::NoAnswer), Language::Ja);
        assert!(!ja.found.contains(WhyUnknown::NoAnswer.sentence()), "{ja:?}");
    }
}
