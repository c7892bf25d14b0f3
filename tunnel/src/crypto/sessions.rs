//! Where TLS sessions wait to be resumed: in memory, each for one use, as many as [`limits::SESSIONS_MAX`].

use std::sync::Arc;

use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};

use crate::limits;

/// rustls's own store, which keeps no more octets of a session than it has: they come in a buffer of up to twice that.
#[derive(Debug)]
pub(super) struct Sessions(Arc<ServerSessionMemoryCache>);

impl Sessions {
    pub(super) fn new() -> Self {
        Self(ServerSessionMemoryCache::new(limits::SESSIONS_MAX))
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        // A copy of its own size: a buffer that shrinks where it lies leaves a hole that the next one does not fit.
        self.0.put(key, value.as_slice().to_vec())
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.take(key)
    }

    fn can_cache(&self) -> bool {
        true
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
        let newest = limits::SESSIONS_MAX..2 * limits::SESSIONS_MAX;
        let found =
            newest.clone().rev().step_by(16).filter(|number| sessions.take(&session(*number).0).is_some()).count();
        let took = begun.elapsed() / u32::try_from(found).unwrap();
        println!("{} sessions: {mib} MiB; taken in {took:?}", limits::SESSIONS_MAX);

        assert_eq!(found, limits::SESSIONS_MAX / 16, "the newest are kept");
        assert!(sessions.get(&session(0).0).is_none(), "the oldest go first");
        assert!(mib <= FULL_MIB, "{mib} MiB");
        assert!(took < Duration::from_millis(5), "{took:?}");
    }
}
