//! Windows. What the standard library and sysinfo can tell; every other claim is unknown on this platform.

use std::path::Path;
use std::sync::Arc;

use crate::posture::Collector;

mod agent_intact;
mod commands;
mod forbidden;
mod os;
mod peer;
mod private;
mod signals;

pub use agent_intact::record_own_program;
pub use commands::SystemCommands;
pub use peer::{own_user_id, peer_uid, udp_peer_uid};
pub use private::{check_private, create_private, state_directory};
pub use signals::Signals;

/// The collectors of this platform, in the order of the claims. `state` is the agent's state directory.
#[must_use]
pub fn collectors(state: &Path) -> Vec<Arc<dyn Collector>> {
    vec![Arc::new(os::Os), Arc::new(agent_intact::AgentIntact::new(state)), Arc::new(forbidden::Forbidden)]
}
