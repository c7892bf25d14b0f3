//! Secure boot: what the firmware says (UEFI 2.10 §3.3) and whether shim still checks what it loads.

use std::io;
use std::time::Duration;

use hitotsu_model::posture::ClaimName;

use crate::posture::{Collector, Context, Finding, Machine, Watched, WhyUnknown};

const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SETUP_MODE: &str = "/sys/firmware/efi/efivars/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// shim's own switch (`mokutil --disable-validation`), mirrored for the running system: 1 switches checking off.
const SHIM_UNCHECKED: &str = "/sys/firmware/efi/efivars/MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23";
/// efivarfs puts 4 bytes of attributes before the value.
const ATTRIBUTE_BYTES: usize = 4;
/// It changes at a restart only.
const POLL: Duration = Duration::from_secs(600);

/// Makes `secure_boot`.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecureBoot;

impl Collector for SecureBoot {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::SecureBoot]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        vec![secure_boot(&context.machine)]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(POLL)
    }
}

fn secure_boot(machine: &Machine) -> Finding {
    let name = ClaimName::SecureBoot;
    // A container sees an empty directory or none; a computer that started without UEFI sees other firmware there.
    match machine.list("/sys/firmware") {
        Ok(entries) if entries.iter().any(|entry| entry == "efi") => {}
        Ok(entries) if !entries.is_empty() => return Finding::yes_or_no(name, false),
        Ok(_) => return Finding::unknown_because(name, WhyUnknown::NotReadable, "/sys/firmware is empty"),
        Err(error) => return Finding::unknown_because(name, WhyUnknown::NotReadable, error),
    }
    let on = match variable(machine, SECURE_BOOT) {
        Ok(on) => on,
        Err(error) => return Finding::unknown_because(name, WhyUnknown::NotReadable, error),
    };
    let switch = |path| match variable(machine, path) {
        Ok(set) => Ok(set),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    match (switch(SETUP_MODE), switch(SHIM_UNCHECKED)) {
        (Ok(setup), Ok(unchecked)) => Finding::yes_or_no(name, on && !setup && !unchecked),
        (Err(error), _) | (_, Err(error)) => Finding::unknown_because(name, WhyUnknown::NotReadable, error),
    }
}

/// A variable of one byte that is 0 or 1.
fn variable(machine: &Machine, path: &str) -> io::Result<bool> {
    let bytes = machine.read_head(path, 64)?;
    match bytes.get(ATTRIBUTE_BYTES..) {
        Some([0]) => Ok(false),
        Some([1]) => Ok(true),
        Some(_) | None => Err(io::Error::new(io::ErrorKind::InvalidData, "not a variable of one byte")),
    }
}

#[cfg(test)]
mod tests {
    use hitotsu_model::posture::ClaimValue;

    use super::*;
    use crate::platform::linux::fixture::{Fixture, assert_unknown};

    const ON: &[u8] = &[6, 0, 0, 0, 1];
    const OFF: &[u8] = &[6, 0, 0, 0, 0];

    fn value(machine: &Fixture) -> ClaimValue {
        machine.value(&SecureBoot, ClaimName::SecureBoot)
    }

    #[test]
    fn it_is_on_when_the_firmware_says_so_and_shim_checks() {
        let machine = Fixture::new().file(SECURE_BOOT, ON).file(SETUP_MODE, OFF);
        assert_eq!(value(&machine), ClaimValue::Bool(true));
    }

    #[test]
    fn it_is_off_in_setup_mode_without_shims_checks_and_without_uefi() {
        assert_eq!(value(&Fixture::new().file(SECURE_BOOT, OFF)), ClaimValue::Bool(false));
        assert_eq!(value(&Fixture::new().file(SECURE_BOOT, ON).file(SETUP_MODE, ON)), ClaimValue::Bool(false));
        assert_eq!(value(&Fixture::new().file(SECURE_BOOT, ON).file(SHIM_UNCHECKED, ON)), ClaimValue::Bool(false));
        assert_eq!(value(&Fixture::new().directory("/sys/firmware/acpi")), ClaimValue::Bool(false));
    }

    #[test]
    fn it_is_unknown_where_the_firmware_cannot_be_seen() {
        for machine in [
            Fixture::new(),
            Fixture::new().directory("/sys/firmware"),
            Fixture::new().directory("/sys/firmware/efi/efivars"),
            Fixture::new().file(SECURE_BOOT, [6, 0]),
        ] {
            assert_unknown(&machine.collect(&SecureBoot), ClaimName::SecureBoot, "may not be read");
        }
    }
}
