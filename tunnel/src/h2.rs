//! HTTP/2 over TLS, with `h2`: for networks without UDP, and for clients that speak nothing newer.

pub(crate) mod client;
pub(crate) mod half;
pub(crate) mod server;

use std::sync::Arc;

use h2::Reason;

use crate::fault::{Closed, FlowError, ResetReason};
use crate::link::{self, Link};

/// What an error on one stream means.
fn flow_error(error: &h2::Error, link: &Arc<Link>) -> FlowError {
    match error.reason() {
        Some(code) if error.is_reset() => FlowError::Reset(reason(code)),
        Some(_) | None => FlowError::Connection(link.closed_now().unwrap_or_else(|| closed(error))),
    }
}

/// What an error of the whole connection means.
fn closed(error: &h2::Error) -> Closed {
    if let Some(error) = error.get_io() {
        return link::closed(error);
    }
    match error.reason() {
        Some(Reason::NO_ERROR) => Closed::Peer,
        Some(code) if error.is_remote() => {
            Closed::PeerError { code: u32::from(code).into(), reason: code.description().to_owned() }
        }
        Some(_) | None => Closed::PeerMisbehaved(error.to_string()),
    }
}

/// The code for a reason.
fn code(reason: ResetReason) -> Reason {
    match reason {
        ResetReason::Connect => Reason::CONNECT_ERROR,
        ResetReason::Cancelled => Reason::CANCEL,
        ResetReason::Rejected => Reason::REFUSED_STREAM,
        ResetReason::Message | ResetReason::Datagram => Reason::PROTOCOL_ERROR,
        ResetReason::ExcessiveLoad => Reason::ENHANCE_YOUR_CALM,
        ResetReason::Internal => Reason::INTERNAL_ERROR,
        ResetReason::NoError => Reason::NO_ERROR,
        ResetReason::Other(code) => Reason::from(u32::try_from(code).unwrap_or(u32::MAX)),
    }
}

/// The reason for a code.
fn reason(code: Reason) -> ResetReason {
    match code {
        Reason::CONNECT_ERROR => ResetReason::Connect,
        Reason::CANCEL => ResetReason::Cancelled,
        Reason::REFUSED_STREAM => ResetReason::Rejected,
        Reason::PROTOCOL_ERROR => ResetReason::Message,
        Reason::ENHANCE_YOUR_CALM => ResetReason::ExcessiveLoad,
        Reason::INTERNAL_ERROR => ResetReason::Internal,
        Reason::NO_ERROR => ResetReason::NoError,
        code => ResetReason::Other(u32::from(code).into()),
    }
}
