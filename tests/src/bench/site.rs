//! What every bench measures on: an organisation with its gateway, its systems on loopback, and a device.

use std::net::SocketAddr;

use crate::bundle::{PERSON, TestBundle};
use crate::device::Connected;
use crate::systems::{self, System};
use crate::world::World;

/// A running organisation.
#[derive(Debug)]
pub struct Site {
    /// Its gateway.
    pub world: World,
    /// Sends back what comes, over TCP; `echo.test.internal`, tier 3.
    pub echo: System,
    /// The same over UDP; `voice.test.internal`, tier 3.
    pub voice: System,
    /// Takes or gives as much as it can; `bulk.test.internal`, tier 3.
    pub bulk: System,
    /// As `echo`, but of tier 1: its audit record is on the disk before the dial; `residents.test.internal`.
    pub residents: System,
}

impl Site {
    /// Starts everything.
    pub async fn start() -> Self {
        let (echo, voice) = (systems::echo().await, systems::udp_echo().await);
        let (bulk, residents) = (systems::bulk().await, systems::echo().await);
        let bundle = TestBundle::new()
            .tcp("echo", echo.address)
            .udp("voice", voice.address)
            .tcp("bulk", bulk.address)
            .system("residents", "tier1", &[residents.address], "tcp")
            .place(
                "[[place]]\nid = \"city-hall\"\ntitle_ja = \"庁舎\"\ntitle_en = \"City hall\"\nkind = \"city-hall\"\n\
                 sources = [\"127.0.0.0/8\"]\n",
            )
            .permit("residents", ONLY_THE_CITY);
        let world = World::new(&bundle.files()).await;
        Self { world, echo, voice, bulk, residents }
    }

    /// An enrolled device's attested tunnel.
    pub async fn tunnel(&self) -> Connected {
        self.world.enrol(PERSON).await.connect().await
    }

    /// The gateway's process.
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn gateway(&self) -> u32 {
        self.world.gateway.as_ref().expect("it runs").id()
    }
}

/// What the rules of this product demand of every permit of tier 1.
const ONLY_THE_CITY: &str = "[\"office\", \"city-hall\"].contains(context.place_kind) && context.ownership != \"byod\" && context.profile == \"device\"";

/// `host:port` of a system as a device asks for it.
#[must_use]
pub fn named(name: &str, address: SocketAddr) -> String {
    format!("{name}.test.internal:{}", address.port())
}
