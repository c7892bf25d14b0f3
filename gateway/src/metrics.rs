//! Figures for Prometheus, and health, on a listener of their own.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hitotsu_model::code::Code;
use hitotsu_tunnel::door::Door;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry as Collected;

use crate::audit::AuditState;
use crate::gateway::Gateway;

/// The gateway's figures.
#[derive(Debug)]
pub struct Metrics {
    collected: Collected,
    sessions: Gauge,
    flows: Gauge,
    audit_failed: Gauge,
    draining: Gauge,
    denied: Family<DeniedLabels, Counter>,
    /// Sessions that were identified.
    pub sessions_opened: Counter,
    /// Connections that were refused after their handshake.
    pub sessions_refused: Counter,
    /// Flows that the gateway cut.
    pub flows_cut: Counter,
    /// Seconds from a flow's request to its admitted and connected socket.
    pub flow_open_seconds: Histogram,
    /// Seconds of that before the dial: deciding, resolving, and the audit record, which is safe by then.
    pub admission_seconds: Histogram,
    /// Seconds that one look at every session and flow took.
    pub sweep_seconds: Histogram,
    /// Rules that could not be evaluated.
    pub policy_errors: Counter,
    /// Bundles that were refused.
    pub policy_refused: Counter,
    /// Audit records that could not be written.
    pub audit_failures: Counter,
    /// Audit records that found no room to wait in.
    pub audit_dropped: Counter,
    /// Revocations that are in effect and not yet in the database.
    pub revocations_owed: Gauge,
    /// Statements that were believed.
    pub evidence_believed: Counter<u64, AtomicU64>,
    /// Statements that were refused.
    pub evidence_refused: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeniedLabels {
    code: u32,
    reason: String,
}

/// From 50 µs, a remembered decision, to 6.5 s, past every time-out of opening a flow.
const OPEN_BUCKETS_SECONDS: [f64; 17] = [
    50e-6, 100e-6, 200e-6, 400e-6, 800e-6, 1.6e-3, 3.2e-3, 6.4e-3, 12.8e-3, 25.6e-3, 51.2e-3, 0.1, 0.2, 0.4, 0.8, 1.6,
    6.5,
];

/// From 5 µs to 0.6 s in steps of a third: small enough to tell whether admission keeps within its 50 µs, and large
/// enough for a slow disk. 42 numbers, once for each gateway.
fn admission_buckets_seconds() -> impl Iterator<Item = f64> {
    exponential_buckets(5e-6, 1.33, 42)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut collected = Collected::with_prefix("hitotsu");
        let mut metrics = Self {
            collected: Collected::default(),
            sessions: Gauge::default(),
            flows: Gauge::default(),
            audit_failed: Gauge::default(),
            draining: Gauge::default(),
            denied: Family::default(),
            sessions_opened: Counter::default(),
            sessions_refused: Counter::default(),
            flows_cut: Counter::default(),
            flow_open_seconds: Histogram::new(OPEN_BUCKETS_SECONDS),
            admission_seconds: Histogram::new(admission_buckets_seconds()),
            sweep_seconds: Histogram::new(OPEN_BUCKETS_SECONDS),
            policy_errors: Counter::default(),
            policy_refused: Counter::default(),
            audit_failures: Counter::default(),
            audit_dropped: Counter::default(),
            revocations_owed: Gauge::default(),
            evidence_believed: Counter::default(),
            evidence_refused: Counter::default(),
        };
        collected.register("sessions", "Sessions of now", metrics.sessions.clone());
        collected.register("flows", "Flows of now", metrics.flows.clone());
        collected.register("audit_failed", "1 when the audit log takes no records", metrics.audit_failed.clone());
        collected.register("draining", "1 when nothing new is taken", metrics.draining.clone());
        collected.register("flows_denied", "Flows refused, by reason", metrics.denied.clone());
        collected.register("sessions_opened", "Sessions identified", metrics.sessions_opened.clone());
        collected.register("sessions_refused", "Connections refused", metrics.sessions_refused.clone());
        collected.register("flows_cut", "Live flows cut by the gateway", metrics.flows_cut.clone());
        collected.register("flow_open_seconds", "Request to connected socket", metrics.flow_open_seconds.clone());
        collected.register(
            "admission_seconds",
            "Request to the dial, audit included",
            metrics.admission_seconds.clone(),
        );
        collected.register("sweep_seconds", "One look at every session and flow", metrics.sweep_seconds.clone());
        collected.register("policy_errors", "Rules that could not be evaluated", metrics.policy_errors.clone());
        collected.register("policy_refused", "Policy bundles refused", metrics.policy_refused.clone());
        collected.register("audit_failures", "Audit records not written", metrics.audit_failures.clone());
        collected.register("audit_dropped", "Audit records without room to wait", metrics.audit_dropped.clone());
        collected.register(
            "revocations_owed",
            "Revocations in effect, not yet in the database",
            metrics.revocations_owed.clone(),
        );
        collected.register("evidence_believed", "Statements believed", metrics.evidence_believed.clone());
        collected.register("evidence_refused", "Statements refused", metrics.evidence_refused.clone());
        metrics.collected = collected;
        metrics
    }
}

impl Metrics {
    /// Counts a refused flow.
    pub fn flow_denied(&self, code: Code) {
        self.denied.get_or_create(&DeniedLabels { code: code.number(), reason: code.slug().to_owned() }).inc();
    }

    /// From now on the figures of these doors are among ours.
    pub fn collect_doors(&mut self, doors: Vec<Arc<Door>>) {
        self.collected.register_collector(Box::new(Doors(doors)));
    }
}

/// Doors count for themselves; they are asked when somebody reads the figures.
#[derive(Debug)]
struct Doors(Vec<Arc<Door>>);

impl Collector for Doors {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let figures: Vec<_> = self.0.iter().map(|door| door.figures()).collect();
        let taken = "Places taken at a door: handshakes of quic and tcp, refused peers, machines that enrol";
        let mut family = encoder.encode_descriptor("door_taken", taken, None, MetricType::Gauge)?;
        for door in &figures {
            let taken = ConstGauge::new(i64::try_from(door.taken).unwrap_or(i64::MAX));
            taken.encode(family.encode_family(&[("door", door.name)])?)?;
        }
        let refused = "Turned away at a door, because it was full or their source had its share";
        let mut family = encoder.encode_descriptor("door_refused", refused, None, MetricType::Counter)?;
        for door in &figures {
            for (why, count) in [("full", door.refused_full), ("source", door.refused_source)] {
                ConstCounter::new(count).encode(family.encode_family(&[("door", door.name), ("why", why)])?)?;
            }
        }
        Ok(())
    }
}

/// `/metrics`, `/healthz` (the process lives) and `/readyz` (it takes new flows).
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(gateway)
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    let (sessions, flows) = gateway.live.counts();
    let figures = &gateway.metrics;
    figures.sessions.set(i64::try_from(sessions).unwrap_or(i64::MAX));
    figures.flows.set(i64::try_from(flows).unwrap_or(i64::MAX));
    figures.audit_failed.set(i64::from(*gateway.audit.state().borrow() != AuditState::Writing));
    figures.draining.set(i64::from(gateway.is_draining()));
    let mut text = String::new();
    match encode(&mut text, &figures.collected) {
        Ok(()) => {
            let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, media)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    if gateway.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    match &*gateway.audit.state().borrow() {
        AuditState::Writing => (StatusCode::OK, "ready\n").into_response(),
        AuditState::Full => (StatusCode::SERVICE_UNAVAILABLE, "the audit log's disk is full\n").into_response(),
        AuditState::Failed { why } => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("the audit log failed: {why}\n")).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_door_turns_away_is_counted_by_door_and_reason() {
        let door = Door::new("quic", 2, 1);
        let mut metrics = Metrics::default();
        metrics.collect_doors(vec![door.clone()]);
        let source = Some(std::net::IpAddr::from([192, 0, 2, 1]));

        let _places = [door.enter(source), door.enter(source), door.enter(None), door.enter(None)];
        let mut text = String::new();
        encode(&mut text, &metrics.collected).unwrap();

        for line in [
            r#"hitotsu_door_taken{door="quic"} 2"#,
            r#"hitotsu_door_refused_total{door="quic",why="full"} 1"#,
            r#"hitotsu_door_refused_total{door="quic",why="source"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }
}
