//! A link that is as bad as one likes, in user space, between two network namespaces: delay, rate, a buffer, losses alone
//! or in bursts, packets that are overtaken. Kernels have the same as `netem`, where they have it.
//!
//! ```text
//!   client's namespace                                    gateway's namespace
//!   `out` (TUN) ── reads ──► Direction ── when due ──► writes ── (TUN) `in`
//!               ◄── writes ── when due ── Direction ◄── reads ──
//! ```
//!
//! - [`shape`] is what a direction is like, [`direction`] decides for each packet when it arrives, if it does: pure.
//! - [`random`] are numbers that are the same again for the same seed.
//! - [`carry`] is the process between the two devices, [`tun`] a device.

pub mod carry;
pub mod direction;
pub mod random;
pub mod shape;
pub mod tun;
