//! `hitotsu-gateway session`.

use std::process::ExitCode;

use hitotsu_model::ids::SessionId;
use serde_json::{Value, json};

use super::{CliError, Context};
use crate::clock;
use crate::local::Client;
use crate::operate::SessionRow;

/// What can be done with sessions.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the sessions of now with their flows.
    List,
    /// End a session with all its flows, at once.
    Kill {
        /// The session's id, from `session list`.
        session: SessionId,
    },
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<ExitCode, CliError> {
    let client = Client::new(&context.config()?.admin_socket);
    match command {
        Command::List => {
            let answer = client.get("/v1/sessions").await?;
            let rows: Vec<SessionRow> = serde_json::from_value(answer).map_err(refused)?;
            context.say(&rows, || table(&rows, context))?;
        }
        Command::Kill { session } => {
            let answer: Value = client.post(&format!("/v1/sessions/{session}/kill"), &json!({})).await?;
            let flows = answer.get("flows_cut").and_then(Value::as_u64).unwrap_or(0).to_string();
            context.say(&answer, || {
                context.text("session-killed", &[("session", &session.to_string()), ("flows", &flows)])
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn refused(error: impl ToString) -> CliError {
    CliError::Refused(error.to_string())
}

fn table(rows: &[SessionRow], context: &Context) -> String {
    if rows.is_empty() {
        return context.text("session-none", &[]);
    }
    let mut lines = Vec::new();
    for row in rows {
        let person = row.person.as_ref().map_or("-", |person| person.as_str());
        let place = row.place.as_ref().map_or("-", |place| place.as_str());
        let since = clock::local(row.opened_at);
        lines.push(format!("{}  {}  {person}  {place}  {}  {since}", row.session, row.device, row.transport));
        for flow in &row.flows {
            let resources: Vec<&str> = flow.resources.iter().map(|resource| resource.as_str()).collect();
            let moved = format!("↑{} ↓{}", flow.bytes_up, flow.bytes_down);
            lines.push(format!("    {}  {}  {}  {moved}", flow.flow, flow.target, resources.join(",")));
        }
    }
    lines.join("\n")
}
