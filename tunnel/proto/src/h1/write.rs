//! Writing heads.

use bytes::BufMut;

use crate::fields::Fields;
use crate::head::{RequestForm, RequestHead, ResponseHead};

/// Writes a request's head: CONNECT in authority form, an extended CONNECT as an upgrade, others in origin form.
pub fn write_request(head: &RequestHead, out: &mut impl BufMut) {
    let mut put = |text: &str| out.put_slice(text.as_bytes());
    match &head.form {
        RequestForm::Connect { authority } => {
            let authority = authority.to_string();
            for text in ["CONNECT ", &authority, " HTTP/1.1\r\nHost: ", &authority, "\r\n"] {
                put(text);
            }
        }
        RequestForm::Extended { protocol, authority, path, .. } => {
            for text in ["GET ", path, " HTTP/1.1\r\nHost: ", authority, "\r\n"] {
                put(text);
            }
            for text in ["Connection: Upgrade\r\nUpgrade: ", protocol, "\r\n"] {
                put(text);
            }
        }
        RequestForm::Ordinary { method, authority, path, .. } => {
            for text in [method, " ", path, " HTTP/1.1\r\nHost: ", authority, "\r\n"] {
                put(text);
            }
        }
    }
    write_fields(&head.fields, out);
}

/// Writes the head of the response to `request` (`None` when that could not be read); 2xx to an upgrade is written
/// as 101.
pub fn write_response(head: &ResponseHead, request: Option<&RequestHead>, out: &mut impl BufMut) {
    let mut put = |text: &str| out.put_slice(text.as_bytes());
    match request.map(|request| &request.form) {
        Some(RequestForm::Extended { protocol, .. }) if head.is_success() => {
            for text in ["HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ", protocol, "\r\n"] {
                put(text);
            }
        }
        Some(RequestForm::Connect { .. } | RequestForm::Extended { .. } | RequestForm::Ordinary { .. }) | None => {
            for text in ["HTTP/1.1 ", &head.status.to_string(), " ", reason(head.status), "\r\n"] {
                put(text);
            }
        }
    }
    write_fields(&head.fields, out);
}

fn write_fields(fields: &Fields, out: &mut impl BufMut) {
    for field in fields {
        out.put_slice(field.name.as_bytes());
        out.put_slice(b": ");
        out.put_slice(&field.value);
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"\r\n");
}

/// For people who read along; machines ignore it (RFC 9112 §4).
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
