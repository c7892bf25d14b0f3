//! HTTP/1.1 over TLS, the last resort: one flow per connection, or ordinary requests one after another.

pub(crate) mod half;
pub(crate) mod server;
