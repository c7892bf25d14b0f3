//! What rules may look at, and the Cedar schema that says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hitotsu_model::posture::{ClaimKind, ClaimName};

/// One attribute of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Attribute {
    /// Text: the certificate's kind.
    Profile,
    /// Text: who owns the device.
    Ownership,
    /// Number: 0 to 4.
    Level,
    /// Entity: the place, `Place::"unknown"` where it is none of the bundle's.
    Place,
    /// Text: the kind of the place.
    PlaceKind,
    /// Number: minutes since local midnight, 0 to 1439.
    LocalMinute,
    /// Number: 1 is Monday, 7 is Sunday.
    Weekday,
    /// Flag: the calendar calls today a holiday.
    Holiday,
    /// Number: today as `20260401`.
    Date,
    /// Flag: an approval covers this instant and place.
    Approved,
    /// Number, optional: seconds since the last evidence was believed.
    EvidenceAge,
    /// By its kind, optional: a claim's value.
    Claim(ClaimName),
    /// Text, optional: who vouches for a claim.
    ClaimSource(ClaimName),
    /// Number, optional: seconds since a claim was observed.
    ClaimAge(ClaimName),
}

/// Attributes without a claim.
const PLAIN: [Attribute; 11] = [
    Attribute::Profile,
    Attribute::Ownership,
    Attribute::Level,
    Attribute::Place,
    Attribute::PlaceKind,
    Attribute::LocalMinute,
    Attribute::Weekday,
    Attribute::Holiday,
    Attribute::Date,
    Attribute::Approved,
    Attribute::EvidenceAge,
];

impl Attribute {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let of_claims = ClaimName::ALL
            .iter()
            .flat_map(|claim| [Self::Claim(*claim), Self::ClaimSource(*claim), Self::ClaimAge(*claim)]);
        PLAIN.into_iter().chain(of_claims)
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Profile => "profile".to_owned(),
            Self::Ownership => "ownership".to_owned(),
            Self::Level => "level".to_owned(),
            Self::Place => "place".to_owned(),
            Self::PlaceKind => "place_kind".to_owned(),
            Self::LocalMinute => "local_minute".to_owned(),
            Self::Weekday => "weekday".to_owned(),
            Self::Holiday => "holiday".to_owned(),
            Self::Date => "date".to_owned(),
            Self::Approved => "approved".to_owned(),
            Self::EvidenceAge => "evidence_age_seconds".to_owned(),
            Self::Claim(claim) => claim.as_str().to_owned(),
            Self::ClaimSource(claim) => format!("{claim}_source"),
            Self::ClaimAge(claim) => format!("{claim}_age_seconds"),
        }
    }

    pub(crate) fn by_name() -> BTreeMap<String, Self> {
        Self::all().map(|attribute| (attribute.name(), attribute)).collect()
    }

    /// Whether it may be absent: then a rule must ask `context has` first.
    pub(crate) fn optional(self) -> bool {
        matches!(self, Self::EvidenceAge | Self::Claim(_) | Self::ClaimSource(_) | Self::ClaimAge(_))
    }

    fn cedar_type(self) -> &'static str {
        match self {
            Self::Profile | Self::Ownership | Self::PlaceKind | Self::ClaimSource(_) => "String",
            Self::Level | Self::LocalMinute | Self::Weekday | Self::Date => "Long",
            Self::EvidenceAge | Self::ClaimAge(_) => "Long",
            Self::Place => "Place",
            Self::Holiday | Self::Approved => "Bool",
            Self::Claim(claim) => match claim.kind() {
                ClaimKind::Bool => "Bool",
                ClaimKind::Integer => "Long",
                ClaimKind::Text => "String",
                ClaimKind::TextList => "Set<String>",
            },
        }
    }

    /// The only texts that it can be, where that is a closed list.
    pub(crate) fn words(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Profile => Some(&["device", "relay", "gateway", "staff"]),
            Self::Ownership => Some(&["issued", "shared-desk", "byod"]),
            Self::PlaceKind => Some(&["home", "office", "city-hall", "other", "unknown"]),
            Self::ClaimSource(_) => Some(&["hw", "hw-boot", "os", "mdm", "self", "unknown"]),
            Self::Level
            | Self::Place
            | Self::LocalMinute
            | Self::Weekday
            | Self::Holiday
            | Self::Date
            | Self::Approved
            | Self::EvidenceAge
            | Self::Claim(_)
            | Self::ClaimAge(_) => None,
        }
    }

    /// Whether it grows with time second by second or minute by minute, so that a rule may only compare it directly
    /// with a number: from those numbers comes the instant at which an answer expires.
    pub(crate) fn runs(self) -> bool {
        matches!(self, Self::LocalMinute | Self::EvidenceAge | Self::ClaimAge(_))
    }

    /// Whether it changes at local midnight.
    pub(crate) fn turns_at_midnight(self) -> bool {
        matches!(self, Self::Weekday | Self::Holiday | Self::Date)
    }
}

/// The Cedar schema that every rule is checked against, strictly.
#[must_use]
pub fn schema_text() -> String {
    let mut text = String::from(
        "// People, in groups; groups may lie within groups.\n\
         entity Group in [Group];\n\
         entity User in [Group];\n\
         // A device is the principal where no person is bound to it.\n\
         entity Device;\n\
         // tier1: My Number systems. tier2: LGWAN systems. tier3: systems that may face the Internet.\n\
         entity Tier;\n\
         entity Resource in [Tier] = { require_person: Bool };\n\
         entity Place;\n\n\
         type Situation = {\n",
    );
    for attribute in Attribute::all() {
        let mark = if attribute.optional() { "?" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {}{mark}: {},", attribute.name(), attribute.cedar_type());
    }
    text.push_str(
        "};\n\n\
         action connect, download, upload, print, copy, unmask appliesTo {\n\
         \x20   principal: [User, Device],\n\
         \x20   resource: [Resource],\n\
         \x20   context: Situation,\n\
         };\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    #[test]
    fn the_schema_parses_and_no_two_attributes_share_a_name() {
        assert!(cedar_policy::Schema::from_str(&schema_text()).is_ok());
        assert_eq!(Attribute::by_name().len(), Attribute::all().count());
    }
}
