use std::time::Duration;

use hitotsu_model::identity::Profile;
use hitotsu_model::time::Timestamp;
use rustls_pki_types::CertificateDer;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::*;
use crate::audit::tail;
use crate::issuer::IssuerClient;
use crate::registry::tests::device;

#[tokio::test]
async fn a_revocation_is_in_effect_while_the_database_is_locked_and_is_written_when_it_is_free() {
    let office = Office::open().await;
    let mut holder = office.lock().await;
    let answer = office.state.revoke(Revocation::Device(office.device), "lost".to_owned()).await;
    assert_eq!((answer.revoked, answer.survives_restart, answer.awaits), (true, true, Some(Awaited::Database)));
    assert!(office.is_revoked(), "it does not wait for the database");
    assert_eq!(office.recorded(), ["lost"], "it does not wait to be recorded either");
    // Whatever the database says meanwhile gives nothing back.
    office.state.refresh().await.unwrap();
    assert!(office.is_revoked());

    sqlx::query("COMMIT").execute(&mut holder).await.unwrap();
    office.state.owed.written(&Revocation::Device(office.device)).await;
    assert!(office.stored_revocation().await.is_some());
    assert_eq!(office.recorded(), ["lost"], "it is recorded once");
}

#[tokio::test]
async fn a_gateway_that_dies_before_it_could_write_a_revocation_writes_it_when_it_starts_anew() {
    let office = Office::open().await;
    let mut holder = office.lock().await;
    let serial: Serial = "4a01".parse().unwrap();
    let on_device = office.state.revoke(Revocation::Device(office.device), "lost".to_owned()).await;
    let on_certificate = office.state.revoke(Revocation::Certificate(serial.clone()), "superseded".to_owned()).await;
    assert!(on_device.awaits.is_some() && on_certificate.awaits.is_some());
    let office = office.die_and_start_anew().await;
    assert!(office.is_revoked(), "the copy says so");
    office.state.owed.until(|owing| owing.len() == 2).await;
    sqlx::query("COMMIT").execute(&mut holder).await.unwrap();
    office.state.owed.until(BTreeMap::is_empty).await;
    assert!(office.stored_revocation().await.is_some());
    assert!(office.state.store.load_registry().await.unwrap().is_revoked(&serial));
}

#[tokio::test]
async fn a_revocation_is_kept_though_the_database_is_gone_and_written_to_the_one_that_is_restored() {
    let office = Office::open().await;
    let (database, backup) = (office.database(), office.dir.path().join("backup.sqlite"));
    sqlx::query("VACUUM INTO ?1").bind(backup.to_str().unwrap()).execute(&mut office.connection().await).await.unwrap();
    let office = office.die_and_start_without_database().await;
    let answer = office.state.revoke(Revocation::Device(office.device), "lost".to_owned()).await;
    assert_eq!((answer.survives_restart, answer.awaits), (true, Some(Awaited::Database)));
    assert!(!answer.detail.is_empty());
    assert!(office.is_revoked());
    std::fs::copy(&backup, &database).unwrap();
    office.state.owed.until(BTreeMap::is_empty).await;
    assert!(office.stored_revocation().await.is_some());
}

#[tokio::test]
async fn a_revocation_that_nothing_on_disk_keeps_says_so() {
    let office = Office::open().await;
    let _holder = office.lock().await;
    let mut state = office.state.clone();
    state.copy = RegistryCopy::beside(&office.dir.path().join("no-such-folder").join("gateway.sqlite"));
    let answer = state.revoke(Revocation::Device(office.device), "lost".to_owned()).await;
    assert_eq!((answer.revoked, answer.survives_restart, answer.awaits), (true, false, Some(Awaited::Database)));
}

/// An admin's desk over a database, an audit log and the task that writes revocations; one device is on record.
struct Office {
    dir: tempfile::TempDir,
    device: DeviceId,
    state: AdminState,
    stop: CancellationToken,
    settling: tokio::task::JoinHandle<()>,
}

impl Office {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let device = device(None);
        let store = Self::store(&dir).await;
        store.insert_device(&device).await.unwrap();
        let certificate = crate::store::StoredCertificate {
            serial: "4a01".parse().unwrap(),
            profile: Profile::Device,
            holder: device.id,
            der: vec![0x30],
            issued_at: Timestamp(1),
            not_after: Timestamp::MAX,
            revoked: None,
        };
        store.record_certificate(&certificate).await.unwrap();
        Self::over(dir, device.id, store).await
    }

    async fn store(dir: &tempfile::TempDir) -> Store {
        Store::open_waiting(&dir.path().join("gateway.sqlite"), Duration::from_millis(50)).await.unwrap()
    }

    async fn over(dir: tempfile::TempDir, device: DeviceId, store: Store) -> Self {
        let copy = RegistryCopy::beside(&dir.path().join("gateway.sqlite"));
        let snapshot = match known(&store, &copy).await {
            Ok(snapshot) => snapshot,
            Err(_) => copy.read().unwrap(),
        };
        let (audit, _) = AuditLog::open(&dir.path().join("audit"), clock::now()).unwrap();
        let state = AdminState {
            store,
            registry: Registry::new(snapshot),
            copy,
            owed: Owed::default(),
            audit,
            issuer: IssuerClient::impatient(&dir.path().join("nobody.sock")),
            root: CertificateDer::from(vec![0x30]),
            authority: "localhost:443".to_owned(),
            changing: Arc::default(),
        };
        state.write_copy().await;
        let stop = CancellationToken::new();
        let ledgers =
            Ledgers { audit: state.audit.clone(), store: state.store.clone(), registry: state.registry.clone() };
        let settling = tokio::spawn(state.owed.clone().settle(ledgers, stop.clone()));
        Self { dir, device, state, stop, settling }
    }

    async fn die(self) -> (tempfile::TempDir, DeviceId) {
        self.stop.cancel();
        self.settling.await.unwrap();
        (self.dir, self.device)
    }

    async fn die_and_start_anew(self) -> Self {
        let (dir, device) = self.die().await;
        // The migrations need no lock when there is nothing to migrate.
        let store = Store::absent(&dir.path().join("gateway.sqlite"));
        Self::over(dir, device, store).await
    }

    async fn die_and_start_without_database(self) -> Self {
        self.state.store.close().await;
        let (dir, device) = self.die().await;
        let database = dir.path().join("gateway.sqlite");
        for side in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{side}", database.display()));
        }
        let store = Store::absent(&database);
        Self::over(dir, device, store).await
    }

    fn database(&self) -> std::path::PathBuf {
        self.dir.path().join("gateway.sqlite")
    }

    async fn connection(&self) -> SqliteConnection {
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(self.database())).await.unwrap()
    }

    /// Another program that holds the database.
    async fn lock(&self) -> SqliteConnection {
        let mut holder = self.connection().await;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut holder).await.unwrap();
        holder
    }

    fn is_revoked(&self) -> bool {
        self.state.registry.snapshot().revoked(&Revocation::Device(self.device)).is_some()
    }

    /// The reasons of device revocations in the audit log.
    fn recorded(&self) -> Vec<String> {
        let entries = tail(&self.dir.path().join("audit"), 100).unwrap();
        let reason = |event| if let AuditEvent::DeviceRevoked { reason, .. } = event { Some(reason) } else { None };
        entries.into_iter().filter_map(|entry| reason(entry.record.event)).collect()
    }

    async fn stored_revocation(&self) -> Option<Revoked> {
        let stored = self.state.store.load_registry().await.unwrap();
        stored.revoked(&Revocation::Device(self.device)).cloned()
    }
}

impl Owed {
    async fn until(&self, reached: impl FnMut(&BTreeMap<Revocation, Owing>) -> bool) {
        self.inner.owing.subscribe().wait_for(reached).await.unwrap();
    }
}
