//! TLS handshakes over TCP.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Arrival, ListenerConfig};
use crate::fault::ListenError;

pub(super) struct Acceptor {
    _listener: TcpListener,
}

impl Acceptor {
    pub(super) fn new(
        _config: &ListenerConfig,
        listener: TcpListener,
        _unfinished: Arc<AtomicUsize>,
    ) -> Result<Self, ListenError> {
        Ok(Self { _listener: listener })
    }

    pub(super) async fn run(self, _arrivals: mpsc::Sender<Arrival>, stop: CancellationToken) {
        stop.cancelled().await;
    }
}
