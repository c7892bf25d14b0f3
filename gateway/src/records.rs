//! Records that nobody waits for, such as refusals: one bounded queue and one task that writes them.
//!
//! A door that is knocked at faster than the disk takes records stays open and holds no more memory. What does not fit is
//! counted, and the log itself says how many records are missing where.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hitotsu_model::audit::{AuditEvent, AuditRecord, Durability};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::audit::AuditLog;
use crate::clock;
use crate::limits::{RECORDS_AT_ONCE_MAX, RECORDS_END_WAIT, RECORDS_WAITING_MAX};
use crate::metrics::Metrics;

/// The queue.
#[derive(Debug)]
pub struct Records {
    queue: mpsc::Sender<AuditRecord>,
    dropped: Dropped,
    closing: CancellationToken,
    writing: Mutex<Option<JoinHandle<()>>>,
}

/// Records that found no room.
#[derive(Debug, Clone)]
struct Dropped {
    /// Not told in the log yet.
    untold: Arc<AtomicU64>,
    all: Counter,
}

impl Dropped {
    fn one(&self) {
        self.all.inc();
        if self.untold.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!("audit records come faster than the disk takes them; some are dropped and counted");
        }
    }
}

impl Records {
    /// Begins to write to `audit`. Needs a runtime.
    #[must_use]
    pub fn start(audit: AuditLog, figures: &Metrics) -> Self {
        Self::start_sized(audit, figures, RECORDS_WAITING_MAX)
    }

    fn start_sized(audit: AuditLog, figures: &Metrics, waiting_max: usize) -> Self {
        let (queue, waiting) = mpsc::channel(waiting_max);
        let closing = CancellationToken::new();
        let dropped = Dropped { untold: Arc::default(), all: figures.audit_dropped.clone() };
        let writer = Writer {
            waiting,
            audit,
            dropped: dropped.clone(),
            failures: figures.audit_failures.clone(),
            closing: closing.clone(),
        };
        Self { queue, dropped, closing, writing: Mutex::new(Some(tokio::spawn(writer.run()))) }
    }

    /// Queues a record if there is room, and counts it if not. Never waits.
    pub fn record(&self, event: AuditEvent) {
        if self.queue.try_send(AuditRecord { at: clock::now(), event }).is_err() {
            self.dropped.one();
        }
    }

    /// Queues a record, and waits for room: for what must not be missing, where somebody can wait.
    pub async fn record_surely(&self, event: AuditEvent) {
        if self.queue.send(AuditRecord { at: clock::now(), event }).await.is_err() {
            self.dropped.one();
        }
    }

    /// Takes nothing more, and completes when all that was taken is written.
    pub async fn finish(&self) {
        self.closing.cancel();
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writing) = writing else { return };
        if timeout(RECORDS_END_WAIT, writing).await.is_err() {
            tracing::error!("audit records were still waiting when the gateway stopped; the disk does not answer");
        }
    }
}

struct Writer {
    waiting: mpsc::Receiver<AuditRecord>,
    audit: AuditLog,
    dropped: Dropped,
    failures: Counter,
    closing: CancellationToken,
}

impl Writer {
    async fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled(), if !self.waiting.is_closed() => self.waiting.close(),
                taken = self.waiting.recv_many(&mut batch, RECORDS_AT_ONCE_MAX) => {
                    if taken == 0 {
                        return;
                    }
                    self.write(&mut batch).await;
                }
            }
        }
    }

    /// Writes in the order of the queue, and then how many records are missing up to here.
    async fn write(&self, batch: &mut Vec<AuditRecord>) {
        let missing = self.dropped.untold.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let event = AuditEvent::RecordsDropped { count: missing };
            batch.push(AuditRecord { at: clock::now(), event });
        }
        for record in batch.drain(..) {
            if let Err(error) = self.audit.append(record, Durability::Safe).await {
                self.failures.inc();
                tracing::error!(%error, "an audit record could not be written; nothing new is opened");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tail;
    use hitotsu_model::audit::AuditEvent::PolicyRefused;

    /// What was recorded, by the number that the test gave it.
    fn numbers(dir: &std::path::Path) -> (Vec<u32>, Vec<u64>) {
        let (mut numbers, mut missing) = (Vec::new(), Vec::new());
        for entry in tail(dir, 1_000_000).unwrap() {
            if let PolicyRefused { errors } = entry.record.event {
                numbers.push(errors);
            } else if let AuditEvent::RecordsDropped { count } = entry.record.event {
                missing.push(count);
            }
        }
        (numbers, missing)
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted_in_a_figure_and_in_the_log_and_blocks_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let (audit, _) = AuditLog::open(dir.path(), clock::now()).unwrap();
        let figures = Metrics::default();
        let records = Records::start_sized(audit, &figures, 4);
        // On this runtime the writer cannot run before the next await: the queue fills.
        for number in 0..10 {
            records.record(PolicyRefused { errors: number });
        }
        records.finish().await;
        assert_eq!(figures.audit_dropped.get(), 6);
        assert_eq!(numbers(dir.path()), (vec![0, 1, 2, 3], vec![6]));
    }

    #[tokio::test]
    async fn what_is_queued_when_the_gateway_stops_is_written_before_its_end_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let (audit, _) = AuditLog::open(dir.path(), clock::now()).unwrap();
        let figures = Metrics::default();
        let records = Records::start(audit.clone(), &figures);
        let all: Vec<u32> = (0..3_000).collect();
        for number in &all {
            records.record(PolicyRefused { errors: *number });
        }
        records.finish().await;
        let stopped = AuditRecord { at: clock::now(), event: AuditEvent::GatewayStopped };
        audit.append(stopped, Durability::Durable).await.unwrap();
        let (written, missing) = numbers(dir.path());
        assert!(written == all && missing.is_empty(), "{} of {} in their order", written.len(), all.len());
        assert_eq!(tail(dir.path(), 1).unwrap()[0].record.event, AuditEvent::GatewayStopped);
        records.record(PolicyRefused { errors: 1 });
        assert_eq!(figures.audit_dropped.get(), 1, "what comes too late is counted too");
    }

    #[tokio::test]
    async fn what_must_not_be_missing_waits_for_room() {
        let dir = tempfile::tempdir().unwrap();
        let (audit, _) = AuditLog::open(dir.path(), clock::now()).unwrap();
        let figures = Metrics::default();
        let records = Records::start_sized(audit, &figures, 1);
        for number in 0..5 {
            records.record_surely(PolicyRefused { errors: number }).await;
        }
        records.finish().await;
        assert_eq!((numbers(dir.path()).0, figures.audit_dropped.get()), (vec![0, 1, 2, 3, 4], 0));
    }
}
