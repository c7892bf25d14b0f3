//! Forbidden software: which programs of the policy's list run. Nothing else about processes leaves the computer.

use std::collections::BTreeSet;
use std::time::Duration;

use hitotsu_model::posture::ClaimName;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use crate::posture::{Collector, Context, Finding, Machine, Watched, WhyUnknown};

/// A change must be seen within 5 s.
const POLL: Duration = Duration::from_secs(2);

/// Makes `forbidden_software`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forbidden;

impl Collector for Forbidden {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::ForbiddenSoftware]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        let name = ClaimName::ForbiddenSoftware;
        if context.forbidden.is_empty() {
            return vec![Finding::texts(name, [])];
        }
        let mut system = match System::new() {
            Ok(system) => system,
            Err(error) => return vec![Finding::unknown_because(name, WhyUnknown::NotReadable, error)],
        };
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
        if system.processes().is_empty() {
            return vec![Finding::unknown(name, WhyUnknown::NotReadable)];
        }
        let running: BTreeSet<String> =
            system.processes().values().map(|process| plain(&process.name().to_string_lossy())).collect();
        let found = context.forbidden.iter().filter(|program| running.contains(&plain(program)));
        vec![Finding::texts(name, found.cloned().collect::<BTreeSet<String>>())]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(POLL)
    }
}

/// Windows tells file names apart neither by case nor, in people's minds, by `.exe`.
fn plain(name: &str) -> String {
    let lower = name.to_lowercase();
    lower.strip_suffix(".exe").map(str::to_owned).unwrap_or(lower)
}
