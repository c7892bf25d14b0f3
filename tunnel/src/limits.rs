//! Everything that the network can grow is bounded here. What concerns single frames, fields and capsules is bounded in
//! `hitotsu_proto::limits`.

use std::time::Duration;

// Flow control. The rule is: streams permitted x stream window + growth <= connection window. A connection window that stalled
// streams can use up would freeze every other flow and the control requests with them.

/// Octets that a peer may send at first on one stream before the gateway has relayed them. A flow whose system reads nothing
/// holds so much and a batch: 42 KiB resident with what the flow itself takes (measured; with 256 KiB it was 513). A
/// connection begins with less (RFC 9002 §7.2), so the first upload of one does not wait for it.
pub const GATEWAY_STREAM_WINDOW: u32 = 24 * 1024;

/// The same for a stream that is drained as fast as it comes while this is what limits the peer: 1 Gbit/s of upload per flow
/// at 30 ms, 160 Mbit/s at 200 ms.
pub const GATEWAY_STREAM_WINDOW_MAX: u32 = 4 * 1024 * 1024;

/// Octets by which the windows of one connection's streams grow together: one large upload has what it needs and leaves as
/// much for others. 10,000 flows of 10 devices that are all drained first and stall then hold 80 MiB more for it.
pub const GATEWAY_WINDOW_GROWTH: u32 = 8 * 1024 * 1024;

/// What [`GATEWAY_STREAM_WINDOW`] is on HTTP/2, where it cannot grow: 70 Mbit/s of upload per flow at 30 ms.
pub const H2_GATEWAY_STREAM_WINDOW: u32 = 256 * 1024;

/// What a gateway may send at first on one stream before the agent's user has taken it. Wide windows that are not needed are a
/// queue before whoever types: eight downloads with 1 MiB each made an octet wait 26 ms (measured).
pub const AGENT_STREAM_WINDOW: u32 = 128 * 1024;

/// The same for a stream that is drained as fast as it comes: what the gateway has under way on the whole connection.
pub const AGENT_STREAM_WINDOW_MAX: u32 = 8 * 1024 * 1024;

/// Octets by which the windows of the agent's streams grow together: it has one connection instead of thousands.
pub const AGENT_WINDOW_GROWTH: u32 = 32 * 1024 * 1024;

/// What [`AGENT_STREAM_WINDOW`] is on HTTP/2, where it cannot grow: 280 Mbit/s of download per flow at 30 ms.
pub const H2_AGENT_STREAM_WINDOW: u32 = 1024 * 1024;

/// Octets that a peer may send unread on its whole connection before its holder is judged, and for good where the holder is
/// refused: HTTP/2's connection window cannot be smaller (RFC 9113 §6.9.2). A first flight is 15 KiB, so a tunnel that is
/// trusted when it comes waits for nothing.
pub const UNTRUSTED_WINDOW: u32 = 65_535;

/// Requests that such a peer may have open: the agent's own and half a dozen flows that waited for the tunnel. With
/// [`UNTRUSTED_WINDOW`] and heads of at most 32 KiB each, a refused connection holds 320 KiB.
pub const UNTRUSTED_STREAMS: u32 = 8;

/// Requests that a trusted peer may have open at first. Each permitted one costs the gateway about 90 octets before it is
/// used: 128 would cost an idle connection 8 KiB more than 32 (measured).
pub const STREAMS_AT_FIRST: u32 = 8;

/// What the permitted requests are multiplied by when half of them are open, so that a browser's burst waits for no more
/// than one round trip.
pub const STREAMS_GROWTH: u32 = 4;

/// Requests that a peer may have open when it uses them. Above what one person's machine opens at once: a browser has at
/// most 256 connections to proxies, a machine that carries the calls of an office a thousand flows. It can be
/// sure of [`STREAMS_SURE`] only.
pub const STREAMS_MAX: u32 = 2400;

/// Requests that such a peer can always have open. quinn-proto tells it of places that are free again only once they are
/// more than an eighth of all.
pub const STREAMS_SURE: u32 = STREAMS_MAX - STREAMS_MAX / 8;

/// Unidirectional streams of a peer: control, two of QPACK, and some that are reserved to exercise tolerance.
pub const UNI_STREAMS_MAX: u32 = 8;

/// Octets sent and not acknowledged on one connection: the product of 1 Gbit/s and 64 ms.
pub const SEND_WINDOW: u64 = 8 * 1024 * 1024;

/// Requests open at once on one HTTP/2 connection; `h2` cannot raise it later. The window rule then allows 64 MiB.
pub const H2_STREAMS_MAX: u32 = 256;

/// Octets of one HTTP/2 frame that we take; larger frames save work, but hold up the others (5 ms at 100 Mbit/s).
pub const H2_FRAME_OCTETS_MAX: u32 = 64 * 1024;

/// Octets that wait in `h2` to be sent on one stream.
pub const H2_SEND_OCTETS_MAX: usize = 256 * 1024;

/// Octets that a socket takes before it has sent them: two batches, so that the next one is there when the first has gone. By
/// itself Linux takes 4 MiB of what a peer does not read.
pub const SOCKET_UNSENT_OCTETS: u32 = 128 * 1024;

// Pieces of flows.

/// Octets in one [`crate::flow::Batch`]: what one `writev` usefully takes, and the pipe of a Linux TCP socket.
pub const BATCH_OCTETS_MAX: usize = 64 * 1024;

/// Pieces of a stream taken at a time, each at most a packet: about [`BATCH_OCTETS_MAX`] at 1,350 octets a packet.
pub const BATCH_PIECES_MAX: usize = 48;

// Datagrams.

/// Octets of received QUIC datagrams that wait for the demultiplexer of one connection.
pub const DATAGRAM_RECEIVE_OCTETS: usize = 512 * 1024;

/// Octets of QUIC datagrams that wait to be sent on one connection; the oldest are dropped first. At 20 Mbit/s it adds
/// 50 ms, which a call still bears.
pub const DATAGRAM_SEND_OCTETS: usize = 128 * 1024;

/// Datagrams that wait for one UDP flow's relay: 40 ms of a 25 Mbit/s video stream.
pub const DATAGRAMS_PER_FLOW_MAX: usize = 128;

/// Datagrams of one connection that came before their request and wait for it.
pub const EARLY_DATAGRAMS_MAX: usize = 32;

/// How long a datagram waits for its request: longer than reordering on any path takes.
pub const EARLY_DATAGRAM_PATIENCE: Duration = Duration::from_secs(1);

// Requests.

/// Exchanges of one connection that wait to be taken by the gateway.
pub const EXCHANGES_WAITING_MAX: usize = 64;

/// Octets read at a time until a head is whole. What comes with its end is held beside the windows, so it shall be little;
/// most heads are shorter.
pub const HEAD_READ_OCTETS: usize = 1024;

/// How long a peer may take from the beginning of its request's head, or of its stream, to the end of the head.
pub const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection of HTTP/1.1 may be silent between requests.
pub const H1_IDLE: Duration = Duration::from_secs(60);

/// Octets of a refusal's body that are kept. A problem document is under 2 KiB.
pub const REFUSAL_BODY_MAX: usize = 16 * 1024;

/// Octets of a control response. The largest, a catalogue of 1,000 systems with 200 octets each, fits twice.
pub const RESPONSE_BODY_MAX: usize = 512 * 1024;

/// Octets of a peer's words that are kept when it closes a connection.
pub const CLOSE_REASON_MAX: usize = 128;

// Connections.

/// Connections of one transport that have not proven themselves, of all sources: 100 MiB at about 25 KiB each. UDP and TCP
/// have so many each, so that silent TCP connections do not shut QUIC out.
pub const HANDSHAKES_MAX: usize = 4096;

/// The same of one source: an eighth, so that no single one shuts the others out, and every PC of an office of 500 behind
/// one address that dials in the same instant. With handshakes of 0.3 s it lets 1,700 a second in.
pub const HANDSHAKES_PER_SOURCE_MAX: usize = HANDSHAKES_MAX / 8;

/// From so many unfinished handshakes over QUIC on, a client must prove its address first (Retry): what forged addresses
/// can hold, a sixteenth. Honest clients do not get that many with handshakes of 0.3 s at less than 850 a second.
pub const HANDSHAKES_UNPROVEN_MAX: usize = 256;

/// How long a handshake may take: three retransmissions of a lost first packet (1 s, 2 s, 4 s) and some.
pub const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// Pause between lines of the log about one door that turns somebody away.
pub const DOOR_LOG_PAUSE: Duration = Duration::from_secs(10);

/// Arrivals that wait to be taken from one listener.
pub const ARRIVALS_WAITING_MAX: usize = 64;

/// Initial packets that wait for the listener's decision; quinn-proto holds their datagrams.
pub const INCOMING_MAX: usize = 1024;

/// Octets of datagrams that quinn-proto holds for one of them: the first flight, which congestion control keeps to 10 packets
/// (RFC 9002 §7.2). By default it would be 10 MiB.
pub const INCOMING_OCTETS_MAX: u64 = 16 * 1024;

/// TLS sessions that can be resumed, of all clients of one listener and transport: each handshake leaves one and each
/// resumption takes one, so that this is a city's 13,000 devices with some that came back without theirs. One takes some
/// 1.5 KiB with the client's certificates: a full store is 26 MiB (measured), for QUIC and for TCP each.
pub const SESSIONS_MAX: usize = 16_384;

/// Octets of all of them: what one device's certificates and names beyond the usual take from the others is bounded.
pub const SESSION_OCTETS_MAX: usize = 32 * 1024 * 1024;

/// Tickets that a handshake gives. A client of ours uses one for its next connection, which gives it another.
pub const TICKETS: usize = 1;

/// Silence after which a QUIC connection is over. Sleeping laptops reconnect in one round trip anyway.
pub const IDLE: Duration = Duration::from_secs(60);

/// The agent sends at least this often: UDP mappings of home routers live 30 s and more.
pub const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// How long a closing connection over TCP may take to send what it has to say.
pub const FAREWELL: Duration = Duration::from_secs(1);

/// Octets of the UDP sockets' kernel buffers, both ways: a burst of 8 MiB is 67 ms at 1 Gbit/s. Linux may grant less.
pub const UDP_SOCKET_OCTETS: usize = 8 * 1024 * 1024;

/// UDP payload of the first packets. A UDP payload of 1,200 octets, which QUIC inside the tunnel starts with, fits from
/// the first packet on.
pub const MTU_AT_FIRST: u16 = 1280;

/// UDP payload that every path of QUIC carries (RFC 9000 §14).
pub const MTU_MIN: u16 = 1200;

/// How long the first packets may go unanswered before a dial tries [`MTU_MIN`] beside them: IPv6 over a link of 1,280
/// octets, such as a tunnel in a tunnel, carries 1,232. Twice the time that all but satellites answer in.
pub const NARROW_PATH_PATIENCE: Duration = Duration::from_millis(600);

/// UDP payload that path discovery goes up to: Ethernet's 1,500 less IPv6 and UDP headers.
pub const MTU_MAX: u16 = 1452;

/// Path discovery ends when it would gain less, in octets.
pub const MTU_CHANGE_MIN: u16 = 8;

/// Time between the beginnings of attempts at a gateway's addresses (RFC 8305 §5).
pub const ADDRESS_STAGGER: Duration = Duration::from_millis(250);

/// TCP connections that the kernel holds until they are accepted.
pub const TCP_BACKLOG: i32 = 1024;

/// Pause after a TCP connection could not be accepted.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Reads of 1 KiB from a TCP client whose handshake failed, until it closes: the preface and some requests of HTTP/2.
pub const LINGER_READS_MAX: usize = 64;
