//! The controller over a line in simulated time: a buffer, a rate, a delay, losses by chance, acknowledgements of every
//! second packet, loss found by three packets that came after (RFC 9002 §6.1.1).

use std::collections::{BTreeMap, VecDeque};

use super::*;

const MTU: u64 = 1_400;

/// A line that several senders share.
struct Line {
    rate: u64,
    round_trip: Duration,
    buffer: Duration,
    /// Of 1,000 packets.
    lost: u64,
    random: u64,
    free_at: Duration,
}

impl Line {
    /// When the acknowledgement of a packet that is sent now comes back.
    fn carry(&mut self, now: Duration) -> Option<Duration> {
        let waits = self.free_at.saturating_sub(now);
        if waits > self.buffer {
            return None;
        }
        self.free_at = self.free_at.max(now) + Duration::from_nanos(MTU * 8 * 1_000_000_000 / self.rate);
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if (self.random >> 33) % 1_000 < self.lost { None } else { Some(self.free_at + self.round_trip) }
    }
}

/// Who decides how much a sender may have under way.
enum Control {
    Ours(Box<Steady>),
    /// As TCP has done for thirty years: it fills every buffer.
    Reno {
        window: u64,
        threshold: u64,
        recovering_until: Option<Instant>,
    },
}

impl Control {
    fn ours(zero: Instant) -> Self {
        Self::Ours(Box::new(Steady::new(zero, u16::try_from(MTU).unwrap())))
    }

    fn reno() -> Self {
        Self::Reno { window: WINDOW_AT_FIRST, threshold: u64::MAX, recovering_until: None }
    }

    fn window(&self) -> u64 {
        match self {
            Self::Ours(steady) => steady.window(),
            Self::Reno { window, .. } => *window,
        }
    }

    fn sent(&mut self, now: Instant, number: u64) {
        match self {
            Self::Ours(steady) => steady.on_sent(now, MTU, number),
            Self::Reno { .. } => {}
        }
    }

    fn acked(&mut self, now: Instant, sent: Instant) {
        match self {
            Self::Ours(steady) => steady.packet_acked(now, sent, MTU),
            Self::Reno { window, threshold, .. } if *window < *threshold => *window += MTU,
            Self::Reno { window, .. } => *window += MTU * MTU / *window,
        }
    }

    fn end_acks(&mut self, now: Instant, in_flight: u64) {
        match self {
            Self::Ours(steady) => steady.on_end_acks(now, in_flight, false, None),
            Self::Reno { .. } => {}
        }
    }

    fn lost(&mut self, now: Instant, sent: Instant, octets: u64) {
        match self {
            Self::Ours(steady) => steady.on_congestion_event(now, sent, false, octets),
            Self::Reno { recovering_until: Some(until), .. } if sent <= *until => {}
            Self::Reno { window, threshold, recovering_until } => {
                *window = (*window / 2).max(2 * MTU);
                *threshold = *window;
                *recovering_until = Some(now);
            }
        }
    }
}

/// A sender that always has more to send.
struct Sender {
    controller: Control,
    /// Packets under way, by number, with the time at which they were sent.
    flying: BTreeMap<u64, Duration>,
    acks: VecDeque<(Duration, u64)>,
    next: u64,
    smoothed: Duration,
    tokens: f64,
    delivered: u64,
    waits: Vec<Duration>,
    /// The longest time without a packet, once the start is over.
    silence: Duration,
    last_sent: Duration,
}

impl Sender {
    fn new(controller: Control) -> Self {
        Self {
            controller,
            flying: BTreeMap::new(),
            acks: VecDeque::new(),
            next: 0,
            smoothed: Duration::from_millis(100),
            tokens: 10.0,
            delivered: 0,
            waits: Vec::new(),
            silence: Duration::ZERO,
            last_sent: Duration::ZERO,
        }
    }

    fn in_flight(&self) -> u64 {
        self.flying.len() as u64 * MTU
    }

    fn send(&mut self, line: &mut Line, zero: Instant, now: Duration, warm: Duration) {
        let rate = self.controller.window() as f64 / MTU as f64 * 1.25 / self.smoothed.as_secs_f64();
        self.tokens = (self.tokens + rate * STEP.as_secs_f64()).min(10.0 + rate * 0.002);
        while self.tokens >= 1.0 && self.in_flight() + MTU < self.controller.window() {
            if now > warm {
                self.silence = self.silence.max(now - self.last_sent);
            }
            self.last_sent = now;
            self.tokens -= 1.0;
            self.controller.sent(zero + now, self.next);
            self.flying.insert(self.next, now);
            if let Some(back) = line.carry(now) {
                self.acks.push_back((back, self.next));
            }
            self.next += 1;
        }
        // A probe after a time without any acknowledgement.
        if self.acks.is_empty() && !self.flying.is_empty() && now > self.last_sent + self.smoothed * 2 {
            self.flying.clear();
        }
    }

    fn receive(&mut self, line: &Line, zero: Instant, now: Duration) {
        let due = self.acks.iter().take_while(|(back, _)| *back <= now).count();
        if due == 0 {
            return;
        }
        let mut largest = 0;
        for (_, number) in self.acks.drain(..due) {
            let Some(sent) = self.flying.remove(&number) else { continue };
            largest = number;
            self.delivered += MTU;
            self.waits.push((now - sent).saturating_sub(line.round_trip));
            self.smoothed = (self.smoothed * 7 + (now - sent)) / 8;
            self.controller.acked(zero + now, zero + sent);
        }
        self.controller.end_acks(zero + now, self.in_flight());
        let lost: Vec<u64> = self.flying.range(..largest.saturating_sub(2)).map(|(number, _)| *number).collect();
        let Some(last) = lost.last() else { return };
        let sent = self.flying[last];
        for number in &lost {
            self.flying.remove(number);
        }
        self.controller.lost(zero + now, zero + sent, lost.len() as u64 * MTU);
    }
}

const STEP: Duration = Duration::from_micros(200);
const MS: Duration = Duration::from_millis(1);

/// What senders got after a time to warm up.
struct Seen {
    /// Share of the line's rate.
    share: f64,
    wait_p50: Duration,
    wait_p99: Duration,
    silence: Duration,
}

fn run(
    line: &mut Line,
    senders: &mut [Sender],
    zero: Instant,
    from: Duration,
    lasting: Duration,
    warm: Duration,
) -> Vec<Seen> {
    let mut before = vec![0; senders.len()];
    let mut now = from;
    while now < from + warm + lasting {
        for (sender, before) in senders.iter_mut().zip(&mut before) {
            if now < from + warm {
                *before = sender.delivered;
                sender.waits.clear();
            }
            sender.receive(line, zero, now);
            sender.send(line, zero, now, from + warm);
        }
        now += STEP;
    }
    let octets = line.rate as f64 / 8.0 * lasting.as_secs_f64();
    let seen = |(sender, before): (&mut Sender, &u64)| {
        sender.waits.sort_unstable();
        let at = |percent: usize| sender.waits[(sender.waits.len() - 1) * percent / 100];
        Seen {
            share: (sender.delivered - before) as f64 / octets,
            wait_p50: at(50),
            wait_p99: at(99),
            silence: sender.silence,
        }
    };
    senders.iter_mut().zip(&before).map(seen).collect()
}

fn line(mbit_s: u64, round_trip: u64, buffer: u64, lost: u64) -> Line {
    Line {
        rate: mbit_s * 1_000_000,
        round_trip: MS * u32::try_from(round_trip).unwrap(),
        buffer: MS * u32::try_from(buffer).unwrap(),
        lost,
        random: 7,
        free_at: Duration::ZERO,
    }
}

/// One sender of ours alone.
fn alone(mut line: Line) -> Seen {
    let zero = Instant::now();
    let mut senders = [Sender::new(Control::ours(zero))];
    let seen = run(&mut line, &mut senders, zero, Duration::ZERO, MS * 20_000, MS * 3_000).remove(0);
    println!("share {:.3} wait p50 {:?} p99 {:?} silence {:?}", seen.share, seen.wait_p50, seen.wait_p99, seen.silence);
    seen
}

#[test]
fn a_clean_line_is_full_and_its_deep_buffer_is_not() {
    for (mbit_s, round_trip) in [(10, 20), (30, 80), (200, 10), (50, 200), (500, 30), (5, 60)] {
        let seen = alone(line(mbit_s, round_trip, 1_000, 0));
        assert!(seen.share > 0.9, "{mbit_s} Mbit/s, {round_trip} ms: {}", seen.share);
        assert!(seen.wait_p50 < 32 * MS, "{mbit_s} Mbit/s, {round_trip} ms: {:?}", seen.wait_p50);
        assert!(seen.wait_p99 < 40 * MS, "{mbit_s} Mbit/s, {round_trip} ms: {:?}", seen.wait_p99);
    }
}

#[test]
fn losses_that_congestion_did_not_cause_cost_little_more_than_themselves() {
    for (mbit_s, round_trip, lost) in [(30, 80, 5), (50, 30, 20), (50, 200, 1), (10, 200, 50), (50, 30, 50)] {
        let seen = alone(line(mbit_s, round_trip, 200, lost));
        assert!(seen.share > 0.8, "{mbit_s} Mbit/s, {round_trip} ms, {lost} of 1,000 lost: {}", seen.share);
        assert!(seen.wait_p99 < 80 * MS, "{mbit_s} Mbit/s, {round_trip} ms, {lost} of 1,000 lost: {:?}", seen.wait_p99);
    }
}

#[test]
fn a_buffer_smaller_than_the_wait_that_is_aimed_at_loses_little_and_the_line_is_used() {
    for (mbit_s, round_trip, buffer) in [(50, 30, 3), (100, 100, 5), (20, 40, 2)] {
        let seen = alone(line(mbit_s, round_trip, buffer, 0));
        assert!(seen.share > 0.75, "{mbit_s} Mbit/s, {round_trip} ms, buffer {buffer} ms: {}", seen.share);
    }
}

#[test]
fn packets_go_on_while_the_window_falls() {
    for (mbit_s, round_trip) in [(50, 200), (30, 80), (20, 40)] {
        let seen = alone(line(mbit_s, round_trip, 500, 10));
        assert!(seen.silence < 25 * MS, "{mbit_s} Mbit/s, {round_trip} ms: {:?}", seen.silence);
    }
}

#[test]
fn beside_a_sender_that_fills_the_buffer_it_is_not_pushed_aside() {
    for (mbit_s, round_trip, buffer) in [(30, 80, 300), (50, 30, 100), (10, 40, 500)] {
        let zero = Instant::now();
        let mut senders = [Sender::new(Control::ours(zero)), Sender::new(Control::reno())];
        let mut line = line(mbit_s, round_trip, buffer, 0);
        let seen = run(&mut line, &mut senders, zero, Duration::ZERO, MS * 40_000, MS * 10_000);
        println!("ours {:.3} reno {:.3}", seen[0].share, seen[1].share);
        assert!((0.15..0.85).contains(&seen[0].share), "{mbit_s} Mbit/s, {round_trip} ms: {}", seen[0].share);
        assert!(seen[0].share + seen[1].share > 0.9);
    }
}

#[test]
fn two_of_ours_share_a_line() {
    for (mbit_s, round_trip) in [(50, 30), (30, 80)] {
        let zero = Instant::now();
        let mut senders = [Sender::new(Control::ours(zero)), Sender::new(Control::ours(zero))];
        let mut line = line(mbit_s, round_trip, 500, 0);
        let seen = run(&mut line, &mut senders, zero, Duration::ZERO, MS * 30_000, MS * 5_000);
        println!("{:.3} {:.3} wait {:?}", seen[0].share, seen[1].share, seen[0].wait_p99);
        assert!(seen[0].share.min(seen[1].share) > 0.2, "{} and {}", seen[0].share, seen[1].share);
    }
}

#[test]
fn a_path_that_becomes_longer_or_faster_is_used_in_full_again() {
    let zero = Instant::now();
    let mut senders = [Sender::new(Control::ours(zero))];
    let mut path = line(30, 20, 500, 0);
    run(&mut path, &mut senders, zero, Duration::ZERO, MS * 3_000, MS * 2_000);
    path.round_trip = 90 * MS;
    let seen = run(&mut path, &mut senders, zero, MS * 5_000, MS * 5_000, MS * 25_000).remove(0);
    println!("longer: share {:.3} wait {:?}", seen.share, seen.wait_p99);
    assert!(seen.share > 0.85 && seen.wait_p99 < 100 * MS, "{} {:?}", seen.share, seen.wait_p99);
    path.rate = 100_000_000;
    let seen = run(&mut path, &mut senders, zero, MS * 35_000, MS * 3_000, MS * 3_000).remove(0);
    println!("faster: share {:.3} wait {:?}", seen.share, seen.wait_p99);
    assert!(seen.share > 0.8, "{}", seen.share);
}
