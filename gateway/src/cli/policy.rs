//! `hitotsu-gateway policy`.

mod evidence;
mod page;
mod reach;
mod replay;
mod wording;

use std::path::PathBuf;
use std::process::ExitCode;

use hitotsu_model::ids::{DeviceId, ResourceId};
use hitotsu_model::resource::{Target, Transport};
use hitotsu_policy::reach::idle::idle_rules;
use serde_json::{Value, json};

use super::{CliError, Context};
use crate::clock;
use crate::local::Client;

/// What can be done with the policy bundle.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check a bundle and run its tests, without touching the running gateway.
    #[command(visible_alias = "test")]
    Check {
        /// The bundle's folder; the configured one where left out.
        dir: Option<PathBuf>,
    },
    /// Put the configured bundle into effect. A broken one changes nothing.
    Reload,
    /// What the rules say of a device and a target, rule by rule.
    Explain {
        /// The device.
        #[arg(long)]
        device: DeviceId,
        /// `host:port`.
        target: String,
        /// The target is UDP.
        #[arg(long)]
        udp: bool,
    },
    /// Who can open a system, and when: exactly, for everybody and the whole coming year.
    WhoCan {
        /// The system, such as `residents`.
        resource: ResourceId,
        /// The bundle's folder; the configured one where left out.
        #[arg(long)]
        dir: Option<PathBuf>,
        #[command(flatten)]
        about: reach::About,
    },
    /// What a person or a device can open, and when.
    WhatCan {
        /// A person's id, or a device's.
        who: String,
        /// The bundle's folder; the configured one where left out.
        #[arg(long)]
        dir: Option<PathBuf>,
        #[command(flatten)]
        about: reach::About,
    },
    /// What changes from one bundle to another: who gains and who loses what, and when.
    Diff {
        /// The folder of the bundle before.
        before: PathBuf,
        /// The folder of the bundle after.
        after: PathBuf,
        #[command(flatten)]
        about: reach::About,
    },
    /// Which items of the guidelines for municipalities the bundle meets, with the proof of each. Exit code 1 where one
    /// is open.
    Evidence {
        /// The bundle's folder; the configured one where left out.
        dir: Option<PathBuf>,
        /// Also write the answer as one page to this file.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// What a draft would have done with the flows of the last days, as the audit log tells of them.
    Replay {
        /// The folder of the draft.
        draft: PathBuf,
        /// How far to go back: `24h`, `7d`.
        #[arg(long, default_value = "7d", value_parser = super::enrol_code::seconds)]
        since: u64,
        #[command(flatten)]
        about: reach::About,
    },
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<ExitCode, CliError> {
    match command {
        Command::Check { dir } => check(dir, context),
        Command::Reload => {
            let client = Client::new(&context.config()?.admin_socket);
            let answer = client.post("/v1/policy/reload", &json!({})).await?;
            let part = |name| answer.get(name).and_then(Value::as_str).unwrap_or("?");
            context.say(&answer, || {
                context.text("policy-reloaded", &[("bundle", part("bundle")), ("before", part("before"))])
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::WhoCan { resource, dir, about } => reach::who(&resource, dir.as_ref(), &about, context),
        Command::WhatCan { who, dir, about } => reach::what(&who, dir.as_ref(), &about, context),
        Command::Diff { before, after, about } => reach::diff(&before, &after, &about, context),
        Command::Evidence { dir, html } => evidence::run(dir.as_ref(), html.as_ref(), context),
        Command::Replay { draft, since, about } => replay::run(&draft, since, &about, context),
        Command::Explain { device, target, udp } => {
            let transport = if udp { Transport::Udp } else { Transport::Tcp };
            let target = Target::parse(&target, transport).map_err(|error| CliError::Usage(error.to_string()))?;
            let client = Client::new(&context.config()?.admin_socket);
            let question = json!({ "device": device, "target": target });
            let answer = client.post("/v1/policy/explain", &question).await?;
            context.say(&answer, || explanation(&answer, context))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(dir: Option<PathBuf>, context: &Context) -> Result<ExitCode, CliError> {
    let bundle = reach::bundle(dir.as_ref(), context)?;
    let outcomes = bundle.run_tests();
    let failures: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.passed)
        .map(|outcome| format!("{}:{}: {}\n{}", outcome.file, outcome.line, outcome.name, outcome.difference))
        .collect();
    let mut warnings: Vec<String> = bundle.warnings().iter().map(ToString::to_string).collect();
    match idle_rules(&bundle, clock::now()) {
        Ok(idle) => warnings.extend(idle.iter().map(ToString::to_string)),
        // The bundle is good all the same.
        Err(error) => warnings.push(context.text("policy-idle-unknown", &[("why", &reach::reason(&error, context))])),
    }
    let said = json!({
        "bundle": bundle.version(),
        "warnings": warnings,
        "tests": outcomes.len(),
        "failed": failures,
    });
    context.say(&said, || {
        let mut lines: Vec<String> = warnings.iter().map(|warning| format!("! {warning}")).collect();
        lines.extend(failures.iter().map(|failure| format!("✗ {failure}")));
        let (tests, failed) = (outcomes.len().to_string(), failures.len().to_string());
        let arguments = [("bundle", bundle.version()), ("tests", tests.as_str()), ("failed", failed.as_str())];
        lines.push(context.text(if failures.is_empty() { "policy-good" } else { "policy-tests-failed" }, &arguments));
        lines.join("\n")
    })?;
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// An explanation for people: each system, its answer, and each rule with what it expected and found.
fn explanation(answer: &Value, context: &Context) -> String {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut lines = Vec::new();
    if answer.get("connected").and_then(Value::as_bool) == Some(false) {
        lines.push(context.text("explain-not-connected", &[]));
    }
    for explanation in list(answer, "explanations") {
        let decision = explanation.get("decision").cloned().unwrap_or(Value::Null);
        let allowed = decision.get("allowed").and_then(Value::as_bool) == Some(true);
        lines.push(context.text(if allowed { "explain-allowed" } else { "explain-denied" }, &[]));
        for code in list(&decision, "codes") {
            if let Some(code) = code.as_str().and_then(|slug| slug.parse::<hitotsu_model::code::Code>().ok()) {
                let (title, remedy) = context.messages.code(code);
                lines.push(format!("  {} {title} {remedy}", code.number()));
            }
        }
        for rule in list(&explanation, "rules") {
            let line = rule.get("line").and_then(Value::as_u64).unwrap_or(0);
            let head = format!("{} {}", text(&rule, "effect"), text(&rule, "rule"));
            lines.push(format!("  {head}  {}:{line}  {}", text(&rule, "file"), text(&rule, "outcome")));
            for finding in list(&rule, "findings") {
                let met = finding.get("met").and_then(Value::as_bool) == Some(true);
                let mark = if met { "✓" } else { "✗" };
                lines.push(format!("      {mark} {}  ({})", text(&finding, "expected"), text(&finding, "found")));
            }
        }
    }
    lines.join("\n")
}
