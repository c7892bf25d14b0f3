//! A path of certificates by RFC 5280, more strictly than rustls does.
