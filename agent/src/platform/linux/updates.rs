//! Security updates: how long ago this computer was known to have them all.
//!
//! With nothing waiting that is when they were last looked for; with something waiting it is when they were last
//! installed. What cannot be known that way is unknown.

use std::path::Path;
use std::time::Duration;

use hitotsu_model::posture::ClaimName;

use crate::posture::{Collector, Context, Finding, Machine, Watched, WhyUnknown};

mod apt;
pub(super) mod dates;
mod dnf;

/// The age grows by itself, and what the package manager writes is watched.
const POLL: Duration = Duration::from_secs(3600);
/// Listing the waiting updates takes a second of processor time; an upgrade writes hundreds of times.
const GAP: Duration = Duration::from_secs(60);
/// Longest that the package manager may take to list them.
const LIST_DEADLINE: Duration = Duration::from_secs(60);

/// Makes `security_update_age_days`.
#[derive(Debug)]
pub(super) struct Updates {
    waiting: apt::Waiting,
}

impl Updates {
    pub(super) fn new(state: &Path) -> Self {
        Self { waiting: apt::Waiting::new(state) }
    }
}

impl Collector for Updates {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::SecurityUpdateAgeDays]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        let machine = &context.machine;
        let finding = if machine.exists(apt::LISTS) {
            apt::update_age(machine, context.now, &self.waiting)
        } else if machine.exists(dnf::CACHE) {
            dnf::update_age(machine, context.now)
        } else {
            Finding::unknown(ClaimName::SecurityUpdateAgeDays, WhyUnknown::NoPackageManager)
        };
        vec![finding]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(POLL).and_paths([apt::LISTS, apt::STATUS, apt::STAMP, dnf::CACHE]).not_within(GAP)
    }

    fn takes_long(&self, machine: &Machine) -> bool {
        if machine.exists(apt::LISTS) { !self.waiting.is_known(machine) } else { machine.exists(dnf::CACHE) }
    }
}
