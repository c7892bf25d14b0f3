//! Rules as nftables and iptables share them, and what becomes of a probe in them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::probe::{Probe, SOURCE_PORT, Transport};

/// Rules looked at for one probe, at most: more than the kernel follows in one packet's time is a fault.
const STEPS_MAX: usize = 200_000;
/// The kernel allows 16 jumps (`NFT_JUMP_STACK_SIZE`).
const DEPTH_MAX: usize = 16;

/// The chains of one listing.
#[derive(Debug, Default)]
pub(super) struct Ruleset {
    pub(super) chains: BTreeMap<ChainKey, Chain>,
}

/// Chains are named within a table of a family: `ip`, `ip6` or `inet`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChainKey {
    pub(super) family: String,
    pub(super) table: String,
    pub(super) name: String,
}

#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The verdict at its end, where it is a base chain of the input hook.
    pub(super) input_policy: Option<Verdict>,
    pub(super) rules: Vec<Rule>,
}

/// All conditions must hold.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) conditions: Vec<Condition>,
    pub(super) verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    Refuse,
    Jump(String),
    Goto(String),
    Return,
    /// Counts, logs, marks: the next rule follows.
    Continue,
    /// Something else decides.
    NotUnderstood,
}

/// A condition on a packet.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// Holds when the field has one of the values, or none of them if negated.
    Field { field: Field, values: Vec<Value>, negated: bool },
    /// Holds for no probe: it is about answers, about ICMP, about multicast.
    Never,
    /// Nobody knows.
    NotUnderstood,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Interface,
    Family,
    Protocol,
    Source,
    Destination,
    SourcePort,
    DestinationPort,
    ConnectionState,
    DestinationKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Range(u64, u64),
    Network(IpAddr, u8),
    Addresses(IpAddr, IpAddr),
    NotUnderstood,
}

/// What becomes of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Refused,
    LetIn,
    NotUnderstood,
}

/// One base chain that surely refuses is enough; all must surely accept.
pub(super) fn fate(rulesets: &[Ruleset], probe: &Probe) -> Fate {
    let family = if probe.source.is_ipv4() { "ip" } else { "ip6" };
    let mut all_accept = true;
    for ruleset in rulesets {
        for (key, chain) in &ruleset.chains {
            let Some(policy) = &chain.input_policy else { continue };
            if key.family != "inet" && key.family != family {
                continue;
            }
            let mut walk = Walk { ruleset, probe, steps: 0 };
            let mut ends = walk.chain(key, DEPTH_MAX);
            if ends.fall_through {
                match policy {
                    Verdict::Accept => ends.accept = true,
                    Verdict::Refuse => ends.refuse = true,
                    Verdict::Jump(_)
                    | Verdict::Goto(_)
                    | Verdict::Return
                    | Verdict::Continue
                    | Verdict::NotUnderstood => (ends.accept, ends.refuse) = (true, true),
                }
            }
            if ends.refuse && !ends.accept {
                return Fate::Refused;
            }
            all_accept &= !ends.refuse;
        }
    }
    if all_accept { Fate::LetIn } else { Fate::NotUnderstood }
}

/// How a chain may end.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    accept: bool,
    refuse: bool,
    fall_through: bool,
}

impl Ends {
    const ANY: Self = Self { accept: true, refuse: true, fall_through: true };
    const FALL_THROUGH: Self = Self { accept: false, refuse: false, fall_through: true };

    fn or(self, other: Self) -> Self {
        Self {
            accept: self.accept || other.accept,
            refuse: self.refuse || other.refuse,
            fall_through: self.fall_through || other.fall_through,
        }
    }
}

struct Walk<'a> {
    ruleset: &'a Ruleset,
    probe: &'a Probe,
    steps: usize,
}

impl Walk<'_> {
    fn chain(&mut self, key: &ChainKey, depth: usize) -> Ends {
        let Some(chain) = self.ruleset.chains.get(key).filter(|_| depth > 0) else { return Ends::ANY };
        let mut ends = Ends::default();
        for rule in &chain.rules {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Ends::ANY;
            }
            let holds = rule.conditions.iter().map(|condition| condition.holds(self.probe)).min();
            let holds = holds.unwrap_or(Holds::Yes);
            if holds == Holds::No {
                continue;
            }
            let (then, leaves) = self.verdict(key, &rule.verdict, depth);
            // A verdict that leaves the chain ends it; otherwise what falls through goes on with the next rule.
            if leaves {
                ends = ends.or(then);
            } else {
                ends = ends.or(Ends { fall_through: false, ..then });
            }
            if holds == Holds::Yes && (leaves || !then.fall_through) {
                return ends;
            }
        }
        ends.or(Ends::FALL_THROUGH)
    }

    /// How it ends, and whether falling through means leaving the chain.
    fn verdict(&mut self, key: &ChainKey, verdict: &Verdict, depth: usize) -> (Ends, bool) {
        let other = |name: &String| ChainKey { name: name.clone(), ..key.clone() };
        match verdict {
            Verdict::Accept => (Ends { accept: true, ..Ends::default() }, true),
            Verdict::Refuse => (Ends { refuse: true, ..Ends::default() }, true),
            Verdict::Return => (Ends::FALL_THROUGH, true),
            Verdict::Continue => (Ends::FALL_THROUGH, false),
            Verdict::Jump(name) => (self.chain(&other(name), depth - 1), false),
            Verdict::Goto(name) => (self.chain(&other(name), depth - 1), true),
            Verdict::NotUnderstood => (Ends::ANY, false),
        }
    }
}

/// The weakest of several is that of their conjunction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holds {
    No,
    Maybe,
    Yes,
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl Condition {
    fn holds(&self, probe: &Probe) -> Holds {
        match self {
            Self::Never => Holds::No,
            Self::NotUnderstood => Holds::Maybe,
            Self::Field { field, values, negated } => {
                let one_of = values.iter().map(|value| value.is(*field, probe)).max().unwrap_or(Holds::No);
                match (one_of, negated) {
                    (Holds::Maybe, _) => Holds::Maybe,
                    (holds, false) => holds,
                    (holds, true) => Holds::from(holds == Holds::No),
                }
            }
        }
    }
}

impl Value {
    fn is(&self, field: Field, probe: &Probe) -> Holds {
        match field {
            Field::Interface => self.text(|name| match name.strip_suffix(['*', '+']) {
                Some(prefix) => probe.interface.starts_with(prefix),
                None => probe.interface == name,
            }),
            Field::Family => self.text(|value| match value {
                "ip" | "ipv4" => probe.source.is_ipv4(),
                "ip6" | "ipv6" => probe.source.is_ipv6(),
                _ => false,
            }),
            Field::Protocol => match self {
                Self::Range(first, last) => {
                    let number = match probe.transport {
                        Transport::Tcp => 6,
                        Transport::Udp => 17,
                    };
                    Holds::from((*first..=*last).contains(&number))
                }
                Self::Text(_) | Self::Network(..) | Self::Addresses(..) | Self::NotUnderstood => {
                    self.text(|value| value == "all" || probe.transport.is(value))
                }
            },
            Field::Source => self.contains(probe.source),
            Field::Destination => self.is_this_computer(),
            Field::SourcePort => self.has_port(SOURCE_PORT),
            Field::DestinationPort => self.has_port(probe.port),
            Field::ConnectionState => self.text(|state| state.eq_ignore_ascii_case("new")),
            Field::DestinationKind => self.text(|kind| kind.eq_ignore_ascii_case("local") || kind == "host"),
        }
    }

    fn text(&self, is: impl Fn(&str) -> bool) -> Holds {
        match self {
            Self::Text(text) => Holds::from(is(text)),
            Self::Range(..) | Self::Network(..) | Self::Addresses(..) | Self::NotUnderstood => Holds::Maybe,
        }
    }

    fn has_port(&self, port: u16) -> Holds {
        match self {
            Self::Range(first, last) => Holds::from((*first..=*last).contains(&u64::from(port))),
            // No probe goes to or comes from a port that has a service's name.
            Self::Text(_) => Holds::No,
            Self::Network(..) | Self::Addresses(..) | Self::NotUnderstood => Holds::Maybe,
        }
    }

    fn contains(&self, address: IpAddr) -> Holds {
        match self {
            Self::Network(network, length) => Holds::from(in_network(address, *network, *length)),
            Self::Addresses(first, last) => {
                Holds::from(first.is_ipv4() == address.is_ipv4() && (*first..=*last).contains(&address))
            }
            Self::Text(_) | Self::Range(..) | Self::NotUnderstood => Holds::Maybe,
        }
    }

    /// The probe goes to an address of this computer, whichever that is; never to a group.
    fn is_this_computer(&self) -> Holds {
        match self {
            Self::Network(_, 0) => Holds::Yes,
            Self::Network(address, _) | Self::Addresses(address, _) if address.is_multicast() => Holds::No,
            Self::Network(..) | Self::Addresses(..) | Self::Text(_) | Self::Range(..) | Self::NotUnderstood => {
                Holds::Maybe
            }
        }
    }
}

fn in_network(address: IpAddr, network: IpAddr, length: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            u32::from(address) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            u128::from(address) & mask == u128::from(network) & mask
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// `10.0.0.0/8`, `10.0.0.0/255.0.0.0` or a bare address.
pub(super) fn network(text: &str) -> Value {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let Ok(address) = address.parse::<IpAddr>() else { return Value::NotUnderstood };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => Some(whole),
        Some(length) => match length.parse::<IpAddr>() {
            Ok(IpAddr::V4(mask)) => u8::try_from(u32::from(mask).leading_ones()).ok(),
            Ok(IpAddr::V6(mask)) => u8::try_from(u128::from(mask).leading_ones()).ok(),
            Err(_) => length.parse().ok(),
        },
    };
    length.filter(|length| *length <= whole).map_or(Value::NotUnderstood, |length| Value::Network(address, length))
}
