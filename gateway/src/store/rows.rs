//! Rows as the database has them, and what they mean.

use std::str::FromStr;

use hitotsu_model::identity::AssuranceLevel;
use hitotsu_model::ids::Serial;
use hitotsu_model::time::Timestamp;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{FromRow, Sqlite};

use super::{StoreError, StoredCertificate};
use crate::registry::{Device, Revoked};

#[derive(Debug, FromRow)]
pub(super) struct DeviceRow {
    id: String,
    profile: String,
    person: Option<String>,
    ownership: String,
    level: i64,
    platform: String,
    created_at: i64,
    revoked_at: Option<i64>,
    revoked_reason: Option<String>,
}

impl DeviceRow {
    pub(super) fn device(self) -> Result<Device, StoreError> {
        Ok(Device {
            id: parsed("a device id", &self.id)?,
            profile: parsed("a profile", &self.profile)?,
            person: self.person.as_deref().map(|person| parsed("a person id", person)).transpose()?,
            ownership: parsed("an ownership", &self.ownership)?,
            level: level(self.level)?,
            platform: self.platform,
            created_at: Timestamp(self.created_at),
            revoked: revoked(self.revoked_at, self.revoked_reason),
        })
    }
}

#[derive(Debug, FromRow)]
pub(super) struct CertificateRow {
    serial: String,
    profile: String,
    holder: String,
    der: Vec<u8>,
    issued_at: i64,
    not_after: i64,
    revoked_at: Option<i64>,
    revoked_reason: Option<String>,
}

impl CertificateRow {
    pub(super) fn certificate(self) -> Result<StoredCertificate, StoreError> {
        Ok(StoredCertificate {
            serial: parsed("a serial number", &self.serial)?,
            profile: parsed("a profile", &self.profile)?,
            holder: parsed("a holder", &self.holder)?,
            der: self.der,
            issued_at: Timestamp(self.issued_at),
            not_after: Timestamp(self.not_after),
            revoked: revoked(self.revoked_at, self.revoked_reason),
        })
    }
}

#[derive(Debug, FromRow)]
pub(super) struct RevokedRow {
    serial: String,
    revoked_at: i64,
    revoked_reason: Option<String>,
}

impl RevokedRow {
    pub(super) fn revoked(self) -> Result<(Serial, Revoked), StoreError> {
        let revoked = Revoked { at: Timestamp(self.revoked_at), reason: self.revoked_reason.unwrap_or_default() };
        Ok((parsed("a serial number", &self.serial)?, revoked))
    }
}

pub(super) fn insert_device(device: &Device) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query(
        "INSERT INTO devices (id, profile, person, ownership, level, platform, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(device.id.to_string())
    .bind(device.profile.as_str())
    .bind(device.person.as_ref().map(ToString::to_string))
    .bind(device.ownership.as_str())
    .bind(i64::from(device.level.number()))
    .bind(device.platform.clone())
    .bind(device.created_at.0)
}

/// A text that must be of a kind.
pub(super) fn parsed<T: FromStr>(what: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Content { what, value: text.to_owned() })
}

pub(super) fn level(number: i64) -> Result<AssuranceLevel, StoreError> {
    match number {
        0 => Ok(AssuranceLevel::L0),
        1 => Ok(AssuranceLevel::L1),
        2 => Ok(AssuranceLevel::L2),
        3 => Ok(AssuranceLevel::L3),
        4 => Ok(AssuranceLevel::L4),
        other => Err(StoreError::Content { what: "an assurance level", value: other.to_string() }),
    }
}

fn revoked(at: Option<i64>, reason: Option<String>) -> Option<Revoked> {
    at.map(|at| Revoked { at: Timestamp(at), reason: reason.unwrap_or_default() })
}
