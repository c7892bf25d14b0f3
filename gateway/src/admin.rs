//! The admin socket: what commands say to a running gateway, as JSON over HTTP on a Unix socket of mode 0600.

use crate::audit::AuditLog;
use crate::issuer::IssuerClient;
use crate::registry::Registry;
use crate::store::Store;

/// What the registry's routes need.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// The database.
    pub store: Store,
    /// The live registry.
    pub registry: Registry,
    /// The issuer.
    pub issuer: IssuerClient,
    /// The audit log.
    pub audit: AuditLog,
}

/// The routes for devices, certificates, enrolment codes and the audit log; to be merged with others.
pub fn router(state: AdminState) -> axum::Router {
    axum::Router::new().with_state(state)
}
