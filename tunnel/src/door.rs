//! Places for those who have not proven themselves: so many in all, and so many for one source address.
//!
//! A stranger needs nothing but an address to wait at a door, so one address must never hold all of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::limits;

/// A bounded number of places. INVARIANT (places): each place that was given is counted until it is dropped, in all and,
/// where its source is proven, for its source.
#[derive(Debug)]
pub struct Door {
    name: &'static str,
    places: usize,
    places_per_source: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    taken: usize,
    /// INVARIANT (sources): no more entries than places are taken, and none of 0.
    by_source: BTreeMap<IpAddr, usize>,
    refused_full: u64,
    refused_source: u64,
    told: Option<Instant>,
}

/// How it stands at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorFigures {
    /// Which door.
    pub name: &'static str,
    /// Places that are taken.
    pub taken: usize,
    /// Refused since the start because no place was left.
    pub refused_full: u64,
    /// Refused since the start because their source had its share already.
    pub refused_source: u64,
}

impl Door {
    /// A door with so many places, of which one source may take `places_per_source`. `name` is for logs and figures.
    #[must_use]
    pub fn new(name: &'static str, places: usize, places_per_source: usize) -> Arc<Self> {
        Arc::new(Self { name, places, places_per_source, inner: Mutex::default() })
    }

    /// Takes a place until it is dropped; `None` when there is none. `source` is `None` while it is not proven: a forged
    /// address must take nothing from the one whose it is.
    #[must_use]
    pub fn enter(self: &Arc<Self>, source: Option<IpAddr>) -> Option<Place> {
        let source = source.map(share);
        let mut inner = self.lock();
        if inner.taken >= self.places {
            inner.refused_full += 1;
            self.tell(&mut inner, "every place is taken; somebody is turned away");
            return None;
        }
        if let Some(share) = source {
            let taken = inner.by_source.get(&share).copied().unwrap_or_default();
            if taken >= self.places_per_source {
                inner.refused_source += 1;
                self.tell(&mut inner, "one source has its share of the places; more of it is turned away");
                tracing::debug!(door = self.name, source = %share, "turned away");
                return None;
            }
            inner.by_source.insert(share, taken + 1);
        }
        inner.taken += 1;
        Some(Place { door: Arc::clone(self), source })
    }

    /// How it stands now.
    #[must_use]
    pub fn figures(&self) -> DoorFigures {
        let inner = self.lock();
        DoorFigures {
            name: self.name,
            taken: inner.taken,
            refused_full: inner.refused_full,
            refused_source: inner.refused_source,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lock().taken >= self.places
    }

    /// One line for many refusals: a flood must not fill the log as well.
    fn tell(&self, inner: &mut Inner, what: &'static str) {
        let now = Instant::now();
        if inner.told.is_none_or(|told| now.duration_since(told) >= limits::DOOR_LOG_PAUSE) {
            inner.told = Some(now);
            let (refused_full, refused_source) = (inner.refused_full, inner.refused_source);
            tracing::warn!(door = self.name, taken = inner.taken, refused_full, refused_source, "{what}");
        }
    }

    fn leave(&self, source: Option<IpAddr>) {
        let mut inner = self.lock();
        inner.taken = inner.taken.saturating_sub(1);
        if let Some(share) = source
            && let Some(taken) = inner.by_source.get_mut(&share)
        {
            *taken -= 1;
            if *taken == 0 {
                inner.by_source.remove(&share);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place at a door; dropping it frees it.
#[derive(Debug)]
pub struct Place {
    door: Arc<Door>,
    source: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.leave(self.source);
    }
}

/// What counts as one source: an IPv4 address, or the /64 that a single machine has in IPv6 (RFC 4291 §2.5.1), in which
/// it may take any address.
fn share(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> Arc<Door> {
        Door::new("test", 4, 2)
    }

    fn from(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    fn refused(door: &Door) -> (u64, u64) {
        let figures = door.figures();
        (figures.refused_full, figures.refused_source)
    }

    #[test]
    fn one_source_never_takes_more_than_its_share() {
        let door = door();
        let _held = [door.enter(from("192.0.2.1")).unwrap(), door.enter(from("::ffff:192.0.2.1")).unwrap()];

        assert!(door.enter(from("192.0.2.1")).is_none());

        assert!(door.enter(from("192.0.2.2")).is_some());
        assert_eq!(refused(&door), (0, 1));
    }

    #[test]
    fn an_office_of_500_may_dial_in_one_instant_and_leaves_seven_eighths_to_others() {
        let door = Door::new("test", limits::HANDSHAKES_MAX, limits::HANDSHAKES_PER_SOURCE_MAX);

        let office: Vec<_> = (0..500).map_while(|_| door.enter(from("192.0.2.1"))).collect();
        let others: Vec<_> = (0..7 * limits::HANDSHAKES_PER_SOURCE_MAX)
            .map_while(|number| door.enter(Some(IpAddr::from([198, 51, 100, (number % 7) as u8]))))
            .collect();

        assert_eq!((office.len(), others.len()), (500, 7 * limits::HANDSHAKES_PER_SOURCE_MAX));
    }

    #[test]
    fn one_network_of_ipv6_is_one_source() {
        let door = door();
        let _held = [door.enter(from("2001:db8::1")).unwrap(), door.enter(from("2001:db8::ffff:2")).unwrap()];

        assert!(door.enter(from("2001:db8:0:0:1::3")).is_none());
        assert!(door.enter(from("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn a_source_that_is_not_proven_takes_from_nobodys_share() {
        let door = door();
        let _forged = [door.enter(None).unwrap(), door.enter(None).unwrap(), door.enter(None).unwrap()];

        let _proven = door.enter(from("192.0.2.1")).unwrap();

        assert!(door.enter(from("192.0.2.1")).is_none());
        assert_eq!(refused(&door), (1, 0));
    }

    #[test]
    fn a_place_that_is_dropped_is_free_again_and_nothing_of_its_source_is_kept() {
        let door = door();
        drop([door.enter(from("192.0.2.1")).unwrap(), door.enter(from("192.0.2.1")).unwrap()]);

        assert!(door.enter(from("192.0.2.1")).is_some());

        assert_eq!(door.figures().taken, 0);
        assert!(door.lock().by_source.is_empty());
    }
}
