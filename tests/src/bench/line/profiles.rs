//! The lines: a handful that people have, rather than every product of delay, loss and rate.

use std::time::Duration;

use crate::link::shape::{Loss, Profile, Shape};

/// A line with a name.
#[derive(Debug)]
pub(super) struct Known {
    /// In figures.
    pub(super) name: &'static str,
    /// For people.
    pub(super) about: &'static str,
    pub(super) profile: Profile,
    /// How long bulk is measured: some round trips more than filling it takes.
    pub(super) bulk: Duration,
}

/// All of them.
pub(super) fn lines() -> [Known; 5] {
    const MBIT: u64 = 1_000_000;
    let ms = Duration::from_millis;
    let shape = |delay, rate, buffer, loss| {
        Shape { delay: ms(delay), bits_per_second: rate * MBIT, loss, ..Shape::default() }.buffered(ms(buffer))
    };
    let alone = |share| Loss::Alone { share };
    let bursts = |share, length| Loss::Bursts { share, length };
    [
        Known {
            name: "fibre",
            about: "5 ms each way, 200 Mbit/s, buffer 50 ms, 0.1 % lost",
            profile: Profile::even(shape(5, 200, 50, alone(0.001))),
            bulk: ms(2_000),
        },
        Known {
            name: "lte",
            about: "40 ms each way, 30 Mbit/s down and 10 up, buffer 500 ms, 0.5 % lost in bursts of 3",
            profile: Profile {
                up: shape(40, 10, 500, bursts(0.005, 3.0)),
                down: shape(40, 30, 500, bursts(0.005, 3.0)),
            },
            bulk: ms(4_000),
        },
        Known {
            name: "wifi",
            about: "15 ms each way, 50 Mbit/s, buffer 100 ms, 2 % lost in bursts of 4, 1 % overtaken by up to 4 ms",
            profile: Profile::even(Shape {
                reordered: 0.01,
                held_back: ms(4),
                ..shape(15, 50, 100, bursts(0.02, 4.0))
            }),
            bulk: ms(3_000),
        },
        Known {
            name: "far",
            about: "100 ms each way, 50 Mbit/s, buffer 100 ms, 0.1 % lost",
            profile: Profile::even(shape(100, 50, 100, alone(0.001))),
            bulk: ms(5_000),
        },
        Known {
            name: "awful",
            about: "100 ms each way, 10 Mbit/s, buffer 200 ms, 5 % lost",
            profile: Profile::even(shape(100, 10, 200, alone(0.05))),
            bulk: ms(5_000),
        },
    ]
}
