//! What state this computer is in.
//!
//! A [`Collector`] makes one or a few claims from what the operating system says. [`Collectors`] runs them all, each
//! within a deadline, so that one that hangs or crashes is a claim that says so and never an outage. [`Watch`] runs
//! them again when something may have changed and yields the posture when it says something new. [`describe`] puts it
//! into words.

mod collector;
mod describe;
mod machine;
mod watch;

pub use collector::{Collector, Collectors, Context, Finding};
pub use describe::{Description, describe};
pub use machine::{CommandError, Commands, Machine, SystemCommands};
pub use watch::{Watch, WatchError};
