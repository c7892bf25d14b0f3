//! The database: SQLite, embedded. No SQL stands outside this module.
//!
//! It is written when devices and certificates change, and read at the start; the serving path works from the
//! [`crate::registry`] in memory, so a lost or locked database stops nobody who is enrolled.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hitotsu_model::identity::Profile;
use hitotsu_model::ids::{DeviceId, Serial};
use hitotsu_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::registry::{Device, RegistrySnapshot};
use crate::words::{InWords, Words};

mod codes;
mod rows;

pub use codes::{EnrolCodeRow, NewEnrolCode, RedeemError, Redeemed};

/// How long a statement waits for another process that writes, before the database counts as locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement waits for a connection: beyond it, a person thinks that nothing happens.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections at once: one writes, others read.
const CONNECTIONS_MAX: u32 = 4;

/// Why the database did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not answer: locked, gone, or broken.
    #[error("the database does not answer: {0}; see whether another program holds it or its disk is full")]
    Unavailable(String),
    /// It was there once.
    #[error("the database `{0}` is gone; restore it, or remove the copy beside it to begin with an empty one")]
    Lost(PathBuf),
    /// It holds something that this version cannot read.
    #[error("the database holds `{value}` as {what}, which this version cannot read; was it written by a newer one?")]
    Content {
        /// Of what kind.
        what: &'static str,
        /// What is there.
        value: String,
    },
    /// There is no such thing on record.
    #[error("there is no {what} `{id}`; see `{list}`")]
    Missing {
        /// Of what kind.
        what: &'static str,
        /// Which.
        id: String,
        /// The command that lists them.
        list: &'static str,
    },
}

impl InWords for StoreError {
    fn words(&self) -> Words {
        match self {
            Self::Unavailable(detail) => Words::new("store-unavailable", &[("detail", detail)]),
            Self::Lost(path) => Words::new("store-lost", &[("path", &path.display().to_string())]),
            Self::Content { what, value } => Words::new("store-content", &[("what", what), ("value", value)]),
            Self::Missing { what, id, list } => Words::new(
                if *what == "device" { "no-such-device" } else { "no-such-certificate" },
                &[("id", id), ("list", list)],
            ),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// A certificate on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCertificate {
    /// Its serial number.
    pub serial: Serial,
    /// Its kind.
    pub profile: Profile,
    /// Its holder.
    pub holder: DeviceId,
    /// The certificate.
    #[serde(with = "base64_bytes")]
    pub der: Vec<u8>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its end.
    pub not_after: Timestamp,
    /// When and why it was revoked, if it was.
    pub revoked: Option<crate::registry::Revoked>,
}

/// The database. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens or makes the database at `path` (mode 0600), and brings its tables up to this version.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_waiting(path, BUSY_TIMEOUT).await
    }

    /// As [`Store::open`], but not if it is known to be `lost`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_unless(lost: bool, path: &Path) -> Result<Self, StoreError> {
        if lost {
            return Err(StoreError::Lost(path.to_path_buf()));
        }
        Self::open(path).await
    }

    /// As [`Store::open`], with a patience of its own for locks.
    pub(crate) async fn open_waiting(path: &Path, busy_timeout: Duration) -> Result<Self, StoreError> {
        let closed = std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
        closed.map_err(|error| StoreError::Unavailable(format!("`{}`: {error}", path.display())))?;
        let store = Self { pool: Self::pool(path, busy_timeout) };
        let migrated = sqlx::migrate!("./migrations").run(&store.pool).await;
        migrated.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(store)
    }

    /// A store whose database does not answer now. Each use tries anew, so that it comes back by itself.
    #[must_use]
    pub fn absent(path: &Path) -> Self {
        Self { pool: Self::pool(path, BUSY_TIMEOUT) }
    }

    fn pool(path: &Path, busy_timeout: Duration) -> SqlitePool {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(busy_timeout);
        SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(PATIENCE).connect_lazy_with(options)
    }

    /// Everything that the serving path needs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_registry(&self) -> Result<RegistrySnapshot, StoreError> {
        let revoked = sqlx::query_as::<_, rows::RevokedRow>(
            "SELECT serial, revoked_at, revoked_reason FROM certificates WHERE revoked_at IS NOT NULL",
        )
        .fetch_all(&self.pool)
        .await?;
        let revoked = revoked.into_iter().map(rows::RevokedRow::revoked);
        Ok(RegistrySnapshot::new(self.devices().await?, revoked.collect::<Result<Vec<_>, _>>()?))
    }

    /// Every device, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let found = sqlx::query_as::<_, rows::DeviceRow>("SELECT * FROM devices ORDER BY created_at, id")
            .fetch_all(&self.pool)
            .await?;
        found.into_iter().map(rows::DeviceRow::device).collect()
    }

    /// Puts a holder on record that was not enrolled by a code, such as a relay.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_device(&self, device: &Device) -> Result<(), StoreError> {
        rows::insert_device(device).execute(&self.pool).await?;
        Ok(())
    }

    /// Revokes a device with everything that it has; a second time changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it is not on record.
    pub async fn revoke_device(&self, id: DeviceId, reason: &str, at: Timestamp) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE devices SET revoked_at = coalesce(revoked_at, ?2), revoked_reason = coalesce(revoked_reason, ?3) \
             WHERE id = ?1",
        )
        .bind(id.to_string())
        .bind(at.0)
        .bind(reason)
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 0 {
            let list = "hitotsu-gateway device list";
            return Err(StoreError::Missing { what: "device", id: id.to_string(), list });
        }
        Ok(())
    }

    /// Puts a certificate on record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_certificate(&self, certificate: &StoredCertificate) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO certificates (serial, profile, holder, der, issued_at, not_after) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .bind(certificate.serial.as_str())
        .bind(certificate.profile.as_str())
        .bind(certificate.holder.to_string())
        .bind(&certificate.der)
        .bind(certificate.issued_at.0)
        .bind(certificate.not_after.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Every certificate, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn certificates(&self) -> Result<Vec<StoredCertificate>, StoreError> {
        let found =
            sqlx::query_as::<_, rows::CertificateRow>("SELECT * FROM certificates ORDER BY issued_at DESC, serial")
                .fetch_all(&self.pool)
                .await?;
        found.into_iter().map(rows::CertificateRow::certificate).collect()
    }

    /// Whether a certificate is on record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_certificate(&self, serial: &Serial) -> Result<bool, StoreError> {
        let found = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM certificates WHERE serial = ?1")
            .bind(serial.as_str())
            .fetch_one(&self.pool)
            .await?;
        Ok(found > 0)
    }

    /// Revokes one certificate; a second time changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it is not on record.
    pub async fn revoke_certificate(&self, serial: &Serial, reason: &str, at: Timestamp) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE certificates SET revoked_at = coalesce(revoked_at, ?2), \
             revoked_reason = coalesce(revoked_reason, ?3) WHERE serial = ?1",
        )
        .bind(serial.as_str())
        .bind(at.0)
        .bind(reason)
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 0 {
            let list = "hitotsu-gateway ca list";
            return Err(StoreError::Missing { what: "certificate", id: serial.to_string(), list });
        }
        Ok(())
    }

    /// The next CRLNumber; it never repeats (RFC 5280 §5.2.3).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_crl_number(&self) -> Result<u64, StoreError> {
        let number =
            sqlx::query_scalar::<_, i64>("UPDATE counters SET value = value + 1 WHERE name = 'crl' RETURNING value")
                .fetch_one(&self.pool)
                .await?;
        u64::try_from(number).map_err(|_| StoreError::Content { what: "a counter", value: number.to_string() })
    }
}

#[cfg(test)]
impl Store {
    /// Lets the file go.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

mod base64_bytes {
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
