//! What the agent asks the operating system. One module for each platform, with the same functions.

#[cfg(target_os = "linux")]
#[path = "platform/linux.rs"]
mod here;
#[cfg(target_os = "windows")]
#[path = "platform/windows.rs"]
mod here;

pub use here::{check_private, collectors, create_private, peer_uid, record_own_program, state_directory, user_id};
