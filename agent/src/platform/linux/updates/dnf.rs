//! dnf: the metadata that it fetched, and the advisories that wait.

use hitotsu_model::posture::ClaimName;
use hitotsu_model::time::Timestamp;

use super::{LIST_DEADLINE, dates};
use crate::posture::{Command, Finding, Machine, WhyUnknown};

/// Metadata of each repository in a directory of its own.
pub(super) const CACHE: &str = "/var/cache/dnf";

pub(super) fn update_age(machine: &Machine, now: Timestamp) -> Finding {
    let name = ClaimName::SecurityUpdateAgeDays;
    let Some(looked_at) = looked_at(machine) else {
        return Finding::unknown(name, WhyUnknown::NoSecuritySource);
    };
    let listed = machine.run(&Command {
        program: "dnf",
        arguments: &["--quiet", "--cacheonly", "updateinfo", "list", "--updates", "--security"],
        deadline: LIST_DEADLINE,
        user: None,
    });
    match listed {
        Err(error) => Finding::unknown_because(name, WhyUnknown::UpdatesNotListed, error),
        Ok(output) => match output.lines().filter(|line| !line.trim().is_empty()).count() {
            0 => Finding::number(name, dates::whole_days(looked_at, now)),
            count => Finding::unknown_because(name, WhyUnknown::UpdatesWait, count),
        },
    }
}

/// When the oldest of the repositories' metadata was fetched.
fn looked_at(machine: &Machine) -> Option<Timestamp> {
    let names = machine.list(CACHE).ok()?;
    names.iter().filter_map(|name| machine.modified(format!("{CACHE}/{name}/repodata/repomd.xml")).ok()).min()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use hitotsu_model::posture::ClaimValue;

    use super::*;
    use crate::platform::linux::fixture::{Fixture, assert_unknown};
    use crate::platform::linux::updates::Updates;

    const LIST: &str = "dnf --quiet --cacheonly updateinfo list --updates --security";

    fn fetched(list: &str) -> Fixture {
        Fixture::new().file("/var/cache/dnf/updates-0123/repodata/repomd.xml", "<repomd/>").answers(LIST, list)
    }

    #[test]
    fn with_nothing_waiting_it_is_the_age_of_the_metadata() {
        let found = fetched("").value(&Updates::new(Path::new("/nowhere")), ClaimName::SecurityUpdateAgeDays);
        assert!(matches!(found, ClaimValue::Integer(_)), "{found:?}");
    }

    #[test]
    fn waiting_advisories_and_missing_metadata_are_unknown() {
        let (collector, name) = (Updates::new(Path::new("/nowhere")), ClaimName::SecurityUpdateAgeDays);
        let waiting = fetched("FEDORA-2026-1 Important/Sec. openssl-3.2-1.fc42.x86_64\n").collect(&collector);
        assert_unknown(&waiting, name, "since when (1)");
        assert_unknown(&Fixture::new().directory(CACHE).collect(&collector), name, "no list of security updates");
    }
}
