//! What a certificate claims to be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, OrgId};

/// The kind of a certificate. It decides the path of its URI name and what it may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A PC with our agent. It must attest; without evidence it opens nothing.
    Device,
    /// A client without our agent (curl, Envoy, a phone's built-in relay). Refused unless a rule names it.
    Relay,
    /// A gateway's server certificate.
    Gateway,
    /// A member of the security staff.
    Staff,
}

impl Profile {
    /// The word in the URI path and in commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Relay => "relay",
            Self::Gateway => "gateway",
            Self::Staff => "staff",
        }
    }

    /// The label between the id and the organisation in the dNSName: `<uuid>.devices.<org>`.
    #[must_use]
    pub fn dns_label(self) -> &'static str {
        match self {
            Self::Device => "devices",
            Self::Relay => "relays",
            Self::Gateway => "gateways",
            Self::Staff => "staff",
        }
    }
}

impl FromStr for Profile {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "device" => Ok(Self::Device),
            "relay" => Ok(Self::Relay),
            "gateway" => Ok(Self::Gateway),
            "staff" => Ok(Self::Staff),
            other => Err(NameError::Profile(other.to_owned())),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The one name of a certificate's holder, written twice in the certificate: as a URI and as a dNSName.
///
/// URI `hitotsu://<org>/<profile>/<uuid>`, dNSName `<uuid>.<devices|relays|gateways|staff>.<org>`; both must agree,
/// because name constraints (RFC 5280 §4.2.1.10) reach only the second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HolderName {
    /// The organisation.
    pub org: OrgId,
    /// The kind of certificate.
    pub profile: Profile,
    /// Who holds it.
    pub id: DeviceId,
}

impl HolderName {
    /// The URI form, canonical: lower case, no port, query or fragment.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("hitotsu://{}/{}/{}", self.org, self.profile, self.id)
    }

    /// The dNSName form.
    #[must_use]
    pub fn dns_name(&self) -> String {
        format!("{}.{}.{}", self.id, self.profile.dns_label(), self.org)
    }

    /// Parses the URI form. Only the canonical spelling is accepted, byte for byte.
    ///
    /// # Errors
    /// [`NameError`] says which part is wrong.
    pub fn parse_uri(uri: &str) -> Result<Self, NameError> {
        let wrong = || NameError::Uri(uri.to_owned());
        let rest = uri.strip_prefix("hitotsu://").ok_or_else(wrong)?;
        let mut parts = rest.split('/');
        let (Some(org), Some(profile), Some(id), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let name = Self {
            org: org.parse().map_err(|_| wrong())?,
            profile: profile.parse()?,
            id: id.parse().map_err(|_| wrong())?,
        };
        if name.uri() == uri { Ok(name) } else { Err(wrong()) }
    }
}

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not `hitotsu://<org>/<profile>/<uuid>` in canonical spelling.
    #[error("`{0}` is not a name of the form `hitotsu://<org>/<profile>/<uuid>`")]
    Uri(String),
    /// Not one of the known profiles.
    #[error("`{0}` is not a profile; use `device`, `relay`, `gateway` or `staff`")]
    Profile(String),
}

/// How sure the gateway is which machine this is. Levels above [`AssuranceLevel::L1`] need hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AssuranceLevel {
    /// Unknown: enrolment only.
    L0,
    /// A key held in software.
    L1,
    /// A key held in hardware, not provably.
    L2,
    /// A TPM whose endorsement is verified.
    L3,
    /// As [`AssuranceLevel::L3`], with a verified boot state and on the asset list.
    L4,
}

impl AssuranceLevel {
    /// 0 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::L0 => 0,
            Self::L1 => 1,
            Self::L2 => 2,
            Self::L3 => 3,
            Self::L4 => 4,
        }
    }
}

/// Who owns a device and who may sit at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ownership {
    /// Issued by the city to one person.
    Issued,
    /// A desk in an office that many people use.
    SharedDesk,
    /// A person's own machine.
    Byod,
}

impl Ownership {
    /// The word in commands and policy.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::SharedDesk => "shared-desk",
            Self::Byod => "byod",
        }
    }
}

impl FromStr for Ownership {
    type Err = UnknownOwnership;

    fn from_str(text: &str) -> Result<Self, UnknownOwnership> {
        match text {
            "issued" => Ok(Self::Issued),
            "shared-desk" => Ok(Self::SharedDesk),
            "byod" => Ok(Self::Byod),
            other => Err(UnknownOwnership(other.to_owned())),
        }
    }
}

/// A word that is no kind of ownership.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of ownership; use `issued`, `shared-desk` or `byod`")]
pub struct UnknownOwnership(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_uri_is_a_name() {
        let uri = "hitotsu://kawasaki.example/device/6ba7b810-9dad-41d1-80b4-00c04fd430c8";
        assert_eq!(HolderName::parse_uri(uri).map(|name| name.uri()), Ok(uri.to_owned()));
        for bad in [
            "hitotsu://kawasaki.example/device/6BA7B810-9DAD-41D1-80B4-00C04FD430C8",
            "hitotsu://kawasaki.example/device/6ba7b8109dad41d180b400c04fd430c8",
            "hitotsu://kawasaki.example/device/6ba7b810-9dad-41d1-80b4-00c04fd430c8/",
            "hitotsu://kawasaki.example/root/6ba7b810-9dad-41d1-80b4-00c04fd430c8",
            "https://kawasaki.example/device/6ba7b810-9dad-41d1-80b4-00c04fd430c8",
            "hitotsu://Kawasaki.example/device/6ba7b810-9dad-41d1-80b4-00c04fd430c8",
            "hitotsu://kawasaki.example/device/6ba7b810-9dad-41d1-80b4-00c04fd430c8?x",
        ] {
            assert!(HolderName::parse_uri(bad).is_err(), "{bad}");
        }
    }
}
