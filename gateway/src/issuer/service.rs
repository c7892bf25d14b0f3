//! What the issuer does with a request, whoever sends it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hitotsu_model::identity::HolderName;
use hitotsu_model::time::Timestamp;
use hitotsu_pki::authority::Authority;
use hitotsu_pki::csr::verify_csr;
use hitotsu_pki::profile::{CaKind, lifetime};
use hitotsu_pki::serial::SerialBytes;
use ring::rand::SystemRandom;

use super::wire::{Answer, Request};
use super::{CrlRequest, IssueRequest, Issued};

/// Certificates that may be issued in one go. A city renews 13,000 devices in an hour at worst, which is below 4 a
/// second; an office that opens brings some hundreds at once.
const ISSUE_BURST: u32 = 500;
/// Time after which one more may be issued.
const ISSUE_EVERY: Duration = Duration::from_millis(100);
/// Revocation lists that may be signed in one go, and the time after which one more may be: they are made once an hour.
const CRL_BURST: u32 = 20;
const CRL_EVERY: Duration = Duration::from_secs(10);

/// Holds the authority.
#[derive(Debug)]
pub(super) struct Service {
    authority: Authority,
    random: SystemRandom,
    issues: Mutex<Bucket>,
    lists: Mutex<Bucket>,
}

impl Service {
    pub(super) fn new(authority: Authority, now: Instant) -> Self {
        Self {
            authority,
            random: SystemRandom::new(),
            issues: Mutex::new(Bucket::full(ISSUE_BURST, ISSUE_EVERY, now)),
            lists: Mutex::new(Bucket::full(CRL_BURST, CRL_EVERY, now)),
        }
    }

    pub(super) fn answer(&self, request: Request, now: Timestamp, instant: Instant) -> Answer {
        let answered = match request {
            Request::Issue(request) => self.issue(&request, now, instant).map(Answer::Issued),
            Request::Crl(request) => self.crl(&request, now, instant).map(|der| Answer::Crl { der }),
        };
        answered.unwrap_or_else(|error| Answer::Refused { error })
    }

    fn issue(&self, request: &IssueRequest, now: Timestamp, instant: Instant) -> Result<Issued, String> {
        if !CaKind::Devices.profiles().contains(&request.profile) {
            return Err(format!("it issues no certificates of profile `{}`", request.profile));
        }
        if !take(&self.issues, instant) {
            return Err("too many certificates at once; try again in a moment".to_owned());
        }
        let csr = verify_csr(&request.csr).map_err(|error| error.to_string())?;
        let holder = HolderName { org: self.authority.org().clone(), profile: request.profile, id: request.holder };
        let life = lifetime(request.profile, request.level);
        let serial = SerialBytes::draw(&self.random).map_err(|error| error.to_string())?;
        let issued = self.authority.issue(&csr, &holder, &[], life, now, serial).map_err(|error| error.to_string())?;
        Ok(Issued {
            org: self.authority.org().clone(),
            certificate: issued.der.to_vec(),
            authority: self.authority.certificate().to_vec(),
            serial: issued.serial,
            not_after: issued.not_after,
        })
    }

    fn crl(&self, request: &CrlRequest, now: Timestamp, instant: Instant) -> Result<Vec<u8>, String> {
        if !take(&self.lists, instant) {
            return Err("too many revocation lists at once; try again in a moment".to_owned());
        }
        let made = self.authority.crl(&request.entries, request.number, now, request.next_update);
        made.map(|der| der.to_vec()).map_err(|error| error.to_string())
    }
}

fn take(bucket: &Mutex<Bucket>, now: Instant) -> bool {
    // A bucket is two plain values; a thread that panicked left it whole.
    bucket.lock().unwrap_or_else(PoisonError::into_inner).take(now)
}

/// So many at once, then one each so often.
#[derive(Debug)]
pub(crate) struct Bucket {
    burst: u32,
    every: Duration,
    /// When it would be full.
    full_at: Instant,
}

impl Bucket {
    /// One that is full at `now`.
    pub(crate) fn full(burst: u32, every: Duration, now: Instant) -> Self {
        Self { burst, every, full_at: now }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + self.every;
        let taken = full_at <= now + self.every * self.burst;
        if taken {
            self.full_at = full_at;
        }
        taken
    }

    /// Whether nothing is missing: it may then be forgotten.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}
