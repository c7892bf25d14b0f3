//! The process that carries packets between the two devices. It is told what the link is like by lines of JSON on its
//! standard input, a [`Profile`] or `null`, and answers each with what happened since the last, [`Told`].
//!
//! Each direction has two threads: one takes packets in as they come, one gives them out when they are due. A packet waits
//! in no timer of a runtime, whose steps of a millisecond would show at 5 ms.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::direction::{Direction, Fate};
use super::shape::{Profile, Shape};
use super::tun;

/// The largest packet that the devices give, and more than enough for their MTU of 1,500.
const PACKET_OCTETS_MAX: usize = 2_048;

/// Seeds of the two directions.
const SEEDS: [u64; 2] = [0x0075_7020_7761_7264, 0x646f_776e_7761_7264];

/// What the link did since it was asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Told {
    /// From the first device to the second.
    pub up: Counts,
    /// The other way.
    pub down: Counts,
    /// How long no packet has come.
    pub idle: Duration,
}

/// What happened to packets of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Came out.
    pub arrived: u64,
    /// Octets of those.
    pub octets: u64,
    /// Were lost.
    pub lost: u64,
    /// Found the buffer full.
    pub dropped: u64,
    /// Came out more than 0.5 ms after they should have.
    pub late: u64,
}

/// Packets that come out this much after their time are late: the emulator could not keep up.
const LATE: Duration = Duration::from_micros(500);

/// Carries between new devices of these names until standard input ends. The first answer says that they are there.
///
/// # Errors
/// The devices cannot be made, or the input is not what it should be.
pub fn run(near: &str, far: &str) -> io::Result<Value> {
    let (near, far) = (Arc::new(tun::open(near)?), Arc::new(tun::open(far)?));
    let [up, down] = SEEDS.map(|seed| Arc::new(Way::new(seed)));
    spawn(&up, Arc::clone(&near), Arc::clone(&far));
    spawn(&down, far, near);
    println!("{}", json!({}));
    for line in io::stdin().lines() {
        if let Some(profile) = serde_json::from_str::<Option<Profile>>(&line?)? {
            up.be(profile.up);
            down.be(profile.down);
        }
        let idle = up.idle().min(down.idle());
        let told = Told { up: up.counts.take(), down: down.counts.take(), idle };
        println!("{}", serde_json::to_string(&told)?);
    }
    Ok(json!({}))
}

/// One direction, as its two threads and the one that is asked share it.
#[derive(Debug)]
struct Way {
    began: Instant,
    seed: u64,
    direction: Mutex<Direction>,
    /// When a packet last came, in microseconds.
    last: AtomicU64,
    counts: Atomics,
}

#[derive(Debug, Default)]
struct Atomics {
    arrived: AtomicU64,
    octets: AtomicU64,
    lost: AtomicU64,
    dropped: AtomicU64,
    late: AtomicU64,
}

impl Atomics {
    fn take(&self) -> Counts {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Counts {
            arrived: take(&self.arrived),
            octets: take(&self.octets),
            lost: take(&self.lost),
            dropped: take(&self.dropped),
            late: take(&self.late),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Way {
    fn new(seed: u64) -> Self {
        let direction = Mutex::new(Direction::new(Shape::default(), seed));
        Self { began: Instant::now(), seed, direction, last: AtomicU64::new(0), counts: Atomics::default() }
    }

    /// From now on it is like this, and its losses begin anew.
    fn be(&self, shape: Shape) {
        *self.direction() = Direction::new(shape, self.seed);
    }

    fn direction(&self) -> MutexGuard<'_, Direction> {
        self.direction.lock().expect("no thread panics")
    }

    fn idle(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_micros(self.last.load(Ordering::Relaxed)))
    }

    /// Takes packets in.
    fn take_in(&self, mut from: &File, out: &Sender<Packet>) -> io::Result<()> {
        let mut buffer = [0; PACKET_OCTETS_MAX];
        for number in 0.. {
            let octets = from.read(&mut buffer)?;
            let now = self.began.elapsed();
            self.last.store(u64::try_from(now.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            let fate = self.direction().take(now, octets);
            match fate {
                Fate::Arrives(at) => {
                    let packet = Packet { order: Reverse((at, number)), octets: buffer[..octets].into() };
                    out.send(packet).map_err(|_| io::ErrorKind::BrokenPipe)?;
                }
                Fate::Lost => count(&self.counts.lost),
                Fate::Dropped => count(&self.counts.dropped),
            }
        }
        Ok(())
    }

    /// Gives packets out when they are due.
    fn give_out(&self, to: &File, packets: &Receiver<Packet>) {
        let mut waiting = BinaryHeap::new();
        loop {
            while let Some(packet) = self.due(&mut waiting) {
                self.give(to, &packet);
            }
            let next = match waiting.peek().map(Packet::at) {
                None => packets.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => packets.recv_timeout(at.saturating_sub(self.began.elapsed())),
            };
            match next {
                Ok(packet) => waiting.push(packet),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn due(&self, waiting: &mut BinaryHeap<Packet>) -> Option<Packet> {
        waiting.peek().filter(|packet| packet.at() <= self.began.elapsed())?;
        waiting.pop()
    }

    fn give(&self, mut to: &File, packet: &Packet) {
        // The other end may not be up yet; a cable would not know either.
        let Ok(octets) = to.write(&packet.octets) else { return };
        count(&self.counts.arrived);
        self.counts.octets.fetch_add(octets as u64, Ordering::Relaxed);
        if self.began.elapsed() > packet.at() + LATE {
            count(&self.counts.late);
        }
    }
}

/// A packet on its way. The largest is the one that is due first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    order: Reverse<(Duration, u64)>,
    octets: Box<[u8]>,
}

impl Packet {
    fn at(&self) -> Duration {
        self.order.0.0
    }
}

fn spawn(way: &Arc<Way>, from: Arc<File>, to: Arc<File>) {
    let (out, packets) = channel();
    let (taker, giver) = (Arc::clone(way), Arc::clone(way));
    thread::spawn(move || taker.take_in(&from, &out));
    thread::spawn(move || giver.give_out(&to, &packets));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_leave_by_the_time_that_they_are_due_and_those_of_the_same_time_as_they_came() {
        let packet =
            |at, number| Packet { order: Reverse((Duration::from_millis(at), number)), octets: Box::default() };
        let mut heap: BinaryHeap<Packet> = [packet(2, 0), packet(1, 1), packet(1, 2)].into();
        let numbers: Vec<u64> = std::iter::from_fn(|| heap.pop()).map(|packet| packet.order.0.1).collect();
        assert_eq!(numbers, [1, 2, 0]);
    }
}
