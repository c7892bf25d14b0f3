//! A dialer and a listener of ours on loopback: real sockets, real TLS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::large_futures,
    missing_docs,
    unreachable_pub
)]

/// The same tests over both transports that the agent uses.
macro_rules! over_h3_and_h2 {
    ($($name:ident)*) => {
        mod over_h3 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(hitotsu_tunnel::dialer::Preference::QuicOnly).await;
            })*
        }
        mod over_h2 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(hitotsu_tunnel::dialer::Preference::Http2Only).await;
            })*
        }
    };
}

mod world;

mod control;
mod door;
mod early_data;
mod h1;
mod handshake;
mod hostile;
mod life;
mod network;
mod pressure;
mod refused;
mod relays;
mod tcp;
mod udp;
