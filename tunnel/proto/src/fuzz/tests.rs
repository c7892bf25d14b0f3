use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Files of one target's corpus; more would make the tests slow and the repository heavy.
const CORPUS_FILES_MAX: usize = 40;
const CORPUS_FILE_BYTES_MAX: usize = 8 * 1024;

#[test]
fn the_committed_corpus_of_each_target_still_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    for (name, target) in TARGETS {
        let folder = corpus.join(name);
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files = 0;
        for entry in entries {
            let path = entry.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            assert!(input.len() <= CORPUS_FILE_BYTES_MAX, "{} is too large", path.display());
            target(&input);
            files += 1;
        }
        assert!((1..=CORPUS_FILES_MAX).contains(&files), "{name} has {files} files");
    }
}

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
