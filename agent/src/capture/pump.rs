//! A flow as a byte stream, for the HTTP client inside the proxy.

use bytes::BytesMut;
use hitotsu_tunnel::fault::ResetReason;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};

use crate::limits::PUMP_BYTES_MAX;
use crate::session::TcpFlow;

/// Carries bytes between `near` and the flow until either side ends or the flow is cut.
pub(crate) async fn carry(near: DuplexStream, flow: TcpFlow) {
    let TcpFlow { mut send, mut recv, ticket } = flow;
    let (reader, writer) = tokio::io::split(near);
    let up = up(reader, &mut send, &ticket);
    let down = down(writer, &mut recv, &ticket);
    let cut = ticket.cut();
    tokio::select! {
        () = cut.cancelled() => {}
        // The answer may still be coming when all was asked.
        ((), ()) = async { tokio::join!(up, down) } => return,
    }
    send.reset(ResetReason::Cancelled);
    recv.stop(ResetReason::Cancelled);
}

async fn up(
    mut reader: ReadHalf<DuplexStream>,
    send: &mut hitotsu_tunnel::flow::FlowSend,
    ticket: &crate::session::FlowTicket,
) {
    loop {
        let mut bytes = BytesMut::with_capacity(PUMP_BYTES_MAX);
        match reader.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => {
                let _ = send.finish().await;
                return;
            }
            Ok(length) => ticket.add_up(length),
        }
        if send.send(bytes.freeze()).await.is_err() {
            return;
        }
    }
}

async fn down(
    mut writer: WriteHalf<DuplexStream>,
    recv: &mut hitotsu_tunnel::flow::FlowRecv,
    ticket: &crate::session::FlowTicket,
) {
    loop {
        match recv.recv().await {
            Ok(Some(mut batch)) => {
                ticket.add_down(batch.len());
                if writer.write_all_buf(&mut batch).await.is_err() {
                    return;
                }
            }
            Ok(None) => {
                let _ = writer.shutdown().await;
                return;
            }
            // Dropping the writer without a shutdown ends the stream all the same: HTTP's own framing tells the
            // client whether the answer was whole.
            Err(_) => return,
        }
    }
}
