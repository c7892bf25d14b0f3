//! The target of a CONNECT-UDP request in its path (RFC 9298 §3), by the default template
//! `/.well-known/masque/udp/{target_host}/{target_port}/`.

use bytes::Bytes;

use crate::error::Error;
use crate::fields::Ascii;
use crate::head::{Authority, parse_port};

/// `:protocol` of CONNECT-UDP, and its upgrade token on HTTP/1.1.
pub const CONNECT_UDP: &str = "connect-udp";

const PREFIX: &str = "/.well-known/masque/udp/";

/// The target in a path; `None` when the path is not of the template at all.
///
/// # Errors
/// [`Error::Message`] when it is of the template and host or port are malformed: a colon that is not percent-encoded, a
/// zone of an IPv6 address, a port with a sign or a leading zero, a query, anything after the last slash.
pub fn udp_target(path: &str) -> Result<Option<Authority>, Error> {
    const MALFORMED: Error = Error::Message("the path names no UDP target");
    let Some(rest) = path.strip_prefix(PREFIX) else { return Ok(None) };
    let (host, rest) = rest.split_once('/').ok_or(MALFORMED)?;
    let port = rest.strip_suffix('/').and_then(parse_port).ok_or(MALFORMED)?;
    if host.contains(':') {
        return Err(MALFORMED);
    }
    let host = percent_decode(host).ok_or(MALFORMED)?;
    Authority::new(&host, port).map(Some)
}

/// The path for a target.
#[must_use]
pub fn udp_path(target: &Authority) -> Ascii {
    // INVARIANT (ascii): a host is visible ASCII, and of its characters only the colon has to be encoded.
    let path = format!("{PREFIX}{}/{}/", target.host.replace(':', "%3A"), target.port);
    Ascii::new(Bytes::from(path)).unwrap_or_else(|| Ascii::fixed("/"))
}

/// Decodes `%XX`; `None` for a percent sign without two hexadecimal digits, and for what is not UTF-8 then.
fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet == b'%' {
            let high = char::from(octets.next()?).to_digit(16)?;
            let low = char::from(octets.next()?).to_digit(16)?;
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(octet);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(path: &str) -> Option<(String, u16)> {
        udp_target(path).unwrap().map(|target| (target.host.to_string(), target.port))
    }

    #[test]
    fn names_and_addresses_are_targets() {
        for (path, host, port) in [
            ("/.well-known/masque/udp/dns.example/53/", "dns.example", 53),
            ("/.well-known/masque/udp/192.0.2.6/443/", "192.0.2.6", 443),
            ("/.well-known/masque/udp/2001%3Adb8%3A%3A42/443/", "2001:db8::42", 443),
            ("/.well-known/masque/udp/2001%3adb8%3a%3a42/65535/", "2001:db8::42", 65535),
            ("/.well-known/masque/udp/%61/1/", "a", 1),
        ] {
            assert_eq!(target(path), Some((host.to_owned(), port)), "{path}");
        }
    }

    #[test]
    fn another_path_is_no_target() {
        for path in
            ["/", "/.well-known/masque/tcp/a/1/", "/.well-known/hitotsu/catalogue", "/x/.well-known/masque/udp/a/1/"]
        {
            assert_eq!(target(path), None, "{path}");
        }
    }

    #[test]
    fn a_malformed_target_is_a_malformed_message() {
        for rest in [
            "",
            "/",
            "a",
            "a/",
            "a/1",
            "/1/",
            "a/0/",
            "a/01/",
            "a/+1/",
            "a/65536/",
            "a/-1/",
            "a/1/x",
            "a/1//",
            "a//1/",
            "a/1/?x",
            "a/1?x/",
            "a/%31/",
            "::1/1/",
            "%5B%3A%3A1%5D/1/",
            "fe80%3A%3A1%25eth0/1/",
            "a%/1/",
            "a%4/1/",
            "a%zz/1/",
            "a%2Fb/1/",
            "a%00/1/",
            "a%20b/1/",
            "%E3%81%82/1/",
            "%ff/1/",
            "a%3A1/1/",
            "*/1/",
            "256.1.1.1/1/",
        ] {
            let error = udp_target(&format!("{PREFIX}{rest}")).unwrap_err();
            assert!(matches!(error, Error::Message(_)), "{rest}");
        }
    }

    proptest! {
        #[test]
        fn a_written_path_is_read_as_the_same_target(
            host in prop_oneof!["[a-z0-9_-]{1,20}(\\.[a-z][a-z0-9-]{0,20}){1,3}".prop_map(|name| name),
                any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
                any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string())],
            port in 1u16..,
        ) {
            let target = Authority::new(&host, port).unwrap();
            prop_assert_eq!(udp_target(&udp_path(&target)).unwrap(), Some(target));
        }

        #[test]
        fn no_path_makes_the_reader_panic(rest in "[a%:/0-9\\[\\]]{0,24}") {
            let _ = udp_target(&format!("{PREFIX}{rest}"));
        }
    }
}
