//! Linux: files under `/proc`, `/sys`, `/etc` and `/var`, netlink, and few commands whose output is not localised.

use std::path::Path;
use std::sync::Arc;

use crate::posture::Collector;

mod agent_intact;
mod antivirus;
mod commands;
mod disk;
mod firewall;
#[cfg(test)]
mod fixture;
mod forbidden;
mod os;
mod peer;
mod private;
mod processes;
mod screen_lock;
mod secure_boot;
mod sessions;
mod signals;
mod state;
mod tpm;
mod updates;

pub use agent_intact::record_own_program;
pub use commands::SystemCommands;
pub use peer::{own_user_id, peer_uid, udp_peer_uid};
pub use private::{check_private, create_private};
pub use signals::Signals;
pub use state::state_directory;

/// The collectors of this platform, in the order of the claims. `state` is the agent's state directory.
#[must_use]
pub fn collectors(state: &Path) -> Vec<Arc<dyn Collector>> {
    vec![
        Arc::new(os::Os),
        Arc::new(updates::Updates::new(state)),
        Arc::new(disk::Disk),
        Arc::new(firewall::Firewall),
        Arc::new(screen_lock::ScreenLock),
        Arc::new(antivirus::Antivirus),
        Arc::new(secure_boot::SecureBoot),
        Arc::new(tpm::Tpm),
        Arc::new(agent_intact::AgentIntact::new(state)),
        Arc::new(forbidden::Forbidden),
    ]
}
