//! Ranges of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses in CIDR form (RFC 4632), such as `10.1.0.0/24` or `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    /// Whether `address` lies in this range. A mapped IPv4 address is the address that it maps.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(self.bits))).unwrap_or(0);
                u32::from(net) == u32::from(address) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(self.bits))).unwrap_or(0);
                u128::from(net) == u128::from(address) & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// The first address of the range.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The length of the fixed part, in bits.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether a resource with this prefix may have `address`: it lies in the range, and the range is not wider than a
    /// special range around it ([`special_range`]). So `0.0.0.0/0` means public addresses, not the city's own networks.
    #[must_use]
    pub fn means(&self, address: IpAddr) -> bool {
        self.contains(address) && special_range(address).is_none_or(|special| special.covers(self))
    }

    /// Whether some address lies in both ranges.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Whether every address of `other` lies in this range.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.bits <= other.bits && self.contains(other.address)
    }
}

impl Prefix {
    /// The range of `bits` bits in which `address` lies. (More bits than the address has are all of them.)
    #[must_use]
    pub(crate) fn around(address: IpAddr, bits: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let bits = bits.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Self { address: IpAddr::V4((u32::from(v4) & mask).into()), bits }
            }
            IpAddr::V6(v6) => {
                let bits = bits.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Self { address: IpAddr::V6((u128::from(v6) & mask).into()), bits }
            }
        }
    }
}

/// Ranges that a wider prefix does not mean: whoever means them names them. (IANA special-purpose registries, RFC 6890:
/// private use, shared, loopback, link-local with cloud metadata, multicast, reserved.)
const SPECIAL: [(IpAddr, u8); 14] = [
    (IpAddr::V4(Ipv4Addr::new(0, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4),
    (IpAddr::V4(Ipv4Addr::new(240, 0, 0, 0)), 4),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
];

/// The range that `address` lies in and that a wider prefix does not mean, if there is one.
#[must_use]
pub fn special_range(address: IpAddr) -> Option<Prefix> {
    let ranges = SPECIAL.iter().map(|(address, bits)| Prefix { address: *address, bits: *bits });
    ranges.into_iter().find(|range| range.contains(address))
}

/// A text that is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not `address/bits`.
    #[error("`{0}` is not a range of addresses; write it as `10.1.0.0/24` or `2001:db8::/32`")]
    Form(String),
    /// Bits after the prefix are set.
    #[error("`{0}` has bits set after its prefix; did you mean `{1}`")]
    HostBits(String, Prefix),
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let form = || PrefixError::Form(text.to_owned());
        let (address, bits) = text.split_once('/').ok_or_else(form)?;
        let address: IpAddr = address.parse().map_err(|_| form())?;
        if bits.is_empty() || bits.len() > 3 || !bits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(form());
        }
        let bits: u8 = bits.parse().map_err(|_| form())?;
        let masked = match address {
            IpAddr::V4(v4) if bits <= 32 => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(bits))).unwrap_or(0);
                IpAddr::V4((u32::from(v4) & mask).into())
            }
            // A mapped range would never match: addresses are unmapped before they are looked up.
            IpAddr::V6(v6) if bits <= 128 && v6.to_ipv4_mapped().is_none() => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(bits))).unwrap_or(0);
                IpAddr::V6((u128::from(v6) & mask).into())
            }
            IpAddr::V4(_) | IpAddr::V6(_) => return Err(form()),
        };
        let prefix = Self { address: masked, bits };
        if masked == address { Ok(prefix) } else { Err(PrefixError::HostBits(text.to_owned(), prefix)) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().expect("a prefix")
    }

    #[test]
    fn a_prefix_reads_back_and_contains_its_addresses() {
        for (text, inside, outside) in [
            ("10.1.0.0/24", "10.1.0.255", "10.1.1.0"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("10.1.2.3/32", "::ffff:10.1.2.3", "10.1.2.4"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "2001:db8::", "10.0.0.1"),
        ] {
            assert_eq!(prefix(text).to_string(), text);
            assert!(prefix(text).contains(inside.parse().expect("address")), "{inside} in {text}");
            assert!(!prefix(text).contains(outside.parse().expect("address")), "{outside} in {text}");
        }
    }

    #[test]
    fn bits_after_the_prefix_are_told_with_the_right_spelling() {
        let error = "10.1.0.7/24".parse::<Prefix>().expect_err("host bits");
        assert_eq!(error.to_string(), "`10.1.0.7/24` has bits set after its prefix; did you mean `10.1.0.0/24`");
        for bad in ["10.1.0.0", "10.1.0.0/33", "10.1/16", "::ffff:10.0.0.0/104", "10.0.0.0/+8", "2001:db8::/129"] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wide_prefix_does_not_mean_private_or_loopback_addresses() {
        for (text, address, expected) in [
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "10.1.0.1", false),
            ("8.0.0.0/5", "10.1.0.1", false),
            ("10.0.0.0/8", "10.1.0.1", true),
            ("0.0.0.0/0", "127.0.0.1", false),
            ("0.0.0.0/0", "169.254.169.254", false),
            ("169.254.169.254/32", "169.254.169.254", true),
            ("::/0", "fe80::1", false),
            ("::/0", "::1", false),
            ("::/0", "2001:db8::1", true),
        ] {
            assert_eq!(prefix(text).means(address.parse().expect("address")), expected, "{address} by {text}");
        }
    }
}
