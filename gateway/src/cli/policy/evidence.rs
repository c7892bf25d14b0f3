//! `hitotsu-gateway policy evidence`: which items of the guidelines this configuration meets, and the proof of each.

use std::path::PathBuf;
use std::process::ExitCode;

use hitotsu_policy::reach::controls::{Control, Evidence, evidence};
use serde_json::json;

use super::page::{Page, Part};
use super::reach::{bundle, inexact, looked_at, say};
use super::wording::Wording;
use crate::audit::verify;
use crate::cli::{CliError, Context, told};
use crate::clock;
use crate::words::InWords;

/// Items that hold whatever the bundle says, because the program has no other way.
const BUILT_IN: [&str; 5] = ["device-key", "place", "no-mac-address", "reevaluated", "no-personal-number"];
/// Items that this version does nothing for.
const MISSING: [&str; 6] = ["second-factor", "content", "watermark", "working-hours", "leak-clock", "disaster"];

pub(super) fn run(dir: Option<&PathBuf>, html: Option<&PathBuf>, context: &Context) -> Result<ExitCode, CliError> {
    let bundle = bundle(dir, context)?;
    let found = evidence(&bundle, clock::now()).map_err(|error| inexact(&error))?;
    // A bundle alone has no log.
    let log = match (dir, context.config()) {
        (None, Ok(config)) => Some(verify(&config.audit_dir).map_err(told)?),
        (Some(_), Ok(_) | Err(_)) | (None, Err(_)) => None,
    };
    let met = found.iter().filter(|item| item.exceptions.is_empty()).count();
    let intact = log.as_ref().is_none_or(crate::audit::VerifyReport::is_intact);
    let value = json!({
        "bundle": bundle.version(), "controls": found, "audit": log, "built_in": BUILT_IN, "missing": MISSING,
    });
    say(context, html, &value, |all| {
        let wording = Wording { context, bundles: vec![&bundle], all };
        let (count, of) = (met.to_string(), found.len().to_string());
        let title = context.text("evidence-title", &[("met", &count), ("of", &of)]);
        let mut parts: Vec<Part> = found.iter().map(|item| part(&wording, item)).collect();
        if let Some(log) = &log {
            let id = if intact { "evidence-log-good" } else { "evidence-log-bad" };
            let mut notes = vec![context.text(id, &[("records", &log.records.to_string()), ("hash", &log.last_hash)])];
            notes.extend(log.damage.iter().map(|damage| damage.words().said_in(&context.messages)));
            parts.push(Part { title: context.text("evidence-log", &[]), notes, blocks: Vec::new() });
        }
        for (heading, prefix, items) in
            [("evidence-built-in", "built-in", &BUILT_IN[..]), ("evidence-missing", "missing", &MISSING[..])]
        {
            let notes = items.iter().map(|item| context.text(&format!("{prefix}-{item}"), &[])).collect();
            parts.push(Part { title: context.text(heading, &[]), notes, blocks: Vec::new() });
        }
        let notes = vec![looked_at(context, &[&bundle]), context.text("evidence-reader", &[])];
        Page { title, notes, parts }
    })?;
    Ok(if met == found.len() && intact { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn part(wording: &Wording<'_>, item: &Evidence) -> Part {
    let context = wording.context;
    let words = |control: Control| context.text(&format!("control-{}", control.as_str()), &[]);
    let id = match (item.systems, item.exceptions.is_empty()) {
        (0, _) => "evidence-nothing",
        (_, true) => "evidence-met",
        (_, false) => "evidence-open",
    };
    let title = context.text(id, &[("control", &words(item.control))]);
    let systems = item.systems.to_string();
    let notes = if item.exceptions.is_empty() {
        vec![context.text("evidence-proof", &[("systems", &systems)])]
    } else {
        Vec::new()
    };
    let mut blocks = Vec::new();
    for reach in &item.exceptions {
        for opening in &reach.openings {
            let mut block = vec![
                (context.text("evidence-system", &[]), wording.resource(&reach.resource)),
                (context.text("replay-who", &[]), wording.askers(&reach.askers)),
            ];
            block.extend(wording.opening(opening));
            blocks.push(block);
        }
    }
    Part { title, notes, blocks }
}
