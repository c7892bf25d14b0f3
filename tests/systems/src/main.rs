//! Real internal systems for the demo and the tests: each subcommand is one server on one loopback port.
//!
//! A server prints one JSON line with its address when it accepts connections, and ends with SIGTERM, SIGINT, or
//! (`--until-stdin-closes`) with the program that started it. In the order in which they are met:
//!
//! - [`announce`] binds the port, says where, and knows when to stop.
//! - [`pages`] serves HTTP/1.1 for the two systems that speak it.
//! - [`web`] is an intranet: pages in Japanese, a large download, an endless stream.
//! - [`webdav`] is a document library (RFC 4918) on a folder of sample files.
//! - [`ssh`] is an SSH server that answers a small fixed set of commands; [`ssh_client`] asks it one.
//! - [`dns`] knows their names.
//! - [`echo`] sends back what it gets, over TCP and UDP, and drips bytes slowly.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod announce;
mod dns;
mod echo;
mod pages;
mod ssh;
mod ssh_client;
mod web;
mod webdav;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Internal systems to reach through the gateway.
#[derive(Debug, Parser)]
#[command(name = "hitotsu-systems", version)]
struct Command {
    #[command(subcommand)]
    system: System,
}

#[derive(Debug, Subcommand)]
enum System {
    /// An intranet web system.
    Web(Where),
    /// A document library (WebDAV).
    Webdav {
        #[command(flatten)]
        place: Where,
        /// Serve this folder; without it a temporary one with sample files, removed at the end.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// An SSH server that lets anyone in and answers a fixed set of commands.
    Ssh(Where),
    /// Runs one command on an SSH server and prints what it says, for machines without an ssh program.
    SshClient {
        /// `host:port` to connect to.
        address: String,
        /// The host key that the server must show, as in `ssh-ed25519 AAAA...`.
        #[arg(long)]
        host_key: String,
        /// SOCKS5 proxy to go through, which also resolves the name.
        #[arg(long)]
        socks: Option<SocketAddr>,
        /// What to run.
        command: String,
    },
    /// A name server for the names given.
    Dns {
        #[command(flatten)]
        place: Where,
        /// A name and its address, as in `portal.example=127.0.0.1`; may be given several times.
        #[arg(long = "name", value_name = "NAME=ADDRESS")]
        names: Vec<dns::Record>,
    },
    /// Sends back every byte.
    TcpEcho(Where),
    /// Sends back every datagram.
    UdpEcho(Where),
    /// Sends one numbered line after another to whoever connects.
    Slow {
        #[command(flatten)]
        place: Where,
        /// Milliseconds between two lines.
        #[arg(long, default_value_t = 100)]
        every_ms: u64,
        /// End after this many lines; 0 never ends.
        #[arg(long, default_value_t = 0)]
        lines: u64,
    },
}

/// Where a server listens and for how long.
#[derive(Debug, Args)]
struct Where {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// End when standard input closes, so that the server never outlives the program that started it.
    #[arg(long)]
    until_stdin_closes: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Command::parse().system {
        System::Web(place) => web::serve(&place).await,
        System::Webdav { place, dir } => webdav::serve(&place, dir).await,
        System::Ssh(place) => ssh::serve(&place).await,
        System::SshClient { address, host_key, socks, command } => {
            return ssh_client::run(&address, &host_key, socks, &command).await;
        }
        System::Dns { place, names } => dns::serve(&place, &names).await,
        System::TcpEcho(place) => echo::tcp(&place).await,
        System::UdpEcho(place) => echo::udp(&place).await,
        System::Slow { place, every_ms, lines } => echo::slow(&place, every_ms, lines).await,
    };
    match outcome {
        // A thread may still wait for standard input, so leave instead of waiting for it.
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("hitotsu-systems: {error}");
            ExitCode::FAILURE
        }
    }
}
