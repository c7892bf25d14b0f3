//! Flows through a real tunnel: both ends of it, and of what it joins, in one thread.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use hitotsu_tunnel::client::{ClientFlow, ClientUdpFlow};
use hitotsu_tunnel::datagram::{Sent, UdpFlow, UdpOptions};
use hitotsu_tunnel::flow::{FlowRecv, FlowSend};
use hitotsu_tunnel::relay::{self, Counters, RelayEnd, RelayOutcome};
use hitotsu_tunnel::server::Request;
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::counted::{Spent, counted};
use crate::pair::{Pair, Site};

const MIB: usize = 1024 * 1024;
/// Octets that application and system read and write at once.
const PIECE: usize = 64 * 1024;
/// Flows before anything counts: the congestion window has grown, and the packet size of the path is found.
const WARM_UP: usize = 4;
const VOICE: &[u8] = &[7; 172];
/// Datagrams that are under way together: an eighth of what a flow holds.
const BURST: usize = 16;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A dial with every certificate, to the gateway's side being ready to serve.
pub(super) fn full_handshake(operations: u64) -> Spent {
    let runtime = runtime();
    let site = runtime.block_on(async { Site::new() });
    let mut held = vec![runtime.block_on(site.pair(&site.dialer()))];
    let dialers: Vec<_> = (0..operations).map(|_| site.dialer()).collect();
    counted(|| {
        for dialer in &dialers {
            held.push(runtime.block_on(site.pair(dialer)));
        }
    })
}

/// A dial that goes on from the TLS session of the one before.
pub(super) fn resumed_handshake(operations: u64) -> Spent {
    let runtime = runtime();
    let site = runtime.block_on(async { Site::new() });
    let dialer = site.dialer();
    let once = || {
        runtime.block_on(async {
            let pair = site.pair(&dialer).await;
            // By the first answer the ticket for the next dial has come too.
            open(&pair).await;
            pair
        })
    };
    let mut held = vec![once()];
    counted(|| (0..operations).for_each(|_| held.push(once())))
}

/// Request and answer of a TCP flow.
pub(super) fn open_flow(operations: u64) -> Spent {
    let runtime = runtime();
    let (_site, pair) = runtime.block_on(connected());
    let mut held = vec![runtime.block_on(open(&pair))];
    counted(|| {
        runtime.block_on(async {
            for _ in 0..operations {
                held.push(open(&pair).await);
            }
        })
    })
}

pub(super) fn relay_up(operations: u64) -> Spent {
    relay_bulk(operations, |joined| Joined { application: joined.system, system: joined.application, ..joined })
}

pub(super) fn relay_down(operations: u64) -> Spent {
    relay_bulk(operations, |joined| joined)
}

/// 1 MiB from the system to the application, or as `turned` says; then both ends close.
fn relay_bulk(operations: u64, turned: impl Fn(Joined) -> Joined) -> Spent {
    let runtime = runtime();
    let (_site, pair) = runtime.block_on(connected());
    let carry = |joined: Joined| runtime.block_on(turned(joined).bulk());
    for _ in 0..WARM_UP {
        carry(runtime.block_on(Joined::new(&pair)));
    }
    let mut flows: Vec<_> = (0..operations).map(|_| runtime.block_on(Joined::new(&pair))).collect();
    let spent = counted(|| flows.drain(..).for_each(carry));
    assert_eq!(pair.server.statistics().packets_lost, 0);
    spent
}

/// One octet to the system and back.
pub(super) fn relay_ping_pong(operations: u64) -> Spent {
    let runtime = runtime();
    let (_site, pair) = runtime.block_on(connected());
    let mut joined = runtime.block_on(Joined::new(&pair));
    let mut once = async |times: u64| {
        for _ in 0..times {
            joined.application.write_all(b"x").await.unwrap();
            assert_eq!(joined.system.read_u8().await.unwrap(), b'x');
            joined.system.write_all(b"y").await.unwrap();
            assert_eq!(joined.application.read_u8().await.unwrap(), b'y');
        }
    };
    runtime.block_on(once(64));
    counted(|| runtime.block_on(once(operations)))
}

/// A voice packet to a system and back.
pub(super) fn datagram_round_trip(operations: u64) -> Spent {
    datagrams(operations, 1)
}

/// As many as are under way together on a busy line, there and back.
pub(super) fn datagram_burst(operations: u64) -> Spent {
    datagrams(operations, BURST)
}

fn datagrams(operations: u64, at_once: usize) -> Spent {
    let runtime = runtime();
    let (_site, pair) = runtime.block_on(connected());
    let mut flow = runtime.block_on(echoed(&pair));
    let mut carry = async |times: u64| {
        for _ in 0..times {
            for _ in 0..at_once {
                assert_eq!(flow.send(Bytes::from_static(VOICE)).await.unwrap(), Sent::Queued);
            }
            for _ in 0..at_once {
                assert_eq!(flow.recv().await.unwrap().unwrap(), VOICE);
            }
        }
    };
    runtime.block_on(carry(64));
    counted(|| runtime.block_on(carry(operations)))
}

async fn connected() -> (Site, Pair) {
    let site = Site::new();
    let pair = site.pair(&site.dialer()).await;
    (site, pair)
}

/// A TCP flow: the client's halves and the server's.
async fn open(pair: &Pair) -> [(FlowSend, FlowRecv); 2] {
    let ClientFlow { send, response, .. } =
        pair.client.open_tcp("files.kawasaki.example:443", HeaderMap::new()).await.unwrap();
    let Request::Tcp { pending, .. } = pair.request().await else { panic!("not a TCP flow") };
    let accepted = pending.accept(HeaderMap::new()).await.unwrap();
    let (_, recv) = response.ready().await.unwrap();
    [(send, recv), accepted]
}

/// An application and a system that a flow joins.
struct Joined {
    application: TcpStream,
    system: TcpStream,
    relays: [JoinHandle<RelayOutcome>; 2],
}

impl Joined {
    async fn new(pair: &Pair) -> Self {
        let [near, far] = open(pair).await;
        let (application, agent) = sockets().await;
        let (gateway, system) = sockets().await;
        Self { application, system, relays: [relayed(agent, near), relayed(gateway, far)] }
    }

    async fn bulk(mut self) {
        let source = vec![7; PIECE];
        let sending = async {
            for _ in 0..(MIB / PIECE) {
                self.system.write_all(&source).await.unwrap();
            }
            self.system.shutdown().await.unwrap();
        };
        let receiving = async {
            let (mut octets, mut buffer) = (0, vec![0; PIECE]);
            loop {
                match self.application.read(&mut buffer).await.unwrap() {
                    0 => break,
                    count => octets += count,
                }
            }
            assert_eq!(octets, MIB);
            self.application.shutdown().await.unwrap();
        };
        tokio::join!(sending, receiving);
        for relay in self.relays {
            assert_eq!(relay.await.unwrap().end, RelayEnd::Finished);
        }
    }
}

fn relayed(socket: TcpStream, (send, recv): (FlowSend, FlowRecv)) -> JoinHandle<RelayOutcome> {
    tokio::spawn(relay::tcp(socket, send, recv, Counters::default(), CancellationToken::new()))
}

/// Both ends of a TCP connection.
async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (dialled, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (dialled, (accepted, _)) = (dialled.unwrap(), accepted.unwrap());
    dialled.set_nodelay(true).unwrap();
    accepted.set_nodelay(true).unwrap();
    (dialled, accepted)
}

/// A UDP flow to a system that sends back what it gets.
async fn echoed(pair: &Pair) -> UdpFlow {
    let system = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let gateway = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    gateway.connect(system.local_addr().unwrap()).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((count, from)) = system.recv_from(&mut buffer).await {
            system.send_to(&buffer[..count], from).await.unwrap();
        }
    });
    let opening = pair.client.open_udp("10.20.30.40", 5060, HeaderMap::new(), UdpOptions::default());
    let accepting = async {
        let Request::Udp { pending, .. } = pair.request().await else { panic!("not a UDP flow") };
        pending.accept(HeaderMap::new(), UdpOptions::default()).await.unwrap()
    };
    let (opened, accepted) = tokio::join!(opening, accepting);
    let idle = Duration::from_secs(3_600);
    tokio::spawn(relay::udp(gateway, accepted, Counters::default(), CancellationToken::new(), idle));
    let ClientUdpFlow { flow, .. } = opened.unwrap();
    flow
}
