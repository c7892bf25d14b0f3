//! Watching a computer made of a directory, and the one that runs the tests.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hitotsu_model::posture::ClaimValue;

use super::*;
use crate::posture::{Collector, Command, CommandError, Commands};

/// Fails rather than hangs when nothing comes.
const TEST_PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct NoCommands;

impl Commands for NoCommands {
    fn run(&self, command: &Command<'_>) -> Result<Vec<u8>, CommandError> {
        Err(CommandError::Absent(command.program.to_owned()))
    }
}

/// Says what a file says, and counts how often it was asked.
#[derive(Debug, Default)]
struct FromFile {
    asked: AtomicUsize,
}

const FILE: &str = "/etc/firewall";

impl Collector for Arc<FromFile> {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::FirewallOn]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let text = context.machine.read(FILE).unwrap_or_default();
        vec![Finding::yes_or_no(ClaimName::FirewallOn, text.trim() == "on")]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        // Far away, so that only the announcement can be the cause.
        Watched::every(Duration::from_secs(3600)).and_paths([FILE])
    }
}

fn write(root: &Path, text: &str) {
    std::fs::create_dir_all(root.join("etc")).expect("directory");
    std::fs::write(root.join("etc/firewall"), text).expect("file");
}

fn machine(root: &Path) -> Arc<Machine> {
    Arc::new(Machine::new(root.to_owned(), Arc::new(NoCommands)))
}

fn value(posture: &Posture, name: ClaimName) -> ClaimValue {
    posture.claim(name).expect("made").value.clone()
}

async fn changed(watch: &mut Watch) -> Posture {
    tokio::time::timeout(TEST_PATIENCE, watch.changed()).await.expect("a change")
}

#[tokio::test]
async fn a_changed_file_is_a_new_posture_and_a_rewritten_one_is_none() {
    let root = tempfile::tempdir().expect("tempdir");
    write(root.path(), "on");
    let collector = Arc::new(FromFile::default());
    let collectors = Collectors::new(vec![Arc::new(Arc::clone(&collector))]);
    let mut watch = Watch::start(collectors, machine(root.path()), Vec::new()).await;
    assert_eq!(value(&watch.current(), ClaimName::FirewallOn), ClaimValue::Bool(true));
    write(root.path(), "on");
    let rewritten = watch.recollect().await;
    assert_eq!(value(&rewritten, ClaimName::FirewallOn), ClaimValue::Bool(true));
    write(root.path(), "off");
    let begun = Instant::now();
    assert_eq!(value(&changed(&mut watch).await, ClaimName::FirewallOn), ClaimValue::Bool(false));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_burst_of_changes_costs_few_looks() {
    let root = tempfile::tempdir().expect("tempdir");
    write(root.path(), "on");
    let collector = Arc::new(FromFile::default());
    let collectors = Collectors::new(vec![Arc::new(Arc::clone(&collector))]);
    let mut watch = Watch::start(collectors, machine(root.path()), Vec::new()).await;
    for turn in 0..2000 {
        write(root.path(), if turn % 2 == 0 { "on" } else { "off" });
    }
    assert_eq!(value(&changed(&mut watch).await, ClaimName::FirewallOn), ClaimValue::Bool(false));
    let asked = collector.asked.load(Ordering::Relaxed);
    assert!(asked <= 5, "{asked} looks");
}

/// Says nothing before its gate opens; what it found then it knows the next time.
#[derive(Debug)]
struct Slow {
    gate: Arc<Barrier>,
    knows: AtomicBool,
}

impl Collector for Slow {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::SecurityUpdateAgeDays]
    }

    fn collect(&self, _context: &Context) -> Vec<Finding> {
        if !self.knows.swap(true, Ordering::Relaxed) {
            self.gate.wait();
        }
        vec![Finding::number(ClaimName::SecurityUpdateAgeDays, 1)]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(Duration::from_secs(3600))
    }

    fn takes_long(&self, _machine: &Machine) -> bool {
        true
    }
}

#[tokio::test]
async fn the_first_look_waits_for_none_that_takes_long_and_tells_of_it_when_it_answers() {
    let root = tempfile::tempdir().expect("tempdir");
    write(root.path(), "on");
    let gate = Arc::new(Barrier::new(2));
    let slow = Slow { gate: Arc::clone(&gate), knows: AtomicBool::new(false) };
    let collectors = Collectors::new(vec![Arc::new(slow), Arc::new(Arc::<FromFile>::default())]);
    let begun = Instant::now();
    let mut watch = Watch::start(collectors, machine(root.path()), Vec::new()).await;
    assert!(begun.elapsed() < FIRST_PATIENCE, "{:?}", begun.elapsed());
    let first = watch.current();
    assert_eq!(value(&first, ClaimName::FirewallOn), ClaimValue::Bool(true));
    assert!(matches!(value(&first, ClaimName::SecurityUpdateAgeDays), ClaimValue::Unknown(_)));
    gate.wait();
    while value(&changed(&mut watch).await, ClaimName::SecurityUpdateAgeDays) != ClaimValue::Integer(1) {}
}

#[tokio::test]
async fn the_gateways_time_makes_a_claim_that_does_not_waver() {
    let root = tempfile::tempdir().expect("tempdir");
    let collectors = Collectors::new(vec![Arc::new(crate::posture::clock_skew::ClockSkew)]);
    let mut watch = Watch::start(collectors, machine(root.path()), Vec::new()).await;
    watch.set_gateway_time(Timestamp(100_000), Timestamp(130_400));
    assert_eq!(value(&changed(&mut watch).await, ClaimName::ClockSkewSeconds), ClaimValue::Integer(30));
    watch.set_gateway_time(Timestamp(200_000), Timestamp(231_200));
    assert_eq!(value(&watch.recollect().await, ClaimName::ClockSkewSeconds), ClaimValue::Integer(30));
    watch.set_gateway_time(Timestamp(300_000), Timestamp(300_100));
    assert_eq!(value(&changed(&mut watch).await, ClaimName::ClockSkewSeconds), ClaimValue::Integer(0));
}

/// A program that ends with the test, also with one that fails.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_program_that_starts_on_this_machine_is_seen_within_5_s_and_so_is_its_end() {
    let state = tempfile::tempdir().expect("tempdir");
    let program = state.path().join("hitotsu-watched-test");
    std::fs::copy("/bin/sleep", &program).expect("copy");
    let collectors = Collectors::of_this_platform(state.path());
    let name = ClaimName::ForbiddenSoftware;
    let mut watch = Watch::start(collectors, Arc::new(Machine::this()), vec!["hitotsu-watched-test".to_owned()]).await;
    let runs = ClaimValue::TextList(vec!["hitotsu-watched-test".to_owned()]);
    let child = Running(std::process::Command::new(&program).arg("600").spawn().expect("started"));
    let begun = Instant::now();
    while value(&changed(&mut watch).await, name) != runs {}
    let started = begun.elapsed();
    drop(child);
    let begun = Instant::now();
    while value(&changed(&mut watch).await, name) == runs {}
    let ended = begun.elapsed();
    assert!(started < Duration::from_secs(5) && ended < Duration::from_secs(5), "{started:?} {ended:?}");
}

#[tokio::test]
async fn the_list_of_forbidden_programs_may_come_later() {
    let state = tempfile::tempdir().expect("tempdir");
    let mut watch =
        Watch::start(Collectors::of_this_platform(state.path()), Arc::new(Machine::this()), Vec::new()).await;
    let own = std::env::current_exe().expect("own path").file_name().expect("name").to_string_lossy().into_owned();
    watch.set_forbidden(vec![own.clone()]);
    while value(&changed(&mut watch).await, ClaimName::ForbiddenSoftware) != ClaimValue::TextList(vec![own.clone()]) {}
}
