//! The hash of a program, and where it is remembered.

use std::fs::File;
use std::io::{self, Read as _};

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};

/// The record in the state directory: 64 hex digits.
pub(super) const RECORD: &str = "program.sha256";
/// Reads the program in parts; any size will do.
const PART_BYTES: usize = 64 * 1024;

/// SHA-256 of a file from where it is read now, in hex.
pub(super) fn sha256(mut file: &File) -> io::Result<String> {
    let mut hash = Context::new(&SHA256);
    let mut part = vec![0; PART_BYTES];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(HEXLOWER.encode(hash.finish().as_ref())),
            length => hash.update(part.get(..length).unwrap_or_default()),
        }
    }
}
