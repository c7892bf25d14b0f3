//! Disk encryption of the volumes that hold the system and what people work on.
//!
//! From the mount point to the block device to what lies under it in sysfs, down to dm-crypt. Other volumes, such as
//! a memory stick or the EFI system partition, never matter.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hitotsu_model::posture::ClaimName;

use crate::posture::{Collector, Context, Finding, Machine, Watched, WhyUnknown};

/// The mount points whose volumes must be encrypted, those that exist as mounts of their own: programs and
/// configuration, and what is written while working. `/boot` is left out: it must be readable to start.
const MATTERS: &[&str] = &["/", "/usr", "/var", "/home"];

/// dm-crypt's formats (cryptsetup's names in the device's uuid). `CRYPT-VERITY` and `CRYPT-INTEGRITY` do not encrypt.
const ENCRYPTING: &[&str] =
    &["CRYPT-LUKS1-", "CRYPT-LUKS2-", "CRYPT-PLAIN-", "CRYPT-BITLK-", "CRYPT-FVAULT2-", "CRYPT-TCRYPT-"];

/// LUKS under LVM under RAID is 4 deep.
const DEPTH_MAX: usize = 12;

/// Reading a dozen small files takes 50 µs, and nothing announces a mount to inotify.
const POLL: Duration = Duration::from_secs(4);

/// Makes `disk_encrypted`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disk;

impl Collector for Disk {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::DiskEncrypted]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        let machine = &context.machine;
        let text = match machine.read("/proc/self/mountinfo") {
            Ok(text) => text,
            Err(error) => {
                return vec![Finding::unknown_because(ClaimName::DiskEncrypted, WhyUnknown::NotReadable, error)];
            }
        };
        let mounts = mounts(&text);
        let chosen = MATTERS.iter().filter_map(|point| mounts.iter().rfind(|mount| mount.point == *point));
        let states: Vec<_> = chosen.map(|mount| (mount.point, volume(machine, mount))).collect();
        vec![summed_up(&states)]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(POLL)
    }
}

/// What is known of one volume.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Volume {
    Encrypted,
    Plain,
    Unknown(WhyUnknown, String),
}

/// One plain volume is enough for no; then one unknown volume is enough for unknown.
fn summed_up(states: &[(&str, Volume)]) -> Finding {
    let name = ClaimName::DiskEncrypted;
    if states.iter().any(|(_, state)| *state == Volume::Plain) {
        return Finding::yes_or_no(name, false);
    }
    let unknown = states.iter().find_map(|(point, state)| match state {
        Volume::Unknown(why, detail) => Some((point, *why, detail)),
        Volume::Encrypted | Volume::Plain => None,
    });
    match unknown {
        Some((point, why, detail)) => Finding::unknown_because(name, why, format_args!("{point}: {detail}")),
        None if states.iter().any(|(point, _)| *point == "/") => Finding::yes_or_no(name, true),
        None => Finding::unknown_because(name, WhyUnknown::NotReadable, "no mount at /"),
    }
}

/// One line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Debug)]
struct Mount<'a> {
    /// `major:minor`.
    device: &'a str,
    point: &'a str,
    file_system: &'a str,
    source: &'a str,
}

fn mounts(text: &str) -> Vec<Mount<'_>> {
    text.lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut before = before.split(' ').skip(2);
            let (device, _root, point) = (before.next()?, before.next()?, before.next()?);
            let mut after = after.split(' ');
            Some(Mount { device, point, file_system: after.next()?, source: after.next()? })
        })
        .collect()
}

fn volume(machine: &Machine, mount: &Mount<'_>) -> Volume {
    match device_directory(machine, mount) {
        Some(directory) => device(machine, &directory, DEPTH_MAX),
        None => {
            let why =
                if mount.source.starts_with("/dev/") { WhyUnknown::DeviceNotVisible } else { WhyUnknown::NotOnDisk };
            Volume::Unknown(why, format!("{} on {}", mount.file_system, mount.source))
        }
    }
}

/// The device's directory in sysfs. Btrfs shows a number of no device, so its source is looked up by name.
fn device_directory(machine: &Machine, mount: &Mount<'_>) -> Option<PathBuf> {
    let by_number = PathBuf::from(format!("/sys/dev/block/{}", mount.device));
    if machine.exists(&by_number) {
        return Some(by_number);
    }
    if let Some(name) = mount.source.strip_prefix("/dev/mapper/") {
        let blocks = machine.list("/sys/class/block").ok()?;
        let named = |block: &String| {
            let said = machine.read(format!("/sys/class/block/{block}/dm/name"));
            said.is_ok_and(|said| said.trim() == name)
        };
        return blocks.iter().find(|block| named(block)).map(|block| Path::new("/sys/class/block").join(block));
    }
    let name = mount.source.strip_prefix("/dev/")?;
    let by_name = Path::new("/sys/class/block").join(name);
    (!name.contains('/') && machine.exists(&by_name)).then_some(by_name)
}

/// A device is encrypted when it is dm-crypt itself, or when everything that it is made of is.
fn device(machine: &Machine, directory: &Path, depth: usize) -> Volume {
    if depth == 0 {
        return Volume::Unknown(WhyUnknown::DeviceNotVisible, "devices nested too deeply".to_owned());
    }
    if let Ok(uuid) = machine.read(directory.join("dm/uuid"))
        && ENCRYPTING.iter().any(|format| uuid.starts_with(format))
    {
        return Volume::Encrypted;
    }
    if machine.exists(directory.join("loop")) {
        return Volume::Unknown(WhyUnknown::NotOnDisk, "a file used as a disk".to_owned());
    }
    let under = machine.list(directory.join("slaves")).unwrap_or_default();
    let states: Vec<Volume> =
        under.iter().map(|name| device(machine, &directory.join("slaves").join(name), depth - 1)).collect();
    if states.is_empty() || states.contains(&Volume::Plain) {
        return Volume::Plain;
    }
    states.into_iter().find(|state| *state != Volume::Encrypted).unwrap_or(Volume::Encrypted)
}

#[cfg(test)]
mod tests {
    use hitotsu_model::posture::ClaimValue;

    use super::*;
    use crate::platform::linux::fixture::{Fixture, assert_unknown, this_machine};

    const EFI: &str = "40 27 8:1 / /boot/efi rw - vfat /dev/sda1 rw\n";
    const USB: &str = "41 27 8:17 / /media/stick rw - vfat /dev/sdb1 rw\n";

    fn machine(mountinfo: &str) -> Fixture {
        Fixture::new()
            .file("/proc/self/mountinfo", mountinfo)
            .directory("/sys/dev/block/8:1")
            .directory("/sys/dev/block/8:17")
            .directory("/sys/dev/block/8:3")
    }

    fn encrypted(machine: &Fixture) -> ClaimValue {
        machine.value(&Disk, ClaimName::DiskEncrypted)
    }

    #[test]
    fn luks_under_lvm_is_encrypted_and_usb_and_efi_do_not_matter() {
        let text = format!("27 1 253:1 / / rw - ext4 /dev/mapper/vg-root rw\n{EFI}{USB}");
        let machine = machine(&text)
            .file("/sys/dev/block/253:1/dm/uuid", "LVM-abcdef\n")
            .file("/sys/devices/dm-0/dm/uuid", "CRYPT-LUKS2-0123-cryptroot\n")
            .link("/sys/dev/block/253:1/slaves/dm-0", "/sys/devices/dm-0");
        assert_eq!(encrypted(&machine), ClaimValue::Bool(true));
    }

    #[test]
    fn a_plain_partition_is_not_encrypted() {
        let machine = machine("27 1 8:3 / / rw - ext4 /dev/sda3 rw\n");
        assert_eq!(encrypted(&machine), ClaimValue::Bool(false));
    }

    #[test]
    fn one_plain_leg_of_a_volume_group_is_not_encrypted() {
        let machine = machine("27 1 253:1 / / rw - xfs /dev/mapper/vg-root rw\n")
            .file("/sys/dev/block/253:1/dm/uuid", "LVM-abcdef\n")
            .file("/sys/devices/dm-0/dm/uuid", "CRYPT-LUKS2-0123-cryptroot\n")
            .directory("/sys/devices/sdc1")
            .link("/sys/dev/block/253:1/slaves/dm-0", "/sys/devices/dm-0")
            .link("/sys/dev/block/253:1/slaves/sdc1", "/sys/devices/sdc1");
        assert_eq!(encrypted(&machine), ClaimValue::Bool(false));
    }

    #[test]
    fn a_plain_home_beside_an_encrypted_system_is_not_encrypted() {
        let text = "27 1 253:0 / / rw - ext4 /dev/mapper/root rw\n28 27 8:3 / /home rw - ext4 /dev/sda3 rw\n";
        let machine = machine(text).file("/sys/dev/block/253:0/dm/uuid", "CRYPT-LUKS2-0123-root\n");
        assert_eq!(encrypted(&machine), ClaimValue::Bool(false));
    }

    #[test]
    fn integrity_alone_is_not_encryption() {
        let machine = machine("27 1 253:0 / / ro - squashfs /dev/mapper/root ro\n")
            .file("/sys/dev/block/253:0/dm/uuid", "CRYPT-VERITY-0123-root\n");
        assert_eq!(encrypted(&machine), ClaimValue::Bool(false));
    }

    #[test]
    fn btrfs_is_found_by_the_name_of_its_source() {
        let machine = machine("27 1 0:31 /@ / rw - btrfs /dev/mapper/luks-1 rw,subvol=/@\n")
            .file("/sys/class/block/dm-0/dm/name", "luks-1\n")
            .file("/sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-0123-luks-1\n");
        assert_eq!(encrypted(&machine), ClaimValue::Bool(true));
    }

    #[test]
    fn a_container_cannot_tell() {
        let overlay = machine("27 1 0:50 / / rw - overlay overlay rw,lowerdir=/a\n").collect(&Disk);
        assert_unknown(&overlay, ClaimName::DiskEncrypted, "container");
        let hidden = machine("27 1 8:9 / / rw - ext4 /dev/sda9 rw\n").collect(&Disk);
        assert_unknown(&hidden, ClaimName::DiskEncrypted, "not visible");
        assert_unknown(&Fixture::new().collect(&Disk), ClaimName::DiskEncrypted, "may not be read");
    }

    #[test]
    fn this_machine_gives_an_answer_or_a_reason() {
        let found = Disk.collect(&this_machine());
        assert!(matches!(found.as_slice(), [finding] if finding.value.fits(finding.name.kind())), "{found:?}");
    }
}
