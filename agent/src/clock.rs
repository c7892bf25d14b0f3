//! The one place of the agent that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use hitotsu_model::time::Timestamp;

/// This computer's idea of the present; before 1970 counts as 1970.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
