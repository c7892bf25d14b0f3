//! Finding resources and places by name and by address.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use hitotsu_model::resource::HostName;

use crate::prefix::Prefix;
use crate::resource::HostPattern;

/// Numbers by prefix: one look-up per length that occurs.
#[derive(Debug, Default)]
pub(crate) struct PrefixIndex {
    by_prefix: HashMap<Prefix, Vec<u32>>,
    /// The lengths that occur, longest first.
    v4_bits: Vec<u8>,
    v6_bits: Vec<u8>,
}

impl PrefixIndex {
    pub(crate) fn insert(&mut self, prefix: Prefix, number: u32) {
        let lengths = if prefix.address().is_ipv4() { &mut self.v4_bits } else { &mut self.v6_bits };
        if !lengths.contains(&prefix.bits()) {
            lengths.push(prefix.bits());
            lengths.sort_by(|a, b| b.cmp(a));
        }
        self.by_prefix.entry(prefix).or_default().push(number);
    }

    /// What is known by the prefixes that contain `address`, longest first.
    pub(crate) fn containing(&self, address: IpAddr) -> impl Iterator<Item = (Prefix, u32)> + '_ {
        let address = address.to_canonical();
        let lengths = if address.is_ipv4() { &self.v4_bits } else { &self.v6_bits };
        lengths.iter().flat_map(move |bits| {
            let prefix = Prefix::around(address, *bits);
            let numbers = self.by_prefix.get(&prefix).into_iter().flatten();
            numbers.map(move |number| (prefix, *number))
        })
    }
}

/// Numbers by host name.
#[derive(Debug, Default)]
pub(crate) struct HostIndex {
    exact: BTreeMap<HostName, Vec<u32>>,
    below: BTreeMap<HostName, Vec<u32>>,
}

impl HostIndex {
    pub(crate) fn insert(&mut self, pattern: &HostPattern, number: u32) {
        let (index, name) = match pattern {
            HostPattern::Exact(name) => (&mut self.exact, name),
            HostPattern::Below(name) => (&mut self.below, name),
        };
        index.entry(name.clone()).or_default().push(number);
    }

    /// What is known by the patterns that mean `host`, the name itself first, then the longest.
    pub(crate) fn matching(&self, host: &HostName) -> Vec<u32> {
        let mut found: Vec<u32> = self.exact.get(host).into_iter().flatten().copied().collect();
        let mut rest = host.as_str();
        while let Some((_, above)) = rest.split_once('.') {
            // INVARIANT (labels): the end of a host name, cut at a dot, is a host name.
            if let Ok(name) = above.parse::<HostName>() {
                found.extend(self.below.get(&name).into_iter().flatten());
            }
            rest = above;
        }
        found
    }
}
