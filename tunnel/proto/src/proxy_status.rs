//! `Proxy-Status` (RFC 9209): why the gateway could not or would not reach the target.

use bytes::Bytes;

use crate::fields::Fields;
use crate::limits::{PROXY_STATUS_BYTES_MAX, PROXY_STATUS_ITEMS_MAX, PROXY_STATUS_TEXT_CHARS_MAX};
use crate::sf::{self, Item, Member};

macro_rules! proxy_errors {
    ($($(#[$doc:meta])* $name:ident = $token:literal, $status:literal;)*) => {
        /// The kinds of error of RFC 9209 §2.3 that we write or understand.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ProxyError {
            $($(#[$doc])* $name,)*
        }

        impl ProxyError {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];

            /// The token on the wire.
            #[must_use]
            pub const fn token(self) -> &'static str {
                match self {
                    $(Self::$name => $token,)*
                }
            }

            /// The HTTP status that RFC 9209 §2.3 recommends beside it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                }
            }

            /// The kind of a token, if it is one of these.
            #[must_use]
            pub fn from_token(token: &str) -> Option<Self> {
                match token {
                    $($token => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

proxy_errors! {
    /// The name was not resolved in time.
    DnsTimeout = "dns_timeout", 504;
    /// The name could not be resolved; `rcode` says how.
    DnsError = "dns_error", 502;
    /// No target is configured for this request.
    DestinationNotFound = "destination_not_found", 500;
    /// The target is known not to be available.
    DestinationUnavailable = "destination_unavailable", 503;
    /// The address must not be reached.
    DestinationIpProhibited = "destination_ip_prohibited", 502;
    /// There is no route to the address.
    DestinationIpUnroutable = "destination_ip_unroutable", 502;
    /// The target refused the connection.
    ConnectionRefused = "connection_refused", 502;
    /// The target closed the connection too early.
    ConnectionTerminated = "connection_terminated", 502;
    /// The target did not answer in time.
    ConnectionTimeout = "connection_timeout", 504;
    /// The target sent nothing in time.
    ConnectionReadTimeout = "connection_read_timeout", 504;
    /// The target took nothing in time.
    ConnectionWriteTimeout = "connection_write_timeout", 504;
    /// A limit on connections is reached.
    ConnectionLimitReached = "connection_limit_reached", 503;
    /// TLS towards the target failed.
    TlsProtocolError = "tls_protocol_error", 502;
    /// The target's certificate is not trusted.
    TlsCertificateError = "tls_certificate_error", 502;
    /// The request is at fault; 400 unless a better one fits.
    HttpRequestError = "http_request_error", 400;
    /// Policy denies the request; `details` holds the code.
    HttpRequestDenied = "http_request_denied", 403;
    /// The target's answer was cut off.
    HttpResponseIncomplete = "http_response_incomplete", 502;
    /// The target did not take the upgrade.
    HttpUpgradeFailed = "http_upgrade_failed", 502;
    /// The gateway is at fault.
    ProxyInternalError = "proxy_internal_error", 500;
    /// The gateway is configured wrongly.
    ProxyConfigurationError = "proxy_configuration_error", 500;
    /// The request went in a circle.
    ProxyLoopDetected = "proxy_loop_detected", 502;
}

/// One member of a `Proxy-Status` list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyStatus {
    /// The intermediary's name for itself.
    pub proxy: String,
    /// The kind of error, if it is one that we know.
    pub error: Option<ProxyError>,
    /// `details`, for us the decision code.
    pub details: Option<String>,
    /// `rcode` of a DNS error.
    pub rcode: Option<String>,
    /// `next-hop`; never written for people who may not see it.
    pub next_hop: Option<String>,
    /// `received-status` of an origin.
    pub received_status: Option<u16>,
}

impl ProxyStatus {
    /// Of this proxy, without parameters.
    #[must_use]
    pub fn new(proxy: &str) -> Self {
        Self { proxy: proxy.to_owned(), error: None, details: None, rcode: None, next_hop: None, received_status: None }
    }

    /// Of this proxy, with an error and its details.
    #[must_use]
    pub fn failed(proxy: &str, error: ProxyError, details: &str) -> Self {
        Self { error: Some(error), details: Some(details.to_owned()), ..Self::new(proxy) }
    }

    /// The field value. Characters that a structured string cannot hold become question marks; each text is cut to
    /// [`PROXY_STATUS_TEXT_CHARS_MAX`].
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = String::new();
        if sf::is_token(&self.proxy) {
            out.push_str(cut(&self.proxy));
        } else {
            sf::write_string(cut(&self.proxy), &mut out);
        }
        if let Some(error) = self.error {
            out.push_str("; error=");
            out.push_str(error.token());
        }
        if let Some(status) = self.received_status {
            out.push_str("; received-status=");
            out.push_str(&status.to_string());
        }
        for (key, text) in [("rcode", &self.rcode), ("next-hop", &self.next_hop), ("details", &self.details)] {
            if let Some(text) = text {
                out.push_str("; ");
                out.push_str(key);
                out.push('=');
                sf::write_string(cut(text), &mut out);
            }
        }
        Bytes::from(out)
    }

    /// Reads a field value: the members from the one nearest to the origin to the one nearest to us; `None` when it is
    /// malformed, which is to be treated as absent (RFC 8941 §4.2). Unknown parameters and kinds of error are ignored.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Vec<Self>> {
        if value.len() > PROXY_STATUS_BYTES_MAX {
            return None;
        }
        sf::list(value, PROXY_STATUS_ITEMS_MAX)?.iter().map(Self::member).collect()
    }

    /// Reads the `proxy-status` fields of a response; none when they are absent or malformed.
    #[must_use]
    pub fn from_fields(fields: &Fields) -> Vec<Self> {
        let values: Vec<&[u8]> = fields.all("proxy-status").map(Bytes::as_ref).collect();
        Self::parse(&values.join(&b", "[..])).unwrap_or_default()
    }

    fn member(member: &Member) -> Option<Self> {
        let text = |item: &Item| match item {
            Item::String(text) | Item::Token(text) => Some(text.clone()),
            Item::Integer(_) | Item::Decimal | Item::Octets | Item::Boolean(_) => None,
        };
        let parameter = |key: &str| member.parameter(key).and_then(text);
        let received_status = match member.parameter("received-status") {
            Some(Item::Integer(status)) => u16::try_from(*status).ok(),
            Some(Item::Decimal | Item::String(_) | Item::Token(_) | Item::Octets | Item::Boolean(_)) | None => None,
        };
        Some(Self {
            proxy: text(&member.item)?,
            error: parameter("error").and_then(|token| ProxyError::from_token(&token)),
            details: parameter("details"),
            rcode: parameter("rcode"),
            next_hop: parameter("next-hop"),
            received_status,
        })
    }
}

fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(PROXY_STATUS_TEXT_CHARS_MAX).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_refusal_reads_as_rfc_9209_shows_it() {
        let status = ProxyStatus::failed("gateway.example", ProxyError::HttpRequestDenied, "firewall-off");
        assert_eq!(&status.encode()[..], br#"gateway.example; error=http_request_denied; details="firewall-off""#);
    }

    #[test]
    fn a_name_that_is_no_token_is_a_string() {
        assert_eq!(&ProxyStatus::new("my proxy").encode()[..], b"\"my proxy\"");
        assert_eq!(&ProxyStatus::new("1st").encode()[..], b"\"1st\"");
        assert_eq!(&ProxyStatus::new("\u{5e02}\r\n").encode()[..], b"\"???\"");
    }

    #[test]
    fn the_members_of_several_proxies_are_read_in_order() {
        let value =
            br#"revproxy1.example.net, ExampleCDN; received-status=503; error=dns_error;rcode="NXDOMAIN";extra=1"#;
        let members = ProxyStatus::parse(value).unwrap();
        assert_eq!(members[0], ProxyStatus::new("revproxy1.example.net"));
        assert_eq!(members[1].proxy, "ExampleCDN");
        assert_eq!(members[1].received_status, Some(503));
        assert_eq!(members[1].error, Some(ProxyError::DnsError));
        assert_eq!(members[1].rcode.as_deref(), Some("NXDOMAIN"));
    }

    #[test]
    fn several_field_lines_are_one_list() {
        let fields =
            Fields::new().with("Proxy-Status", "a").unwrap().with("proxy-status", "b; error=x_unknown").unwrap();
        let members = ProxyStatus::from_fields(&fields);
        assert_eq!(members, [ProxyStatus::new("a"), ProxyStatus::new("b")]);
    }

    #[test]
    fn a_malformed_value_is_as_if_absent() {
        for value in [&b"a,"[..], b"(a)", b"5", b"?1", b"a; error"] {
            let members = ProxyStatus::parse(value).unwrap_or_default();
            assert!(members.iter().all(|member| member.error.is_none()), "{}", String::from_utf8_lossy(value));
        }
        assert_eq!(ProxyStatus::parse(&vec![b'a'; PROXY_STATUS_BYTES_MAX + 1]), None);
    }

    #[test]
    fn each_kind_has_a_token_that_names_it_and_an_error_status() {
        for error in ProxyError::ALL {
            assert_eq!(ProxyError::from_token(error.token()), Some(*error));
            assert!((400..600).contains(&error.status()));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            proxy in "[ -~]{1,40}", details in proptest::option::of("[ -~]{0,80}"),
            next_hop in proptest::option::of("[ -~]{0,80}"), kind in 0..ProxyError::ALL.len(), status in proptest::option::of(100u16..600),
        ) {
            let written = ProxyStatus {
                proxy, error: Some(ProxyError::ALL[kind]), details, rcode: None, next_hop, received_status: status,
            };
            prop_assert_eq!(ProxyStatus::parse(&written.encode()), Some(vec![written]));
        }
    }
}
