//! A PC in good order.

use hitotsu_model::posture::{Claim, ClaimName, ClaimValue, Posture, Source};
use hitotsu_model::time::Timestamp;

/// Its state as observed at `now`, with these claims otherwise; `None` leaves one out.
pub(crate) fn posture(now: Timestamp, changes: &[(ClaimName, Option<ClaimValue>)]) -> Posture {
    let mut claims = vec![
        (ClaimName::FirewallOn, ClaimValue::Bool(true)),
        (ClaimName::AgentIntact, ClaimValue::Bool(true)),
        (ClaimName::ForbiddenSoftware, ClaimValue::TextList(Vec::new())),
        (ClaimName::DiskEncrypted, ClaimValue::Bool(true)),
        (ClaimName::ScreenLockOn, ClaimValue::Bool(true)),
        (ClaimName::ScreenLockSeconds, ClaimValue::Integer(300)),
        (ClaimName::SecurityUpdateAgeDays, ClaimValue::Integer(3)),
        (ClaimName::AntivirusRunning, ClaimValue::Bool(true)),
        (ClaimName::AntivirusSignatureAgeDays, ClaimValue::Integer(0)),
    ];
    for (name, value) in changes {
        claims.retain(|(known, _)| known != name);
        claims.extend(value.clone().map(|value| (*name, value)));
    }
    let mut posture = Posture::default();
    for (name, value) in claims {
        posture.insert(name, Claim { value, source: Source::Os, observed_at: now }).expect("fits");
    }
    posture
}
