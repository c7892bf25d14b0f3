//! What the tests share.

pub(crate) mod city;
pub(crate) mod gateway;
pub(crate) mod pc;
pub(crate) mod systems;

use std::time::Duration;

/// Longest wait for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}
