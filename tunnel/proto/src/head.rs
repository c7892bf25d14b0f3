//! Request and response heads: what the fields of a message mean once they hold the rules of RFC 9114 §4.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::error::Error;
use crate::fields::{Ascii, Fields, RawField, is_token};
use crate::frame;
use crate::limits::{AUTHORITY_BYTES_MAX, PATH_BYTES_MAX};
use crate::qpack;

/// A request, checked, of whatever HTTP version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// What it asks for.
    pub form: RequestForm,
    /// The fields beside it; never `host`, pseudo-headers or connection-specific ones.
    pub fields: Fields,
    /// Octets of the body if it said so; for HTTP/3 to be given to
    /// [`FrameReader::expect_body`](crate::frame::FrameReader::expect_body).
    pub content_length: Option<u64>,
}

/// The three kinds of request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestForm {
    /// CONNECT to a TCP target (RFC 9114 §4.4).
    Connect {
        /// Where to.
        authority: Authority,
    },
    /// Extended CONNECT (RFC 9220), or its HTTP/1.1 form, an upgrade (RFC 9298 §3.2).
    Extended {
        /// `:protocol`, for instance `connect-udp`.
        protocol: Ascii,
        /// `:scheme`.
        scheme: Ascii,
        /// `:authority`, the proxy's own.
        authority: Ascii,
        /// `:path`, which names the target.
        path: Ascii,
    },
    /// Any other.
    Ordinary {
        /// `:method`, case-sensitive.
        method: Ascii,
        /// `:scheme`.
        scheme: Ascii,
        /// `:authority` or `host`.
        authority: Ascii,
        /// `:path` with its query; begins with `/`, or is `*`.
        path: Ascii,
    },
}

/// The target of a CONNECT: host and port, both required (RFC 9110 §9.3.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// A name, an IPv4 address or an IPv6 address without brackets.
    pub host: Ascii,
    /// 1 to 65535.
    pub port: u16,
}

/// A response, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// 100 to 599; below 200 it is interim.
    pub status: u16,
    /// The fields beside it.
    pub fields: Fields,
}

impl RequestHead {
    /// A CONNECT without further fields.
    #[must_use]
    pub const fn connect(authority: Authority) -> Self {
        Self { form: RequestForm::Connect { authority }, fields: Fields::new(), content_length: None }
    }

    /// An extended CONNECT without further fields, over `https`.
    ///
    /// # Errors
    /// [`Error::Message`] when a part breaks the rules that a received one has to hold.
    pub fn extended(protocol: &str, authority: &str, path: &str) -> Result<Self, Error> {
        Self::from_h3(raw([
            (":method", "CONNECT"),
            (":protocol", protocol),
            (":scheme", "https"),
            (":authority", authority),
            (":path", path),
        ]))
    }

    /// Any other request without further fields, over `https`.
    ///
    /// # Errors
    /// [`Error::Message`] when a part breaks the rules that a received one has to hold.
    pub fn ordinary(method: &str, authority: &str, path: &str) -> Result<Self, Error> {
        Self::from_h3(raw([(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)]))
    }

    /// Checks a decompressed request (RFC 9114 §4.2, §4.3.1, §4.4; RFC 9220).
    ///
    /// # Errors
    /// [`Error::Message`] for whatever makes it malformed.
    pub fn from_h3(section: Vec<RawField>) -> Result<Self, Error> {
        let mut pseudo = RequestPseudo::default();
        let mut fields = split(section, |name, value| pseudo.set(name, value))?;
        let content_length = fields.content_length()?;
        let hosts = fields.all("host").count();
        if hosts > 1 {
            return Err(Error::Message("host occurs more than once"));
        }
        let host = fields.get("host").cloned();
        fields.remove("host");
        let form = pseudo.form(host, &fields)?;
        Ok(Self { form, fields, content_length })
    }

    /// The HEADERS frame of this request.
    #[must_use]
    pub fn encode_h3(&self) -> Bytes {
        let port;
        let mut lines: Vec<(&[u8], &[u8])> = Vec::with_capacity(5 + self.fields.len());
        match &self.form {
            RequestForm::Connect { authority } => {
                port = authority.to_string();
                lines.push((b":method", b"CONNECT"));
                lines.push((b":authority", port.as_bytes()));
            }
            RequestForm::Extended { protocol, scheme, authority, path } => {
                lines.push((b":method", b"CONNECT"));
                lines.push((b":protocol", protocol.as_bytes()));
                lines.push((b":scheme", scheme.as_bytes()));
                lines.push((b":authority", authority.as_bytes()));
                lines.push((b":path", path.as_bytes()));
            }
            RequestForm::Ordinary { method, scheme, authority, path } => {
                lines.push((b":method", method.as_bytes()));
                lines.push((b":scheme", scheme.as_bytes()));
                lines.push((b":authority", authority.as_bytes()));
                lines.push((b":path", path.as_bytes()));
            }
        }
        headers_frame(lines, &self.fields)
    }
}

impl ResponseHead {
    /// A response without fields.
    ///
    /// # Errors
    /// [`Error::Message`] when the status is not 100 to 599, or 101.
    pub fn new(status: u16) -> Result<Self, Error> {
        match status {
            101 => Err(Error::Message("the status 101 does not exist here")),
            100..=599 => Ok(Self { status, fields: Fields::new() }),
            _ => Err(Error::Message("the status is out of range")),
        }
    }

    /// Whether another head follows (1xx).
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// Whether a CONNECT was accepted (2xx).
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// Checks a decompressed response (RFC 9114 §4.3.2).
    ///
    /// # Errors
    /// [`Error::Message`] for whatever makes it malformed.
    pub fn from_h3(section: Vec<RawField>) -> Result<Self, Error> {
        let mut status = None;
        let fields = split(section, |name, value| {
            if name != b":status" {
                return Err(Error::Message("a pseudo-header that responses do not have"));
            }
            if status.is_some() {
                return Err(Error::Message("a pseudo-header occurs twice"));
            }
            let [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] = *value.as_ref() else {
                return Err(Error::Message("the status is out of range"));
            };
            let digit = |octet: u8| u16::from(octet - b'0');
            status = Some(digit(a) * 100 + digit(b) * 10 + digit(c));
            Ok(())
        })?;
        fields.content_length()?;
        let head = Self::new(status.ok_or(Error::Message("a response without a status"))?)?;
        Ok(Self { fields, ..head })
    }

    /// The HEADERS frame of this response.
    #[must_use]
    pub fn encode_h3(&self) -> Bytes {
        let status = self.status.to_string();
        headers_frame(vec![(b":status", status.as_bytes())], &self.fields)
    }
}

/// Checks decompressed trailers: fields only (RFC 9114 §4.3).
///
/// # Errors
/// [`Error::Message`] for a pseudo-header or a malformed field.
pub fn trailers_from_h3(section: Vec<RawField>) -> Result<Fields, Error> {
    split(section, |_, _| Err(Error::Message("a pseudo-header in trailers")))
}

/// Tells pseudo-headers from fields, in this order only, and refuses fields that HTTP/3 does not have.
fn split(section: Vec<RawField>, mut pseudo: impl FnMut(&[u8], Bytes) -> Result<(), Error>) -> Result<Fields, Error> {
    let mut fields = Fields::new();
    for field in section {
        if field.name.first() == Some(&b':') {
            if !fields.is_empty() {
                return Err(Error::Message("a pseudo-header after a field"));
            }
            pseudo(&field.name, field.value)?;
            continue;
        }
        match field.name.as_ref() {
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
                return Err(Error::Message("a connection-specific field"));
            }
            b"te" if !field.value.eq_ignore_ascii_case(b"trailers") => {
                return Err(Error::Message("te is not `trailers`"));
            }
            _ => fields.push_checked(field)?,
        }
    }
    Ok(fields)
}

/// The pseudo-headers of a request, or what stands for them in HTTP/1.1.
#[derive(Default)]
pub(crate) struct RequestPseudo {
    pub(crate) method: Option<Ascii>,
    pub(crate) protocol: Option<Ascii>,
    pub(crate) scheme: Option<Ascii>,
    pub(crate) authority: Option<Ascii>,
    pub(crate) path: Option<Ascii>,
}

impl RequestPseudo {
    fn set(&mut self, name: &[u8], value: Bytes) -> Result<(), Error> {
        let slot = match name {
            b":method" => &mut self.method,
            b":protocol" => &mut self.protocol,
            b":scheme" => &mut self.scheme,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            _ => return Err(Error::Message("a pseudo-header that requests do not have")),
        };
        if slot.is_some() {
            return Err(Error::Message("a pseudo-header occurs twice"));
        }
        *slot = Some(Ascii::new(value).ok_or(Error::Message("a pseudo-header holds a forbidden character"))?);
        Ok(())
    }

    /// What the request asks for.
    pub(crate) fn form(self, host: Option<Bytes>, fields: &Fields) -> Result<RequestForm, Error> {
        let method = self.method.ok_or(Error::Message("a request without a method"))?;
        if method.is_empty() || !method.bytes().all(is_token) {
            return Err(Error::Message("the method is no token"));
        }
        if method == "CONNECT" {
            if fields.get("content-length").is_some() {
                return Err(Error::Message("a CONNECT with content-length"));
            }
            return match self.protocol {
                None => connect_form(self.scheme, self.authority, self.path, host),
                Some(protocol) => {
                    if protocol.is_empty() || !protocol.bytes().all(is_token) {
                        return Err(Error::Message("the protocol is no token"));
                    }
                    let (scheme, authority, path) = located(self.scheme, self.authority, self.path, host)?;
                    if path == "*" {
                        return Err(Error::Message("the path is no absolute path"));
                    }
                    Ok(RequestForm::Extended { protocol, scheme, authority, path })
                }
            };
        }
        if self.protocol.is_some() {
            return Err(Error::Message("a protocol without CONNECT"));
        }
        let (scheme, authority, path) = located(self.scheme, self.authority, self.path, host)?;
        if path == "*" && method != "OPTIONS" {
            return Err(Error::Message("the path is no absolute path"));
        }
        Ok(RequestForm::Ordinary { method, scheme, authority, path })
    }
}

fn connect_form(
    scheme: Option<Ascii>,
    authority: Option<Ascii>,
    path: Option<Ascii>,
    host: Option<Bytes>,
) -> Result<RequestForm, Error> {
    if scheme.is_some() || path.is_some() {
        return Err(Error::Message("a CONNECT with a scheme or a path"));
    }
    let text = authority.ok_or(Error::Message("a CONNECT without an authority"))?;
    if host.is_some_and(|host| !host.eq_ignore_ascii_case(text.as_bytes())) {
        return Err(Error::Message("host differs from the authority"));
    }
    let authority = Authority::parse(&text)?;
    Ok(RequestForm::Connect { authority })
}

/// What every request but a classic CONNECT has.
fn located(
    scheme: Option<Ascii>,
    authority: Option<Ascii>,
    path: Option<Ascii>,
    host: Option<Bytes>,
) -> Result<(Ascii, Ascii, Ascii), Error> {
    let scheme = scheme.ok_or(Error::Message("a request without a scheme"))?;
    let is_scheme = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.');
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) || !scheme.bytes().all(is_scheme) {
        return Err(Error::Message("the scheme is malformed"));
    }
    let authority = match (authority, host) {
        (Some(authority), Some(host)) if !host.eq_ignore_ascii_case(authority.as_bytes()) => {
            return Err(Error::Message("host differs from the authority"));
        }
        (Some(authority), _) => authority,
        (None, Some(host)) => Ascii::new(host).ok_or(Error::Message("host is malformed"))?,
        (None, None) => return Err(Error::Message("a request without an authority")),
    };
    if !is_authority(&authority) {
        return Err(Error::Message("the authority is malformed"));
    }
    let path = path.ok_or(Error::Message("a request without a path"))?;
    if path.len() > PATH_BYTES_MAX {
        return Err(Error::HeadOverLimit("octets of the path"));
    }
    if path != "*" && !path.starts_with('/') || path.contains('#') {
        return Err(Error::Message("the path is no absolute path"));
    }
    Ok((scheme, authority, path))
}

/// Host and optional port without user information (RFC 9114 §4.3.1).
fn is_authority(text: &str) -> bool {
    let (host, port) = split_port(text);
    text.len() <= AUTHORITY_BYTES_MAX && is_host(host) && port.is_none_or(|port| parse_port(port).is_some())
}

impl Authority {
    /// Reads `host:port`, with IPv6 addresses in brackets.
    ///
    /// # Errors
    /// [`Error::Message`] when the port is missing, zero or too large, or the host is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        const MALFORMED: Error = Error::Message("the authority is no host and port");
        let (host, port) = split_port(text);
        let port = port.and_then(parse_port).ok_or(MALFORMED)?;
        if !is_host(host) {
            return Err(MALFORMED);
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Self::new(bare, port)
    }

    /// From parts; an IPv6 address without brackets.
    ///
    /// # Errors
    /// [`Error::Message`] when the port is zero or the host is none.
    pub fn new(host: &str, port: u16) -> Result<Self, Error> {
        const MALFORMED: Error = Error::Message("the authority is no host and port");
        let good = if host.contains(':') { is_ipv6(host) } else { is_host(host) };
        if !good || host.starts_with('[') || port == 0 {
            return Err(MALFORMED);
        }
        let host = Ascii::new(Bytes::copy_from_slice(host.as_bytes())).ok_or(MALFORMED)?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (text, None),
    }
}

/// Decimal digits without sign or leading zero, 1 to 65535.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    let plain = !text.starts_with('0') && text.len() <= 5 && text.bytes().all(|octet| octet.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A registered name of letters, digits, dots, hyphens and underscores (253 octets and a final dot at most, as DNS has
/// it), an IPv4 address, or an IPv6 address in brackets without a zone.
fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(is_ipv6);
    }
    let bare = host.strip_suffix('.').unwrap_or(host);
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_name);
    if bare.len() > 253 || !bare.split('.').all(is_label) {
        return false;
    }
    // Resolvers take `127.1`, `0x7f000001` and `2130706433` for addresses; a name-based rule would not.
    let last = bare.rsplit('.').next().unwrap_or_default();
    let is_number = |label: &str| {
        label.bytes().all(|octet| octet.is_ascii_digit()) || label.starts_with("0x") || label.starts_with("0X")
    };
    !is_number(last) || host.parse::<std::net::Ipv4Addr>().is_ok()
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<std::net::Ipv6Addr>().is_ok()
}

fn raw<const N: usize>(lines: [(&'static str, &str); N]) -> Vec<RawField> {
    let field = |(name, value): (&'static str, &str)| RawField {
        name: Bytes::from_static(name.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
    };
    lines.into_iter().map(field).collect()
}

fn headers_frame<'a>(pseudo: Vec<(&'a [u8], &'a [u8])>, fields: &'a Fields) -> Bytes {
    let lines = pseudo.into_iter().chain(fields.iter().map(|field| (field.name.as_bytes(), field.value.as_ref())));
    let mut section = Vec::with_capacity(128);
    qpack::encode(lines, &mut section);
    let mut out = BytesMut::with_capacity(section.len() + 9);
    frame::write_headers(&section, &mut out);
    out.freeze()
}

#[cfg(test)]
mod tests;
