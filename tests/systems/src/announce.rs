//! Binding a port, saying where, and knowing when to stop.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::Where;

/// Binds and announces a TCP listener; `extra` fields join the announcement.
///
/// # Errors
/// The port is taken, or nobody reads standard output.
pub(crate) async fn tcp(place: &Where, extra: Value) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(place.listen).await?;
    say(listener.local_addr()?, extra)?;
    Ok(listener)
}

/// Prints the one line that tells the parent where the server is.
///
/// # Errors
/// Nobody reads standard output.
pub(crate) fn say(address: SocketAddr, extra: Value) -> io::Result<()> {
    let mut line = json!({ "listening": address.to_string() });
    if let (Value::Object(line), Value::Object(extra)) = (&mut line, extra) {
        line.extend(extra);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Returns when the server is to stop: SIGTERM, SIGINT, or the end of standard input when asked for.
///
/// # Errors
/// Signals cannot be watched.
pub(crate) async fn end(place: &Where) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let closed = stdin_closed(place.until_stdin_closes);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = closed => {}
    }
    Ok(())
}

/// Resolves when standard input ends; never when it is not watched.
async fn stdin_closed(watched: bool) {
    if !watched {
        return std::future::pending().await;
    }
    let (sender, receiver) = oneshot::channel::<()>();
    // A blocking read cannot be cancelled, so it has a thread that ends with the process.
    std::thread::spawn(move || {
        let mut scratch = [0_u8; 256];
        while matches!(io::stdin().read(&mut scratch), Ok(read) if read > 0) {}
        drop(sender);
    });
    let _ended = receiver.await;
}
