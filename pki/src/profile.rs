//! What each kind of certificate may be and how long it lives.

use std::time::Duration;

use hitotsu_model::identity::{AssuranceLevel, Profile};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Life of the root: longer than any machine that trusts it, and P-384 for the same reason.
pub const ROOT_LIFETIME: Duration = Duration::from_secs(15 * 365 * 24 * 3_600);
/// Life of an issuing authority: the root's key comes out of its safe every two years or so, with a year to spare.
pub const AUTHORITY_LIFETIME: Duration = Duration::from_secs(3 * 365 * 24 * 3_600);
/// Life of a device's certificate whose key is held in software: a copied key is worth one day.
pub const DEVICE_SOFTWARE_LIFETIME: Duration = DAY;
/// Life of a device's certificate whose key provably cannot leave its TPM: a week survives holidays without renewal.
pub const DEVICE_HARDWARE_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Life of a relay's certificate: put in by hand, so a quarter of a year.
pub const RELAY_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3_600);
/// Life of a gateway's certificate: renewed by its operator, so a quarter of a year.
pub const GATEWAY_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3_600);
/// Life of a staff certificate: they may do the most harm.
pub const STAFF_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How far before its making a device's, relay's or staff certificate begins: gateways' clocks differ by less.
pub const BACKDATED: Duration = Duration::from_secs(300);
/// How far before its making the certificate of an authority or gateway begins: a PC whose clock is up to an hour
/// slow can still connect and be told so.
pub const BACKDATED_FOR_PCS: Duration = HOUR;

/// The longest life of a certificate of `profile`; also the usual one.
#[must_use]
pub fn lifetime(profile: Profile, level: AssuranceLevel) -> Duration {
    match profile {
        Profile::Device => match level {
            AssuranceLevel::L0 | AssuranceLevel::L1 | AssuranceLevel::L2 => DEVICE_SOFTWARE_LIFETIME,
            AssuranceLevel::L3 | AssuranceLevel::L4 => DEVICE_HARDWARE_LIFETIME,
        },
        Profile::Relay => RELAY_LIFETIME,
        Profile::Gateway => GATEWAY_LIFETIME,
        Profile::Staff => STAFF_LIFETIME,
    }
}

/// The kinds of issuing authority. Each may name only its own kind of holder, so that a stolen one cannot make the
/// others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CaKind {
    /// Issues `device` and `relay`.
    Devices,
    /// Issues `gateway`.
    Gateways,
    /// Issues `staff`.
    Staff,
}

impl CaKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Devices, Self::Gateways, Self::Staff];

    /// The kind that issues certificates of `profile`.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        match profile {
            Profile::Device | Profile::Relay => Self::Devices,
            Profile::Gateway => Self::Gateways,
            Profile::Staff => Self::Staff,
        }
    }

    /// The profiles that it may issue.
    #[must_use]
    pub fn profiles(self) -> &'static [Profile] {
        match self {
            Self::Devices => &[Profile::Device, Profile::Relay],
            Self::Gateways => &[Profile::Gateway],
            Self::Staff => &[Profile::Staff],
        }
    }

    /// The word in commands and in the authority's own name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Gateways => "gateways",
            Self::Staff => "staff",
        }
    }
}
