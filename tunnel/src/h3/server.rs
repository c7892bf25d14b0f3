//! The gateway's side of an HTTP/3 connection: request streams become exchanges.

use std::sync::Arc;

use futures_util::FutureExt;
use hitotsu_proto::error::{Code, Error, Scope};
use http::StatusCode;
use quinn::VarInt;
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
use crate::server::{Exchange, Responder, assemble};

/// Serves until the connection is over. Dropping it stops everything but the flows that were handed out.
pub(crate) async fn drive(shared: Arc<Shared>, exchanges: mpsc::Sender<Box<Exchange>>) {
    let requests = Box::pin(accept(Arc::clone(&shared), exchanges));
    super::drive(shared, Some(requests)).await;
}

async fn accept(shared: Arc<Shared>, exchanges: mpsc::Sender<Box<Exchange>>) -> Result<(), Error> {
    let mut exchanges = Some(exchanges);
    let mut heads = JoinSet::new();
    let mut permitted = limits::STREAMS_AT_FIRST;
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
                permit_more(&shared, open, &mut permitted);
                let mut head = Box::pin(head(Arc::clone(&shared), guard, send, recv, exchanges.clone()));
                // Mostly the head has come with the stream.
                if head.as_mut().now_or_never().is_none() {
                    heads.spawn(head);
                }
            }
            Some(_) | None => reject(send, recv),
        }
    }
}

/// Permits more streams when half of them are in use, and the connection window for them before.
fn permit_more(shared: &Shared, open: usize, permitted: &mut u32) {
    if *permitted < limits::STREAMS_MAX && open * 2 >= *permitted as usize {
        *permitted = (*permitted * limits::STREAMS_GROWTH).min(limits::STREAMS_MAX);
        shared.quic.set_receive_window(endpoint::window(*permitted, limits::GATEWAY_STREAM_WINDOW));
        shared.quic.set_max_concurrent_bi_streams(VarInt::from_u32(*permitted));
    }
}

/// Unprocessed, so the client may ask again elsewhere (RFC 9114 §5.2).
fn reject(mut send: quinn::SendStream, mut recv: quinn::RecvStream) {
    let _ = recv.stop(var_int(Code::H3_REQUEST_REJECTED));
    let _ = send.reset(var_int(Code::H3_REQUEST_REJECTED));
}

async fn head(
    shared: Arc<Shared>,
    guard: Arc<OpenGuard>,
    send: quinn::SendStream,
    recv: quinn::RecvStream,
    exchanges: mpsc::Sender<Box<Exchange>>,
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
                Ask::Udp { .. } => Some(DatagramPath::new(Arc::clone(&shared), stream)),
                Ask::Tcp { .. } | Ask::Http { .. } | Ask::Unknown(_) => None,
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
