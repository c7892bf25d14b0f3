//! TPM: whether the kernel talks to one of version 2.0 (`/sys/class/tpm`, kernel ABI `sysfs-class-tpm`).

use std::io;
use std::time::Duration;

use hitotsu_model::posture::ClaimName;

use crate::posture::{Collector, Context, Finding, Machine, Watched, WhyUnknown};

/// A TPM neither comes nor goes while the computer runs, but its driver may.
const POLL: Duration = Duration::from_secs(60);

/// Makes `tpm_present`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tpm;

impl Collector for Tpm {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::TpmPresent]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        vec![tpm_present(&context.machine)]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(POLL)
    }
}

fn tpm_present(machine: &Machine) -> Finding {
    let name = ClaimName::TpmPresent;
    let devices = match machine.list("/sys/class/tpm") {
        Ok(devices) => devices,
        // The class is missing where no driver found a device; without sysfs nothing can be said.
        Err(error) if error.kind() == io::ErrorKind::NotFound && machine.exists("/sys/class") => {
            return Finding::yes_or_no(name, false);
        }
        Err(error) => return Finding::unknown_because(name, WhyUnknown::NotReadable, error),
    };
    let version_2 = devices.iter().find(|device| {
        let major = machine.read(format!("/sys/class/tpm/{device}/tpm_version_major"));
        major.is_ok_and(|major| major.trim() == "2")
    });
    let Some(device) = version_2 else { return Finding::yes_or_no(name, false) };
    let node = format!("/dev/{}", device.replacen("tpm", "tpmrm", 1));
    if machine.exists(&node) {
        Finding::yes_or_no(name, true)
    } else {
        Finding::unknown_because(name, WhyUnknown::DeviceNotVisible, node)
    }
}

#[cfg(test)]
mod tests {
    use hitotsu_model::posture::ClaimValue;

    use super::*;
    use crate::platform::linux::fixture::{Fixture, assert_unknown};

    fn value(machine: &Fixture) -> ClaimValue {
        machine.value(&Tpm, ClaimName::TpmPresent)
    }

    #[test]
    fn a_tpm_2_with_its_device_is_present() {
        let machine = Fixture::new().file("/sys/class/tpm/tpm0/tpm_version_major", "2\n").file("/dev/tpmrm0", "");
        assert_eq!(value(&machine), ClaimValue::Bool(true));
    }

    #[test]
    fn a_tpm_1_or_none_is_not() {
        let old = Fixture::new().file("/sys/class/tpm/tpm0/tpm_version_major", "1\n").file("/dev/tpm0", "");
        assert_eq!(value(&old), ClaimValue::Bool(false));
        assert_eq!(value(&Fixture::new().directory("/sys/class")), ClaimValue::Bool(false));
    }

    #[test]
    fn without_sysfs_or_the_device_it_is_unknown() {
        assert_unknown(&Fixture::new().collect(&Tpm), ClaimName::TpmPresent, "may not be read");
        let hidden = Fixture::new().file("/sys/class/tpm/tpm0/tpm_version_major", "2\n").collect(&Tpm);
        assert_unknown(&hidden, ClaimName::TpmPresent, "not visible");
    }
}
