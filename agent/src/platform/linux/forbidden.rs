//! Forbidden software: which programs of the policy's list run. Nothing else about processes leaves the computer.

use std::collections::BTreeSet;
use std::time::Duration;

use hitotsu_model::posture::ClaimName;

use crate::platform::linux::processes::{COMM_BYTES_MAX, all_visible, running};
use crate::posture::{Collector, Context, Finding, Machine, Signal, Watched, WhyUnknown};

/// A change must be seen within 5 s; a look costs 10 µs a process.
const POLL: Duration = Duration::from_secs(2);
/// The connector may lose an event under load.
const POLL_WITH_SIGNAL: Duration = Duration::from_secs(30);

/// Makes `forbidden_software`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forbidden;

impl Collector for Forbidden {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::ForbiddenSoftware]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        vec![forbidden_software(&context.machine, &context.forbidden)]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(POLL).or_signal(Signal::Processes, POLL_WITH_SIGNAL)
    }
}

fn forbidden_software(machine: &Machine, forbidden: &[String]) -> Finding {
    let name = ClaimName::ForbiddenSoftware;
    if forbidden.is_empty() {
        return Finding::texts(name, []);
    }
    let wanted: BTreeSet<&str> = forbidden.iter().map(String::as_str).collect();
    let processes = match running(machine) {
        Ok(processes) => processes,
        Err(error) => return Finding::unknown_because(name, WhyUnknown::NotReadable, error),
    };
    let mut found = BTreeSet::new();
    for process in processes {
        // A name that fills the kernel's field may have been cut, so it proves nothing.
        let own = process.comm().filter(|comm| comm.len() < COMM_BYTES_MAX || wanted.contains(comm.as_str()));
        let names = own.into_iter().chain(process.program());
        found.extend(names.filter(|name| wanted.contains(name.as_str())));
    }
    if found.is_empty() && !all_visible(machine) {
        return Finding::unknown(name, WhyUnknown::ProcessesHidden);
    }
    Finding::texts(name, found)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use hitotsu_model::posture::ClaimValue;

    use super::*;
    use crate::platform::linux::fixture::{Fixture, assert_unknown, this_machine};

    fn machine(forbidden: &[&str]) -> Fixture {
        let mut machine = Fixture::new()
            .file("/proc/1/comm", "systemd\n")
            .link("/proc/1/exe", "/usr/lib/systemd/systemd")
            .file("/proc/42/comm", "transmission-gt\n")
            .link("/proc/42/exe", "/usr/bin/transmission-gtk")
            .file("/proc/43/comm", "winny\n")
            // Not a link: it cannot be read, as another user's.
            .file("/proc/43/exe", "")
            .file("/proc/43/cmdline", "/opt/p2p/winny-daemon\0--now\0")
            .directory("/proc/sys");
        machine.forbidden = forbidden.iter().map(|name| (*name).to_owned()).collect();
        machine
    }

    fn found(forbidden: &[&str]) -> ClaimValue {
        machine(forbidden).value(&Forbidden, ClaimName::ForbiddenSoftware)
    }

    #[test]
    fn only_exact_names_of_the_list_are_reported() {
        let list = |names: &[&str]| ClaimValue::TextList(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(found(&["winny", "anydesk"]), list(&["winny"]));
        assert_eq!(found(&["transmission-gtk"]), list(&["transmission-gtk"]));
        assert_eq!(found(&["winny-daemon"]), list(&["winny-daemon"]));
        assert_eq!(found(&["win", "transmission", "Winny"]), list(&[]));
        assert_eq!(found(&[]), list(&[]));
    }

    #[test]
    fn hidden_processes_make_an_empty_list_unknown() {
        let mut machine = Fixture::new().file("/proc/9/comm", "bash\n");
        machine.forbidden = vec!["winny".to_owned()];
        assert_unknown(&machine.collect(&Forbidden), ClaimName::ForbiddenSoftware, "hidden");
        machine.forbidden = vec!["bash".to_owned()];
        let found = machine.value(&Forbidden, ClaimName::ForbiddenSoftware);
        assert_eq!(found, ClaimValue::TextList(vec!["bash".to_owned()]));
    }

    #[test]
    fn a_program_that_runs_on_this_machine_is_found_by_its_file_name() {
        let home = tempfile::tempdir().expect("tempdir");
        let program = home.path().join("hitotsu-forbidden-test");
        std::fs::copy("/bin/sleep", &program).expect("copy");
        let mut child = Command::new(&program).arg("600").stdin(Stdio::null()).spawn().expect("started");
        let mut context = this_machine();
        context.forbidden = vec!["hitotsu-forbidden-test".to_owned()].into();
        let found = Forbidden.collect(&context);
        child.kill().expect("killed");
        child.wait().expect("ended");
        let expected = ClaimValue::TextList(vec!["hitotsu-forbidden-test".to_owned()]);
        assert_eq!(found.first().map(|finding| &finding.value), Some(&expected));
    }
}
