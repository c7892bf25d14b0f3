//! The issuer: a process of its own that holds the devices' issuing key and answers on a Unix socket.

use std::path::{Path, PathBuf};

/// Speaks to the issuer process. Clones share nothing but the path.
#[derive(Debug, Clone)]
pub struct IssuerClient {
    socket: PathBuf,
}

impl IssuerClient {
    /// A client of the issuer that listens on `socket`.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}
