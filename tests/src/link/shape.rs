//! What a link is like.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Both directions.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Profile {
    /// From the client to the gateway.
    pub up: Shape,
    /// From the gateway to the client.
    pub down: Shape,
}

impl Profile {
    /// The same both ways.
    #[must_use]
    pub fn even(shape: Shape) -> Self {
        Self { up: shape, down: shape }
    }
}

/// One direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// From one end to the other, once a packet has left the buffer.
    pub delay: Duration,
    /// How fast packets leave the buffer.
    pub bits_per_second: u64,
    /// Octets that the buffer holds. What comes when it is full is dropped, as in most routers and modems.
    pub buffer_octets: u64,
    /// Which packets are lost on the way.
    pub loss: Loss,
    /// The share of packets, 0 to 1, that are held back by [`Shape::held_back`] and overtaken.
    pub reordered: f64,
    /// How long.
    pub held_back: Duration,
}

/// A wire: at once, all of it, in order.
impl Default for Shape {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            bits_per_second: 1_000_000_000_000,
            buffer_octets: 1 << 30,
            loss: Loss::None,
            reordered: 0.0,
            held_back: Duration::ZERO,
        }
    }
}

/// Which packets are lost, besides those for which the buffer is full.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Loss {
    /// None.
    None,
    /// Each for itself.
    Alone {
        /// The share that is lost, 0 to 1.
        share: f64,
    },
    /// Several in a row: the link is good or bad, and turns from one to the other by chance after each packet (Gilbert's
    /// model). All packets are lost while it is bad.
    Bursts {
        /// The share that is lost in the long run, 0 to 1.
        share: f64,
        /// Packets that are lost in a row, on average; at least 1.
        length: f64,
    },
}

impl Shape {
    /// A buffer for so much time at the rate.
    #[must_use]
    pub fn buffered(mut self, time: Duration) -> Self {
        let bits = u128::from(self.bits_per_second) * time.as_nanos() / 1_000_000_000;
        self.buffer_octets = u64::try_from(bits / 8).unwrap_or(u64::MAX);
        self
    }
}
