//! Names of things. Each id is a type of its own, parses strictly, and prints as what it parsed from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest textual id in bytes: fits a DNS label, so an id can stand in a certificate's name.
pub const ID_BYTES_MAX: usize = 63;

/// Why a textual id was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The id has no characters.
    #[error("an id must not be empty")]
    Empty,
    /// The id is longer than [`ID_BYTES_MAX`].
    #[error("`{0}` is longer than {ID_BYTES_MAX} bytes; choose a shorter id")]
    TooLong(String),
    /// The id has a character outside `a-z 0-9 . _ -`, or does not begin with a letter or digit.
    #[error("`{0}` is not an id; use lower-case letters, digits, `.`, `_` and `-`, beginning with a letter or digit")]
    Grammar(String),
}

fn check_id(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > ID_BYTES_MAX {
        return Err(IdError::TooLong(text.to_owned()));
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let first = text.bytes().next().is_some_and(plain);
    if !first || !text.bytes().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-')) {
        return Err(IdError::Grammar(text.to_owned()));
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check_id(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                check_id(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// An organisation: the `<org>` of every certificate name. Also a DNS suffix, such as `kawasaki.example`.
    OrgId
}
text_id! {
    /// A person, by a pseudonymous id such as a staff number. Never a name or a mail address.
    PersonId
}
text_id! {
    /// A group of people.
    GroupId
}
text_id! {
    /// An internal system, or a range of them, that policy speaks about.
    ResourceId
}
text_id! {
    /// A place that policy knows: a ward office, the city hall, a home.
    PlaceId
}
text_id! {
    /// A policy rule, by the name of its file and its `@id`.
    RuleId
}

/// A device, for the whole of its life; certificates come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(pub Uuid);

impl FromStr for DeviceId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One connection of one device to one gateway: 128 random bits, shown as 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

impl FromStr for SessionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// One admitted or refused flow of a gateway, unique in the life of its audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlowId(pub u64);

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "f{}", self.0)
    }
}

/// A certificate's serial number as lower-case hex without separators (RFC 5280 §4.1.2.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Serial(String);

impl Serial {
    /// From the big-endian magnitude of the serial number; a leading zero byte of the DER encoding is dropped.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let magnitude = match bytes {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        Self(data_encoding::HEXLOWER.encode(magnitude))
    }

    /// The hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Serial {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let lower = text.to_ascii_lowercase();
        match data_encoding::HEXLOWER.decode(lower.as_bytes()) {
            Ok(bytes) if !bytes.is_empty() && bytes.len() <= 20 => Ok(Self::from_bytes(&bytes)),
            Ok(_) | Err(_) => Err(IdError::Grammar(text.to_owned())),
        }
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_with_spaces_or_upper_case_is_refused_with_the_remedy() {
        let error = "Ward Office".parse::<PlaceId>().expect_err("grammar");
        assert!(error.to_string().contains("lower-case letters"), "{error}");
        assert_eq!("".parse::<PlaceId>(), Err(IdError::Empty));
        assert!("-x".parse::<PlaceId>().is_err());
        assert!("a".repeat(64).parse::<PlaceId>().is_err());
        assert!("miyamae-ward.2f".parse::<PlaceId>().is_ok());
    }

    #[test]
    fn a_serial_reads_the_same_with_and_without_its_der_sign_byte() {
        assert_eq!(Serial::from_bytes(&[0, 0xff, 1]), Serial::from_bytes(&[0xff, 1]));
        assert_eq!("FF01".parse::<Serial>(), Ok(Serial::from_bytes(&[0xff, 1])));
    }
}
