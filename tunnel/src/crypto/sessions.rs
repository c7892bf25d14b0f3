//! Where TLS sessions wait to be resumed: in memory, each for one use, as many as [`limits::SESSIONS_MAX`].
//!
//! They lie side by side in chunks of their own. A session outlives its connection by hours; among the connections' own memory
//! each would keep a page or two from being given back when the connections have gone.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::server::StoresServerSessions;
use zeroize::Zeroize;

use crate::limits;

/// Octets of a key: rustls draws as many at random for each session.
const KEY_OCTETS: usize = 32;

/// Octets of a chunk: some hundred sessions, and more than the allocator keeps among other things.
const CHUNK_OCTETS: usize = 256 * 1024;

type Key = [u8; KEY_OCTETS];

/// The store.
#[derive(Debug)]
pub(super) struct Sessions(Mutex<Store>);

#[derive(Debug, Default)]
struct Store {
    places: HashMap<Key, Place>,
    /// Oldest first; new sessions go to the last.
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk.
    first: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    chunk: u64,
    begin: usize,
    end: usize,
}

/// INVARIANT (place): a place points into a chunk that is there; both are made and dropped together.
#[derive(Debug)]
struct Chunk {
    octets: Vec<u8>,
    keys: Vec<Key>,
    /// Sessions that were not taken yet.
    live: usize,
}

impl Chunk {
    fn empty(&mut self) {
        self.octets = Vec::new();
        self.keys = Vec::new();
    }
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, mut value: Vec<u8>) -> bool {
        let kept = Key::try_from(key).is_ok_and(|key| self.store().put(key, &value));
        value.zeroize();
        kept
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let store = self.store();
        let place = store.places.get(key)?;
        store.chunks.get(store.position(place.chunk)?)?.octets.get(place.begin..place.end).map(<[u8]>::to_vec)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.store().take(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl Store {
    /// Keeps a session; the oldest give way. False for one that is longer than a chunk, or whose key is there already.
    fn put(&mut self, key: Key, value: &[u8]) -> bool {
        if value.len() > CHUNK_OCTETS || self.places.contains_key(&key) {
            return false;
        }
        let fits = |chunk: &Chunk| chunk.octets.len() + value.len() <= CHUNK_OCTETS;
        if !self.chunks.back().is_some_and(fits) {
            while self.chunks.len() >= limits::SESSION_OCTETS_MAX / CHUNK_OCTETS {
                self.forget_the_oldest();
            }
            let octets = Vec::with_capacity(CHUNK_OCTETS);
            self.chunks.push_back(Chunk { octets, keys: Vec::new(), live: 0 });
        }
        while self.places.len() >= limits::SESSIONS_MAX && self.chunks.len() > 1 {
            self.forget_the_oldest();
        }
        let number = self.first + self.chunks.len() as u64 - 1;
        let Some(chunk) = self.chunks.back_mut() else { return false };
        let begin = chunk.octets.len();
        chunk.octets.extend_from_slice(value);
        chunk.keys.push(key);
        chunk.live += 1;
        self.places.insert(key, Place { chunk: number, begin, end: begin + value.len() });
        true
    }

    fn take(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let place = self.places.remove(key)?;
        let position = self.position(place.chunk)?;
        let chunk = self.chunks.get_mut(position)?;
        let octets = chunk.octets.get_mut(place.begin..place.end)?;
        let value = octets.to_vec();
        octets.zeroize();
        chunk.live -= 1;
        if chunk.live == 0 && position + 1 < self.chunks.len() {
            // Its place among the chunks stays, so that the others keep their numbers.
            self.chunks.get_mut(position).into_iter().for_each(Chunk::empty);
        }
        while self.chunks.len() > 1 && self.chunks.front().is_some_and(|chunk| chunk.live == 0) {
            self.forget_the_oldest();
        }
        Some(value)
    }

    fn position(&self, chunk: u64) -> Option<usize> {
        usize::try_from(chunk.checked_sub(self.first)?).ok()
    }

    /// Forgets the oldest chunk with what is left in it.
    fn forget_the_oldest(&mut self) {
        let Some(mut chunk) = self.chunks.pop_front() else { return };
        for key in &chunk.keys {
            if self.places.get(key).is_some_and(|place| place.chunk == self.first) {
                self.places.remove(key);
            }
        }
        self.first += 1;
        chunk.octets.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// A session of a device: two certificates of 660 octets as `hitotsu-pki` makes them, a secret, names and times.
    const SESSION_OCTETS: usize = 1450;
    /// What `limits` says of a full store.
    const FULL_MIB: usize = 32;

    fn session(number: usize) -> (Vec<u8>, Vec<u8>) {
        let mut key = vec![0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        let mut value = Vec::with_capacity(2 * SESSION_OCTETS);
        value.resize(SESSION_OCTETS, 7);
        (key, value)
    }

    fn resident_kib() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// A figure for the record; prints the memory of a full store and how long a session takes to be found in it.
    #[test]
    fn a_full_store_holds_a_city_s_devices_in_the_memory_that_is_stated() {
        let before = resident_kib();
        let sessions = Sessions::new();
        for number in 0..2 * limits::SESSIONS_MAX {
            let (key, value) = session(number);
            assert!(sessions.put(key, value));
        }
        let mib = resident_kib().saturating_sub(before) / 1024;
        let begun = Instant::now();
        // The oldest go by the chunk.
        let kept = limits::SESSIONS_MAX - CHUNK_OCTETS / SESSION_OCTETS;
        let newest = 2 * limits::SESSIONS_MAX - kept..2 * limits::SESSIONS_MAX;
        let asked = newest.clone().rev().step_by(16).count();
        let found = newest.rev().step_by(16).filter(|number| sessions.take(&session(*number).0).is_some()).count();
        let took = begun.elapsed() / u32::try_from(found).unwrap();
        println!("{} sessions: {mib} MiB; taken in {took:?}", limits::SESSIONS_MAX);

        assert_eq!(found, asked, "the newest are kept");
        assert!(sessions.get(&session(0).0).is_none(), "the oldest go first");
        assert!(mib <= FULL_MIB, "{mib} MiB");
        assert!(took < Duration::from_millis(5), "{took:?}");
    }

    #[test]
    fn a_session_is_found_whole_and_taken_once() {
        let sessions = Sessions::new();
        let of = |number: usize| (session(number).0, vec![u8::try_from(number).unwrap(); 10 + number]);
        for number in 0..5 {
            assert!(sessions.put(of(number).0, of(number).1));
        }
        assert!(!sessions.put(of(3).0, vec![1]), "a key is used once");
        assert_eq!(sessions.get(&of(3).0), Some(of(3).1));
        for number in [3, 0, 4, 1, 2] {
            assert_eq!(sessions.take(&of(number).0), Some(of(number).1));
            assert_eq!(sessions.take(&of(number).0), None);
            assert_eq!(sessions.get(&of(number).0), None);
        }
        assert_eq!(sessions.get(b"short"), None);
    }

    #[test]
    fn chunks_whose_sessions_were_taken_are_given_back() {
        let sessions = Sessions::new();
        let count = 10 * CHUNK_OCTETS / SESSION_OCTETS;
        for number in 0..count {
            let (key, value) = session(number);
            sessions.put(key, value);
        }
        assert_eq!(sessions.store().chunks.len(), 10 + 1);
        // The first stays to the end, and holds up nobody.
        for number in 1..count {
            sessions.take(&session(number).0).unwrap();
        }
        let held: usize = sessions.store().chunks.iter().map(|chunk| chunk.octets.capacity()).sum();
        assert_eq!(held, 2 * CHUNK_OCTETS, "the first and the last");
        assert_eq!(sessions.get(&session(0).0), Some(session(0).1));
        sessions.take(&session(0).0).unwrap();
        assert_eq!(sessions.store().chunks.len(), 1);
        assert!(sessions.store().places.is_empty());
    }

    #[test]
    fn long_sessions_are_bounded_by_their_octets() {
        let sessions = Sessions::new();
        assert!(!sessions.put(session(0).0, vec![0; CHUNK_OCTETS + 1]));
        for number in 0..2 * limits::SESSION_OCTETS_MAX / CHUNK_OCTETS {
            assert!(sessions.put(session(number).0, vec![0; CHUNK_OCTETS]));
        }
        assert_eq!(sessions.store().chunks.len(), limits::SESSION_OCTETS_MAX / CHUNK_OCTETS);
        assert_eq!(sessions.get(&session(0).0), None, "the oldest go first");
    }
}
