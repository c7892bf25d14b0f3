//! The answer.

use std::fmt;
use std::str::FromStr;

use hitotsu_model::code::Code;
use hitotsu_model::ids::RuleId;
use hitotsu_model::posture::ClaimName;
use hitotsu_model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What somebody wants to do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Open a flow to it.
    Connect,
    /// Take a file out of it.
    Download,
    /// Put a file into it.
    Upload,
    /// Print from it.
    Print,
    /// Copy text out of it.
    Copy,
    /// See personal information that is masked for others.
    Unmask,
}

impl Action {
    /// Every action, in the order of the schema.
    pub const ALL: &'static [Self] =
        &[Self::Connect, Self::Download, Self::Upload, Self::Print, Self::Copy, Self::Unmask];

    /// The word in rules and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Print => "print",
            Self::Copy => "copy",
            Self::Unmask => "unmask",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text).ok_or_else(|| UnknownAction(text.to_owned()))
    }
}

/// A word that is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an action; use `connect`, `download`, `upload`, `print`, `copy` or `unmask`")]
pub struct UnknownAction(pub String);

/// Allow or deny, with the reasons and how long it holds.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Whether the asker may learn that the resource exists: some permit is meant for them. Where not, the only code is
    /// [`Code::NotPermitted`], and `rules` and `claim` are for the log, not for the asker.
    pub known: bool,
    /// The deciding rules: the permits of an allow, the forbids of a deny; empty when no permit matched.
    pub rules: Vec<RuleId>,
    /// The reasons, most important first; empty if and only if it is allowed.
    pub codes: Vec<Code>,
    /// The claim that decided, where one did.
    pub claim: Option<ClaimName>,
    /// The earliest instant at which time alone could change the answer. Ask again then.
    pub expires_at: Timestamp,
    /// Rules that could not be evaluated. Not empty means denied, and an alarm.
    pub errors: Vec<RuleId>,
}
