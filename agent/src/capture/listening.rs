//! Accepts connections of this user, and of nobody else.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use super::{Context, owner};

/// Pause after an accept that failed, most often because the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An accepted connection's places among the bounded ones.
#[derive(Debug)]
pub(crate) struct Guest {
    pending: Option<OwnedSemaphorePermit>,
    own: bool,
    _connection: OwnedSemaphorePermit,
}

impl Guest {
    /// The application said what it wants: its place among those who have not is free.
    pub(crate) fn settled(&mut self) {
        self.pending = None;
    }

    /// Whether the connection belongs to the agent's own user.
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }
}

/// Accepts until dropped; each connection is served by a task that ends with this one.
pub(crate) async fn accept<Serve, Served>(listener: TcpListener, context: Context, serve: Serve)
where
    Serve: Fn(TcpStream, Guest, Context) -> Served,
    Served: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let Ok(connection) = context.connections.clone().acquire_owned().await else { return };
        let Ok(pending) = context.pending.clone().acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let own = owner::tcp_is_own(&stream, peer);
        // Small writes (a keystroke, a TLS record) must not wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let guest = Guest { pending: Some(pending), own, _connection: connection };
        tasks.spawn(serve(stream, guest, context.clone()));
    }
}

/// Ends a connection so that its program sees an error, not an orderly end.
pub(crate) fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}
