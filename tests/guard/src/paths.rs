//! The hot paths, in the order in which a flow meets them.

mod bytes;
mod flows;
mod proofs;
mod rules;

use crate::counted::Spent;

/// One path.
pub(crate) struct Path {
    /// As in `tests/bench/guard.json`.
    pub(crate) name: &'static str,
    /// How often it is done, so that what comes once, as the growth of a table, weighs little.
    pub(crate) operations: u64,
    /// Does it that often, after a warm-up that does not count.
    pub(crate) run: fn(u64) -> Spent,
}

/// All of them.
pub(crate) const PATHS: &[Path] = &[
    Path { name: "handshake-full", operations: 20, run: flows::full_handshake },
    Path { name: "handshake-resumed", operations: 20, run: flows::resumed_handshake },
    Path { name: "identify", operations: 20, run: proofs::identify },
    Path { name: "evidence", operations: 50, run: proofs::evidence },
    Path { name: "encode-request", operations: 1000, run: bytes::encode_request },
    Path { name: "decode-request", operations: 1000, run: bytes::decode_request },
    Path { name: "prepare", operations: 200, run: rules::prepare },
    Path { name: "decide-new", operations: 200, run: rules::decide_new },
    Path { name: "decide-remembered", operations: 1000, run: rules::decide_remembered },
    Path { name: "audit-intent", operations: 1000, run: proofs::audit_intent },
    Path { name: "open-flow", operations: 50, run: flows::open_flow },
    Path { name: "encode-data", operations: 1000, run: bytes::encode_data },
    Path { name: "decode-data-1mib", operations: 10, run: bytes::decode_data },
    Path { name: "relay-up-1mib", operations: 8, run: flows::relay_up },
    Path { name: "relay-down-1mib", operations: 8, run: flows::relay_down },
    Path { name: "relay-ping-pong", operations: 200, run: flows::relay_ping_pong },
    Path { name: "encode-datagram", operations: 1000, run: bytes::encode_datagram },
    Path { name: "decode-datagram", operations: 1000, run: bytes::decode_datagram },
    Path { name: "datagram-round-trip", operations: 200, run: flows::datagram_round_trip },
    Path { name: "datagram-burst", operations: 20, run: flows::datagram_burst },
];
