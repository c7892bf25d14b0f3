//! HTTP/1.1 heads (RFC 9112): the last-resort transport and the agent's own HTTP proxy.
//!
//! Refused are all forms that two readers may understand differently (request smuggling): bare line feeds, folded lines,
//! white space before a colon, `transfer-encoding` beside `content-length`, repeated or fancy lengths, empty lines before
//! the head.

mod chunked;
mod write;

use bytes::Bytes;

use crate::error::Error;
use crate::fields::{Ascii, Fields, RawField};
use crate::head::{RequestForm, RequestHead, RequestPseudo, ResponseHead};
use crate::limits::{H1_FIELDS_MAX, H1_HEAD_BYTES_MAX};

pub use chunked::ChunkedReader;
pub use write::{write_request, write_response};

/// How long a body is (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    Empty,
    /// So many octets.
    Length(u64),
    /// In chunks, for [`ChunkedReader`].
    Chunked,
    /// Until the connection closes; responses only.
    UntilClose,
    /// The octets of a tunnel, both ways, until it ends.
    Tunnel,
}

/// A request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it asks for. An upgrade to a `connect-` protocol is [`RequestForm::Extended`]; a target in absolute form gives
    /// scheme and authority, another has the scheme `https` of the tunnel and the authority of `host`.
    pub head: RequestHead,
    /// Whether the target came in absolute form, as a request to an HTTP proxy does.
    pub absolute: bool,
    /// Another protocol that it offers to upgrade to (`websocket`, `h2c`); may be ignored (RFC 9110 §7.8).
    pub upgrade: Option<Ascii>,
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
    let Some(head) = whole_head(input)? else { return Ok(None) };
    let mut storage = [httparse::EMPTY_HEADER; H1_FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut storage);
    complete(parsed.parse(head), head.len())?;
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Error::Message("the request line is incomplete"));
    };
    let mut lines = Lines::read(parsed.headers);
    let host = lines.take_host(version)?;
    let body = lines.body(version)?.unwrap_or(Body::Empty);
    let upgrade = lines.upgrade();
    let target = Target::read(method, target)?;
    let absolute = matches!(target, Target::Absolute { .. });
    let tunnel = upgrade.as_ref().filter(|protocol| protocol.starts_with("connect-")).cloned();
    let (pseudo, upgrade) = match (tunnel, method) {
        (Some(protocol), "GET") => (target.upgrade(protocol, host)?, None),
        (Some(_), _) => return Err(Error::Message("an upgrade to a tunnel that is no GET")),
        (None, _) => (target.pseudo(method, host)?, upgrade),
    };
    let fields = lines.end_to_end()?;
    let form = pseudo.form(None, &fields)?;
    let body = match (&form, body) {
        (RequestForm::Connect { .. } | RequestForm::Extended { .. }, Body::Empty) => Body::Tunnel,
        (RequestForm::Connect { .. } | RequestForm::Extended { .. }, _) => {
            return Err(Error::Message("a tunnel with a body"));
        }
        (RequestForm::Ordinary { .. }, body) => body,
    };
    let content_length = fields.content_length()?;
    let head_bytes = head.len();
    let keep_alive = version == 1 && !lines.connection_has("close");
    let head = RequestHead { form, fields, content_length };
    Ok(Some(Request { head, absolute, upgrade, body, keep_alive, bytes: head_bytes }))
}

/// Reads the head of the response to `request` from the front of `input`; `None` when it is not all there.
///
/// # Errors
/// [`Error::Message`] for whatever makes it malformed or answers what was not asked, [`Error::HeadOverLimit`] when it is
/// too large.
pub fn read_response(input: &[u8], request: &RequestHead) -> Result<Option<Response>, Error> {
    let Some(head) = whole_head(input)? else { return Ok(None) };
    let mut storage = [httparse::EMPTY_HEADER; H1_FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut storage);
    complete(parsed.parse(head), head.len())?;
    let (Some(status), Some(version)) = (parsed.code, parsed.version) else {
        return Err(Error::Message("the status line is incomplete"));
    };
    let mut lines = Lines::read(parsed.headers);
    let upgrade = lines.upgrade();
    let tunnel = match (&request.form, status) {
        (RequestForm::Connect { .. }, 200..=299) => true,
        (RequestForm::Extended { protocol, .. }, 101) => {
            if !upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(protocol)) {
                return Err(Error::Message("an upgrade to another protocol"));
            }
            true
        }
        (RequestForm::Extended { .. }, 200..=299) => return Err(Error::Message("the upgrade was ignored")),
        (RequestForm::Connect { .. } | RequestForm::Extended { .. } | RequestForm::Ordinary { .. }, _) => false,
    };
    let body = if tunnel {
        // RFC 9110 §9.3.6: lengths in the 2xx answer to a CONNECT are ignored.
        lines.drop_lengths();
        Body::Tunnel
    } else {
        let announced = lines.body(version)?;
        let head_only = matches!(&request.form, RequestForm::Ordinary { method, .. } if method == "HEAD");
        if head_only || matches!(status, 100..=199 | 204 | 304) {
            Body::Empty
        } else {
            announced.unwrap_or(Body::UntilClose)
        }
    };
    let status = if tunnel { status.max(200) } else { status };
    let keep_alive = version == 1 && body != Body::UntilClose && !lines.connection_has("close");
    let fields = lines.end_to_end()?;
    let response = ResponseHead { fields, ..ResponseHead::new(status)? };
    Ok(Some(Response { head: response, body, keep_alive, bytes: head.len() }))
}

/// The head with its empty line; `None` when that is not there yet. Every line has to end with CR LF, and neither may
/// occur otherwise (RFC 9112 §2.2 lets us refuse bare ones).
fn whole_head(input: &[u8]) -> Result<Option<&[u8]>, Error> {
    let window = input.get(..H1_HEAD_BYTES_MAX).unwrap_or(input);
    let mut line_start = 0usize;
    let mut octets = window.iter().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'\n' => return Err(Error::Message("a line feed without a carriage return")),
            0 => return Err(Error::Message("a NUL")),
            b'\r' => match octets.next() {
                Some((_, b'\n')) if at == 0 => return Err(Error::Message("an empty line before the head")),
                Some((_, b'\n')) if at == line_start => return Ok(window.get(..at + 2)),
                Some((end, b'\n')) => line_start = end + 1,
                Some(_) => return Err(Error::Message("a carriage return without a line feed")),
                None => break,
            },
            _ => {}
        }
    }
    if input.len() >= H1_HEAD_BYTES_MAX {
        return Err(Error::HeadOverLimit("octets of the head"));
    }
    Ok(None)
}

/// The parser has to take exactly the head that was cut out for it.
fn complete(parsed: httparse::Result<usize>, length: usize) -> Result<(), Error> {
    match parsed {
        Ok(httparse::Status::Complete(used)) if used == length => Ok(()),
        Ok(_) => Err(Error::Message("the head ends too early")),
        Err(httparse::Error::TooManyHeaders) => Err(Error::HeadOverLimit("number of fields")),
        Err(_) => Err(Error::Message("the head is malformed")),
    }
}

/// Where a request goes, by the four forms of RFC 9112 §3.2.
enum Target {
    /// `host:port`, of CONNECT only.
    Authority(Ascii),
    /// `scheme://authority/path`.
    Absolute { scheme: Ascii, authority: Ascii, path: Ascii },
    /// `/path`, or `*` of OPTIONS.
    Origin(Ascii),
}

impl Target {
    fn read(method: &str, target: &str) -> Result<Self, Error> {
        let text = |text: &str| {
            let owned = Bytes::copy_from_slice(text.as_bytes());
            Ascii::new(owned).ok_or(Error::Message("the target holds a forbidden character"))
        };
        if method == "CONNECT" {
            return Ok(Self::Authority(text(target)?));
        }
        if target.starts_with('/') || target == "*" {
            return Ok(Self::Origin(text(target)?));
        }
        let (scheme, rest) = target.split_once("://").ok_or(Error::Message("the target is malformed"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let path = match path {
            "" if method == "OPTIONS" => "*".to_owned(),
            _ if path.starts_with('/') => path.to_owned(),
            _ => format!("/{path}"),
        };
        Ok(Self::Absolute {
            scheme: text(&scheme.to_ascii_lowercase())?,
            authority: text(authority)?,
            path: text(&path)?,
        })
    }

    /// The target governs; `host` counts only where the target has no authority (RFC 9112 §3.2.2).
    fn pseudo(self, method: &str, host: Option<Ascii>) -> Result<RequestPseudo, Error> {
        let method = Ascii::new(Bytes::copy_from_slice(method.as_bytes()));
        let empty = RequestPseudo { method, ..RequestPseudo::default() };
        Ok(match self {
            Self::Authority(authority) => RequestPseudo { authority: Some(authority), ..empty },
            Self::Absolute { scheme, authority, path } => {
                RequestPseudo { scheme: Some(scheme), authority: Some(authority), path: Some(path), ..empty }
            }
            Self::Origin(path) => {
                RequestPseudo { scheme: Some(Ascii::fixed("https")), authority: host, path: Some(path), ..empty }
            }
        })
    }

    /// An upgrade is the extended CONNECT of HTTP/1.1 (RFC 9298 §3.2).
    fn upgrade(self, protocol: Ascii, host: Option<Ascii>) -> Result<RequestPseudo, Error> {
        let method = Some(Ascii::fixed("CONNECT"));
        Ok(RequestPseudo { method, protocol: Some(protocol), ..self.pseudo("GET", host)? })
    }
}

/// The field lines of a head, with lower-case names, before what concerns the connection only is taken out.
struct Lines(Vec<RawField>);

impl Lines {
    fn read(headers: &[httparse::Header<'_>]) -> Self {
        let line = |header: &httparse::Header<'_>| RawField {
            name: Bytes::from(header.name.to_ascii_lowercase()),
            value: Bytes::copy_from_slice(header.value),
        };
        Self(headers.iter().map(line).collect())
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &Bytes> {
        self.0.iter().filter(move |line| line.name == name).map(|line| &line.value)
    }

    /// RFC 9112 §3.2: exactly one `host` in HTTP/1.1, at most one before.
    fn take_host(&mut self, version: u8) -> Result<Option<Ascii>, Error> {
        let mut hosts = self.all("host");
        let host = hosts.next().cloned();
        if hosts.next().is_some() {
            return Err(Error::Message("host occurs more than once"));
        }
        drop(hosts);
        if host.is_none() && version == 1 {
            return Err(Error::Message("a request without host"));
        }
        self.0.retain(|line| line.name != "host");
        host.map(|host| Ascii::new(host).ok_or(Error::Message("host is malformed"))).transpose()
    }

    /// What the fields say of the body; `None` when nothing (RFC 9112 §6.3).
    fn body(&self, version: u8) -> Result<Option<Body>, Error> {
        let mut encodings = self.all("transfer-encoding");
        let encoding = encodings.next();
        let mut lengths = Fields::new();
        for line in self.0.iter().filter(|line| line.name == "content-length") {
            lengths.push_checked(line.clone())?;
        }
        let Some(encoding) = encoding else {
            return Ok(lengths.content_length()?.map(|length| match length {
                0 => Body::Empty,
                1.. => Body::Length(length),
            }));
        };
        if !lengths.is_empty() {
            return Err(Error::Message("transfer-encoding beside content-length"));
        }
        if version == 0 || encodings.next().is_some() || !encoding.eq_ignore_ascii_case(b"chunked") {
            return Err(Error::Message("a transfer-encoding other than `chunked`"));
        }
        Ok(Some(Body::Chunked))
    }

    /// The one protocol that is offered, if `connection` says so.
    fn upgrade(&self) -> Option<Ascii> {
        let mut protocols = self.all("upgrade");
        match (protocols.next(), protocols.next()) {
            (Some(protocol), None) if self.connection_has("upgrade") => Ascii::new(protocol.clone()),
            (Some(_), None | Some(_)) | (None, _) => None,
        }
    }

    fn connection_has(&self, option: &str) -> bool {
        self.connection_options().iter().any(|named| named == option)
    }

    fn connection_options(&self) -> Vec<String> {
        let values = self.all("connection").chain(self.all("proxy-connection"));
        let text = values.map(|value| String::from_utf8_lossy(value).to_ascii_lowercase());
        text.flat_map(|text| text.split(',').map(|option| option.trim().to_owned()).collect::<Vec<_>>()).collect()
    }

    fn drop_lengths(&mut self) {
        self.0.retain(|line| line.name != "content-length" && line.name != "transfer-encoding");
    }

    /// The fields that are not about this connection alone (RFC 9110 §7.6.1).
    fn end_to_end(&self) -> Result<Fields, Error> {
        let named = self.connection_options();
        let mut fields = Fields::new();
        for line in &self.0 {
            let hop_by_hop = matches!(
                line.name.as_ref(),
                b"connection" | b"proxy-connection" | b"keep-alive" | b"te" | b"transfer-encoding" | b"upgrade"
            );
            // A length is never let go: its removal would turn a body into the next request.
            let is_length = line.name == "content-length";
            if hop_by_hop || !is_length && named.iter().any(|option| option.as_bytes() == line.name.as_ref()) {
                continue;
            }
            fields.push_checked(line.clone())?;
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests;
