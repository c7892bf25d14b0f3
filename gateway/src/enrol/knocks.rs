//! How often one source may knock.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::issuer::Bucket;

/// Requests that one source may make in one go: a workshop that enrols a shelf of PCs from behind one address.
const BURST: u32 = 30;
/// Time after which a source may make one more.
pub(super) const REFILL: Duration = Duration::from_secs(2);
/// Sources remembered. Beyond it, those that have all their requests left are forgotten, and if none has, strangers wait.
const SOURCES_MAX: usize = 10_000;

/// Counts requests by source.
#[derive(Debug, Default)]
pub(super) struct Knocks {
    sources: BTreeMap<IpAddr, Bucket>,
}

impl Knocks {
    /// Whether this source may make a request now; counts it.
    pub(super) fn allows(&mut self, source: IpAddr, now: Instant) -> bool {
        let source = network(source);
        if !self.sources.contains_key(&source) && self.sources.len() >= SOURCES_MAX {
            self.sources.retain(|_, bucket| !bucket.is_full(now));
            if self.sources.len() >= SOURCES_MAX {
                return false;
            }
        }
        self.sources.entry(source).or_insert_with(|| Bucket::full(BURST, REFILL, now)).take(now)
    }
}

/// Who has one IPv6 address has its whole /64 (RFC 6177).
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_slowed_and_another_is_not_and_a_whole_v6_network_is_one_source() {
        let now = Instant::now();
        let mut knocks = Knocks::default();
        let address = |last: u32| IpAddr::from([10, 0, 0, u8::try_from(last % 250).unwrap()]);
        assert!((0..BURST).all(|_| knocks.allows(address(1), now)));
        assert!(!knocks.allows(address(1), now));
        assert!(knocks.allows(address(2), now));
        assert!(knocks.allows(address(1), now + REFILL));
        let six: Vec<IpAddr> = (0..=BURST).map(|last| format!("2001:db8::{last:x}").parse().unwrap()).collect();
        let allowed = six.iter().filter(|source| knocks.allows(**source, now)).count();
        assert_eq!(allowed, BURST as usize);
    }

    #[test]
    fn a_full_table_forgets_those_who_owe_nothing_and_makes_strangers_wait() {
        let now = Instant::now();
        let mut knocks = Knocks::default();
        for number in 0..u32::try_from(SOURCES_MAX).unwrap() {
            assert!(knocks.allows(IpAddr::from(number.to_be_bytes()), now));
        }
        assert!(!knocks.allows("192.0.2.1".parse().unwrap(), now));
        assert!(knocks.allows("192.0.2.1".parse().unwrap(), now + REFILL));
        assert_eq!(knocks.sources.len(), 1);
    }
}
