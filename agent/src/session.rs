//! One attested tunnel for everything that this computer asks for.
//!
//! ```text
//!  link ──dial──> keeper ──attested──> Phase::Up ──> open_tcp, open_udp, why
//!    ^              │ attests, listens to notices
//!    └─ supervisor <┘ lost, draining, suspect: dial again; make before break
//! ```
//!
//! What asks for a flow while there is no tunnel waits a bounded time. Nothing here decides about access.

mod backoff;
mod feed;
mod flows;
mod handle;
mod keeper;
mod link;
mod network;
mod notices;
mod requests;
mod supervisor;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use hitotsu_model::ids::{DeviceId, OrgId};
use hitotsu_model::message::Messages;
use hitotsu_pki::key::Signer;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub use backoff::{Backoff, BackoffBounds};
pub use feed::{Feed, FeedRequest, FeedSource, feed};
pub use flows::{Event, FlowSums, FlowTicket, Flows, OpenFlow, TunnelNumber};
pub use handle::{PendingTcp, Refused, SessionHandle, TcpFlow, UdpFlowOpen};
pub use link::Link;
pub use requests::RequestFailure;
pub use tunnel::{Attested, Failure, Phase, Tunnel};

use handle::Shared;

/// Intervals and patience of a session. The defaults are for use; tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Longest time between two statements, whatever the gateway allows.
    pub attest_every: Duration,
    /// Wait before a statement that got no answer is made again.
    pub attest_retry: Duration,
    /// How long the first statement of a connection may take to be believed, collecting included.
    pub first_attest_time_max: Duration,
    /// A flow's answer that is out for so long makes us doubt the tunnel. Loss and a slow system both look like this;
    /// doubting costs one small request.
    pub suspect_after: Duration,
    /// A doubted tunnel that answers nothing within this is given up: with `suspect_after` and a dial it stays below
    /// the 3 s in which a restarted gateway must be found again.
    pub probe_time_max: Duration,
    /// How often a tunnel is probed whose flows are open and silent: a dead gateway is noticed this late at most. Half
    /// of a person's patience with a frozen terminal; one small request, and none while bytes come in. Without flows,
    /// every fourth time.
    pub heartbeat_every: Duration,
    /// Wait before the notices are asked for again after their stream ended.
    pub notices_retry: Duration,
    /// How long a flow waits for a tunnel.
    pub held_open_time_max: Duration,
    /// Shortest time between two dials of a device that the gateway refuses.
    pub refused_retry: Duration,
    /// Waits between dials.
    pub backoff: BackoffBounds,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            attest_every: Duration::from_secs(300),
            attest_retry: Duration::from_secs(1),
            first_attest_time_max: Duration::from_secs(20),
            suspect_after: Duration::from_millis(700),
            probe_time_max: Duration::from_millis(800),
            heartbeat_every: Duration::from_secs(5),
            notices_retry: Duration::from_secs(1),
            held_open_time_max: crate::limits::HELD_OPEN_TIME_MAX,
            refused_retry: Duration::from_secs(15),
            backoff: BackoffBounds::default(),
        }
    }
}

/// What a session needs to know.
#[derive(Debug)]
pub struct SessionConfig {
    /// How to reach the gateway.
    pub link: Link,
    /// The organisation.
    pub org: OrgId,
    /// This device.
    pub device: DeviceId,
    /// The device's key, which signs statements.
    pub signer: Arc<dyn Signer>,
    /// Sentences, in the user's language.
    pub messages: Arc<Messages>,
    /// Intervals and patience.
    pub timing: Timing,
}

/// Nudges that may wait for the supervisor; more are dropped, because each only makes it look again.
const NUDGES_MAX: usize = 32;

/// What makes the supervisor look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nudge {
    /// An application waits for a tunnel.
    Wanted,
    /// A tunnel did not answer in time.
    Suspect(TunnelNumber),
    /// The machine's addresses or routes changed.
    NetworkChanged,
    /// The machine slept.
    Woke,
}

/// A running session. Dropping it closes the tunnel and everything on it.
#[derive(Debug)]
pub struct Session {
    handle: SessionHandle,
    supervisor: JoinHandle<()>,
    network: JoinHandle<()>,
}

impl Session {
    /// Starts to dial. Must be called on a tokio runtime.
    #[must_use]
    pub fn start(config: SessionConfig, feed: Feed) -> Self {
        let (nudges, nudged) = mpsc::channel(NUDGES_MAX);
        let (phase, _) = watch::channel(Phase::Down(None));
        let (catalogue, _) = watch::channel(None);
        let shared = Arc::new(Shared::new(&config, phase, catalogue, nudges.clone()));
        let handle = SessionHandle::new(Arc::clone(&shared));
        let supervisor = tokio::spawn(supervisor::supervise(shared, config, feed, nudged));
        let network = tokio::spawn(network::watch(nudges));
        Self { handle, supervisor, network }
    }

    /// A handle for fronts and local control.
    #[must_use]
    pub fn handle(&self) -> SessionHandle {
        self.handle.clone()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.supervisor.abort();
        self.network.abort();
        self.handle.stop();
    }
}
