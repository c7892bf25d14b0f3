//! `hitotsu status`.

use std::path::Path;

use super::End;
use super::output::{Output, bytes};
use crate::control::{Answer, Ask, AttestedStatus, ConnectionStatus, Status, ask};

/// Refusals and flows that are shown to people; `--json` has all.
const SHOWN_MAX: usize = 10;

pub(super) async fn status(state_dir: &Path, output: &Output) -> End {
    let status = match ask(state_dir, &Ask::Status).await {
        Ok(Answer::Status(status)) => status,
        Ok(Answer::Problem(problem)) => return output.problem(&problem),
        Ok(Answer::Catalogue { .. } | Answer::Why { .. }) => {
            return output.failure(&output.text("agent-answered-otherwise", &[]));
        }
        Err(error) => return output.not_answered(&error),
    };
    if output.json {
        output.json(&status);
    } else {
        show(&status, output);
    }
    match &status.connection {
        ConnectionStatus::Connected { attested: Some(attested), .. } if attested.findings.is_empty() => End::Well,
        ConnectionStatus::Connected { .. } | ConnectionStatus::Connecting { .. } | ConnectionStatus::Refused { .. } => {
            End::Problem
        }
    }
}

fn show(status: &Status, output: &Output) {
    show_connection(status, output);
    let field = |id: &str, value: &str| output.line(&format!("  {}: {value}", output.text(id, &[])));
    field("field-org", status.org.as_str());
    field("field-device", &status.device.to_string());
    if let Some(person) = &status.person {
        field("field-person", person.as_str());
    }
    if let Some(place) = &status.place {
        field("field-place", place.as_str());
    }
    if let Some(address) = status.listening.socks5 {
        field("field-socks5", &address.to_string());
    }
    if let Some(address) = status.listening.http {
        field("field-http", &format!("{address}  (http://{address}/proxy.pac)"));
    }
    for forward in &status.listening.forwards {
        field("field-forward", &format!("{} → {}", forward.listen, forward.to));
    }
    let flows = &status.flows;
    let counts = [
        ("open", flows.open.to_string()),
        ("opened", flows.opened.to_string()),
        ("up", bytes(flows.bytes_up)),
        ("down", bytes(flows.bytes_down)),
    ];
    let counts: Vec<(&str, &str)> = counts.iter().map(|(name, value)| (*name, value.as_str())).collect();
    output.say("status-flows", &counts);
    for flow in status.open.iter().take(SHOWN_MAX) {
        let line = format!("  {}  ↑ {}  ↓ {}", flow.target, bytes(flow.bytes_up), bytes(flow.bytes_down));
        output.line(&line);
    }
    if !status.recent.is_empty() {
        output.say("status-recent", &[]);
    }
    for event in status.recent.iter().take(SHOWN_MAX) {
        let id = if event.was_open { "event-cut" } else { "event-refused" };
        let ago = output.ago(status.now.since(event.at));
        let target = event.target.to_string();
        output.line(&format!("  {}", output.text(id, &[("target", &target), ("ago", &ago)])));
        output.problem_lines(&event.problem, "    ");
    }
}

fn show_connection(status: &Status, output: &Output) {
    match &status.connection {
        ConnectionStatus::Connected { transport, since, leaving, attested } => {
            let ago = output.ago(status.now.since(*since));
            let arguments = [("gateway", status.gateway.as_str()), ("transport", transport), ("ago", &ago)];
            output.line(&output.good(&output.text("status-connected", &arguments)));
            if *leaving {
                output.say("status-leaving", &[]);
            }
            if let Some(attested) = attested {
                show_attested(attested, status, output);
            }
        }
        ConnectionStatus::Connecting { failure } => {
            output.line(&output.bad(&output.text("status-connecting", &[("gateway", &status.gateway)])));
            if let Some(failure) = failure {
                output.problem_lines(&failure.problem, "  ");
                output.line(&format!("  {}", output.faint(&failure.detail)));
            }
        }
        ConnectionStatus::Refused { problem } => {
            output.line(&output.bad(&output.text("status-refused", &[("gateway", &status.gateway)])));
            output.problem_lines(problem, "  ");
        }
    }
}

fn show_attested(attested: &AttestedStatus, status: &Status, output: &Output) {
    let ago = output.ago(status.now.since(attested.at));
    let level = format!("L{}", attested.level.number());
    let id = if attested.findings.is_empty() { "status-healthy" } else { "status-findings" };
    output.say(id, &[("ago", &ago), ("level", &level)]);
    for finding in &attested.findings {
        output.problem_lines(finding, "  ");
    }
}
