//! `hitotsu-gateway audit`: reads the log's files, whether or not a gateway runs.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use super::session::refused;
use super::{CliError, Context, told};
use crate::audit::{Entry, Follower, tail, verify};
use crate::clock;
use crate::words::InWords;

/// What can be done with the audit log.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show the newest records.
    Tail {
        /// How many.
        #[arg(short, long, default_value_t = 20)]
        number: usize,
        /// Go on as the log grows.
        #[arg(short, long)]
        follow: bool,
    },
    /// Read the whole log and say whether it is what was written.
    Verify,
}

/// Between two looks at a growing log.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) fn run(command: Command, context: &Context) -> Result<ExitCode, CliError> {
    let dir = context.config()?.audit_dir;
    match command {
        Command::Tail { number, follow } => {
            let entries = tail(&dir, number).map_err(told)?;
            if follow {
                return go_on(&entries, Follower::new(&dir, entries.last().map(|entry| entry.position)), context);
            }
            context
                .say(&entries, || if entries.is_empty() { context.text("audit-none", &[]) } else { lines(&entries) })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify => {
            let report = verify(&dir).map_err(told)?;
            let intact = report.is_intact();
            context.say(&report, || {
                let records = report.records.to_string();
                let mut text = vec![context.text(
                    if intact { "audit-good" } else { "audit-bad" },
                    &[("records", &records), ("hash", &report.last_hash)],
                )];
                text.extend(
                    report.damage.iter().map(|damage| format!("  ✗ {}", damage.words().said_in(&context.messages))),
                );
                text.join("\n")
            })?;
            Ok(if intact { ExitCode::SUCCESS } else { ExitCode::from(1) })
        }
    }
}

/// Prints records as they come, one a line, until the reader leaves or Ctrl-C.
fn go_on(shown: &[Entry], mut follower: Follower, context: &Context) -> Result<ExitCode, CliError> {
    let mut out = std::io::stdout().lock();
    let mut print = |entries: &[Entry]| -> Result<bool, CliError> {
        for entry in entries {
            let text = if context.json { serde_json::to_string(entry).map_err(refused)? } else { line(entry) };
            if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    };
    let mut goes_on = print(shown)?;
    while goes_on {
        std::thread::sleep(LOOK);
        goes_on = print(&follower.poll().map_err(told)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(entries: &[Entry]) -> String {
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// One record in one line: number, instant, and what happened as JSON without what was said already.
fn line(entry: &Entry) -> String {
    let mut value = serde_json::to_value(&entry.record.event).unwrap_or_default();
    let event = value.as_object_mut().and_then(|fields| fields.remove("event"));
    let event = event.as_ref().and_then(|event| event.as_str()).unwrap_or("?").to_owned();
    format!("{:>8}  {}  {event:<20} {value}", entry.position.0, clock::local_exact(entry.record.at))
}
