//! Collectors, and running them so that none can stop the others.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hitotsu_model::posture::{Claim, ClaimName, Posture};
use hitotsu_model::time::Timestamp;

use crate::platform;
use crate::posture::clock_skew::ClockSkew;
use crate::posture::{Finding, Machine, WhyUnknown};

/// Longest that a whole collection waits. The slowest honest collector lists the waiting updates: 1 s of processor time
/// on a laptop, several on a busy or old one.
pub const COLLECT_DEADLINE: Duration = Duration::from_secs(10);

/// What a collector may look at and needs to know.
#[derive(Debug, Clone)]
pub struct Context {
    /// The computer.
    pub machine: Arc<Machine>,
    /// Programs that policy forbids, by process name.
    pub forbidden: Arc<[String]>,
    /// The present, by this computer's clock.
    pub now: Timestamp,
    /// Seconds by which this computer's clock was ahead of the gateway's when the gateway last told its time.
    pub clock_skew_seconds: Option<i64>,
}

/// Makes one or a few claims. It may block; it never guesses.
pub trait Collector: fmt::Debug + Send + Sync {
    /// The claims that it makes.
    fn claims(&self) -> &'static [ClaimName];

    /// Looks, and says what it found. A claim that it leaves out becomes unknown.
    fn collect(&self, context: &Context) -> Vec<Finding>;

    /// What announces that it would say something else.
    fn watched(&self, machine: &Machine) -> Watched;

    /// Whether a look now would take seconds: the agent's first statement does not wait for it.
    fn takes_long(&self, _machine: &Machine) -> bool {
        false
    }
}

/// What announces a change.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Files whose change, appearance or disappearance counts, and directories whose entries count.
    pub paths: Vec<PathBuf>,
    /// The kernel's announcement, where the agent may hear it.
    pub signal: Option<Signal>,
    /// How often to look where nothing announces it.
    pub poll: Duration,
    /// How often to look all the same where the kernel announces it.
    pub poll_with_signal: Duration,
    /// Shortest time between two looks, however much is announced.
    pub gap: Duration,
}

/// [`Watched::gap`] of a collector that is cheap: a machine on which programs start all the time costs one look a
/// second, and a change is still seen well within 5 s.
const GAP: Duration = Duration::from_secs(1);

impl Watched {
    /// Nothing but looking every `poll`.
    #[must_use]
    pub fn every(poll: Duration) -> Self {
        Self { paths: Vec::new(), signal: None, poll, poll_with_signal: poll, gap: GAP }
    }

    /// Never sooner after a look than `gap`, because looking is expensive.
    #[must_use]
    pub fn not_within(mut self, gap: Duration) -> Self {
        self.gap = gap;
        self
    }

    /// Also these files and directories, as absolute paths of the machine.
    #[must_use]
    pub fn and_paths<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.paths.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Where `signal` can be heard, looking every `poll` is enough.
    #[must_use]
    pub fn or_signal(mut self, signal: Signal, poll: Duration) -> Self {
        self.signal = Some(signal);
        self.poll_with_signal = poll;
        self
    }
}

/// A kernel's announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// The packet filter's rules changed.
    Firewall,
    /// A program started or ended.
    Processes,
}

/// All collectors of a computer.
#[derive(Debug, Clone, Default)]
pub struct Collectors {
    list: Vec<Arc<Supervised>>,
}

impl Collectors {
    /// Those of this platform and those that every platform shares. `state` is the agent's state directory.
    #[must_use]
    pub fn of_this_platform(state: &Path) -> Self {
        let mut list = platform::collectors(state);
        list.push(Arc::new(ClockSkew));
        Self::new(list)
    }

    /// These collectors.
    #[must_use]
    pub fn new(list: Vec<Arc<dyn Collector>>) -> Self {
        let supervise = |collector| Arc::new(Supervised { collector, running: Mutex::new(None) });
        Self { list: list.into_iter().map(supervise).collect() }
    }

    /// Every claim there is: those that no collector makes are unknown. Blocks for at most [`COLLECT_DEADLINE`].
    #[must_use]
    pub fn collect(&self, context: &Context) -> Posture {
        let mut posture = Posture::default();
        for name in ClaimName::ALL {
            insert(&mut posture, Finding::unknown(*name, WhyUnknown::NotOnThisPlatform), context.now);
        }
        self.collect_some(|_| true, |_| COLLECT_DEADLINE, context, &mut posture);
        posture
    }

    /// How many collectors there are; they are numbered from 0.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// What collector number `index` watches.
    pub(crate) fn watched(&self, index: usize, machine: &Machine) -> Option<Watched> {
        self.list.get(index).map(|supervised| supervised.collector.watched(machine))
    }

    /// Whether a look of collector number `index` would take seconds now.
    pub(crate) fn takes_long(&self, index: usize, machine: &Machine) -> bool {
        self.list.get(index).is_some_and(|supervised| supervised.collector.takes_long(machine))
    }

    /// Which collector makes `name`.
    pub(crate) fn making(&self, name: ClaimName) -> Option<usize> {
        self.list.iter().position(|supervised| supervised.collector.claims().contains(&name))
    }

    /// Replaces in `posture` the claims of those collectors whose number is `wanted`, and returns the numbers of those
    /// that have not answered within their `patience`.
    pub(crate) fn collect_some(
        &self,
        wanted: impl Fn(usize) -> bool,
        patience: impl Fn(usize) -> Duration,
        context: &Context,
        posture: &mut Posture,
    ) -> Vec<usize> {
        let begun_at = Instant::now();
        let chosen = self.list.iter().enumerate().filter(|(index, _)| wanted(*index));
        let begun: Vec<_> = chosen.map(|(index, one)| (index, one, one.begin(context))).collect();
        let mut late = Vec::new();
        for (index, supervised, begun) in begun {
            // One that hung before is not waited for again: it must not slow the others down.
            let (findings, answered) = match begun {
                Begun::Anew => supervised.finish(begun_at + patience(index)),
                Begun::Before => supervised.finish(Instant::now()),
            };
            if !answered {
                late.push(index);
            }
            for finding in findings {
                insert(posture, finding, context.now);
            }
        }
        late
    }
}

/// A collector and its run that is under way. A collector that hangs holds one thread and no more.
#[derive(Debug)]
struct Supervised {
    collector: Arc<dyn Collector>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    since: Timestamp,
    answer: Receiver<Vec<Finding>>,
}

/// Whether a run was started now or is still under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    Anew,
    Before,
}

impl Supervised {
    fn begin(&self, context: &Context) -> Begun {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // A late answer is about the past: throw it away and ask anew.
        if let Some(late) = running.as_ref()
            && late.answer.try_recv() == Err(mpsc::TryRecvError::Empty)
        {
            return Begun::Before;
        }
        let (send, answer) = mpsc::sync_channel(1);
        let (collector, owned) = (Arc::clone(&self.collector), context.clone());
        let work = move || drop(send.send(collector.collect(&owned)));
        // A thread that could not be started has dropped its end: the answer is "crashed".
        drop(thread::Builder::new().name("posture".to_owned()).spawn(work));
        *running = Some(Running { since: context.now, answer });
        Begun::Anew
    }

    /// The findings, and whether they are the collector's own.
    fn finish(&self, deadline: Instant) -> (Vec<Finding>, bool) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(run) = running.as_ref() else {
            return (self.all_unknown(WhyUnknown::Crashed, None), true);
        };
        let findings = match run.answer.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(findings) => self.completed(findings),
            Err(RecvTimeoutError::Timeout) => return (self.all_unknown(WhyUnknown::NoAnswer, Some(run.since)), false),
            Err(RecvTimeoutError::Disconnected) => self.all_unknown(WhyUnknown::Crashed, None),
        };
        *running = None;
        (findings, true)
    }

    /// Exactly the claims that the collector answers for, each of its kind.
    fn completed(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let claims = self.collector.claims();
        let mut complete: Vec<Finding> =
            claims.iter().map(|name| Finding::unknown(*name, WhyUnknown::NotSaid)).collect();
        for finding in findings {
            if finding.value.fits(finding.name.kind())
                && let Some(place) = complete.iter_mut().find(|one| one.name == finding.name)
            {
                *place = finding;
            }
        }
        complete
    }

    fn all_unknown(&self, why: WhyUnknown, since: Option<Timestamp>) -> Vec<Finding> {
        let say = |name: &ClaimName| match since {
            Some(since) => Finding::unknown_because(*name, why, format_args!("since {since}")),
            None => Finding::unknown(*name, why),
        };
        self.collector.claims().iter().map(say).collect()
    }
}

pub(crate) fn insert(posture: &mut Posture, finding: Finding, observed_at: Timestamp) {
    let claim = Claim { value: finding.value, source: finding.source, observed_at };
    // INVARIANT (findings fit): `completed` and the constructors of `Finding` let nothing else through.
    if let Err(misfit) = posture.insert(finding.name, claim) {
        tracing::error!(claim = %misfit.0, "a collector made a claim of the wrong kind");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use hitotsu_model::posture::{ClaimValue, Source};

    use super::*;

    #[derive(Debug)]
    struct Says(fn() -> Vec<Finding>);

    impl Collector for Says {
        fn claims(&self) -> &'static [ClaimName] {
            &[ClaimName::FirewallOn, ClaimName::DiskEncrypted]
        }

        fn collect(&self, _context: &Context) -> Vec<Finding> {
            (self.0)()
        }

        fn watched(&self, _machine: &Machine) -> Watched {
            Watched::every(Duration::from_secs(60))
        }
    }

    fn context(now: i64) -> Context {
        Context {
            machine: Arc::new(Machine::this()),
            forbidden: Arc::from([]),
            now: Timestamp(now),
            clock_skew_seconds: None,
        }
    }

    fn value(posture: &Posture, name: ClaimName) -> ClaimValue {
        posture.claim(name).expect("made").value.clone()
    }

    #[test]
    fn a_collector_that_panics_is_unknown_and_stops_no_other() {
        let broken: Arc<dyn Collector> = Arc::new(Says(|| panic!("expected by this test")));
        let posture = Collectors::new(vec![broken, Arc::new(ClockSkew)]).collect(&context(7));
        let crashed = ClaimValue::Unknown(WhyUnknown::Crashed.sentence().to_owned());
        assert_eq!(value(&posture, ClaimName::FirewallOn), crashed);
        assert_eq!(posture.iter().count(), ClaimName::ALL.len());
    }

    #[test]
    fn a_claim_left_out_or_of_the_wrong_kind_is_unknown() {
        let wrong: Arc<dyn Collector> = Arc::new(Says(|| vec![Finding::number(ClaimName::FirewallOn, 1)]));
        let posture = Collectors::new(vec![wrong]).collect(&context(7));
        let unsaid = ClaimValue::Unknown(WhyUnknown::NotSaid.sentence().to_owned());
        assert_eq!(value(&posture, ClaimName::FirewallOn), unsaid);
        assert_eq!(value(&posture, ClaimName::DiskEncrypted), unsaid);
    }

    #[test]
    fn a_collector_cannot_speak_for_another() {
        let liar: Arc<dyn Collector> = Arc::new(Says(|| vec![Finding::yes_or_no(ClaimName::SecureBoot, true)]));
        let posture = Collectors::new(vec![liar]).collect(&context(7));
        assert_eq!(posture.claim(ClaimName::SecureBoot).map(|claim| claim.source), Some(Source::Unknown));
    }

    #[derive(Debug)]
    struct Hangs(Arc<Barrier>);

    impl Collector for Hangs {
        fn claims(&self) -> &'static [ClaimName] {
            &[ClaimName::FirewallOn]
        }

        fn collect(&self, _context: &Context) -> Vec<Finding> {
            self.0.wait();
            vec![Finding::yes_or_no(ClaimName::FirewallOn, true)]
        }

        fn watched(&self, _machine: &Machine) -> Watched {
            Watched::every(Duration::from_secs(60))
        }
    }

    #[test]
    fn a_collector_that_hangs_is_unknown_since_then_and_is_not_started_twice() {
        let gate = Arc::new(Barrier::new(2));
        let collectors = Collectors::new(vec![Arc::new(Hangs(Arc::clone(&gate)))]);
        let look = |now| {
            let mut posture = Posture::default();
            let late = collectors.collect_some(|_| true, |_| Duration::from_millis(50), &context(now), &mut posture);
            assert_eq!(late, [0]);
            posture
        };
        let (first, second) = (look(0), look(60_000));
        let since = "the check has not answered (since 1970-01-01T00:00:00.000Z)".to_owned();
        assert_eq!(value(&first, ClaimName::FirewallOn), ClaimValue::Unknown(since.clone()));
        assert_eq!(value(&second, ClaimName::FirewallOn), ClaimValue::Unknown(since));
        // Only one run waits at the gate: a second one would let this pass the barrier before us.
        gate.wait();
    }
}
