//! Antivirus: whether one runs, and how old its signatures are (ClamAV tells; others keep it to themselves).

use std::io;
use std::time::Duration;

use hitotsu_model::posture::ClaimName;
use hitotsu_model::time::Timestamp;

use crate::platform::linux::processes::{all_visible, running};
use crate::platform::linux::updates::dates;
use crate::posture::{Collector, Context, Finding, Machine, Signal, Watched, WhyUnknown};

/// The scanning service of each known program, by process name as the kernel cuts it: ClamAV, Microsoft Defender,
/// CrowdStrike Falcon (two kinds), Trend Micro.
const SERVICES: &[&str] = &[CLAMD, "wdavdaemon", "falcon-sensor", "falcon-sensor-b", "ds_agent"];
const CLAMD: &str = "clamd";
/// Accounts of services lie below the first that a person gets (`SYS_UID_MAX`, `login.defs(5)`), so that a person's
/// own program of the same name does not count.
const SYSTEM_UID_MAX: u32 = 999;

const SIGNATURES: &str = "/var/lib/clamav";
/// The daily database is renewed every day; the other two hardly ever.
const DAILY: &[&str] = &["/var/lib/clamav/daily.cld", "/var/lib/clamav/daily.cvd"];
/// Length of a database's header.
const HEADER_BYTES: u64 = 512;

/// A change must be seen within 5 s; a look costs 10 µs a process.
const POLL: Duration = Duration::from_secs(4);
/// The connector may lose an event under load.
const POLL_WITH_SIGNAL: Duration = Duration::from_secs(30);

/// Makes `antivirus_running` and `antivirus_signature_age_days`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Antivirus;

impl Collector for Antivirus {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::AntivirusRunning, ClaimName::AntivirusSignatureAgeDays]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        let found = service(&context.machine);
        let name = ClaimName::AntivirusRunning;
        let running = match &found {
            Ok(Some(_)) => Finding::yes_or_no(name, true),
            Ok(None) if all_visible(&context.machine) => Finding::yes_or_no(name, false),
            Ok(None) => Finding::unknown(name, WhyUnknown::ProcessesHidden),
            Err(error) => Finding::unknown_because(name, WhyUnknown::NotReadable, error),
        };
        vec![running, signature_age(&context.machine, context.now, found.ok().flatten())]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(POLL).or_signal(Signal::Processes, POLL_WITH_SIGNAL).and_paths([SIGNATURES]).not_within(POLL)
    }
}

fn service(machine: &Machine) -> io::Result<Option<&'static str>> {
    for process in running(machine)? {
        let Some(comm) = process.comm() else { continue };
        let known = SERVICES.iter().find(|service| **service == comm);
        if let Some(service) = known
            && process.user().is_some_and(|user| user <= SYSTEM_UID_MAX)
        {
            return Ok(Some(service));
        }
    }
    Ok(None)
}

fn signature_age(machine: &Machine, now: Timestamp, service: Option<&str>) -> Finding {
    let name = ClaimName::AntivirusSignatureAgeDays;
    if service.is_some_and(|service| service != CLAMD) {
        return Finding::unknown(name, WhyUnknown::SignaturesNotKnown);
    }
    let heads: Vec<Vec<u8>> = DAILY.iter().filter_map(|path| machine.read_head(path, HEADER_BYTES).ok()).collect();
    if heads.is_empty() {
        return match service {
            Some(_) => Finding::unknown_because(name, WhyUnknown::NotReadable, SIGNATURES),
            None => Finding::unknown(name, WhyUnknown::NoAntivirus),
        };
    }
    match heads.iter().filter_map(|head| made_at(head)).max() {
        Some(made_at) => Finding::number(name, dates::whole_days(made_at, now)),
        None => Finding::unknown_because(name, WhyUnknown::NotReadable, "no date in the signatures"),
    }
}

/// The second field of a database's header: `ClamAV-VDB:20 Nov 2026 09-24 +0000:27643:...`.
fn made_at(head: &[u8]) -> Option<Timestamp> {
    let text = String::from_utf8_lossy(head);
    let date = text.strip_prefix("ClamAV-VDB:")?.split(':').next()?;
    dates::parse_clamav(date)
}

#[cfg(test)]
mod tests {
    use hitotsu_model::posture::ClaimValue;

    use super::*;
    use crate::platform::linux::fixture::{Fixture, assert_unknown, value};

    fn machine() -> Fixture {
        Fixture::new().file("/proc/1/comm", "systemd\n").file("/proc/77/status", "Name:\tx\nUid:\t0\t107\t0\t0\n")
    }

    #[test]
    fn clamav_runs_and_its_signatures_have_an_age() {
        let found = machine()
            .file("/proc/77/comm", "clamd\n")
            .file(DAILY[1], "ClamAV-VDB:20 Nov 2026 09-24 +0000:27643:2073:90:abc")
            .file(DAILY[0], "ClamAV-VDB:21 Nov 2026 09-24 -0400:27644:2073:90:abc")
            .collect(&Antivirus);
        assert_eq!(value(&found, ClaimName::AntivirusRunning), ClaimValue::Bool(true));
        assert_eq!(value(&found, ClaimName::AntivirusSignatureAgeDays), ClaimValue::Integer(2));
    }

    #[test]
    fn without_a_service_it_does_not_run() {
        let found = machine().file("/proc/77/comm", "clamdtop\n").collect(&Antivirus);
        assert_eq!(value(&found, ClaimName::AntivirusRunning), ClaimValue::Bool(false));
        assert_unknown(&found, ClaimName::AntivirusSignatureAgeDays, "no antivirus");
    }

    #[test]
    fn what_cannot_be_seen_is_unknown() {
        let hidden = Fixture::new().file("/proc/9/comm", "bash\n").collect(&Antivirus);
        assert_unknown(&hidden, ClaimName::AntivirusRunning, "hidden");
        let broken = machine().file("/proc/77/comm", "clamd\n").file(DAILY[0], "rubbish").collect(&Antivirus);
        assert_unknown(&broken, ClaimName::AntivirusSignatureAgeDays, "no date");
        let secretive = machine().file("/proc/77/comm", "wdavdaemon\n").collect(&Antivirus);
        assert_unknown(&secretive, ClaimName::AntivirusSignatureAgeDays, "does not tell");
    }

    #[test]
    fn a_persons_own_program_of_the_same_name_does_not_count() {
        let machine =
            machine().file("/proc/77/comm", "clamd\n").file("/proc/77/status", "Uid:\t1000\t1000\t1000\t1000\n");
        assert_eq!(machine.value(&Antivirus, ClaimName::AntivirusRunning), ClaimValue::Bool(false));
    }
}
