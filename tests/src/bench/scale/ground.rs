//! What the loads run on: a gateway with its devices on record, and systems in a process of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use tokio::process::Command;

use crate::bench::site::named;
use crate::bundle::{PERSON, TestBundle};
use crate::device::Device;
use crate::process::{Running, program};
use crate::systems::{self, System};
use crate::world::World;

/// Longer than any run: no evidence shall be stale in the middle of one.
const EVIDENCE_MAX_AGE_SECONDS: u32 = 3_600;

/// What a flow to [`Ground::unread`] asks for, and to [`Ground::endless`].
pub(in crate::bench) const UNREAD: &str = "unread";
pub(in crate::bench) const ENDLESS: &str = "endless";

/// An organisation with its gateway, its devices and its systems.
#[derive(Debug)]
pub(in crate::bench) struct Ground {
    pub(in crate::bench) world: World,
    pub(in crate::bench) devices: Vec<Device>,
    /// Takes or gives as much as it can. In this process, since it is what the other end of a bulk flow is.
    pub(in crate::bench) bulk: System,
    pub(in crate::bench) bulk_name: String,
    pub(in crate::bench) echo: SocketAddr,
    pub(in crate::bench) echo_name: String,
    pub(in crate::bench) voice: SocketAddr,
    /// Reads nothing.
    pub(in crate::bench) unread: System,
    /// Sends without an end, and how many octets it has sent.
    pub(in crate::bench) endless: System,
    pub(in crate::bench) endless_moved: Arc<AtomicU64>,
    _systems: Running,
}

impl Ground {
    /// Starts everything, with so many devices.
    pub(in crate::bench) async fn start(devices: usize) -> Self {
        raise_open_files();
        let mut serve = Command::new(program("hitotsu-load"));
        serve.args(["serve", "127.0.0.1:0"]);
        let mut systems = Running::start(serve);
        let said = systems.next_json().await;
        let (echo, voice) = (port(&said, "echo"), port(&said, "voice"));
        let (bulk, unread) = (systems::bulk().await, systems::stalled().await);
        let (endless, endless_moved) = systems::endless_counted().await;
        let bundle = bundle(echo, voice, bulk.address).tcp(UNREAD, unread.address).tcp(ENDLESS, endless.address);
        let (world, devices) = World::with_fleet(&bundle.files(), PERSON, devices).await;
        Self {
            world,
            devices,
            bulk_name: named("bulk", bulk.address),
            bulk,
            echo,
            echo_name: named("echo", echo),
            voice,
            unread,
            endless,
            endless_moved,
            _systems: systems,
        }
    }

    /// The bundle that it starts with.
    pub(super) fn bundle(&self) -> TestBundle {
        bundle(self.echo, self.voice, self.bulk.address)
    }

    /// The gateway's process.
    pub(in crate::bench) fn gateway(&self) -> u32 {
        self.world.gateway.as_ref().expect("it runs").id()
    }
}

fn bundle(echo: SocketAddr, voice: SocketAddr, bulk: SocketAddr) -> TestBundle {
    let bundle = TestBundle::new().tcp("echo", echo).udp("voice", voice).tcp("bulk", bulk);
    bundle.evidence_max_age(EVIDENCE_MAX_AGE_SECONDS)
}

fn port(said: &Value, name: &str) -> SocketAddr {
    let port = said[name].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Each tunnel has a socket of its own.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("up to the most that is allowed");
}
