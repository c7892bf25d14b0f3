//! The gateway's side of an HTTP/3 connection: request streams become exchanges.

use std::sync::Arc;

use futures_util::FutureExt;
use hitotsu_proto::error::{Code, Error, Scope};
use hitotsu_quic::VarInt;
use http::StatusCode;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::recv::RecvHalf;
use super::send::SendHalf;
use super::{OpenGuard, Shared, var_int};
use crate::datagram::DatagramPath;
use crate::endpoint;
use crate::fault::{FlowError, ResetReason};
use crate::flow::FlowRecv;
use crate::limits;
use crate::message::{self, Ask};
use crate::server::{Exchange, Responder, Standing, assemble};

/// Serves until the connection is over. Dropping it stops everything but the flows that were handed out.
pub(crate) async fn drive(shared: Arc<Shared>, exchanges: mpsc::Sender<Box<Exchange>>, standing: Standing) {
    let credit = match standing {
        Standing::Trusted => Credit::grant(&shared, limits::STREAMS_AT_FIRST),
        Standing::Refused => Credit::Fixed,
    };
    let requests = Box::pin(accept(Arc::clone(&shared), exchanges, credit));
    super::drive(shared, Some(requests)).await;
}

/// What the peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credit {
    /// As the handshake said.
    Fixed,
    /// So many streams, and more when it uses them.
    Growing(u32),
}

async fn accept(shared: Arc<Shared>, exchanges: mpsc::Sender<Box<Exchange>>, mut credit: Credit) -> Result<(), Error> {
    let mut exchanges = Some(exchanges);
    let mut heads = JoinSet::new();
    let mut next_id = 0;
    let mut draining = false;
    loop {
        while heads.try_join_next().is_some() {}
        let (send, recv) = tokio::select! {
            accepted = shared.quic.accept_bi() => match accepted {
                Ok(streams) => streams,
                Err(_) => return Ok(()),
            },
            () = shared.drain_wanted.notified(), if !draining => {
                draining = true;
                shared.drain.send_replace(Some(next_id));
                continue;
            }
            () = shared.settled(), if draining && exchanges.is_some() => {
                exchanges = None;
                continue;
            }
        };
        shared.on_request();
        match &exchanges {
            Some(exchanges) if !draining => {
                next_id = VarInt::from(send.id()).into_inner() + 4;
                let (guard, open) = OpenGuard::new(&shared);
                credit.widen(&shared, open);
                let mut head = Box::pin(head(Arc::clone(&shared), guard, (send, recv), exchanges.clone(), credit));
                // Mostly the head has come with the stream.
                if head.as_mut().now_or_never().is_none() {
                    heads.spawn(head);
                }
            }
            Some(_) | None => reject(send, recv),
        }
    }
}

impl Credit {
    /// Permits so many streams, and before them the connection window for all of them.
    fn grant(shared: &Shared, streams: u32) -> Self {
        let (each, growth) = (limits::GATEWAY_STREAM_WINDOW, limits::GATEWAY_WINDOW_GROWTH);
        shared.quic.set_receive_window(endpoint::window(streams, each, growth));
        shared.quic.set_max_concurrent_bi_streams(VarInt::from_u32(streams));
        Self::Growing(streams)
    }

    /// Permits more when half of the streams are in use.
    fn widen(&mut self, shared: &Shared, open: usize) {
        if let Self::Growing(permitted) = *self
            && permitted < limits::STREAMS_MAX
            && open * 2 >= permitted as usize
        {
            *self = Self::grant(shared, (permitted * limits::STREAMS_GROWTH).min(limits::STREAMS_MAX));
        }
    }
}

/// Unprocessed, so the client may ask again elsewhere (RFC 9114 §5.2).
fn reject(mut send: hitotsu_quic::SendStream, mut recv: hitotsu_quic::RecvStream) {
    let _ = recv.stop(var_int(Code::H3_REQUEST_REJECTED));
    let _ = send.reset(var_int(Code::H3_REQUEST_REJECTED));
}

async fn head(
    shared: Arc<Shared>,
    guard: Arc<OpenGuard>,
    (send, recv): (hitotsu_quic::SendStream, hitotsu_quic::RecvStream),
    exchanges: mpsc::Sender<Box<Exchange>>,
    credit: Credit,
) {
    let stream = VarInt::from(send.id()).into_inner();
    let mut send = SendHalf::new(send, Arc::clone(&shared), Arc::clone(&guard));
    let mut recv = RecvHalf::new(recv, Arc::clone(&shared), guard);
    let asked = match tokio::time::timeout(limits::HEAD_PATIENCE, recv.request()).await {
        Ok(Ok(Ok(head))) => Ask::of(head),
        Ok(Ok(Err(error))) => Err(error),
        // The peer gave up, or the connection is gone.
        Ok(Err(_)) => return,
        Err(_) => Err(Error::RequestIncomplete),
    };
    match asked {
        Ok(asked) => {
            let path = match &asked {
                // A refused peer gets no flow, so its datagrams wait for nothing.
                Ask::Udp { .. } if credit != Credit::Fixed => Some(DatagramPath::new(Arc::clone(&shared), stream)),
                Ask::Udp { .. } | Ask::Tcp { .. } | Ask::Http { .. } | Ask::Unknown(_) => None,
            };
            if let Some(request) = assemble(asked, Responder::H3(send), FlowRecv::h3(recv), path) {
                let _ = exchanges.send(Box::new(Exchange { stream, request })).await;
            }
        }
        Err(error) => fault(&shared, error, &mut send, recv).await,
    }
}

/// Answers a bad request: with 431 where the head is too large, else with a reset, or the end of the connection.
async fn fault(shared: &Shared, error: Error, send: &mut SendHalf, mut recv: RecvHalf) {
    match error.scope() {
        Scope::Connection => drop(shared.fail(error)),
        Scope::Stream => {
            tracing::debug!(%error, "a malformed request");
            if let Error::HeadOverLimit(_) = error {
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                recv.stop(ResetReason::NoError);
                let _: Result<(), FlowError> = async {
                    send.frame(message::response_head(status, &http::HeaderMap::new()).encode_h3()).await?;
                    send.finish().await
                }
                .await;
            } else {
                recv.stop_with(error.code());
                send.reset_with(error.code());
            }
        }
    }
}
