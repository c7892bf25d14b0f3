//! One direction of a link: for each packet that is put in, when it comes out. Pure: time and chance are arguments.

use std::time::Duration;

use super::random::Random;
use super::shape::{Loss, Shape};

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It comes out at this time.
    Arrives(Duration),
    /// It takes its time on the wire, and does not come out.
    Lost,
    /// The buffer has no room for it.
    Dropped,
}

/// A direction as it is now. Times count from any fixed instant.
#[derive(Debug)]
pub struct Direction {
    shape: Shape,
    /// When the last packet in the buffer will have left it.
    empty_at: Duration,
    /// While losses come in bursts: whether the next packet is lost.
    bad: bool,
    // Apart, so that the same packets are lost whether or not some are held back.
    losses: Random,
    holds: Random,
}

impl Direction {
    /// An idle one.
    #[must_use]
    pub fn new(shape: Shape, seed: u64) -> Self {
        let (losses, holds) = (Random::new(seed), Random::new(!seed));
        Self { shape, empty_at: Duration::ZERO, bad: false, losses, holds }
    }

    /// Takes a packet in. Calls must be in the order of time.
    pub fn take(&mut self, now: Duration, octets: usize) -> Fate {
        let octets = octets as u64;
        let waits = self.empty_at.saturating_sub(now);
        // A packet on an idle line needs no buffer.
        if !waits.is_zero() && self.octets_in(waits) + octets > self.shape.buffer_octets {
            return Fate::Dropped;
        }
        self.empty_at = now.max(self.empty_at) + self.time_of(octets);
        if self.loses() {
            return Fate::Lost;
        }
        let held = if self.holds.happens(self.shape.reordered) { self.shape.held_back } else { Duration::ZERO };
        Fate::Arrives(self.empty_at + self.shape.delay + held)
    }

    fn loses(&mut self) -> bool {
        match self.shape.loss {
            Loss::None => false,
            Loss::Alone { share } => self.losses.happens(share),
            Loss::Bursts { share, length } => {
                let lost = self.bad;
                // In the long run the link is bad for `share` of the packets.
                let turns = if self.bad { 1.0 / length } else { share / (length * (1.0 - share)) };
                self.bad ^= self.losses.happens(turns);
                lost
            }
        }
    }

    fn time_of(&self, octets: u64) -> Duration {
        let nanoseconds = u128::from(octets) * 8 * 1_000_000_000 / u128::from(self.shape.bits_per_second);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    fn octets_in(&self, time: Duration) -> u64 {
        let octets = time.as_nanos() * u128::from(self.shape.bits_per_second) / 8 / 1_000_000_000;
        u64::try_from(octets).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1_250;
    const MS: Duration = Duration::from_millis(1);

    /// 10 Mbit/s: 1 ms for each packet.
    fn shape() -> Shape {
        Shape { delay: 20 * MS, bits_per_second: 10_000_000, ..Shape::default() }.buffered(10 * MS)
    }

    fn fates(shape: Shape, packets: usize, apart: Duration) -> Vec<Fate> {
        let mut direction = Direction::new(shape, 1);
        (0..u32::try_from(packets).unwrap()).map(|number| direction.take(apart * number, PACKET)).collect()
    }

    #[test]
    fn packets_come_out_in_order_at_the_rate_after_the_delay() {
        let fates = fates(shape(), 5, Duration::ZERO);
        let expected: Vec<Fate> = (1..=5).map(|number| Fate::Arrives(20 * MS + number * MS)).collect();
        assert_eq!(fates, expected);
    }

    #[test]
    fn a_line_that_is_not_full_delays_no_packet_by_another() {
        for (number, fate) in (0..).zip(fates(shape(), 100, 2 * MS)) {
            assert_eq!(fate, Fate::Arrives(number * 2 * MS + MS + 20 * MS));
        }
    }

    #[test]
    fn what_finds_the_buffer_full_is_dropped_and_what_comes_when_there_is_room_again_is_not() {
        let mut direction = Direction::new(shape(), 1);
        for _ in 0..10 {
            assert!(matches!(direction.take(Duration::ZERO, PACKET), Fate::Arrives(_)));
        }
        assert_eq!(direction.take(Duration::ZERO, PACKET), Fate::Dropped);
        assert_eq!(direction.take(MS, PACKET), Fate::Arrives(11 * MS + 20 * MS));
        assert_eq!(direction.take(MS, PACKET), Fate::Dropped);
    }

    #[test]
    fn a_packet_larger_than_the_buffer_passes_an_idle_line() {
        let small = Shape { buffer_octets: 10, ..shape() };
        let mut direction = Direction::new(small, 1);
        assert_eq!(direction.take(Duration::ZERO, PACKET), Fate::Arrives(21 * MS));
        assert_eq!(direction.take(Duration::ZERO, PACKET), Fate::Dropped);
    }

    #[test]
    fn single_losses_have_their_share_and_take_their_time_on_the_wire() {
        let fates = fates(Shape { loss: Loss::Alone { share: 0.05 }, ..shape() }, 100_000, MS);
        let lost = fates.iter().filter(|fate| **fate == Fate::Lost).count();
        assert!((4_700..5_300).contains(&lost), "{lost}");
        let after = fates.windows(2).position(|pair| pair[0] == Fate::Lost && pair[1] != Fate::Lost).unwrap() + 1;
        let sent = MS * u32::try_from(after).unwrap();
        assert_eq!(fates[after], Fate::Arrives(sent + MS + 20 * MS), "the wire was free again");
    }

    #[test]
    fn bursts_have_their_share_and_their_length() {
        let loss = Loss::Bursts { share: 0.02, length: 5.0 };
        let fates = fates(Shape { loss, ..shape() }, 500_000, MS);
        let lost = fates.iter().filter(|fate| **fate == Fate::Lost).count();
        let bursts = fates.windows(2).filter(|pair| pair[0] != Fate::Lost && pair[1] == Fate::Lost).count();
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let (share, length) = (lost as f64 / 500_000.0, lost as f64 / bursts as f64);
        assert!((0.018..0.022).contains(&share), "{share}");
        assert!((4.6..5.4).contains(&length), "{length}");
    }

    #[test]
    fn packets_that_are_held_back_are_overtaken_and_none_is_lost() {
        let fates = fates(Shape { reordered: 0.01, held_back: 5 * MS, ..shape() }, 10_000, MS);
        let times: Vec<Duration> = fates
            .into_iter()
            .map(|fate| match fate {
                Fate::Arrives(at) => at,
                Fate::Lost | Fate::Dropped => panic!("{fate:?}"),
            })
            .collect();
        let overtaken = times.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!((70..130).contains(&overtaken), "{overtaken}");
    }

    #[test]
    fn the_same_seed_loses_the_same_packets_whether_or_not_some_are_held_back() {
        let loss = Loss::Bursts { share: 0.02, length: 3.0 };
        let lost = |shape| -> Vec<bool> { fates(shape, 2_000, MS).iter().map(|fate| *fate == Fate::Lost).collect() };
        let plain = Shape { loss, ..shape() };
        assert_eq!(lost(plain), lost(Shape { reordered: 0.1, held_back: MS, ..plain }));
    }
}
