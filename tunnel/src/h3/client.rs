//! The agent's side of an HTTP/3 connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hitotsu_proto::frame::Side;
use hitotsu_proto::head::RequestHead;
use hitotsu_quic::VarInt;

use super::recv::RecvHalf;
use super::send::SendHalf;
use super::{OpenGuard, Shared};
use crate::client::open_error;
use crate::endpoint::{self, AGENT_FLOWS_AT_FIRST};
use crate::fault::{FlowError, OpenError};
use crate::limits;
use crate::task::Task;

/// A connection that was dialled.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) endpoint: hitotsu_quic::Endpoint,
    /// Flows that the connection window allows for.
    windows: AtomicU32,
    _task: Task,
}

impl Client {
    pub(crate) fn new(quic: hitotsu_quic::Connection, endpoint: hitotsu_quic::Endpoint) -> Self {
        let shared = Shared::new(quic, Side::Client);
        let task = Task::spawn(super::drive(Arc::clone(&shared), None));
        Self { shared, endpoint, windows: AtomicU32::new(AGENT_FLOWS_AT_FIRST), _task: task }
    }

    /// Opens a request stream and sends the head.
    pub(crate) async fn open(&self, head: &RequestHead) -> Result<(u64, SendHalf, RecvHalf), OpenError> {
        let mut drain = self.shared.drain.subscribe();
        let (send, recv) = tokio::select! {
            biased;
            _ = drain.wait_for(Option::is_some) => return Err(OpenError::Draining),
            opened = self.shared.quic.open_bi() => {
                opened.map_err(|error| FlowError::Connection(self.shared.closed(&error)))?
            }
        };
        self.shared.on_request();
        let (guard, open) = OpenGuard::new(&self.shared);
        self.widen(open);
        let stream = VarInt::from(send.id()).into_inner();
        let mut send = SendHalf::new(send, Arc::clone(&self.shared), Arc::clone(&guard));
        let recv = RecvHalf::new(recv, Arc::clone(&self.shared), guard);
        send.frame(head.encode_h3()).await.map_err(open_error)?;
        Ok((stream, send, recv))
    }

    /// Extended CONNECT may be used only after the server said so (RFC 9220 §3).
    pub(crate) async fn extended_connect(&self) -> Result<(), OpenError> {
        let mut settings = self.shared.settings.subscribe();
        let settings = tokio::select! {
            settings = settings.wait_for(Option::is_some) => settings.ok().and_then(|settings| *settings),
            error = self.shared.quic.closed() => return Err(FlowError::Connection(self.shared.closed(&error)).into()),
        };
        match settings {
            Some(settings) if settings.enable_connect_protocol => Ok(()),
            Some(_) | None => Err(OpenError::Unsupported("extended connect")),
        }
    }

    /// Keeps the connection window above what all open flows together may hold.
    fn widen(&self, open: usize) {
        let open = u32::try_from(open).unwrap_or(u32::MAX).min(limits::STREAMS_MAX);
        let open = open.next_power_of_two().min(limits::STREAMS_MAX);
        if self.windows.fetch_max(open, Ordering::Relaxed) < open {
            let (each, growth) = (limits::AGENT_STREAM_WINDOW, limits::AGENT_WINDOW_GROWTH);
            self.shared.quic.set_receive_window(endpoint::window(open, each, growth));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.close(hitotsu_proto::error::Code::H3_NO_ERROR, "");
    }
}
