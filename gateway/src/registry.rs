//! What the gateway knows of devices and revocations, in memory: a lost database stops nobody who is enrolled.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, PersonId, Serial};
use hitotsu_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::files::write_private;

/// A device, or another holder of a client certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// The kind of certificate that it holds: `device`, `relay` or `staff`.
    pub profile: Profile,
    /// The person bound to it; none for a shared desk.
    pub person: Option<PersonId>,
    /// Who owns it.
    pub ownership: Ownership,
    /// How sure we are which machine it is.
    pub level: AssuranceLevel,
    /// `linux` or `windows`, as it said when it enrolled; empty where it did not.
    pub platform: String,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When and why it was revoked, if it was.
    pub revoked: Option<Revoked>,
}

/// A revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// When.
    pub at: Timestamp,
    /// Why, in the words of who did it.
    pub reason: String,
}

/// What a revocation is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revocation {
    /// A device with everything that it has.
    Device(DeviceId),
    /// One certificate.
    Certificate(Serial),
}

/// Everything at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistrySnapshot {
    devices: BTreeMap<DeviceId, Arc<Device>>,
    revoked_certificates: BTreeMap<Serial, Revoked>,
}

impl RegistrySnapshot {
    /// From what the store holds.
    #[must_use]
    pub fn new(
        devices: impl IntoIterator<Item = Device>,
        revoked_certificates: impl IntoIterator<Item = (Serial, Revoked)>,
    ) -> Self {
        Self {
            devices: devices.into_iter().map(|device| (device.id, Arc::new(device))).collect(),
            revoked_certificates: revoked_certificates.into_iter().collect(),
        }
    }

    /// A device on record, revoked or not.
    #[must_use]
    pub fn device(&self, id: &DeviceId) -> Option<&Arc<Device>> {
        self.devices.get(id)
    }

    /// Whether this certificate was revoked by itself (its device may be revoked besides).
    #[must_use]
    pub fn is_revoked(&self, serial: &Serial) -> bool {
        self.revoked_certificates.contains_key(serial)
    }

    /// When and why this was revoked, if it was.
    #[must_use]
    pub fn revoked(&self, what: &Revocation) -> Option<&Revoked> {
        match what {
            Revocation::Device(device) => self.devices.get(device)?.revoked.as_ref(),
            Revocation::Certificate(serial) => self.revoked_certificates.get(serial),
        }
    }

    /// Every revocation.
    pub fn revocations(&self) -> impl Iterator<Item = (Revocation, &Revoked)> {
        let devices = self.devices.values().filter_map(|device| Some((device.id, device.revoked.as_ref()?)));
        let devices = devices.map(|(device, revoked)| (Revocation::Device(device), revoked));
        let certificates = self.revoked_certificates.iter();
        devices.chain(certificates.map(|(serial, revoked)| (Revocation::Certificate(serial.clone()), revoked)))
    }

    /// Revokes; the first revocation stays. A device that is not on record stays so.
    pub fn revoke(&mut self, what: &Revocation, revoked: &Revoked) {
        match what {
            Revocation::Device(device) => {
                if let Some(device) = self.devices.get_mut(device)
                    && device.revoked.is_none()
                {
                    Arc::make_mut(device).revoked = Some(revoked.clone());
                }
            }
            Revocation::Certificate(serial) => {
                self.revoked_certificates.entry(serial.clone()).or_insert_with(|| revoked.clone());
            }
        }
    }

    /// Takes over every revocation that `other` knows of.
    pub fn revoke_all_of(&mut self, other: &Self) {
        for (what, revoked) in other.revocations() {
            self.revoke(&what, revoked);
        }
    }

    /// Every device, by id.
    pub fn devices(&self) -> impl Iterator<Item = &Arc<Device>> {
        self.devices.values()
    }
}

/// Keeps the last known registry in a file, so that a gateway can start while its database does not answer: everybody
/// who was enrolled is served, everybody who was revoked stays out.
#[derive(Debug, Clone)]
pub struct RegistryCopy {
    path: PathBuf,
    writing: Arc<Mutex<()>>,
}

impl RegistryCopy {
    /// The copy that belongs to the database at `database`.
    #[must_use]
    pub fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".copy.json");
        Self { path: path.into(), writing: Arc::default() }
    }

    /// Whether there is one.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Writes what `registry` holds now; of two that write at once, the later one stays. Blocks on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_current(&self, registry: &Registry) -> io::Result<()> {
        // It guards no data of ours, only the order of the writes.
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&registry.snapshot())
    }

    /// Writes this. Blocks on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, snapshot: &RegistrySnapshot) -> io::Result<()> {
        let devices = snapshot.devices.values().map(|device| (**device).clone()).collect();
        let copied = Copied { devices, revoked_certificates: snapshot.revoked_certificates.clone() };
        write_private(&self.path, &serde_json::to_vec(&copied)?)
    }

    /// Reads what was true when it was written. Blocks on the disk.
    ///
    /// # Errors
    /// What the system says; also when the file is damaged.
    pub fn read(&self) -> io::Result<RegistrySnapshot> {
        let copied: Copied = serde_json::from_slice(&std::fs::read(&self.path)?)?;
        Ok(RegistrySnapshot::new(copied.devices, copied.revoked_certificates))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Copied {
    devices: Vec<Device>,
    revoked_certificates: BTreeMap<Serial, Revoked>,
}

/// The live registry. Clones share it.
#[derive(Debug, Clone)]
pub struct Registry {
    current: Arc<ArcSwap<RegistrySnapshot>>,
    generation: Arc<watch::Sender<u64>>,
}

impl Registry {
    /// Starts with this snapshot.
    #[must_use]
    pub fn new(snapshot: RegistrySnapshot) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(snapshot)), generation: Arc::new(watch::Sender::new(0)) }
    }

    /// What is true now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<RegistrySnapshot> {
        self.current.load_full()
    }

    /// Tells of every change, after the new snapshot is in place. The value counts the changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Puts a new snapshot in place, and tells. INVARIANT (deny wins): what was revoked stays revoked, whatever the
    /// database said when the snapshot was read from it.
    pub fn replace(&self, snapshot: RegistrySnapshot) {
        self.change(|current| {
            let mut next = snapshot.clone();
            next.revoke_all_of(current);
            next
        });
    }

    /// Revokes at once, and tells.
    pub fn revoke(&self, what: &Revocation, revoked: &Revoked) {
        self.change(|current| {
            let mut next = current.clone();
            next.revoke(what, revoked);
            next
        });
    }

    fn change(&self, next: impl Fn(&RegistrySnapshot) -> RegistrySnapshot) {
        self.current.rcu(|current| next(current));
        self.generation.send_modify(|generation| *generation += 1);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A shared desk.
    pub(crate) fn device(revoked: Option<Revoked>) -> Device {
        Device {
            id: "6ba7b810-9dad-41d1-80b4-00c04fd430c8".parse().unwrap(),
            profile: Profile::Device,
            person: None,
            ownership: Ownership::SharedDesk,
            level: AssuranceLevel::L1,
            platform: "linux".to_owned(),
            created_at: Timestamp(1),
            revoked,
        }
    }

    #[test]
    fn a_copy_reads_back_and_a_missing_or_damaged_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let copy = RegistryCopy::beside(&dir.path().join("gateway.sqlite"));
        assert_eq!(copy.read().unwrap_err().kind(), io::ErrorKind::NotFound);
        let device = device(Some(Revoked { at: Timestamp(2), reason: "lost".to_owned() }));
        let revoked = Revoked { at: Timestamp(3), reason: "superseded".to_owned() };
        let snapshot = RegistrySnapshot::new([device], [("4a01".parse().unwrap(), revoked)]);
        copy.write(&snapshot).unwrap();
        assert_eq!(copy.read().unwrap(), snapshot);
        std::fs::write(&copy.path, "{").unwrap();
        assert!(copy.read().is_err());
    }

    #[test]
    fn an_older_snapshot_never_brings_back_what_was_revoked() {
        let from_database = RegistrySnapshot::new([device(None)], []);
        let registry = Registry::new(from_database.clone());
        let lost = Revoked { at: Timestamp(2), reason: "lost".to_owned() };
        let (of_device, serial) = (device(None).id, "4a01".parse::<Serial>().unwrap());
        registry.revoke(&Revocation::Device(of_device), &lost);
        registry.revoke(&Revocation::Certificate(serial.clone()), &lost);
        registry.replace(from_database);
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.device(&of_device).unwrap().revoked, Some(lost.clone()));
        assert!(snapshot.is_revoked(&serial));
        registry.revoke(&Revocation::Device(of_device), &Revoked { at: Timestamp(9), reason: "again".to_owned() });
        assert_eq!(registry.snapshot().revoked(&Revocation::Device(of_device)), Some(&lost), "the first stays");
    }
}
