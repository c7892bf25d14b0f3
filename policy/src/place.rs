//! Places that rules know.

use std::fmt;
use std::str::FromStr;

use hitotsu_model::ids::PlaceId;
use serde::{Deserialize, Serialize};

use crate::prefix::Prefix;

/// What kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceKind {
    /// A person's home, or any other network that nobody vouches for.
    Home,
    /// A ward office, branch or satellite office of the city.
    Office,
    /// The city hall.
    CityHall,
    /// Known, but none of these.
    Other,
    /// No place of the bundle.
    Unknown,
}

impl PlaceKind {
    /// The word in bundles and rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Office => "office",
            Self::CityHall => "city-hall",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for PlaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PlaceKind {
    type Err = UnknownPlaceKind;

    fn from_str(text: &str) -> Result<Self, UnknownPlaceKind> {
        match text {
            "home" => Ok(Self::Home),
            "office" => Ok(Self::Office),
            "city-hall" => Ok(Self::CityHall),
            "other" => Ok(Self::Other),
            other => Err(UnknownPlaceKind(other.to_owned())),
        }
    }
}

/// A word that is no kind of place that a bundle may name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of place; use `home`, `office`, `city-hall` or `other`")]
pub struct UnknownPlaceKind(pub String);

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its id.
    pub id: PlaceId,
    /// Its name in Japanese.
    pub title_ja: String,
    /// Its name in English.
    pub title_en: String,
    /// What kind of place.
    pub kind: PlaceKind,
    /// The networks, as the gateway sees them, from which a device is there.
    pub sources: Vec<Prefix>,
    /// Whether every source that belongs to no other place counts as this one.
    pub default: bool,
}
