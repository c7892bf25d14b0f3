//! Enrolment codes: made, listed, redeemed once.

use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, PersonId};
use hitotsu_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::rows::{self, parsed};
use super::{Store, StoreError};
use crate::registry::Device;

/// A code about to be put on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEnrolCode {
    /// Its id, which may be logged; not its secret.
    pub id: String,
    /// SHA-256 of its secret.
    pub secret_hash: [u8; 32],
    /// The person that the device will be bound to; none for a shared desk.
    pub person: Option<PersonId>,
    /// Whose the device will be.
    pub ownership: Ownership,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it may be redeemed.
    pub expires_at: Timestamp,
}

/// A code on record, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolCodeRow {
    /// Its id.
    pub id: String,
    /// The person.
    pub person: Option<PersonId>,
    /// Whose the device will be.
    pub ownership: Ownership,
    /// Until when it may be redeemed.
    pub expires_at: Timestamp,
    /// The device that redeemed it.
    pub device: Option<DeviceId>,
}

/// What a redeemed code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeemed {
    /// The code's id.
    pub code_id: String,
    /// The device, as it is on record.
    pub device: Device,
    /// The same key had redeemed it before: the answer was lost on the way, and is given again.
    pub again: bool,
}

/// Why a code is not redeemed.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// There is no such code.
    #[error("the enrolment code is not known")]
    Unknown,
    /// Another key redeemed it.
    #[error("the enrolment code was used before")]
    Used,
    /// Its time is over.
    #[error("the enrolment code has expired")]
    Expired,
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RedeemError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Debug, FromRow)]
struct CodeRow {
    id: String,
    person: Option<String>,
    ownership: String,
    expires_at: i64,
    redeemed_key: Option<Vec<u8>>,
    device: Option<String>,
}

impl CodeRow {
    fn person(&self) -> Result<Option<PersonId>, StoreError> {
        self.person.as_deref().map(|person| parsed("a person id", person)).transpose()
    }

    fn ownership(&self) -> Result<Ownership, StoreError> {
        parsed("an ownership", &self.ownership)
    }
}

impl Store {
    /// Puts a code on record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_enrol_code(&self, code: &NewEnrolCode) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO enrol_codes (id, secret_hash, person, ownership, created_at, expires_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .bind(&code.id)
        .bind(code.secret_hash.to_vec())
        .bind(code.person.as_ref().map(ToString::to_string))
        .bind(code.ownership.as_str())
        .bind(code.created_at.0)
        .bind(code.expires_at.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Every code, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn enrol_codes(&self) -> Result<Vec<EnrolCodeRow>, StoreError> {
        let found = sqlx::query_as::<_, CodeRow>(
            "SELECT id, person, ownership, expires_at, redeemed_key, device FROM enrol_codes ORDER BY created_at DESC, id",
        )
        .fetch_all(&self.pool)
        .await?;
        let row = |row: CodeRow| {
            Ok(EnrolCodeRow {
                person: row.person()?,
                ownership: row.ownership()?,
                expires_at: Timestamp(row.expires_at),
                device: row.device.as_deref().map(|device| parsed("a device id", device)).transpose()?,
                id: row.id,
            })
        };
        found.into_iter().map(row).collect()
    }

    /// Redeems a code for a key, in one transaction: the code is bound to the key, and the device is put on record.
    /// The same key may ask again, and gets the same device; any other key is refused.
    ///
    /// # Errors
    /// [`RedeemError`]; nothing has changed then.
    pub async fn redeem(
        &self,
        secret_hash: &[u8; 32],
        key_sha256: &[u8; 32],
        platform: &str,
        now: Timestamp,
    ) -> Result<Redeemed, RedeemError> {
        // IMMEDIATE takes the write lock before the read, so that two redemptions cannot both find the code unused.
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let row = sqlx::query_as::<_, CodeRow>(
            "SELECT id, person, ownership, expires_at, redeemed_key, device FROM enrol_codes WHERE secret_hash = ?1",
        )
        .bind(secret_hash.to_vec())
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(RedeemError::Unknown)?;
        if let (Some(key), Some(device)) = (&row.redeemed_key, &row.device) {
            if key.as_slice() != key_sha256 {
                return Err(RedeemError::Used);
            }
            let device = sqlx::query_as::<_, rows::DeviceRow>("SELECT * FROM devices WHERE id = ?1")
                .bind(device.clone())
                .fetch_one(&mut *transaction)
                .await?
                .device()?;
            return Ok(Redeemed { code_id: row.id, device, again: true });
        }
        if now >= Timestamp(row.expires_at) {
            return Err(RedeemError::Expired);
        }
        let device = Device {
            id: DeviceId(Uuid::new_v4()),
            profile: Profile::Device,
            person: row.person()?,
            ownership: row.ownership()?,
            // A key in a file; a TPM raises it.
            level: AssuranceLevel::L1,
            platform: platform.to_owned(),
            created_at: now,
            revoked: None,
        };
        rows::insert_device(&device).execute(&mut *transaction).await?;
        sqlx::query("UPDATE enrol_codes SET redeemed_at = ?2, redeemed_key = ?3, device = ?4 WHERE id = ?1")
            .bind(&row.id)
            .bind(now.0)
            .bind(key_sha256.to_vec())
            .bind(device.id.to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Redeemed { code_id: row.id, device, again: false })
    }
}
