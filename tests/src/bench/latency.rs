//! One small message there and back, again and again, beside a socket straight to the same system.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hitotsu_tunnel::datagram::{UdpFlow, UdpOptions};
use http::HeaderMap;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::Scale;
use super::pipe::{Pipe, Way};
use super::report::{Report, Unit};
use super::samples::Samples;
use super::site::{Site, named};
use crate::device::Connected;
use crate::process::PATIENCE;

/// A keystroke of SSH with its padding; a voice packet of G.711 has 172.
const MESSAGE_OCTETS: usize = 64;

/// Messages in a row before it is the other way's turn.
const TURN: usize = 500;

/// Messages that are not counted: the first ones pay for cold caches and for the path's discovery of its size.
const WARM_UP: usize = 100;

/// Runs it.
pub async fn run(scale: Scale) -> Report {
    let site = Site::start().await;
    let connected = site.tunnel().await;
    let turns = scale.pick(10, 1);
    let each = scale.pick(TURN, 20);
    let mut report = Report::new("latency");
    report.note(format!("{} messages of {MESSAGE_OCTETS} octets each way, one at a time, by turns.", turns * each));
    let (direct, tunnel) = tcp(&site, &connected, turns, each).await;
    add(&mut report, "tcp", &direct, &tunnel);
    let (direct, tunnel) = udp(&site, &connected, turns, each).await;
    add(&mut report, "udp", &direct, &tunnel);
    report
}

fn add(report: &mut Report, transport: &str, direct: &Samples, tunnel: &Samples) {
    for percent in [50, 99] {
        let (direct, tunnel) = (direct.percentile_us(percent), tunnel.percentile_us(percent));
        report.figure(format!("{transport}_direct_p{percent}"), direct, Unit::Microseconds);
        report.figure(format!("{transport}_tunnel_p{percent}"), tunnel, Unit::Microseconds);
        report.figure(format!("{transport}_added_p{percent}"), tunnel - direct, Unit::Microseconds);
    }
}

async fn tcp(site: &Site, connected: &Connected, turns: usize, each: usize) -> (Samples, Samples) {
    let message = Bytes::from_static(&[7; MESSAGE_OCTETS]);
    let authority = named("echo", site.echo.address);
    let mut direct = Pipe::open(Way::Direct(site.echo.address)).await;
    let mut tunnel = Pipe::open(Way::Tunnel(connected, &authority)).await;
    for _ in 0..WARM_UP {
        direct.echo(&message).await;
        tunnel.echo(&message).await;
    }
    let mut times = (Samples::default(), Samples::default());
    for _ in 0..turns {
        for (pipe, times) in [(&mut direct, &mut times.0), (&mut tunnel, &mut times.1)] {
            for _ in 0..each {
                let begun = Instant::now();
                pipe.echo(&message).await;
                times.push(begun.elapsed());
            }
        }
    }
    times
}

async fn udp(site: &Site, connected: &Connected, turns: usize, each: usize) -> (Samples, Samples) {
    let message = Bytes::from_static(&[7; MESSAGE_OCTETS]);
    let direct = direct_socket(site.voice.address).await;
    let port = site.voice.address.port();
    let opened = connected.connection.open_udp("voice.test.internal", port, HeaderMap::new(), UdpOptions::default());
    let mut tunnel = opened.await.expect("opens").flow;
    for _ in 0..WARM_UP {
        ping_direct(&direct, &message).await;
        ping_tunnel(&mut tunnel, &message).await;
    }
    let mut times = (Samples::default(), Samples::default());
    for _ in 0..turns {
        for _ in 0..each {
            times.0.push(ping_direct(&direct, &message).await);
        }
        for _ in 0..each {
            times.1.push(ping_tunnel(&mut tunnel, &message).await);
        }
    }
    times
}

async fn direct_socket(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    socket.connect(address).await.expect("connects");
    socket
}

async fn ping_direct(socket: &UdpSocket, message: &Bytes) -> Duration {
    let mut buffer = [0; 2 * MESSAGE_OCTETS];
    let begun = Instant::now();
    socket.send(message).await.expect("sent");
    let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("in time").expect("received");
    assert_eq!(length, message.len());
    begun.elapsed()
}

async fn ping_tunnel(flow: &mut UdpFlow, message: &Bytes) -> Duration {
    let begun = Instant::now();
    flow.send(message.clone()).await.expect("sent");
    let came = timeout(PATIENCE, flow.recv()).await.expect("in time").expect("received").expect("goes on");
    assert_eq!(came.len(), message.len());
    begun.elapsed()
}
