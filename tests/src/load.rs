//! Load between two hosts: the systems that answer, and what asks them. Each is one process of `hitotsu-load`, so that it
//! can run in a network namespace of its own and its processor time is not that of the bench.
//!
//! - [`serve`] are the systems: bulk, echo over TCP and UDP, HTTP/1.1.
//! - [`bulk`] moves octets, [`page`] loads pages with all that is on them, [`intact`] compares what comes
//!   back, [`ping_pong`] one octet there and back, [`requests`] asks for pages on connections that stay,
//!   [`connections`] opens one connection after another, [`voice`] is many calls at once, [`reach`] waits for an answer.

pub mod bulk;
pub mod connections;
pub mod intact;
pub mod page;
pub mod ping_pong;
pub mod reach;
pub mod requests;
pub mod serve;
pub mod voice;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

/// How to call it.
const USAGE: &str = "hitotsu-load serve ADDRESS | bulk TARGET up|down STREAMS MS | bulk-for TARGET up|down MS | \
                     pages TARGET COUNT MS | intact TARGET OCTETS | ping-pong TARGET tcp|udp MS | \
                     requests TARGET CONNECTIONS MS | connections TARGET AT_ONCE MS | voice TARGET CALLS MS [PATIENCE_MS] | \
                     reach TARGET MS | link NEAR FAR";

/// Runs one role and gives back what it measured.
///
/// # Errors
/// The words are wrong, or the other side cannot be reached.
pub fn run(words: &[&str]) -> io::Result<Value> {
    match *words {
        ["serve", address] => serve::run(parsed(address)?),
        ["bulk", target, way @ ("up" | "down"), streams, time] => {
            bulk::run(parsed(target)?, way == "up", parsed(streams)?, milliseconds(time)?)
        }
        ["bulk-for", target, way @ ("up" | "down"), time] => {
            bulk::run_for(parsed(target)?, way == "up", milliseconds(time)?)
        }
        ["pages", target, count, time] => page::run(parsed(target)?, parsed(count)?, milliseconds(time)?),
        ["intact", target, octets] => intact::run(parsed(target)?, parsed(octets)?),
        ["ping-pong", target, "tcp", time] => ping_pong::tcp(parsed(target)?, milliseconds(time)?),
        ["ping-pong", target, "udp", time] => ping_pong::udp(parsed(target)?, milliseconds(time)?),
        ["requests", target, connections, time] => {
            requests::run(parsed(target)?, parsed(connections)?, milliseconds(time)?)
        }
        ["connections", target, at_once, time] => {
            connections::run(parsed(target)?, parsed(at_once)?, milliseconds(time)?)
        }
        ["voice", target, calls, time] => {
            voice::run(parsed(target)?, parsed(calls)?, milliseconds(time)?, voice::LOST_AFTER)
        }
        ["voice", target, calls, time, patience] => {
            voice::run(parsed(target)?, parsed(calls)?, milliseconds(time)?, milliseconds(patience)?)
        }
        ["link", near, far] => crate::link::carry::run(near, far),
        ["reach", target, time] => reach::run(parsed(target)?, milliseconds(time)?),
        _ => Err(wrong(USAGE)),
    }
}

fn milliseconds(text: &str) -> io::Result<Duration> {
    parsed(text).map(Duration::from_millis)
}

fn parsed<T: std::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse().map_err(|_| wrong(&format!("`{text}` is not what it should be; {USAGE}")))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// A local address of the same family, on any port.
fn any_port(target: SocketAddr) -> SocketAddr {
    if target.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() }
}

/// A runtime of one thread: the machine's other processors are for what is measured.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The systems on loopback; their threads end with the test's process.
    fn systems() -> serve::Systems {
        serve::start(([127, 0, 0, 1], 0).into()).expect("starts")
    }

    fn asked(words: &[&str]) -> Value {
        run(words).expect("an answer")
    }

    #[test]
    fn bulk_arrives_in_both_directions_on_every_stream() {
        let bulk = systems().bulk.to_string();
        for way in ["up", "down"] {
            let said = asked(&["bulk", &bulk, way, "2", "20"]);
            assert!(said["octets"].as_u64().expect("a number") >= 2, "{way}: {said}");
            let said = asked(&["bulk-for", &bulk, way, "20"]);
            assert!(said["octets"].as_u64().expect("a number") >= 2, "{way}: {said}");
        }
    }

    #[test]
    fn every_load_measures_something_on_loopback() {
        let systems = systems();
        let (echo, voice, http) = (systems.echo.to_string(), systems.voice.to_string(), systems.http.to_string());
        for (words, field) in [
            (vec!["ping-pong", &echo, "tcp", "20"], "p50_us"),
            (vec!["ping-pong", &voice, "udp", "20"], "p99_us"),
            (vec!["requests", &http, "2", "20"], "per_s"),
            (vec!["pages", &http, "2", "5000"], "p50_us"),
            (vec!["connections", &echo, "2", "20"], "per_s"),
            (vec!["voice", &voice, "3", "60"], "p99_us"),
            (vec!["intact", &echo, "100000"], "octets"),
            (vec!["reach", &echo, "5000"], "ms"),
        ] {
            let said = asked(&words);
            assert!(said[field].as_f64().expect("a number") > 0.0, "{words:?}: {said}");
        }
    }

    #[test]
    fn wrong_words_are_answered_with_the_right_ones() {
        for words in [&["shout"][..], &["bulk", "nowhere", "up", "1", "1"], &[]] {
            assert!(run(words).unwrap_err().to_string().contains("hitotsu-load serve ADDRESS"), "{words:?}");
        }
    }
}
