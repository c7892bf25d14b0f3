//! What a handshake has just found out about a chain, for whoever asks again right after it.
//!
//! rustls has a client's chain verified in the middle of a handshake and hands on nothing but the chain. Verifying it once
//! more costs two parsed certificates and a P-256 signature: a sixth of what the whole handshake costs a gateway. So the
//! handshake leaves its verdict here.
//!
//! A verdict says of the very same bytes what verifying them again would say: it is found by the SHA-256 of the whole chain,
//! is good for one question, and for no longer than a handshake takes. It says nothing of who holds the key, which each
//! handshake proves for itself; nothing of revocation, which is asked of the registry; and the leaf's own time is judged
//! anew. A chain that was refused leaves none.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hitotsu_model::time::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::limits::VERDICTS_MAX;
use crate::peer::PeerIdentity;
use crate::spki;

/// How long a verdict is good: as long as a handshake may take.
const LIFE: Duration = Duration::from_secs(10);

/// Verdicts that nobody has asked for yet, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Verdicts(Mutex<VecDeque<Verdict>>);

#[derive(Debug)]
struct Verdict {
    chain: ChainDigest,
    peer: PeerIdentity,
    at: Timestamp,
}

/// SHA-256 of all certificates of a chain with their lengths, so that no two chains run into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChainDigest([u8; 32]);

impl ChainDigest {
    pub(crate) fn of(chain: &[CertificateDer<'_>]) -> Self {
        let mut bytes = Vec::with_capacity(chain.iter().map(|der| size_of::<u64>() + der.len()).sum());
        for der in chain {
            bytes.extend_from_slice(&(der.len() as u64).to_be_bytes());
            bytes.extend_from_slice(der);
        }
        Self(spki::sha256(&bytes))
    }
}

impl Verdicts {
    /// Leaves what was found at `at`; the oldest is forgotten beyond [`VERDICTS_MAX`].
    pub(crate) fn leave(&self, chain: ChainDigest, peer: PeerIdentity, at: Timestamp) {
        let mut verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= VERDICTS_MAX {
            verdicts.pop_front();
        }
        verdicts.push_back(Verdict { chain, peer, at });
    }

    /// Takes the verdict on this chain, if there is one that is still good.
    pub(crate) fn take(&self, chain: ChainDigest, now: Timestamp) -> Option<PeerIdentity> {
        let mut verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = verdicts.iter().position(|verdict| verdict.chain == chain)?;
        let verdict = verdicts.remove(place)?;
        (verdict.at <= now && now <= verdict.at.plus(LIFE)).then_some(verdict.peer)
    }
}

#[cfg(test)]
mod tests {
    use hitotsu_model::identity::{HolderName, Profile};
    use hitotsu_model::ids::Serial;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_478_400_000);

    fn chain(last: u8) -> ChainDigest {
        ChainDigest::of(&[CertificateDer::from(vec![1, last]), CertificateDer::from(vec![2])])
    }

    fn peer() -> PeerIdentity {
        let uri = "hitotsu://kawasaki.example/device/00000000-0000-4000-8000-000000000001";
        PeerIdentity {
            name: HolderName::parse_uri(uri).unwrap(),
            serial: Serial::from_bytes(&[1]),
            authority: Serial::from_bytes(&[2]),
            not_before: NOW,
            not_after: NOW,
            spki: Vec::new(),
            spki_sha256: [0; 32],
        }
    }

    #[test]
    fn a_verdict_is_taken_once() {
        let verdicts = Verdicts::default();
        verdicts.leave(chain(1), peer(), NOW);
        assert_eq!(verdicts.take(chain(2), NOW), None, "another chain");
        assert_eq!(verdicts.take(chain(1), NOW).unwrap().name.profile, Profile::Device);
        assert_eq!(verdicts.take(chain(1), NOW), None, "taken");
    }

    #[test]
    fn a_verdict_is_good_for_as_long_as_a_handshake_and_not_for_the_past() {
        let verdicts = Verdicts::default();
        for (now, good) in
            [(NOW.plus(LIFE), true), (Timestamp(NOW.plus(LIFE).0 + 1), false), (Timestamp(NOW.0 - 1), false)]
        {
            verdicts.leave(chain(1), peer(), NOW);
            assert_eq!(verdicts.take(chain(1), now).is_some(), good, "{now}");
        }
    }

    #[test]
    fn only_the_newest_verdicts_are_remembered() {
        let verdicts = Verdicts::default();
        verdicts.leave(chain(1), peer(), NOW);
        for _ in 0..VERDICTS_MAX {
            verdicts.leave(chain(2), peer(), NOW);
        }
        assert_eq!(verdicts.take(chain(1), NOW), None);
        assert!(verdicts.take(chain(2), NOW).is_some());
    }

    #[test]
    fn no_two_chains_run_into_each_other() {
        let of = |parts: &[&[u8]]| {
            let chain: Vec<_> = parts.iter().map(|part| CertificateDer::from(part.to_vec())).collect();
            ChainDigest::of(&chain)
        };
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"abc"]), of(&[b"abc", b""]));
        assert_eq!(of(&[b"ab", b"c"]), of(&[b"ab", b"c"]));
    }
}
