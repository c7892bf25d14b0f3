//! What the gateway knows of devices and revocations, in memory: a lost database stops nobody who is enrolled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, PersonId, Serial};
use hitotsu_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
