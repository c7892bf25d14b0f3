//! The little of structured fields (RFC 8941) that `capsule-protocol` and `Proxy-Status` need.

/// The boolean of an item, its parameters ignored; `None` when it is none or malformed.
pub(crate) fn boolean_item(value: &[u8]) -> Option<bool> {
    match value {
        [b'?', b'1', ..] => Some(true),
        [b'?', b'0', ..] => Some(false),
        _ => None,
    }
}
