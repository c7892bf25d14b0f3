//! What the agent asks the operating system. One module for each platform, with the same functions.

#[cfg(target_os = "linux")]
mod linux;
mod program;
#[cfg(target_os = "windows")]
mod windows;

#[cfg(target_os = "linux")]
use linux as here;
#[cfg(target_os = "windows")]
use windows as here;

pub use here::{
    Signals, SystemCommands, check_private, collectors, create_private, own_user_id, peer_uid, record_own_program,
    state_directory, udp_peer_uid,
};
