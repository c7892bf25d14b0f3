use proptest::prelude::*;

use super::*;

/// Parts of messages, to be strung together.
const PIECES: &[&[u8]] = &[
    b"\x00",
    b"\x40",
    b"\x00\x00",
    b"\x00\x04\x00",
    b"\x01\x03\x00\x00\xcf",
    b"\x00\x02ab",
    b"\x21\x01x",
    b"\x07\x01\x04",
    b"\x00\x03\x00ab",
    b"\xc0\x00\x00",
    b"\x33\x01",
    b"\x50\x01a",
    b"\x22xy\x01z",
    b"GET / HTTP/1.1\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n",
    b"Host: a\r\n",
    b"Content-Length: 1\r\n",
    b"\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"4\r\nabcd\r\n",
    b"0\r\n\r\n",
    b"gw; error=dns_error",
    b", ",
];

proptest! {
    #[test]
    fn no_octets_break_a_promise(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (_, target) in TARGETS {
            target(&input);
        }
    }

    #[test]
    fn octets_that_look_like_the_protocol_break_no_promise(
        first: u8,
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..12),
    ) {
        let body = pieces.concat();
        for (_, target) in TARGETS {
            target(&body);
            target(&[&[first], &body[..]].concat());
        }
    }
}
