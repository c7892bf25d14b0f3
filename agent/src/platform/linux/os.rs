//! Operating system: name and version from `os-release(5)`, kernel from `/proc`.

use std::io;
use std::time::Duration;

use hitotsu_model::posture::ClaimName;

use crate::posture::{Collector, Context, Finding, Machine, Watched, WhyUnknown};

/// In the order in which `os-release(5)` says to try them.
const OS_RELEASE: &[&str] = &["/etc/os-release", "/usr/lib/os-release"];
/// A new kernel needs a restart; the files are watched.
const POLL: Duration = Duration::from_secs(600);

/// Makes `os_name`, `os_version` and `kernel_version`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Os;

impl Collector for Os {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::OsName, ClaimName::OsVersion, ClaimName::KernelVersion]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        let release = OS_RELEASE.iter().find_map(|path| context.machine.read(path).ok());
        let kernel = context.machine.read("/proc/sys/kernel/osrelease");
        vec![
            from_release(release.as_deref(), ClaimName::OsName, "ID"),
            // A rolling distribution has a build or nothing at all.
            from_release(release.as_deref(), ClaimName::OsVersion, "VERSION_ID"),
            kernel_version(kernel),
        ]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(POLL).and_paths(OS_RELEASE.iter().copied())
    }
}

fn from_release(release: Option<&str>, name: ClaimName, key: &str) -> Finding {
    let Some(release) = release else {
        return Finding::unknown_because(name, WhyUnknown::NotReadable, "os-release");
    };
    match release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('=')) {
        Some(value) => Finding::text(name, value.trim_matches(['"', '\''])),
        None => Finding::unknown_because(name, WhyUnknown::NotReadable, format_args!("no {key} in os-release")),
    }
}

fn kernel_version(kernel: io::Result<String>) -> Finding {
    match kernel {
        Ok(release) => Finding::text(ClaimName::KernelVersion, release.trim()),
        Err(error) => Finding::unknown_because(ClaimName::KernelVersion, WhyUnknown::NotReadable, error),
    }
}

#[cfg(test)]
mod tests {
    use hitotsu_model::posture::ClaimValue;

    use super::*;
    use crate::platform::linux::fixture::{Fixture, assert_unknown, this_machine, value};

    #[test]
    fn name_and_version_come_from_os_release_quoted_or_not() {
        let machine = Fixture::new()
            .file("/usr/lib/os-release", "NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n")
            .file("/proc/sys/kernel/osrelease", "6.8.0-48-generic\n");
        let found = machine.collect(&Os);
        assert_eq!(value(&found, ClaimName::OsName), ClaimValue::Text("ubuntu".to_owned()));
        assert_eq!(value(&found, ClaimName::OsVersion), ClaimValue::Text("24.04".to_owned()));
        assert_eq!(value(&found, ClaimName::KernelVersion), ClaimValue::Text("6.8.0-48-generic".to_owned()));
    }

    #[test]
    fn what_is_missing_is_unknown() {
        let rolling = Fixture::new().file("/etc/os-release", "ID=arch\n").collect(&Os);
        assert_unknown(&rolling, ClaimName::OsVersion, "VERSION_ID");
        let nothing = Fixture::new().collect(&Os);
        for name in Os.claims() {
            assert_unknown(&nothing, *name, "may not be read");
        }
    }

    #[test]
    fn this_machine_has_a_name_and_a_kernel() {
        let found = Os.collect(&this_machine());
        assert!(matches!(value(&found, ClaimName::OsName), ClaimValue::Text(_)), "{found:?}");
        assert!(matches!(value(&found, ClaimName::KernelVersion), ClaimValue::Text(_)), "{found:?}");
    }
}
