//! `hitotsu-gateway policy replay`: what a draft would have done with the flows in the audit log.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use hitotsu_model::audit::{AuditEvent, AuditRecord};
use hitotsu_model::code::Code;
use hitotsu_model::ids::{DeviceId, RuleId, SessionId};
use hitotsu_model::resource::Target;
use hitotsu_model::time::Timestamp;
use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::reach::Asker;
use hitotsu_policy::reach::replay::{Fate, Flow, Reason, Replay};
use serde::Serialize;
use serde_json::json;

use super::page::{Page, Part};
use super::reach::{About, asker_of, bundle, inexact, say};
use super::wording::Wording;
use crate::audit::each;
use crate::bundle_dir;
use crate::cli::{CliError, Context, told};
use crate::clock;

/// Times of day that are told for one loss; the most frequent first.
const TIMES_SHOWN: usize = 6;

/// What becomes of people's work at one system, for one reason.
#[derive(Debug, Serialize)]
struct Outcome {
    /// For certain, or only with devices in some states.
    certain: bool,
    #[serde(flatten)]
    reason: Reason,
    /// What was asked for, where the draft has no such system.
    targets: BTreeSet<String>,
    askers: BTreeSet<Asker>,
    flows: u64,
    /// Flows by weekday (1 is Monday) and quarter of the day (0 is before 06:00).
    times: BTreeMap<String, u64>,
}

/// Everything that was found.
#[derive(Debug, Default, Serialize)]
struct Found {
    flows: u64,
    /// Flows of which the log does not tell who asked: their session began before it.
    unknown: u64,
    same: u64,
    gained_flows: u64,
    gained: BTreeSet<Asker>,
    outcomes: Vec<Outcome>,
}

pub(super) fn run(draft: &Path, since: u64, about: &About, context: &Context) -> Result<ExitCode, CliError> {
    let config = context.config()?;
    let now = bundle(None, context)?;
    let draft = bundle_dir::load(draft).map_err(told)?;
    let from = clock::now().minus(Duration::from_secs(since));
    let recorded = recorded(&config.audit_dir, from, about, context)?;
    let mut replay = Replay::new(&now, &draft, from).map_err(|error| inexact(&error))?;
    let mut found = Found { unknown: recorded.unknown, ..Found::default() };
    let mut outcomes: BTreeMap<(bool, Reason), Outcome> = BTreeMap::new();
    for (flow, admitted) in &recorded.flows {
        found.flows += 1;
        let (certain, reason) = match replay.fate(flow).map_err(|error| inexact(&error))? {
            Fate::Gained => {
                found.gained_flows += 1;
                found.gained.insert(flow.asker.clone());
                continue;
            }
            // What was refused then is no loss.
            Fate::Lost(reason) if *admitted => (true, reason),
            Fate::Depends(reason) if *admitted => (false, reason),
            Fate::Same | Fate::Lost(_) | Fate::Depends(_) => {
                found.same += 1;
                continue;
            }
        };
        let outcome = outcomes.entry((certain, reason.clone())).or_insert_with(|| Outcome::new(certain, reason));
        outcome.count(flow, &now);
    }
    found.outcomes = outcomes.into_values().collect();
    found.outcomes.sort_by_key(|outcome| (!outcome.certain, std::cmp::Reverse(outcome.askers.len())));
    let value = json!({ "before": now.version(), "after": draft.version(), "since": from, "found": found });
    say(context, about.html.as_ref(), &value, |all| {
        let wording = Wording { context, bundles: vec![&now, &draft], all };
        page(&wording, &found, from, [now.version(), draft.version()])
    })?;
    Ok(ExitCode::SUCCESS)
}

impl Outcome {
    fn new(certain: bool, reason: Reason) -> Self {
        let (targets, askers) = (BTreeSet::new(), BTreeSet::new());
        Self { certain, reason, targets, askers, flows: 0, times: BTreeMap::new() }
    }

    fn count(&mut self, flow: &Flow, bundle: &Bundle) {
        self.flows += 1;
        if self.reason.resource.is_none() {
            self.targets.insert(flow.target.to_string());
        }
        self.askers.insert(flow.asker.clone());
        let local = bundle.local_time(flow.at);
        *self.times.entry(format!("{}-{}", local.weekday, local.minute / 360)).or_default() += 1;
    }
}

/// The flows of the log.
struct Recorded {
    /// Each with whether it was admitted.
    flows: Vec<(Flow, bool)>,
    unknown: u64,
}

impl Recorded {
    fn add(&mut self, who: Option<&Who>, at: Timestamp, target: Target, address: Option<IpAddr>) {
        let Some(Who { asker, source }) = who else {
            self.unknown += 1;
            return;
        };
        let flow = Flow { asker: asker.clone(), source: *source, at, target, address };
        self.flows.push((flow, address.is_some()));
    }
}

/// Who a session is.
struct Who {
    asker: Asker,
    source: IpAddr,
}

fn recorded(dir: &Path, from: Timestamp, about: &About, context: &Context) -> Result<Recorded, CliError> {
    let devices: HashMap<DeviceId, Asker> =
        about.devices(context)?.iter().map(|device| (device.id, asker_of(device))).collect();
    let mut ownerships = HashMap::new();
    let mut sessions: HashMap<SessionId, Who> = HashMap::new();
    let mut recorded = Recorded { flows: Vec::new(), unknown: 0 };
    each(dir, |AuditRecord { at, event }| {
        if let AuditEvent::DeviceEnrolled { device, ownership, .. } = event {
            ownerships.insert(device, ownership);
        } else if let AuditEvent::SessionOpened { session, device, person, profile, source, .. } = event {
            let known = devices.get(&device);
            let ownership = known.and_then(|known| known.ownership).or_else(|| ownerships.get(&device).copied());
            let level = known.and_then(|known| known.level);
            let asker = Asker { person, device: Some(device), profile: Some(profile), ownership, level };
            sessions.insert(session, Who { asker, source });
        } else if let AuditEvent::SessionClosed { session, .. } = event {
            sessions.remove(&session);
        } else if let Some((session, target, address)) = asked_for(event).filter(|_| at >= from) {
            recorded.add(sessions.get(&session), at, target, address);
        }
    })
    .map_err(told)?;
    Ok(recorded)
}

/// What a flow asked for; with the address where it was admitted.
fn asked_for(event: AuditEvent) -> Option<(SessionId, Target, Option<IpAddr>)> {
    if let AuditEvent::FlowIntent { session, target, address, .. } = event {
        return Some((session, target, Some(address)));
    }
    if let AuditEvent::FlowDenied { session, target, .. } = event {
        return Some((session, target, None));
    }
    None
}

fn page(wording: &Wording<'_>, found: &Found, from: Timestamp, versions: [&str; 2]) -> Page {
    let context = wording.context;
    let losers: BTreeSet<&Asker> =
        found.outcomes.iter().filter(|outcome| outcome.certain).flat_map(|outcome| &outcome.askers).collect();
    let [before, after] = versions;
    let title = context.text("replay-title", &[("before", before), ("after", after)]);
    let count = |number: u64| number.to_string();
    let (flows, same, since) = (count(found.flows), count(found.same), clock::local(from));
    let mut notes = vec![
        context.text("replay-flows", &[("flows", &flows), ("same", &same), ("since", &since)]),
        context.text("replay-losers", &[("count", &losers.len().to_string())]),
    ];
    if found.unknown > 0 {
        notes.push(context.text("replay-unknown", &[("count", &count(found.unknown))]));
    }
    let mut parts: Vec<Part> = found.outcomes.iter().map(|outcome| part(wording, outcome)).collect();
    if !found.gained.is_empty() {
        let gained: Vec<Asker> = found.gained.iter().cloned().collect();
        let (people, flows) = (gained.len().to_string(), count(found.gained_flows));
        let title = context.text("replay-gained", &[("count", &people), ("flows", &flows)]);
        parts.push(Part { title, notes: vec![wording.askers(&gained)], blocks: Vec::new() });
    }
    Page { title, notes, parts }
}

fn part(wording: &Wording<'_>, outcome: &Outcome) -> Part {
    let context = wording.context;
    let resource = match &outcome.reason.resource {
        Some(id) => wording.resource(id),
        None => outcome.targets.iter().cloned().collect::<Vec<_>>().join(" "),
    };
    let id = if outcome.certain { "replay-lose" } else { "replay-depends" };
    let count = outcome.askers.len().to_string();
    let title = context.text(id, &[("resource", &resource), ("count", &count)]);
    let askers: Vec<Asker> = outcome.askers.iter().cloned().collect();
    let mut block = vec![
        (context.text("replay-who", &[]), wording.askers(&askers)),
        (context.text("replay-count", &[]), outcome.flows.to_string()),
        (context.text("replay-times", &[]), times(wording, &outcome.times)),
        (context.text("replay-why", &[]), outcome.reason.codes.iter().map(|code| reason(context, *code)).collect()),
    ];
    let rules: Vec<&str> = outcome.reason.rules.iter().map(RuleId::as_str).collect();
    if !rules.is_empty() {
        block.push((context.text("replay-rules", &[]), rules.join(" ")));
    }
    Part { title, notes: Vec::new(), blocks: vec![block] }
}

fn reason(context: &Context, code: Code) -> String {
    let (title, _) = context.messages.code(code);
    format!("{} {title} ", code.number())
}

/// The most frequent times first: `Monday morning (31)`.
fn times(wording: &Wording<'_>, times: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<(&String, &u64)> = times.iter().collect();
    sorted.sort_by_key(|(_, flows)| std::cmp::Reverse(**flows));
    let shown = sorted.iter().take(TIMES_SHOWN).map(|(time, flows)| {
        let (weekday, quarter) = time.split_once('-').unwrap_or((time, "0"));
        let day = wording.weekday(weekday.parse().unwrap_or(1));
        let words = [("day", day.as_str()), ("flows", &*flows.to_string())];
        wording.context.text(&format!("replay-quarter-{quarter}"), &words)
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if sorted.len() > TIMES_SHOWN {
        text.push_str(", ...");
    }
    text
}
