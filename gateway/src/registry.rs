//! What the gateway knows of devices and revocations, in memory: a lost database stops nobody who is enrolled.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// Everything at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistrySnapshot {
    devices: BTreeMap<DeviceId, Arc<Device>>,
    revoked_serials: BTreeSet<Serial>,
}

impl RegistrySnapshot {
    /// From what the store holds.
    #[must_use]
    pub fn new(devices: impl IntoIterator<Item = Device>, revoked: impl IntoIterator<Item = Serial>) -> Self {
        Self {
            devices: devices.into_iter().map(|device| (device.id, Arc::new(device))).collect(),
            revoked_serials: revoked.into_iter().collect(),
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
        self.revoked_serials.contains(serial)
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
}

impl RegistryCopy {
    /// The copy that belongs to the database at `database`.
    #[must_use]
    pub fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".copy.json");
        Self { path: path.into() }
    }

    /// Whether there is one.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Writes what is true now. Blocks on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, snapshot: &RegistrySnapshot) -> io::Result<()> {
        let devices = snapshot.devices.values().map(|device| (**device).clone()).collect();
        let copied = Copied { devices, revoked_serials: snapshot.revoked_serials.clone() };
        write_private(&self.path, &serde_json::to_vec(&copied)?)
    }

    /// Reads what was true when it was written. Blocks on the disk.
    ///
    /// # Errors
    /// What the system says; also when the file is damaged.
    pub fn read(&self) -> io::Result<RegistrySnapshot> {
        let copied: Copied = serde_json::from_slice(&std::fs::read(&self.path)?)?;
        Ok(RegistrySnapshot::new(copied.devices, copied.revoked_serials))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Copied {
    devices: Vec<Device>,
    revoked_serials: BTreeSet<Serial>,
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

    /// Puts a new snapshot in place, and tells.
    pub fn replace(&self, snapshot: RegistrySnapshot) {
        self.current.store(Arc::new(snapshot));
        self.generation.send_modify(|generation| *generation += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_reads_back_and_a_missing_or_damaged_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let copy = RegistryCopy::beside(&dir.path().join("gateway.sqlite"));
        assert_eq!(copy.read().unwrap_err().kind(), io::ErrorKind::NotFound);
        let device = Device {
            id: "6ba7b810-9dad-41d1-80b4-00c04fd430c8".parse().unwrap(),
            profile: Profile::Device,
            person: None,
            ownership: Ownership::SharedDesk,
            level: AssuranceLevel::L1,
            platform: "linux".to_owned(),
            created_at: Timestamp(1),
            revoked: Some(Revoked { at: Timestamp(2), reason: "lost".to_owned() }),
        };
        let snapshot = RegistrySnapshot::new([device], ["4a01".parse().unwrap()]);
        copy.write(&snapshot).unwrap();
        assert_eq!(copy.read().unwrap(), snapshot);
        std::fs::write(&copy.path, "{").unwrap();
        assert!(copy.read().is_err());
    }
}
