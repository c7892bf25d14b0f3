//! What state a device reports.
//!
//! Each claim says what was found, who found it, and when. A claim that could not be made is [`ClaimValue::Unknown`]
//! with the reason, and unknown is never good.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

macro_rules! claim_names {
    ($($(#[$doc:meta])* $variant:ident = $text:literal : $kind:ident),+ $(,)?) => {
        /// The closed list of claims. What is not here is not collected.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ClaimName {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)+
        }

        impl ClaimName {
            /// Every claim, in the order in which people read them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in policy, JSON and commands.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The type that a known value of this claim has.
            #[must_use]
            pub fn kind(self) -> ClaimKind {
                match self { $(Self::$variant => ClaimKind::$kind,)+ }
            }
        }

        impl FromStr for ClaimName {
            type Err = UnknownClaim;

            fn from_str(text: &str) -> Result<Self, UnknownClaim> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(UnknownClaim(other.to_owned())),
                }
            }
        }
    };
}

claim_names! {
    /// Name of the operating system, such as `debian`.
    OsName = "os_name": Text,
    /// Version of the operating system, such as `12`.
    OsVersion = "os_version": Text,
    /// Kernel release, such as `6.1.0-28-amd64`.
    KernelVersion = "kernel_version": Text,
    /// Days since security updates were last looked for and none was left waiting.
    SecurityUpdateAgeDays = "security_update_age_days": Integer,
    /// The volume that holds the system is encrypted.
    DiskEncrypted = "disk_encrypted": Bool,
    /// A firewall refuses unasked incoming connections.
    FirewallOn = "firewall_on": Bool,
    /// The screen locks by itself.
    ScreenLockOn = "screen_lock_on": Bool,
    /// Idle seconds until the screen locks.
    ScreenLockSeconds = "screen_lock_seconds": Integer,
    /// An antivirus program runs.
    AntivirusRunning = "antivirus_running": Bool,
    /// Days since the antivirus program's signatures were made.
    AntivirusSignatureAgeDays = "antivirus_signature_age_days": Integer,
    /// The firmware started only signed boot code.
    SecureBoot = "secure_boot": Bool,
    /// A TPM 2.0 answers.
    TpmPresent = "tpm_present": Bool,
    /// The agent's program file is the one that was installed.
    AgentIntact = "agent_intact": Bool,
    /// Those programs on the policy's list that run now; empty is good.
    ForbiddenSoftware = "forbidden_software": TextList,
    /// Seconds by which the device's clock differs from the gateway's, as the device sees it.
    ClockSkewSeconds = "clock_skew_seconds": Integer,
}

impl fmt::Display for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a posture claim")]
pub struct UnknownClaim(pub String);

/// The type of a claim's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimKind {
    /// Yes or no.
    Bool,
    /// A whole number; the unit is in the claim's name.
    Integer,
    /// A short text.
    Text,
    /// A set of short texts.
    TextList,
}

/// Longest text in a claim, in bytes: a kernel release fits several times over.
pub const CLAIM_TEXT_BYTES_MAX: usize = 256;
/// Most texts in a list claim: a policy's list of forbidden programs is shorter.
pub const CLAIM_LIST_MAX: usize = 64;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimValue {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A short text.
    Text(String),
    /// A set of short texts.
    TextList(Vec<String>),
    /// It could not be found out; the text says why, for people.
    Unknown(String),
}

impl ClaimValue {
    /// Whether this is a value of `kind` within its bounds. Unknown fits every kind.
    #[must_use]
    pub fn fits(&self, kind: ClaimKind) -> bool {
        let short = |text: &String| text.len() <= CLAIM_TEXT_BYTES_MAX;
        match (self, kind) {
            (Self::Bool(_), ClaimKind::Bool) | (Self::Integer(_), ClaimKind::Integer) => true,
            (Self::Text(text), ClaimKind::Text) | (Self::Unknown(text), _) => short(text),
            (Self::TextList(list), ClaimKind::TextList) => list.len() <= CLAIM_LIST_MAX && list.iter().all(short),
            (Self::Bool(_) | Self::Integer(_) | Self::Text(_) | Self::TextList(_), _) => false,
        }
    }
}

/// Who vouches for a claim, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A TPM quote, now.
    Hw,
    /// A TPM quote over what was measured at boot.
    HwBoot,
    /// The operating system's own interface.
    Os,
    /// A device-management service.
    Mdm,
    /// The agent itself.
    #[serde(rename = "self")]
    Agent,
    /// Nobody.
    Unknown,
}

impl Source {
    /// The word in policy and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hw => "hw",
            Self::HwBoot => "hw-boot",
            Self::Os => "os",
            Self::Mdm => "mdm",
            Self::Agent => "self",
            Self::Unknown => "unknown",
        }
    }
}

/// One claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What was found.
    pub value: ClaimValue,
    /// Who vouches for it.
    pub source: Source,
    /// When it was observed, by the device's clock.
    pub observed_at: Timestamp,
}

/// Everything that a device reports at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Posture {
    claims: BTreeMap<ClaimName, Claim>,
}

/// A claim whose value has another type or is too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("claim `{0}` has a value of the wrong type or size")]
pub struct ClaimMisfit(pub ClaimName);

impl Posture {
    /// Adds or replaces a claim.
    ///
    /// # Errors
    /// [`ClaimMisfit`] when the value is not of the claim's kind; the posture is unchanged.
    pub fn insert(&mut self, name: ClaimName, claim: Claim) -> Result<(), ClaimMisfit> {
        if !claim.value.fits(name.kind()) {
            return Err(ClaimMisfit(name));
        }
        self.claims.insert(name, claim);
        Ok(())
    }

    /// One claim, if it was made.
    #[must_use]
    pub fn claim(&self, name: ClaimName) -> Option<&Claim> {
        self.claims.get(&name)
    }

    /// All claims, in the order of [`ClaimName`].
    pub fn iter(&self) -> impl Iterator<Item = (ClaimName, &Claim)> {
        self.claims.iter().map(|(name, claim)| (*name, claim))
    }

    /// Checks every claim's kind and bounds; to be called on what came from the network.
    ///
    /// # Errors
    /// The first [`ClaimMisfit`].
    pub fn check(&self) -> Result<(), ClaimMisfit> {
        match self.claims.iter().find(|(name, claim)| !claim.value.fits(name.kind())) {
            Some((name, _)) => Err(ClaimMisfit(*name)),
            None => Ok(()),
        }
    }

    /// The same findings, whenever they were observed: true when nothing but the times differ.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.claims.len() == other.claims.len()
            && self.claims.iter().zip(&other.claims).all(|((name, claim), (other_name, other_claim))| {
                name == other_name && claim.value == other_claim.value && claim.source == other_claim.source
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(value: ClaimValue) -> Claim {
        Claim { value, source: Source::Os, observed_at: Timestamp(1) }
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let mut posture = Posture::default();
        let error = posture.insert(ClaimName::FirewallOn, claim(ClaimValue::Text("yes".to_owned())));
        assert_eq!(error, Err(ClaimMisfit(ClaimName::FirewallOn)));
        assert_eq!(posture, Posture::default());
        assert_eq!(posture.insert(ClaimName::FirewallOn, claim(ClaimValue::Unknown("no nft".to_owned()))), Ok(()));
    }

    #[test]
    fn only_times_differing_says_the_same() {
        let mut one = Posture::default();
        one.insert(ClaimName::FirewallOn, claim(ClaimValue::Bool(true))).expect("fits");
        let mut two = Posture::default();
        let later = Claim { observed_at: Timestamp(9), ..claim(ClaimValue::Bool(true)) };
        two.insert(ClaimName::FirewallOn, later).expect("fits");
        assert!(one.says_the_same_as(&two));
        two.insert(ClaimName::FirewallOn, claim(ClaimValue::Bool(false))).expect("fits");
        assert!(!one.says_the_same_as(&two));
    }

    #[test]
    fn every_claim_name_reads_back() {
        for name in ClaimName::ALL {
            assert_eq!(name.as_str().parse::<ClaimName>().as_ref(), Ok(name));
        }
    }
}
