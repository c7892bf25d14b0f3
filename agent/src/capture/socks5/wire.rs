//! SOCKS5 as bytes (RFC 1928). Pure: no socket, no clock.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hitotsu_model::code::Code;
use hitotsu_model::resource::Host;

/// The version byte of every message but the UDP header.
pub(crate) const VERSION: u8 = 5;
/// "NO AUTHENTICATION REQUIRED": who may ask is told by the peer's user id, not by a password.
pub(crate) const METHOD_NONE: u8 = 0;
/// "NO ACCEPTABLE METHODS"; the client must close.
pub(crate) const METHOD_REFUSED: u8 = 0xff;

/// What parsing the beginning of a buffer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// More bytes are needed.
    Incomplete,
    /// A message and its length.
    Done(T, usize),
    /// The bytes can never become a message.
    Fault(Fault),
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not SOCKS5 (a browser set to SOCKS4, or an HTTP request). No answer would be understood.
    Version,
    /// A command that RFC 1928 does not have, or BIND, which needs a listener on the far side.
    Command,
    /// An address type that RFC 1928 does not have.
    AddressType,
    /// A domain that is no host name.
    Host,
}

/// REP of a reply (RFC 1928 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reply {
    /// Succeeded.
    Succeeded = 0,
    /// General SOCKS server failure.
    Failure = 1,
    /// Connection not allowed by ruleset.
    NotAllowed = 2,
    /// Network unreachable.
    NetworkUnreachable = 3,
    /// Host unreachable.
    HostUnreachable = 4,
    /// Connection refused.
    ConnectionRefused = 5,
    /// TTL expired; programs show it as a time-out.
    TtlExpired = 6,
    /// Command not supported.
    CommandNotSupported = 7,
    /// Address type not supported.
    AddressNotSupported = 8,
}

impl Reply {
    /// The nearest of SOCKS5's nine answers to a reason of ours.
    #[must_use]
    pub(crate) fn of(code: Code) -> Self {
        match code.number() / 100_000 {
            // Identity, evidence, posture, policy: "not allowed by ruleset", but for what could not be decided.
            1..=3 => Self::NotAllowed,
            4 if code == Code::PolicyError => Self::Failure,
            4 => Self::NotAllowed,
            5 => Self::of_upstream(code),
            8 if matches!(code, Code::GatewayUnreachable | Code::TunnelLost) => Self::NetworkUnreachable,
            8 => Self::NotAllowed,
            _ if code == Code::SessionKilled => Self::NotAllowed,
            _ => Self::Failure,
        }
    }

    fn of_upstream(code: Code) -> Self {
        if code == Code::UpstreamRefused {
            Self::ConnectionRefused
        } else if matches!(code, Code::UpstreamTimeout | Code::NameTimeout) {
            Self::TtlExpired
        } else {
            Self::HostUnreachable
        }
    }
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Version => Self::Failure,
            Fault::Command => Self::CommandNotSupported,
            Fault::AddressType => Self::AddressNotSupported,
            Fault::Host => Self::HostUnreachable,
        }
    }
}

/// CMD of a request, those that we serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// A TCP flow.
    Connect,
    /// A UDP relay.
    UdpAssociate,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// What is asked.
    pub command: Command,
    /// The host.
    pub host: Host,
    /// The port; 0 only makes sense for [`Command::UdpAssociate`].
    pub port: u16,
}

/// A datagram of the client, without its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Datagram<'a> {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// What to send.
    pub payload: &'a [u8],
}

/// Reads a greeting; the value says whether "no authentication" is among the methods.
#[must_use]
pub(crate) fn greeting(bytes: &[u8]) -> Step<bool> {
    match bytes {
        [VERSION, count, rest @ ..] => match rest.get(..usize::from(*count)) {
            Some(methods) => Step::Done(methods.contains(&METHOD_NONE), methods.len() + 2),
            None => Step::Incomplete,
        },
        [] | [VERSION] => Step::Incomplete,
        [..] => Step::Fault(Fault::Version),
    }
}

/// Reads a request.
#[must_use]
pub(crate) fn request(bytes: &[u8]) -> Step<Request> {
    let (command, rest) = match bytes {
        // The third byte is reserved; RFC 1928 tells servers nothing about other values, so they are let through.
        [VERSION, command, _, rest @ ..] => (*command, rest),
        [] | [VERSION] | [VERSION, _] => return Step::Incomplete,
        [..] => return Step::Fault(Fault::Version),
    };
    match address(rest) {
        Step::Incomplete => Step::Incomplete,
        Step::Fault(fault) => Step::Fault(fault),
        Step::Done((host, port), used) => match command {
            1 => Step::Done(Request { command: Command::Connect, host, port }, used + 3),
            3 => Step::Done(Request { command: Command::UdpAssociate, host, port }, used + 3),
            _ => Step::Fault(Fault::Command),
        },
    }
}

/// Reads a datagram of a UDP association; `None` for what must be dropped: no header, or a fragment ("an
/// implementation that does not support fragmentation MUST drop any datagram whose FRAG field is other than X'00'",
/// RFC 1928 §7).
#[must_use]
pub(crate) fn datagram(bytes: &[u8]) -> Option<Datagram<'_>> {
    let [0, 0, 0, rest @ ..] = bytes else { return None };
    match address(rest) {
        Step::Done((host, port), used) => Some(Datagram { host, port, payload: rest.get(used..)? }),
        Step::Incomplete | Step::Fault(_) => None,
    }
}

/// ATYP, address and port.
fn address(bytes: &[u8]) -> Step<(Host, u16)> {
    let (host, rest) = match bytes {
        [1, a, b, c, d, rest @ ..] => (Host::Address(IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d))), rest),
        [4, rest @ ..] => match rest.split_first_chunk::<16>() {
            Some((octets, rest)) => (Host::Address(IpAddr::V6(Ipv6Addr::from(*octets)).to_canonical()), rest),
            None => return Step::Incomplete,
        },
        [3, length, rest @ ..] => match rest.split_at_checked(usize::from(*length)) {
            Some((name, after)) => match std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()) {
                // A bad name is told apart from a short message only when the port is there too.
                Some(host) => (host, after),
                None if after.len() < 2 => return Step::Incomplete,
                None => return Step::Fault(Fault::Host),
            },
            None => return Step::Incomplete,
        },
        [] | [1 | 3, ..] => return Step::Incomplete,
        [..] => return Step::Fault(Fault::AddressType),
    };
    match rest {
        [high, low, after @ ..] => {
            Step::Done((host, u16::from_be_bytes([*high, *low])), bytes.len().saturating_sub(after.len()))
        }
        [..] => Step::Incomplete,
    }
}

/// A reply with the address that the server bound.
#[must_use]
pub(crate) fn reply(reply: Reply, bound: SocketAddr) -> Vec<u8> {
    let mut bytes = vec![VERSION, reply as u8, 0];
    put_address(&mut bytes, bound.ip(), bound.port());
    bytes
}

/// The header of a datagram that goes to the client: where it came from.
#[must_use]
pub(crate) fn datagram_header(host: &Host, port: u16) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0];
    match host {
        Host::Address(address) => put_address(&mut bytes, *address, port),
        Host::Name(name) => {
            bytes.push(3);
            // INVARIANT (host name length): a `HostName` has at most 253 bytes.
            bytes.push(u8::try_from(name.as_str().len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(&port.to_be_bytes());
        }
    }
    bytes
}

fn put_address(bytes: &mut Vec<u8>, address: IpAddr, port: u16) {
    match address {
        IpAddr::V4(address) => {
            bytes.push(1);
            bytes.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            bytes.push(4);
            bytes.extend_from_slice(&address.octets());
        }
    }
    bytes.extend_from_slice(&port.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SOCKS_MESSAGE_BYTES_MAX;
    use proptest::prelude::*;

    #[test]
    fn a_request_reads_in_each_address_type() {
        for (bytes, host, port) in [
            (&b"\x05\x01\x00\x01\x0a\x01\x02\x03\x00\x16"[..], "10.1.2.3", 22),
            (&b"\x05\x01\x00\x03\x0dfiles.example\x01\xbb"[..], "files.example", 443),
            (&b"\x05\x01\x00\x03\x0810.1.2.3\x00\x16"[..], "10.1.2.3", 22),
            (&b"\x05\x03\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x00"[..], "2001:db8::1", 0),
        ] {
            let Step::Done(request, used) = request(bytes) else { panic!("{bytes:?}") };
            assert_eq!((request.host.to_string().as_str(), request.port, used), (host, port, bytes.len()));
        }
    }

    #[test]
    fn faults_have_the_reply_that_rfc_1928_names() {
        for (bytes, fault, reply) in [
            (&b"\x04\x01\x00\x50"[..], Fault::Version, Reply::Failure),
            (b"GET / HTTP/1.1", Fault::Version, Reply::Failure),
            (b"\x05\x02\x00\x01\x0a\x01\x02\x03\x00\x16", Fault::Command, Reply::CommandNotSupported),
            (b"\x05\x09\x00\x01\x0a\x01\x02\x03\x00\x16", Fault::Command, Reply::CommandNotSupported),
            (b"\x05\x01\x00\x02\x0a\x01\x02\x03\x00\x16", Fault::AddressType, Reply::AddressNotSupported),
            (b"\x05\x01\x00\x03\x03a b\x00\x50", Fault::Host, Reply::HostUnreachable),
            (b"\x05\x01\x00\x03\x00\x00\x50", Fault::Host, Reply::HostUnreachable),
            (b"\x05\x01\x00\x03\x02\xff\xfe\x00\x50", Fault::Host, Reply::HostUnreachable),
        ] {
            assert_eq!(request(bytes), Step::Fault(fault), "{bytes:?}");
            assert_eq!(Reply::from(fault), reply);
        }
    }

    #[test]
    fn a_greeting_without_the_method_that_we_have_is_told_apart() {
        assert_eq!(greeting(b"\x05\x02\x00\x02"), Step::Done(true, 4));
        assert_eq!(greeting(b"\x05\x01\x02"), Step::Done(false, 3));
        assert_eq!(greeting(b"\x05\x00"), Step::Done(false, 2));
        assert_eq!(greeting(b"\x05\x02\x00"), Step::Incomplete);
        assert_eq!(greeting(b"\x04\x01"), Step::Fault(Fault::Version));
    }

    #[test]
    fn fragments_are_dropped() {
        let whole = b"\0\0\0\x01\x0a\x01\x02\x03\x00\x35hello";
        assert_eq!(datagram(whole).expect("whole").payload, b"hello");
        let mut fragment = whole.to_vec();
        fragment[2] = 1;
        assert_eq!(datagram(&fragment), None);
    }

    #[test]
    fn every_reason_maps_to_an_answer_that_is_no_success() {
        for code in hitotsu_model::code::Code::ALL {
            assert_ne!(Reply::of(*code), Reply::Succeeded, "{code}");
        }
        assert_eq!(Reply::of(Code::FirewallOff), Reply::NotAllowed);
        assert_eq!(Reply::of(Code::UpstreamRefused), Reply::ConnectionRefused);
        assert_eq!(Reply::of(Code::GatewayUnreachable), Reply::NetworkUnreachable);
        assert_eq!(Reply::of(Code::NameNotResolved), Reply::HostUnreachable);
        assert_eq!(Reply::of(Code::AuditUnavailable), Reply::Failure);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic_and_lengths_stay_inside(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Step::Done(_, used) = greeting(&bytes) {
                prop_assert!(used <= bytes.len());
            }
            if let Step::Done(_, used) = request(&bytes) {
                prop_assert!(used <= bytes.len() && used <= SOCKS_MESSAGE_BYTES_MAX);
            }
            let _ = datagram(&bytes);
        }

        #[test]
        fn a_request_is_incomplete_until_its_last_byte(tail in proptest::collection::vec(any::<u8>(), 0..270)) {
            let bytes = [&[VERSION, 1, 0][..], &tail].concat();
            if let Step::Done(_, used) = request(&bytes) {
                for cut in 0..used {
                    prop_assert_eq!(request(&bytes[..cut]), Step::Incomplete);
                }
            }
        }

        #[test]
        fn a_full_buffer_never_waits_for_more(tail in proptest::collection::vec(any::<u8>(), 262..300)) {
            prop_assert_ne!(request(&[&[VERSION, 1, 0][..], &tail].concat()), Step::Incomplete);
        }

        #[test]
        fn a_datagram_header_reads_back(octets in any::<[u8; 4]>(), port in any::<u16>(), payload in proptest::collection::vec(any::<u8>(), 0..50)) {
            let host = Host::Address(IpAddr::from(octets));
            let bytes = [datagram_header(&host, port), payload.clone()].concat();
            let read = datagram(&bytes).expect("reads back");
            prop_assert_eq!((read.host, read.port, read.payload), (host, port, payload.as_slice()));
        }
    }
}
