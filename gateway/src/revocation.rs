//! Revocations: in effect in memory at once, then kept in the registry's copy on disk, then recorded in the audit log and
//! written to the database, for as often as it takes.
//!
//! INVARIANT (deny wins): nothing that fails here gives anybody access back. A gateway that starts takes over what its
//! copy has and the database has not.

use std::collections::BTreeMap;
use std::io;

use hitotsu_model::audit::{AuditEvent, AuditRecord, Durability};
use hitotsu_model::ids::{DeviceId, Serial};
use prometheus_client::metrics::gauge::Gauge;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::admin::AdminState;
use crate::audit::AuditLog;
use crate::clock;
use crate::limits::{REVOCATION_ANSWER_WAIT, REVOCATION_RETRY_FIRST, REVOCATION_RETRY_LONGEST};
use crate::registry::{Registry, RegistryCopy, RegistrySnapshot, Revocation, Revoked};
use crate::store::{Store, StoreError};

/// What became of a revocation. The tunnel is cut in every case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationAnswer {
    /// The device, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// The certificate, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Serial>,
    /// It is in effect. Always true: what cannot be revoked is answered with an error.
    pub revoked: bool,
    /// It is on the disk in some form, so that a restart of the gateway does not forget it.
    pub survives_restart: bool,
    /// What it has still to be written to; absent when everything is written. The gateway tries until it succeeds.
    pub awaits: Option<Awaited>,
    /// Why it is not written yet, in the words of what failed; empty while it only takes long.
    pub detail: String,
}

/// Where a revocation is still to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Awaited {
    /// The audit log, and the database after it.
    AuditLog,
    /// The database.
    Database,
}

/// What the database and the copy beside it know together: whoever is revoked in one of them is revoked.
///
/// # Errors
/// [`StoreError`] if the database does not answer.
pub async fn known(store: &Store, copy: &RegistryCopy) -> Result<RegistrySnapshot, StoreError> {
    let mut snapshot = store.load_registry().await?;
    match copy.read() {
        Ok(kept) => snapshot.revoke_all_of(&kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::error!(%error, "the copy of the registry cannot be read; compare `device list` with your own records");
        }
    }
    Ok(snapshot)
}

impl AdminState {
    /// Revokes: in effect, and handed to the task that writes, before anything is waited for.
    pub(crate) async fn revoke(&self, what: Revocation, reason: String) -> RevocationAnswer {
        let revoked = Revoked { at: clock::now(), reason };
        self.registry.revoke(&what, &revoked);
        // A second revocation is written as the first was made.
        let revoked = self.registry.snapshot().revoked(&what).cloned().unwrap_or(revoked);
        self.owed.add(what.clone(), revoked);
        let kept = self.write_copy().await;
        // Too late is no failure: the answer says what is owed.
        let _ = timeout(REVOCATION_ANSWER_WAIT, self.owed.written(&what)).await;
        let owing = self.owed.inner.owing.borrow().get(&what).cloned();
        let (device, serial) = match what {
            Revocation::Device(device) => (Some(device), None),
            Revocation::Certificate(serial) => (None, Some(serial)),
        };
        RevocationAnswer {
            device,
            serial,
            revoked: true,
            survives_restart: kept || owing.is_none(),
            awaits: owing.as_ref().map(Owing::awaits),
            detail: owing.map(|owing| owing.detail).unwrap_or_default(),
        }
    }
}

/// Revocations that are in effect and still to be written. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Owed {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    owing: watch::Sender<BTreeMap<Revocation, Owing>>,
    more: Notify,
    figure: Gauge,
}

#[derive(Debug, Clone)]
struct Owing {
    revoked: Revoked,
    recorded: bool,
    detail: String,
}

impl Owing {
    fn awaits(&self) -> Awaited {
        if self.recorded { Awaited::Database } else { Awaited::AuditLog }
    }
}

/// Where revocations are written.
#[derive(Debug, Clone)]
pub struct Ledgers {
    /// The audit log, first.
    pub audit: AuditLog,
    /// The database.
    pub store: Store,
    /// What is in effect.
    pub registry: Registry,
}

impl Owed {
    /// With the figure that counts them.
    #[must_use]
    pub fn counted_by(figure: Gauge) -> Self {
        Self { inner: Arc::new(Inner { figure, ..Inner::default() }) }
    }

    fn add(&self, what: Revocation, revoked: Revoked) {
        self.change(|owing| {
            owing.entry(what).or_insert(Owing { revoked, recorded: false, detail: String::new() });
        });
        self.inner.more.notify_one();
    }

    /// Completes when this is not owed any more.
    async fn written(&self, what: &Revocation) {
        // The sender lives in `self`.
        let _ = self.inner.owing.subscribe().wait_for(|owing| !owing.contains_key(what)).await;
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<Revocation, Owing>)) {
        self.inner.owing.send_modify(|owing| {
            change(owing);
            self.inner.figure.set(i64::try_from(owing.len()).unwrap_or(i64::MAX));
        });
    }

    /// Writes what is owed until `stop`. Begins with what is in effect and not in the database: the last run may have
    /// ended before it could write.
    pub async fn settle(self, ledgers: Ledgers, stop: CancellationToken) {
        let working = async {
            let mut compared = false;
            let mut pause = REVOCATION_RETRY_FIRST;
            loop {
                compared = compared || self.compare(&ledgers).await;
                self.record_all(&ledgers.audit).await;
                self.write_all(&ledgers.store).await;
                let done = compared && self.inner.owing.borrow().is_empty();
                if done {
                    pause = REVOCATION_RETRY_FIRST;
                }
                tokio::select! {
                    () = self.inner.more.notified() => {}
                    () = sleep(pause), if !done => pause = (pause * 2).min(REVOCATION_RETRY_LONGEST),
                }
            }
        };
        let () = tokio::select! {
            () = stop.cancelled() => {}
            () = working => {}
        };
        let owed = self.inner.owing.borrow().len();
        if owed > 0 {
            tracing::error!(owed, "revocations are in effect and not yet in the database; the next start writes them");
        }
    }

    /// Finds what is in effect and not in the database. False if it does not answer.
    async fn compare(&self, ledgers: &Ledgers) -> bool {
        let stored = match ledgers.store.load_registry().await {
            Ok(stored) => stored,
            Err(error) => {
                tracing::debug!(%error, "revocations cannot be compared with the database yet");
                return false;
            }
        };
        for (what, revoked) in ledgers.registry.snapshot().revocations() {
            if stored.revoked(&what).is_none() {
                self.add(what, revoked.clone());
            }
        }
        true
    }

    async fn record_all(&self, audit: &AuditLog) {
        for (what, owing) in self.now() {
            if owing.recorded {
                continue;
            }
            let reason = owing.revoked.reason;
            let event = match what.clone() {
                Revocation::Device(device) => AuditEvent::DeviceRevoked { device, reason },
                Revocation::Certificate(serial) => AuditEvent::CertificateRevoked { serial, reason },
            };
            let recorded = audit.append(AuditRecord { at: clock::now(), event }, Durability::Durable).await;
            if let Err(error) = &recorded {
                tracing::error!(%error, "a revocation is in effect but could not be recorded; it is tried again");
            }
            self.note(&what, |owing| match recorded {
                Ok(_) => owing.recorded = true,
                Err(error) => owing.detail = error.to_string(),
            });
        }
    }

    /// Writes what is recorded; after a failure the rest waits too, for each would wait for the same lock.
    async fn write_all(&self, store: &Store) {
        for (what, owing) in self.now().into_iter().filter(|(_, owing)| owing.recorded) {
            let Revoked { at, reason } = &owing.revoked;
            let written = match &what {
                Revocation::Device(device) => store.revoke_device(*device, reason, *at).await,
                Revocation::Certificate(serial) => store.revoke_certificate(serial, reason, *at).await,
            };
            match written {
                Ok(()) => self.change(|owing| drop(owing.remove(&what))),
                // There is nothing to deny in a database that does not know it; the copy keeps it all the same.
                Err(error @ StoreError::Missing { .. }) => {
                    tracing::warn!(%error, "a revocation is about something that the database does not know");
                    self.change(|owing| drop(owing.remove(&what)));
                }
                Err(error @ (StoreError::Unavailable(_) | StoreError::Lost(_) | StoreError::Content { .. })) => {
                    tracing::error!(%error, "a revocation is in effect but could not be written; it is tried again");
                    return self.note(&what, |owing| owing.detail = error.to_string());
                }
            }
        }
    }

    fn now(&self) -> Vec<(Revocation, Owing)> {
        self.inner.owing.borrow().iter().map(|(what, owing)| (what.clone(), owing.clone())).collect()
    }

    fn note(&self, what: &Revocation, note: impl FnOnce(&mut Owing)) {
        self.change(|owing| {
            if let Some(owing) = owing.get_mut(what) {
                note(owing);
            }
        });
    }
}

#[cfg(test)]
mod tests;
