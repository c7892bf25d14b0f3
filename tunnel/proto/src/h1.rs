//! HTTP/1.1 heads (RFC 9112): the last-resort transport and the agent's own HTTP proxy.

use bytes::BufMut;

use crate::error::Error;
use crate::head::{RequestHead, ResponseHead};

/// How long a body is (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    Empty,
    /// So many octets.
    Length(u64),
    /// In chunks.
    Chunked,
    /// Until the connection closes; responses only.
    UntilClose,
    /// The octets of a tunnel, both ways, until it ends.
    Tunnel,
}

/// A request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it asks for. An upgrade is [`Extended`](crate::head::RequestForm::Extended); a target in absolute form gives
    /// scheme and authority, another has the scheme `https` of the tunnel.
    pub head: RequestHead,
    /// How its body is delimited.
    pub body: Body,
    /// Whether the connection may carry another request afterwards.
    pub keep_alive: bool,
    /// Octets of the head in the input; what follows them is body.
    pub bytes: usize,
}

/// A response's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// What it says. 101 to an upgrade is given as 200, as the same answer on HTTP/3 would be.
    pub head: ResponseHead,
    /// How its body is delimited.
    pub body: Body,
    /// Whether the connection may carry another request afterwards.
    pub keep_alive: bool,
    /// Octets of the head in the input; what follows them is body.
    pub bytes: usize,
}

/// Reads a request head from the front of `input`; `None` when it is not all there.
///
/// # Errors
/// [`Error::Message`] for whatever makes it malformed, [`Error::HeadOverLimit`] when it is too large; answer with
/// [`Error::status`] and close.
pub fn read_request(input: &[u8]) -> Result<Option<Request>, Error> {
    let _ = input;
    Err(Error::Message("not there yet"))
}

/// Reads the head of the response to `request` from the front of `input`; `None` when it is not all there.
///
/// # Errors
/// [`Error::Message`] for whatever makes it malformed, [`Error::HeadOverLimit`] when it is too large.
pub fn read_response(input: &[u8], request: &RequestHead) -> Result<Option<Response>, Error> {
    let _ = (input, request);
    Err(Error::Message("not there yet"))
}

/// Writes a request's head: CONNECT in authority form, an extended CONNECT as an upgrade, others in origin form.
pub fn write_request(head: &RequestHead, out: &mut impl BufMut) {
    let _ = (head, out);
}

/// Writes the head of the response to `request`; 200 to an upgrade is written as 101.
pub fn write_response(head: &ResponseHead, request: &RequestHead, out: &mut impl BufMut) {
    let _ = (head, request, out);
}
