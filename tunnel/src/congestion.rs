//! How much may be under way on one QUIC connection: a congestion controller for lines that people have at home and on the
//! move, where packets are lost without congestion, and where the buffers are so deep that loss tells of it too late for a
//! telephone call that shares the connection.
//!
//! It measures two things, once a round trip: the rate at which octets arrive, and how long packets wait in a queue, which
//! is the shortest of the last few round trips less the shortest of all. It sends more while that wait is shorter than
//! [`wait_wanted`], and then what the line holds at the measured rate. That losses are no signal by themselves is what
//! BBR (Cardwell et al., ACM Queue 14(5), 2016) has taught; to aim at a delay, what Swift has (Kumar et al., SIGCOMM 2020,
//! §3). Losses do count when there are more of them the more is sent ([`Losses`]).
//!
//! Another sender that fills the buffer would push such a controller aside, so while a queue does not go away however little
//! is sent, it shares as Reno does ([`Mode::Crowded`]), as Copa switches its mode (Arun and Balakrishnan, NSDI 2018, §2.2).
//!
//! The window never falls faster than acknowledgements come in (as in RFC 6937): each of them lets at least one packet out,
//! so that a datagram of a call never waits until half of a window has drained.

use std::any::Any;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hitotsu_quic::RttEstimator;
use hitotsu_quic::congestion::{BbrConfig, Controller, ControllerFactory, CubicConfig};

/// Octets under way at first: 10 packets of 1,472 (RFC 9002 §7.2).
const WINDOW_AT_FIRST: u64 = 14_720;

/// Octets that may be under way at most: twice what is kept for sending again.
const WINDOW_MAX: u64 = 2 * crate::limits::SEND_WINDOW;

/// Packets that may always be under way: one acknowledgement for two, twice.
const WINDOW_MIN_PACKETS: u64 = 4;

/// The wait that is aimed at is a quarter of the round trip within these bounds. Less than the first drowns in the jitter of
/// wireless lines and of busy machines; more than the last is heard in a call.
const WAIT_WANTED: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(30)];

/// Round trips in a row after which a start without growth has found the rate.
const ROUNDS_WITHOUT_GROWTH: u32 = 3;

/// Decreases in a row without effect after which the queue is somebody else's.
const DECREASES_IN_VAIN: u32 = 4;

/// Round trips of which the largest rate counts: rounds in which the application paused do not hide what the line can do.
const ROUNDS_OF_RATE: usize = 4;

/// The shortest round trip is looked for anew this often: routes change.
const SHORTEST_LASTS: Duration = Duration::from_secs(5);

/// Round trips that must all show a queue: one that was late by chance shows none (RFC 9406 §4.3).
const SAMPLES: usize = 8;

/// How long packets may wait, by the shortest round trip.
fn wait_wanted(shortest: Duration) -> Duration {
    let [least, most] = WAIT_WANTED;
    (shortest / 4).clamp(least, most)
}

/// How much a side sends at a time. Each side chooses for what it sends itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Congestion {
    /// As most of TCP (RFC 9438): it takes every loss for congestion, and nothing else.
    Cubic,
    /// This module's: for lines that lose packets and lines that queue them.
    #[default]
    Steady,
    /// quinn-proto's BBR, which its authors call experimental.
    Bbr,
}

/// Not the name of a [`Congestion`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no way to control congestion; use `steady`, `cubic` or `bbr`")]
pub struct UnknownCongestion(pub String);

impl FromStr for Congestion {
    type Err = UnknownCongestion;

    fn from_str(text: &str) -> Result<Self, UnknownCongestion> {
        match text {
            "steady" => Ok(Self::Steady),
            "cubic" => Ok(Self::Cubic),
            "bbr" => Ok(Self::Bbr),
            other => Err(UnknownCongestion(other.to_owned())),
        }
    }
}

impl Congestion {
    pub(crate) fn factory(self) -> Arc<dyn ControllerFactory + Send + Sync> {
        match self {
            Self::Steady => Arc::new(SteadyConfig),
            Self::Cubic => Arc::new(CubicConfig::default()),
            Self::Bbr => Arc::new(BbrConfig::default()),
        }
    }
}

/// Makes one [`Steady`] for each path.
#[derive(Debug, Default)]
struct SteadyConfig;

impl ControllerFactory for SteadyConfig {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        Box::new(Steady::new(now, mtu))
    }
}

/// The controller of one path.
#[derive(Debug, Clone)]
struct Steady {
    mtu: u64,
    /// Octets that may be under way.
    window: u64,
    /// Where the window goes, at the pace of acknowledgements.
    goal: u64,
    mode: Mode,
    /// The window before the first of the decreases in a row.
    before: u64,
    shortest: Shortest,
    rate: Rate,
    losses: Losses,
    round: Round,
    recent: Recent,
    /// Octets that may be sent while the window falls: half of what was acknowledged.
    credit: u64,
    /// Acknowledged since the last batch of acknowledgements, and when the newest of that was sent.
    acked: u64,
    newest: Option<Instant>,
    /// The window was changed in the last round, whose effect shows only after this one.
    settling: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Doubles each round trip.
    Starting {
        /// Rounds in a row in which the rate did not grow.
        without_growth: u32,
    },
    /// At the rate of the line.
    Cruising {
        /// Increases in a row, each twice the one before while there is no queue at all.
        increases: u32,
        /// Decreases in a row.
        decreases: u32,
    },
    /// Beside others who fill the buffer.
    Crowded,
}

const CRUISING: Mode = Mode::Cruising { increases: 0, decreases: 0 };

/// From when a packet is sent until it is acknowledged.
#[derive(Debug, Clone)]
struct Round {
    began: Instant,
    acked: u64,
    lost: u64,
    /// There was more to send than the window let out.
    limited: bool,
}

impl Round {
    fn new(began: Instant) -> Self {
        Self { began, acked: 0, lost: 0, limited: false }
    }
}

/// The last few round trips.
#[derive(Debug, Clone, Default)]
struct Recent {
    samples: [Duration; SAMPLES],
    next: usize,
}

impl Recent {
    fn add(&mut self, sample: Duration) {
        if let Some(place) = self.samples.get_mut(self.next) {
            *place = sample;
        }
        self.next = (self.next + 1) % SAMPLES;
    }

    fn shortest(&self) -> Duration {
        self.samples.iter().copied().min().unwrap_or_default()
    }
}

/// Octets a second that arrive.
#[derive(Debug, Clone, Default)]
struct Rate {
    rounds: [u64; ROUNDS_OF_RATE],
    next: usize,
}

impl Rate {
    fn add(&mut self, octets: u64, time: Duration, limited: bool) -> u64 {
        let rate = u128::from(octets) * 1_000_000_000 / time.as_nanos().max(1);
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        if limited || rate > self.most() {
            if let Some(place) = self.rounds.get_mut(self.next) {
                *place = rate;
            }
            self.next = (self.next + 1) % ROUNDS_OF_RATE;
        }
        rate
    }

    fn most(&self) -> u64 {
        self.rounds.iter().copied().max().unwrap_or_default()
    }

    /// What arrives in a time.
    fn octets_in(&self, time: Duration) -> u64 {
        u64::try_from(u128::from(self.most()) * time.as_nanos() / 1_000_000_000).unwrap_or(u64::MAX)
    }
}

/// Whether losses come from sending too much. A line that loses 5 % of whatever is sent does so at any rate; a buffer that
/// overflows, or a policer, takes more the more is sent.
#[derive(Debug, Clone, Copy, Default)]
struct Losses {
    /// The share that is usual, in hundredths of a percent.
    usual: u64,
}

impl Losses {
    /// A share this much above twice the usual one tells of congestion: 3 %, and not of a handful of packets.
    const ABOVE: u64 = 300;
    const PACKETS_MIN: u64 = 5;

    fn tell_of_congestion(&mut self, acked: u64, lost: u64, mtu: u64) -> bool {
        let share = lost * 10_000 / (acked + lost).max(1);
        let congestion = share > 2 * self.usual + Self::ABOVE && lost >= Self::PACKETS_MIN * mtu;
        self.usual = (7 * self.usual + share) / 8;
        congestion
    }
}

/// The shortest round trip of the path: what it takes without any queue.
#[derive(Debug, Clone)]
struct Shortest {
    value: Option<Duration>,
    since: Instant,
    lately: Duration,
    /// Half of the window is let go, to see whether the queue that seems to be there always is our own.
    looking: bool,
}

impl Shortest {
    fn observe(&mut self, sample: Duration) {
        self.lately = self.lately.min(sample);
        self.value = Some(self.value.map_or(sample, |value| value.min(sample)));
    }

    fn known(&self) -> Duration {
        self.value.unwrap_or_default()
    }

    /// True when it is time to look whether the path has become longer.
    fn is_doubtful(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) < SHORTEST_LASTS || self.lately == Duration::MAX {
            return false;
        }
        if self.lately <= self.known() + self.known() / 8 {
            self.renew(now);
            return false;
        }
        !self.looking
    }

    fn look(&mut self) {
        (self.looking, self.lately) = (true, Duration::MAX);
    }

    fn renew(&mut self, now: Instant) {
        if self.lately != Duration::MAX {
            self.value = Some(self.lately);
        }
        (self.since, self.lately, self.looking) = (now, Duration::MAX, false);
    }
}

impl Steady {
    fn new(now: Instant, mtu: u16) -> Self {
        Self {
            mtu: mtu.into(),
            window: WINDOW_AT_FIRST,
            goal: WINDOW_AT_FIRST,
            mode: Mode::Starting { without_growth: 0 },
            before: 0,
            shortest: Shortest { value: None, since: now, lately: Duration::MAX, looking: false },
            rate: Rate::default(),
            losses: Losses::default(),
            round: Round::new(now),
            recent: Recent::default(),
            credit: 0,
            acked: 0,
            newest: None,
            settling: false,
        }
    }

    fn packet_acked(&mut self, now: Instant, sent: Instant, bytes: u64) {
        let took = now.saturating_duration_since(sent);
        self.shortest.observe(took);
        self.recent.add(took);
        self.acked += bytes;
        self.newest = self.newest.max(Some(sent));
    }

    fn least(&self) -> u64 {
        WINDOW_MIN_PACKETS * self.mtu
    }

    /// What the line holds without a queue.
    fn line(&self) -> u64 {
        self.rate.octets_in(self.shortest.known()) + 2 * self.mtu
    }

    fn lower_to(&mut self, goal: u64) {
        self.goal = goal.clamp(self.least(), self.window.max(self.least()));
        self.settling = true;
        self.credit = self.mtu;
    }

    fn raise_to(&mut self, window: u64) {
        self.window = window.clamp(self.least(), WINDOW_MAX);
        self.goal = self.window;
    }

    fn end_round(&mut self, now: Instant) {
        let round = std::mem::replace(&mut self.round, Round::new(now));
        let before = self.rate.most();
        self.rate.add(round.acked, now.duration_since(round.began), round.limited);
        let congested = self.losses.tell_of_congestion(round.acked, round.lost, self.mtu);
        if self.shortest.looking && self.window == self.goal && !self.settling {
            self.shortest.renew(now);
        }
        if self.window > self.goal || std::mem::take(&mut self.settling) || !round.limited {
            return;
        }
        if self.shortest.is_doubtful(now) {
            self.shortest.look();
            self.lower_to(self.window / 2);
            return;
        }
        let waited = self.recent.shortest().saturating_sub(self.shortest.known());
        match self.mode {
            Mode::Starting { without_growth } => {
                let grew = self.rate.most() >= before + before / 4;
                let without_growth = if grew { 0 } else { without_growth + 1 };
                self.mode = Mode::Starting { without_growth };
                if congested || without_growth >= ROUNDS_WITHOUT_GROWTH {
                    self.cruise();
                }
            }
            Mode::Cruising { increases, decreases } => self.steer(waited, congested, increases, decreases),
            Mode::Crowded if waited < wait_wanted(self.shortest.known()) / 2 => self.mode = CRUISING,
            Mode::Crowded if congested => self.lower_to(self.window * 7 / 10),
            Mode::Crowded => self.raise_to(self.window + 2 * self.mtu),
        }
    }

    /// The start is over.
    fn cruise(&mut self) {
        self.mode = CRUISING;
        self.lower_to(self.line());
    }

    fn steer(&mut self, waited: Duration, congested: bool, increases: u32, decreases: u32) {
        let wanted = wait_wanted(self.shortest.known());
        if waited < wanted && !congested {
            let increases = if waited < wanted / 4 { increases.saturating_add(1) } else { 0 };
            self.mode = Mode::Cruising { increases, decreases: 0 };
            // Half of the room that is left in the queue that is wanted; twice as much each time that none shows.
            let room = self.rate.octets_in(wanted - waited) / 2;
            let step = room.saturating_mul(1 << increases.min(8)).clamp(self.mtu, self.window / 4 + self.mtu);
            let most = (self.line() + self.rate.octets_in(wanted)) * 3 / 2 + 10 * self.mtu;
            self.raise_to((self.window + step).min(most.max(self.window)));
            self.settling = true;
        } else if decreases >= DECREASES_IN_VAIN && !congested {
            self.mode = Mode::Crowded;
            self.raise_to(self.window.max(self.before));
        } else {
            if decreases == 0 {
                self.before = self.window;
            }
            self.mode = Mode::Cruising { increases: 0, decreases: decreases + 1 };
            self.lower_to(self.line().min(self.window * 95 / 100));
        }
    }
}

impl Controller for Steady {
    fn on_sent(&mut self, _now: Instant, bytes: u64, _last_packet_number: u64) {
        self.credit = self.credit.saturating_sub(bytes);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _app_limited: bool, _rtt: &RttEstimator) {
        self.packet_acked(now, sent, bytes);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, _largest: Option<u64>) {
        let acked = std::mem::take(&mut self.acked);
        self.round.acked += acked;
        self.round.limited |= !app_limited && in_flight + acked >= self.window / 4 * 3;
        if matches!(self.mode, Mode::Starting { .. }) && self.round.limited && !self.settling {
            self.raise_to(self.window + acked);
            let known = self.shortest.known();
            if self.recent.shortest() > known + wait_wanted(known) {
                self.rate.add(self.round.acked, now.duration_since(self.round.began), true);
                self.cruise();
            }
        }
        if self.window > self.goal {
            self.credit += acked / 2;
            let gently = in_flight + self.credit + 1;
            self.window = self.window.min(gently.max(self.goal));
        }
        if self.newest.take().is_some_and(|sent| sent >= self.round.began) {
            self.end_round(now);
        }
    }

    fn on_congestion_event(&mut self, now: Instant, _sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        self.round.lost += lost_bytes;
        if is_persistent_congestion {
            self.window = self.least();
            self.goal = self.window;
            self.rate = Rate::default();
            self.mode = Mode::Starting { without_growth: 0 };
            self.round = Round::new(now);
        } else if lost_bytes == 0 && !self.settling {
            // A router marks instead of dropping (RFC 9002 §7.1).
            if matches!(self.mode, Mode::Starting { .. }) {
                self.mode = CRUISING;
            }
            self.lower_to(self.window * 7 / 10);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = new_mtu.into();
        self.window = self.window.max(self.least());
        self.goal = self.goal.max(self.least());
    }

    fn window(&self) -> u64 {
        self.window
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        WINDOW_AT_FIRST
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests;
