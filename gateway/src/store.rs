//! The database: SQLite, embedded. No SQL stands outside this module.

use std::path::Path;

/// Why the database did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not answer: locked, gone, or broken.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
}

/// The database. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {}

impl Store {
    /// Opens or makes the database at `path`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let _ = path;
        Ok(Self {})
    }

    /// Everything that the serving path needs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_registry(&self) -> Result<crate::registry::RegistrySnapshot, StoreError> {
        Ok(crate::registry::RegistrySnapshot::default())
    }
}
