//! TCP: two directions, each with its own pace and its own end.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::io::poll_read_buf;
use tokio_util::sync::CancellationToken;

use super::{Counters, RelayEnd, RelayOutcome};
use crate::flow::{Batch, FlowRecv, FlowSend};
#[cfg(target_os = "linux")]
use crate::limits::SOCKET_UNSENT_OCTETS;
use crate::limits::{BATCH_OCTETS_MAX, BATCH_PIECES_MAX};

/// Relays a TCP flow until both directions have ended, one of them is reset, or `cut` is cancelled. A FIN of one side
/// becomes a FIN of the other; anything else resets both.
pub async fn tcp(
    stream: TcpStream,
    send: FlowSend,
    mut recv: FlowRecv,
    counters: Counters,
    cut: CancellationToken,
) -> RelayOutcome {
    // The tunnel batches already; a keystroke must not wait.
    let _ = stream.set_nodelay(true);
    // What its peer does not read shall stop the tunnel's sender instead of piling up in the kernel.
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(&stream).set_tcp_notsent_lowat(SOCKET_UNSENT_OCTETS);
    let (reader, writer) = stream.into_split();
    let (abort, aborted) = oneshot::channel();
    let mut up = Up(tokio::spawn(to_tunnel(reader, send, counters.clone(), aborted)));
    let mut sender = None;
    let mut up_done = false;
    let end = {
        let mut down = std::pin::pin!(to_socket(&writer, &mut recv, &counters));
        let mut down_done = false;
        loop {
            let ended = tokio::select! {
                biased;
                () = cut.cancelled() => Err(RelayEnd::Cut),
                ended = &mut down, if !down_done => { down_done = true; ended }
                ended = &mut up.0, if !up_done => {
                    up_done = true;
                    let (send, ended) = ended.map_or((None, Err(RelayEnd::Cut)), |(send, ended)| (Some(send), ended));
                    sender = send;
                    ended
                }
            };
            match ended {
                Err(end) => break end,
                Ok(()) if up_done && down_done => break RelayEnd::Finished,
                Ok(()) => {}
            }
        }
    };
    if end != RelayEnd::Finished {
        // Closing with zero linger is how a TCP reset is sent.
        let _ = SockRef::from(writer.as_ref()).set_linger(Some(std::time::Duration::ZERO));
        if !up_done {
            let _ = abort.send(());
            sender = (&mut up.0).await.ok().map(|(send, _)| send);
        }
        // Only now, when the end is known: our own reset must not be taken for the peer's.
        if let Some(send) = sender {
            send.reset(end.reason());
        }
        recv.stop(end.reason());
    }
    // What was to be said in order was said; dropped as it is, it would say FIN.
    writer.forget();
    counters.outcome(end)
}

/// The upward task; dropping the relay ends it.
struct Up(JoinHandle<(FlowSend, Result<(), RelayEnd>)>);

impl Drop for Up {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn to_tunnel(
    stream: OwnedReadHalf,
    mut send: FlowSend,
    counters: Counters,
    aborted: oneshot::Receiver<()>,
) -> (FlowSend, Result<(), RelayEnd>) {
    let ended = tokio::select! {
        ended = pump_to_tunnel(stream, &mut send, &counters) => ended,
        Ok(()) = aborted => Err(RelayEnd::Cut),
    };
    (send, ended)
}

async fn pump_to_tunnel(stream: OwnedReadHalf, send: &mut FlowSend, counters: &Counters) -> Result<(), RelayEnd> {
    let mut reader = Reader { stream, buffer: BytesMut::new(), size: Reader::SIZE_MIN };
    loop {
        let octets = tokio::select! {
            biased;
            read = poll_fn(|cx| reader.poll_read(cx)) => read.map_err(|_| RelayEnd::ResetBySocket)?,
            stopped = send.stopped() => return Err(RelayEnd::of(stopped)),
        };
        if octets.is_empty() {
            return send.finish().await.map_err(RelayEnd::of);
        }
        counters.add_to_tunnel(octets.len());
        send.send(octets).await.map_err(RelayEnd::of)?;
    }
}

/// Reads as much at once as the socket's pace asks for, and holds no buffer while there is nothing to read.
struct Reader {
    stream: OwnedReadHalf,
    buffer: BytesMut,
    size: usize,
}

impl Reader {
    const SIZE_MIN: usize = 4 * 1024;
    /// Shorter pieces are copied: each would keep a whole buffer alive until the peer acknowledges it.
    const COPY_BELOW: usize = 1024;

    /// What is there, nothing at the end. A read that does not fill the buffer needs no second one to find out that there is
    /// no more: tokio remembers it.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        self.buffer.reserve(self.size);
        let read = poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.buffer);
        let Poll::Ready(Ok(count)) = read else {
            self.buffer = BytesMut::new();
            return read.map_ok(|_| Bytes::new());
        };
        if count >= self.size {
            self.size = (self.size * 2).min(BATCH_OCTETS_MAX);
        } else if count < self.size / 4 {
            self.size = (self.size / 2).max(Self::SIZE_MIN);
        }
        if count < Self::COPY_BELOW {
            let octets = Bytes::copy_from_slice(&self.buffer);
            self.buffer.clear();
            return Poll::Ready(Ok(octets));
        }
        Poll::Ready(Ok(self.buffer.split().freeze()))
    }
}

async fn to_socket(stream: &OwnedWriteHalf, recv: &mut FlowRecv, counters: &Counters) -> Result<(), RelayEnd> {
    while let Some(mut batch) = recv.recv().await.map_err(RelayEnd::of)? {
        let octets = batch.len();
        write(stream, &mut batch).await.map_err(|_| RelayEnd::ResetBySocket)?;
        counters.add_to_socket(octets);
    }
    match SockRef::from(stream.as_ref()).shutdown(Shutdown::Write) {
        // The other side has already gone in order.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        ended => ended.map_err(|_| RelayEnd::ResetBySocket),
    }
}

async fn write(stream: &OwnedWriteHalf, batch: &mut Batch) -> io::Result<()> {
    while batch.has_remaining() {
        let mut pieces = [IoSlice::new(&[]); BATCH_PIECES_MAX];
        let count = batch.chunks_vectored(&mut pieces);
        match stream.try_write_vectored(pieces.get(..count).unwrap_or_default()) {
            Ok(count) => batch.advance(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
