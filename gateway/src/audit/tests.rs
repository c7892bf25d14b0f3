use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hitotsu_model::code::Code;
use hitotsu_model::ids::SessionId;
use hitotsu_model::resource::{Target, Transport};

use super::disk::SegmentFile;
use super::writer::OUTCOME_BYTES;
use super::*;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

#[tokio::test]
async fn records_come_back_in_order_and_the_chain_holds_over_segments_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    for run in 0..3_u64 {
        let (log, recovery) = AuditLog::open_sized(dir.path(), NOW, 4096).unwrap();
        assert_eq!(recovery.records, run * 100);
        assert_eq!((recovery.torn_tail, recovery.damage), (None, vec![]));
        for number in 0..100 {
            let position = log.append(denied(run * 100 + number), Durability::Safe).await.unwrap();
            assert_eq!(position, Position(run * 100 + number));
        }
    }
    let report = verify(dir.path()).unwrap();
    assert!(report.is_intact(), "{:?}", report.damage);
    assert_eq!((report.records, report.live), (300, false));
    assert!(report.segments > 20, "{}", report.segments);
    let last: Vec<u64> = tail(dir.path(), 25).unwrap().iter().map(|entry| entry.position.0).collect();
    assert_eq!(last, (275..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_start_names_the_open_intents_of_the_last_run_once_and_goes_on_counting_flows() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open_sized(dir.path(), NOW, 2048).unwrap();
    let kept = log.begin(FlowId(7), intent(7), Durability::Durable).await.unwrap();
    for flow in 8..40 {
        let open = log.begin(FlowId(flow), intent(flow), Durability::Safe).await.unwrap();
        open.complete(NOW, 1, 2, FlowEnd::Finished);
    }
    let copy = tempfile::tempdir().unwrap();
    log.append(denied(90), Durability::Durable).await.unwrap();
    copy_dir(dir.path(), copy.path());
    drop((kept, log));

    let (log, recovery) = AuditLog::open_sized(copy.path(), NOW, 2048).unwrap();
    assert_eq!(recovery.orphans, [FlowId(7)]);
    assert_eq!(recovery.next_flow, 91);
    let event = AuditEvent::GatewayStarted { version: "1".to_owned(), closed_intents: recovery.orphans };
    log.append(AuditRecord { at: NOW, event }, Durability::Durable).await.unwrap();
    drop(log);
    let (_log, recovery) = AuditLog::open(copy.path(), NOW).unwrap();
    assert_eq!((recovery.orphans, recovery.next_flow), (vec![], 91));

    // The original run dropped its intent in order, which closed it.
    let (_log, recovery) = AuditLog::open(dir.path(), NOW).unwrap();
    assert_eq!(recovery.orphans, []);
    let ends: Vec<_> = tail(dir.path(), 1).unwrap();
    assert!(matches!(&ends[0].record.event, AuditEvent::FlowClosed { flow: FlowId(7), end: FlowEnd::Orphaned, .. }));
}

#[tokio::test]
async fn an_intent_whose_asker_stopped_waiting_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open(dir.path(), NOW).unwrap();
    for flow in 0..50 {
        let mut begin = Box::pin(log.begin(FlowId(flow), intent(flow), Durability::Durable));
        // Polled once, so that it is in the queue, then cancelled.
        assert!(futures_util::poll!(&mut begin).is_pending());
    }
    // The threads hold the log until the last such intent is closed.
    let mut state = log.state();
    drop(log);
    while state.changed().await.is_ok() {}
    let (_log, recovery) = AuditLog::open(dir.path(), NOW).unwrap();
    assert_eq!((recovery.orphans, recovery.records), (vec![], 100));
}

#[tokio::test]
async fn a_flipped_bit_is_found_with_its_position_and_the_rest_is_still_read() {
    let dir = written(&[20]).await;
    let path = segment(dir.path(), 0);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 0x10;
    std::fs::write(&path, &bytes).unwrap();
    let report = verify(dir.path()).unwrap();
    assert_eq!(report.damage.len(), 1, "{:?}", report.damage);
    let damage = &report.damage[0];
    assert!(damage.offset <= at as u64 && (9..11).contains(&damage.position), "{damage}");
    assert!(damage.to_string().contains("does not fit the hash chain"), "{damage}");
    assert!(report.records >= 18, "{report:?}");
    // A start reports it, leaves the file as it is, and goes on.
    let (log, recovery) = AuditLog::open(dir.path(), NOW).unwrap();
    assert_eq!(recovery.damage.len(), 1);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    log.append(denied(1), Durability::Durable).await.unwrap();
}

#[tokio::test]
async fn a_missing_segment_a_cut_one_and_a_cut_end_are_found() {
    let cut_end = written(&[30, 30, 30]).await;
    let path = segment(cut_end.path(), 2);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..112]).unwrap();
    let report = verify(cut_end.path()).unwrap();
    assert!(report.damage[0].what.to_string().contains("90 records had been on the disk"), "{:?}", report.damage);

    let cut_middle = written(&[30, 30, 30]).await;
    let path = segment(cut_middle.path(), 1);
    let mut whole = std::fs::read(&path).unwrap();
    whole.truncate(whole.len() / 2);
    std::fs::write(&path, &whole).unwrap();
    let report = verify(cut_middle.path()).unwrap();
    assert!(report.damage.iter().any(|damage| damage.what.to_string().contains("cut short")), "{:?}", report.damage);
    assert!(report.damage.iter().any(|damage| damage.what.to_string().contains("was cut")), "{:?}", report.damage);

    let missing = written(&[30, 30, 30]).await;
    std::fs::remove_file(segment(missing.path(), 1)).unwrap();
    let report = verify(missing.path()).unwrap();
    assert_eq!(report.damage.len(), 1, "{:?}", report.damage);
    assert!(report.damage[0].what.to_string().contains("a segment is missing"), "{:?}", report.damage);
}

#[tokio::test]
async fn records_put_in_another_order_are_found() {
    let dir = written(&[3]).await;
    let path = segment(dir.path(), 0);
    let bytes = std::fs::read(&path).unwrap();
    let frame = (bytes.len() - 112) / 3;
    let (header, frames) = bytes.split_at(112);
    let swapped = [header, &frames[frame..2 * frame], &frames[..frame], &frames[2 * frame..]].concat();
    std::fs::write(&path, swapped).unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(report.damage[0].what.to_string().contains("record 1 stands here instead"), "{:?}", report.damage);
}

#[tokio::test]
async fn a_rewritten_end_with_a_chain_of_its_own_is_found() {
    let dir = written(&[10]).await;
    let forged = written(&[10]).await;
    // The forger knows the format, but another time stands in the header and so in every hash.
    std::fs::copy(segment(forged.path(), 0), segment(dir.path(), 0)).unwrap();
    let report = verify(dir.path()).unwrap();
    let same = std::fs::read(segment(dir.path(), 0)).unwrap() == std::fs::read(segment(forged.path(), 0)).unwrap();
    assert!(same);
    assert!(report.is_intact(), "an equal log is equal: {:?}", report.damage);
    let other = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open(other.path(), NOW.plus(Duration::from_secs(1))).unwrap();
    for number in 0..10 {
        log.append(denied(number), Durability::Safe).await.unwrap();
    }
    drop(log);
    std::fs::copy(segment(other.path(), 0), segment(dir.path(), 0)).unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(report.damage[0].what.to_string().contains("another record than the one"), "{:?}", report.damage);
}

#[tokio::test]
async fn a_torn_tail_is_cut_aside_and_reported() {
    let dir = written(&[5]).await;
    let path = segment(dir.path(), 0);
    let mut bytes = std::fs::read(&path).unwrap();
    let whole = bytes.len();
    bytes.extend_from_within(112..150);
    std::fs::write(&path, &bytes).unwrap();
    let (log, recovery) = AuditLog::open(dir.path(), NOW).unwrap();
    let torn = recovery.torn_tail.unwrap();
    assert_eq!((torn.offset, torn.bytes, recovery.records), (whole as u64, 38, 5));
    assert_eq!(std::fs::read(&torn.kept_as).unwrap(), bytes[whole..]);
    assert_eq!(recovery.damage, []);
    log.append(denied(5), Durability::Durable).await.unwrap();
    drop(log);
    let report = verify(dir.path()).unwrap();
    assert!(report.is_intact(), "{:?}", report.damage);
    assert_eq!((report.records, report.torn_files.len()), (6, 1));
}

#[tokio::test]
async fn on_a_full_disk_nothing_new_begins_but_every_owed_outcome_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::new(dir.path(), 40_000));
    let log = start(&disk);
    let mut state = log.state();
    let mut open = Vec::new();
    let refused = loop {
        match log.begin(FlowId(open.len() as u64), intent(open.len() as u64), Durability::Safe).await {
            Ok(begun) => open.push(begun),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, AuditError::Full);
    assert!(refused.to_string().contains("free space on it"), "{refused}");
    assert_eq!(*state.borrow_and_update(), AuditState::Full);
    assert!(open.len() > 20, "{}", open.len());
    let count = open.len();
    let last = open.pop().unwrap();
    for begun in open {
        begun.complete(NOW, u64::MAX, u64::MAX, FlowEnd::Cut { code: Code::EvidenceOtherConnection });
    }
    disk.space.store(u64::MAX, Ordering::SeqCst);
    log.append(denied(1000), Durability::Durable).await.unwrap();
    assert_eq!(*state.borrow_and_update(), AuditState::Writing);
    last.complete(NOW, 0, 0, FlowEnd::Finished);
    drop(log);
    drop(disk);
    let report = verify(dir.path()).unwrap();
    assert_eq!((report.open_intents, report.records), (0, 2 * count as u64 + 1));
    assert!(report.is_intact(), "{:?}", report.damage);
}

#[tokio::test]
async fn a_small_record_that_still_fits_does_not_make_a_full_disk_pass_for_one_with_space() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::new(dir.path(), 40_000));
    let log = start(&disk);
    let mut state = log.state();
    let _open = flows_until_full(&log).await;
    assert_eq!(*state.borrow_and_update(), AuditState::Full);

    // Room for a refusal and no more, then the rest of what the last flow left.
    disk.space.store(800, Ordering::SeqCst);
    log.append(denied(0), Durability::Safe).await.expect("a refusal fits");

    assert!(!state.has_changed().unwrap(), "{:?}", state.borrow());
    assert_eq!(log.begin(FlowId(0), intent(0), Durability::Safe).await.unwrap_err(), AuditError::Full);
    assert!(!state.has_changed().unwrap());
}

#[tokio::test]
async fn space_on_a_full_disk_is_noticed_while_nobody_has_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::new(dir.path(), 40_000));
    let log = start(&disk);
    let mut state = log.state();
    let _open = flows_until_full(&log).await;
    assert_eq!(*state.borrow_and_update(), AuditState::Full);

    disk.space.store(u64::MAX, Ordering::SeqCst);
    state.changed().await.unwrap();

    assert_eq!(*state.borrow(), AuditState::Writing);
}

#[tokio::test]
async fn rotation_on_a_full_disk_keeps_the_room_that_is_owed() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::new(dir.path(), 12_000));
    let log = AuditLog::start(disk.clone(), &fresh(), NOW, 1024).unwrap();
    let mut open = Vec::new();
    while let Ok(begun) = log.begin(FlowId(open.len() as u64), intent(0), Durability::Safe).await {
        open.push(begun);
    }
    assert!(open.len() > 3, "{}", open.len());
    for begun in open.drain(..) {
        begun.complete(NOW, u64::MAX, u64::MAX, FlowEnd::Cut { code: Code::EvidenceOtherConnection });
    }
    drop((log, disk));
    assert!(verify(dir.path()).unwrap().is_intact());
}

#[tokio::test]
async fn a_failed_write_stops_the_log_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::new(dir.path(), u64::MAX));
    let log = start(&disk);
    log.append(denied(0), Durability::Safe).await.unwrap();
    disk.fail_writes.store(true, Ordering::SeqCst);
    let error = log.append(denied(1), Durability::Safe).await.unwrap_err();
    assert!(error.to_string().contains("restart the gateway"), "{error}");
    disk.fail_writes.store(false, Ordering::SeqCst);
    assert!(matches!(log.append(denied(1), Durability::Safe).await, Err(AuditError::Failed(_))));
    assert!(matches!(*log.state().borrow(), AuditState::Failed { .. }));
}

#[tokio::test]
async fn a_failed_sync_is_not_tried_again_as_if_nothing_had_happened() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::new(dir.path(), u64::MAX));
    let log = start(&disk);
    log.append(denied(0), Durability::Durable).await.unwrap();
    disk.fail_syncs.store(true, Ordering::SeqCst);
    let mut state = log.state();
    state.borrow_and_update();
    // Not even a durable record is needed: the background sync meets the fault.
    log.append(denied(1), Durability::Safe).await.unwrap();
    state.changed().await.unwrap();
    assert!(matches!(&*state.borrow(), AuditState::Failed { why } if why.contains("syncing")));
    disk.fail_syncs.store(false, Ordering::SeqCst);
    assert!(matches!(log.append(denied(2), Durability::Durable).await, Err(AuditError::Failed(_))));
    assert!(matches!(log.begin(FlowId(3), intent(3), Durability::Safe).await, Err(AuditError::Failed(_))));
}

#[tokio::test]
async fn a_segment_goes_on_while_no_file_can_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::new(dir.path(), u64::MAX));
    let log = AuditLog::start(disk.clone(), &fresh(), NOW, 4096).unwrap();
    disk.no_file_left.store(true, Ordering::SeqCst);
    for number in 0..100 {
        log.append(denied(number), Durability::Safe).await.unwrap();
    }
    assert_eq!(recover::segments(dir.path()).unwrap().len(), 1);
    disk.no_file_left.store(false, Ordering::SeqCst);
    for number in 100..2000 {
        log.append(denied(number), Durability::Safe).await.unwrap();
    }
    assert_eq!(*log.state().borrow(), AuditState::Writing);
    drop(log);
    assert!(recover::segments(dir.path()).unwrap().len() > 1);
    let report = verify(dir.path()).unwrap();
    assert!(report.is_intact(), "{:?}", report.damage);
    assert_eq!(report.records, 2000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn flows_of_many_threads_form_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open_sized(dir.path(), NOW, 256 * 1024).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let log = log.clone();
        tasks.spawn(async move {
            for flow in 0..250 {
                let flow = FlowId(task * 250 + flow);
                // Now and then one that waits for the disk, so that both ways of writing meet.
                let durability = if flow.0.is_multiple_of(50) { Durability::Durable } else { Durability::Safe };
                let open = log.begin(flow, intent(flow.0), durability).await.unwrap();
                open.complete(NOW, 1, 2, FlowEnd::Finished);
            }
        });
    }
    tasks.join_all().await;
    drop(log);
    let report = verify(dir.path()).unwrap();
    assert!(report.is_intact(), "{:?}", report.damage);
    assert_eq!(report.records, 2 * 2000);
    assert!(report.segments > 2, "{}", report.segments);
    let (_log, recovery) = AuditLog::open(dir.path(), NOW).unwrap();
    assert_eq!((recovery.orphans, recovery.next_flow), (vec![], 2000));
}

#[tokio::test]
async fn a_second_writer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, _) = AuditLog::open(dir.path(), NOW).unwrap();
    let error = AuditLog::open(dir.path(), NOW).unwrap_err();
    assert!(error.to_string().contains("another process writes this log"), "{error}");
    assert!(verify(dir.path()).unwrap().live);
}

#[tokio::test]
async fn a_follower_sees_each_record_once_and_over_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open_sized(dir.path(), NOW, 1500).unwrap();
    let mut follower = Follower::new(dir.path(), None);
    let mut seen = Vec::new();
    for number in 0..30 {
        log.append(denied(number), Durability::Safe).await.unwrap();
        seen.extend(follower.poll().unwrap().into_iter().map(|entry| entry.position.0));
    }
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
    assert_eq!(follower.poll().unwrap(), []);
}

#[test]
fn the_largest_usual_intent_fits_the_room_that_ends_a_full_disk() {
    let label = "a".repeat(63);
    let name = [label.as_str(), &label, &label, &label[..61]].join(".");
    let mut record = intent(u64::MAX);
    let AuditEvent::FlowIntent { target, address, resource, rules, .. } = &mut record.event else { unreachable!() };
    *target = Target::parse(&format!("{name}:65535"), Transport::Tcp).unwrap();
    *address = "2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap();
    *resource = "r".repeat(63).parse().unwrap();
    *rules = vec![format!("{}.staff", "g".repeat(40)).parse().unwrap(); 12];

    let bytes = serde_json::to_vec(&record).unwrap().len() + frame::FRAME_BYTES;

    assert!(bytes as u64 <= super::writer::INTENT_BYTES, "{bytes}");
}

#[test]
fn the_longest_outcome_fits_the_room_that_is_kept_for_it() {
    for code in Code::ALL {
        for end in [FlowEnd::Cut { code: *code }, FlowEnd::NotConnected { code: *code }] {
            let event =
                AuditEvent::FlowClosed { flow: FlowId(u64::MAX), bytes_up: u64::MAX, bytes_down: u64::MAX, end };
            let record = AuditRecord { at: Timestamp(i64::MIN), event };
            let bytes = serde_json::to_vec(&record).unwrap().len() + frame::FRAME_BYTES;
            assert!(bytes as u64 <= OUTCOME_BYTES, "{code}: {bytes}");
        }
    }
}

/// A figure for the record; a test so that it cannot rot. Prints appends a second and the median wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bench_appends() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open(dir.path(), NOW).unwrap();
    for (name, durability, count, tasks) in [
        ("safe", Durability::Safe, 2000, 1),
        ("safe", Durability::Safe, 2000, 32),
        ("durable", Durability::Durable, 50, 1),
        ("durable", Durability::Durable, 50, 32),
    ] {
        let began = Instant::now();
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..tasks {
            let log = log.clone();
            running.spawn(async move {
                let mut waits = Vec::new();
                for number in 0..count {
                    let began = Instant::now();
                    log.append(denied(number), durability).await.unwrap();
                    waits.push(began.elapsed());
                }
                waits
            });
        }
        let mut waits = running.join_all().await.concat();
        waits.sort();
        let rate = waits.len() as f64 / began.elapsed().as_secs_f64();
        println!(
            "{name} x{tasks}: {rate:.0}/s, p50 {:?}, p99 {:?}",
            waits[waits.len() / 2],
            waits[waits.len() * 99 / 100]
        );
    }
}

/// A log of one segment for each number of records.
async fn written(runs: &[u64]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for run in runs {
        let (log, _) = AuditLog::open(dir.path(), NOW).unwrap();
        for number in 0..*run {
            log.append(denied(number), Durability::Safe).await.unwrap();
        }
    }
    dir
}

/// Begins flows until one has no room.
async fn flows_until_full(log: &AuditLog) -> Vec<OpenIntent> {
    let mut open = Vec::new();
    while let Ok(begun) = log.begin(FlowId(0), intent(0), Durability::Safe).await {
        open.push(begun);
    }
    open
}

fn denied(flow: u64) -> AuditRecord {
    let event = AuditEvent::FlowDenied {
        flow: FlowId(flow),
        session: SessionId(uuid::Uuid::nil()),
        target: Target::parse("files.example:443", Transport::Tcp).unwrap(),
        codes: vec![Code::NotPermitted],
        rules: vec!["default.deny".parse().unwrap()],
        bundle: "0123456789abcdef".to_owned(),
    };
    AuditRecord { at: NOW, event }
}

fn intent(flow: u64) -> AuditRecord {
    let event = AuditEvent::FlowIntent {
        flow: FlowId(flow),
        session: SessionId(uuid::Uuid::nil()),
        target: Target::parse("files.example:443", Transport::Tcp).unwrap(),
        address: "10.1.2.3".parse().unwrap(),
        resource: "files".parse().unwrap(),
        rules: vec!["files.staff".parse().unwrap()],
        bundle: "0123456789abcdef".to_owned(),
    };
    AuditRecord { at: NOW, event }
}

fn segment(dir: &Path, index: usize) -> PathBuf {
    recover::segments(dir).unwrap()[index].clone()
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn fresh() -> Found {
    Found { next: 0, hash: [0; 32], recovery: Recovery::default() }
}

fn start(disk: &Arc<Faulty>) -> AuditLog {
    AuditLog::start(disk.clone(), &fresh(), NOW, SEGMENT_BYTES).unwrap()
}

/// A disk that fails when told to.
#[derive(Debug)]
struct Faulty {
    folder: Folder,
    space: Arc<AtomicU64>,
    fail_writes: Arc<AtomicBool>,
    fail_syncs: Arc<AtomicBool>,
    no_file_left: AtomicBool,
}

impl Faulty {
    fn new(dir: &Path, space: u64) -> Self {
        Self {
            folder: Folder::open(dir).unwrap(),
            space: Arc::new(AtomicU64::new(space)),
            fail_writes: Arc::default(),
            fail_syncs: Arc::default(),
            no_file_left: AtomicBool::new(false),
        }
    }
}

impl Disk for Faulty {
    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        if self.no_file_left.load(Ordering::SeqCst) {
            return Err(rustix::io::Errno::MFILE.into());
        }
        Ok(Arc::new(FaultyFile {
            file: self.folder.create(name)?,
            space: Arc::clone(&self.space),
            fail_writes: Arc::clone(&self.fail_writes),
            fail_syncs: Arc::clone(&self.fail_syncs),
        }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.folder.sync_folder()
    }

    fn note_positions(&self, bytes: &[u8]) -> io::Result<()> {
        self.folder.note_positions(bytes)
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn SegmentFile>,
    space: Arc<AtomicU64>,
    fail_writes: Arc<AtomicBool>,
    fail_syncs: Arc<AtomicBool>,
}

impl SegmentFile for FaultyFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.fail_writes.load(Ordering::SeqCst) {
            return Err(io::Error::other("injected"));
        }
        self.file.write_at(bytes, offset)
    }

    fn reserve(&self, offset: u64, length: u64) -> io::Result<()> {
        let taken = self.space.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(length));
        taken.map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        self.file.reserve(offset, length)
    }

    fn sync(&self) -> io::Result<()> {
        if self.fail_syncs.load(Ordering::SeqCst) {
            return Err(io::Error::other("injected"));
        }
        self.file.sync()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }
}
