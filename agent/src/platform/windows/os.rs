//! Operating system: name, version and kernel build.

use std::time::Duration;

use hitotsu_model::posture::ClaimName;
use sysinfo::System;

use crate::posture::{Collector, Context, Finding, Machine, Watched, WhyUnknown};

/// It changes at a restart only.
const POLL: Duration = Duration::from_secs(600);

/// Makes `os_name`, `os_version` and `kernel_version`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Os;

impl Collector for Os {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::OsName, ClaimName::OsVersion, ClaimName::KernelVersion]
    }

    fn collect(&self, _context: &Context) -> Vec<Finding> {
        let said = |name, value: Result<String, sysinfo::Error>| match value {
            Ok(value) => Finding::text(name, &value),
            Err(error) => Finding::unknown_because(name, WhyUnknown::NotReadable, error),
        };
        vec![
            Finding::text(ClaimName::OsName, "windows"),
            said(ClaimName::OsVersion, System::os_version()),
            said(ClaimName::KernelVersion, System::kernel_version()),
        ]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(POLL)
    }
}
