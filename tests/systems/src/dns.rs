//! A name server (RFC 1035) for a handful of names; everything else does not exist.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde_json::json;
use tokio::net::UdpSocket;

use crate::{Where, announce};

/// Longest message over UDP without extensions (RFC 1035 §4.2.1); our answers are far shorter.
const MESSAGE_BYTES_MAX: usize = 512;

/// Seconds for which an answer may be kept: none, so that a test can move a name.
const TIME_TO_LIVE: u32 = 0;

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
const NO_ERROR: u8 = 0;
const NO_SUCH_NAME: u8 = 3;

/// One name and its address, written `name=address`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    name: String,
    address: IpAddr,
}

impl FromStr for Record {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unfit = || format!("`{text}` is not `name=address`, as in `portal.example=127.0.0.1`");
        let (name, address) = text.split_once('=').ok_or_else(unfit)?;
        Ok(Self { name: name.to_ascii_lowercase(), address: address.parse().map_err(|_| unfit())? })
    }
}

/// Answers questions until it is to stop.
///
/// # Errors
/// The port cannot be had.
pub(crate) async fn serve(place: &Where, records: &[Record]) -> io::Result<()> {
    let socket = UdpSocket::bind(place.listen).await?;
    announce::say(socket.local_addr()?, json!({ "system": "dns" }))?;
    tokio::select! {
        () = answer_all(&socket, records) => Ok(()),
        ended = announce::end(place) => ended,
    }
}

async fn answer_all(socket: &UdpSocket, records: &[Record]) {
    let mut buffer = [0_u8; MESSAGE_BYTES_MAX];
    loop {
        let received: io::Result<(usize, SocketAddr)> = socket.recv_from(&mut buffer).await;
        if let Ok((length, from)) = received
            && let Some(answer) = answer(buffer.get(..length).unwrap_or_default(), records)
        {
            let _lost = socket.send_to(&answer, from).await;
        }
    }
}

/// The answer to one question; `None` for what is no question.
fn answer(message: &[u8], records: &[Record]) -> Option<Vec<u8>> {
    let (header, body) = message.split_at_checked(12)?;
    let &[id_high, id_low, flags, _, 0, 1, ..] = header else { return None };
    let is_response = flags & 0x80 != 0;
    let (name, after) = name_in(body)?;
    let &[type_high, type_low, class_high, class_low, ..] = body.get(after..)? else { return None };
    if is_response || u16::from_be_bytes([class_high, class_low]) != CLASS_IN {
        return None;
    }
    let question = body.get(..after + 4)?;
    let kind = u16::from_be_bytes([type_high, type_low]);
    let known = records.iter().any(|record| record.name == name);
    let found: Vec<Vec<u8>> = records
        .iter()
        .filter(|record| record.name == name)
        .filter_map(|record| data_of(record.address, kind))
        .collect();
    let code = if known { NO_ERROR } else { NO_SUCH_NAME };
    // Response, authoritative, recursion desired as asked and available (RFC 1035 §4.1.1).
    let mut answer = vec![id_high, id_low, 0x84 | (flags & 1), 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0];
    let count = u16::try_from(found.len()).ok()?.to_be_bytes();
    answer.get_mut(6..8)?.copy_from_slice(&count);
    answer.extend_from_slice(question);
    for data in found {
        // The name is a pointer to the question's, which always begins at byte 12 (RFC 1035 §4.1.4).
        answer.extend_from_slice(&[0xc0, 12]);
        answer.extend_from_slice(&kind.to_be_bytes());
        answer.extend_from_slice(&CLASS_IN.to_be_bytes());
        answer.extend_from_slice(&TIME_TO_LIVE.to_be_bytes());
        answer.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend_from_slice(&data);
    }
    Some(answer)
}

fn data_of(address: IpAddr, kind: u16) -> Option<Vec<u8>> {
    match (address, kind) {
        (IpAddr::V4(address), TYPE_A) => Some(address.octets().to_vec()),
        (IpAddr::V6(address), TYPE_AAAA) => Some(address.octets().to_vec()),
        _ => None,
    }
}

/// The question's name in lower case, and how many bytes it takes; compression has no place in a question.
fn name_in(body: &[u8]) -> Option<(String, usize)> {
    let (mut name, mut at) = (String::new(), 0);
    loop {
        let length = usize::from(*body.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        if length > 63 {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&str::from_utf8(body.get(at..at + length)?).ok()?.to_ascii_lowercase());
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(kind: u16) -> Vec<u8> {
        let mut message = vec![7, 8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(b"\x06Portal\x07example\x00");
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&CLASS_IN.to_be_bytes());
        message
    }

    #[test]
    fn a_known_name_has_its_address_and_no_other_kind() {
        let records = ["portal.example=127.0.0.1".parse::<Record>().unwrap()];
        let found = answer(&question(TYPE_A), &records).unwrap();
        assert!(found.ends_with(&[0, 4, 127, 0, 0, 1]));
        assert_eq!((found[3] & 15, found[7]), (NO_ERROR, 1));
        let none = answer(&question(TYPE_AAAA), &records).unwrap();
        assert_eq!((none[3] & 15, none[7]), (NO_ERROR, 0));
    }

    #[test]
    fn an_unknown_name_does_not_exist() {
        assert_eq!(answer(&question(TYPE_A), &[]).unwrap()[3] & 15, NO_SUCH_NAME);
    }

    #[test]
    fn garbage_has_no_answer() {
        for length in 0..question(TYPE_A).len() {
            assert_eq!(answer(&question(TYPE_A)[..length], &[]), None, "{length}");
        }
        assert_eq!(answer(&[0xff; 64], &[]), None);
    }
}
