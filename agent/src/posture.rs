//! What state this computer is in.
//!
//! A [`Collector`] makes one or a few claims from what the operating system says. [`Collectors`] runs them all, each
//! within a deadline, so that one that hangs or crashes is a claim that says so and never an outage. [`Watch`] runs
//! them again when something may have changed and yields the posture when it says something new.
//! [`describe()`] puts it into words.

mod clock_skew;
mod collector;
mod describe;
mod finding;
mod machine;
mod watch;

pub use collector::{COLLECT_DEADLINE, Collector, Collectors, Context, Signal, Watched};
pub use describe::{Description, describe};
pub use finding::{Finding, WhyUnknown};
pub use machine::{Account, Command, CommandError, Commands, Machine};
pub use watch::Watch;
