//! What grows with the work: the same loads with more devices, with more flows of one device, and with more rules.
//!
//! - [`ground`] is what they run on, [`loads`] are the loads.
//! - [`devices`], [`flows`] and [`rules`] are what grows, [`column`](mod@column) is one size of it.

mod column;
mod devices;
mod flows;
pub(super) mod ground;
mod loads;
mod rules;

use super::Scale;
use super::report::Report;

/// Runs it.
pub async fn run(scale: Scale) -> Report {
    let mut report = Report::new("scale");
    for text in ABOUT {
        report.note(text);
    }
    report.note_load("before");
    report.grid(&devices::measure(scale).await);
    report.grid(&flows::measure(scale).await);
    report.grid(&rules::measure(scale).await);
    report.note_load("after");
    report
}

const ABOUT: [&str; 12] = [
    "Devices live in one process, systems in another, the gateway is a third; all share this machine's processors, so that",
    "rates are what all of them do together. Gateway: its processor time, kernel included, for each thing done; what one",
    "processor carries is its inverse. Median of the runs.",
    "devices: each has a key, a certificate, a connection and a session of its own, attested, with its stream of notices.",
    "  brought up: handshake, attestation and notices, 32 at once. tunnel: what one costs the gateway before it is used.",
    "  bulk: one flow of each device, at least 8 and at most 100 flows. request: 64 octets there and back on open flows of",
    "  all devices in turn, 64 at once. echo: one octet there and back, one at a time. new flow: admission and audit",
    "  included, one octet there and back, 32 at once. voice: calls spread over the devices, each 50 datagrams of 172 octets",
    "  a second, sent back; p99 from when a packet was due.",
    "flows: so many open flows of one device; bulk on 100 at most. flow: what an open and idle one costs the gateway.",
    "rules: one in twenty applies to everybody, as many resources as a tenth of them. decide: an answer that nobody asked",
    "  for before. reload: from the request to the answer, with every live flow decided anew.",
];
