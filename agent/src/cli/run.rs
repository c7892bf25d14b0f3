//! `hitotsu run`.

use std::path::Path;
use std::sync::Arc;

use hitotsu_model::control::Problem;
use serde_json::json;

use super::End;
use super::output::Output;
use crate::identity::IdentityError;
use crate::run::{Agent, RunError};
use crate::session::{Phase, TunnelNumber};
use crate::{logs, platform, process};

pub(super) async fn run(state_dir: &Path, output: &Output) -> End {
    if let Err(error) = super::enrol::prepare(state_dir) {
        return output.cannot_use(state_dir, &error);
    }
    if let Err(error) = platform::check_private(state_dir) {
        return output.failed(&error);
    }
    if let Err(error) = logs::start(state_dir) {
        return output.wrong("log-not-written", &error);
    }
    let agent = match Agent::start(state_dir, Arc::clone(&output.messages)).await {
        Ok(agent) => agent,
        Err(RunError::Identity(IdentityError::NotEnrolled)) => {
            return output.problem(&Problem::new(hitotsu_model::code::Code::NotEnrolled, &output.messages));
        }
        Err(error) => {
            tracing::error!(%error, "the agent cannot run");
            return output.failed(&error);
        }
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the agent runs");
    ready(&agent, output);
    tokio::select! {
        () = tell_phases(&agent, output) => {}
        () = stopped() => {}
    }
    tracing::info!("the agent stops");
    drop(agent);
    End::Well
}

fn ready(agent: &Agent, output: &Output) {
    let listening = agent.listening();
    if output.json {
        output.json(&json!({ "event": "ready", "pid": std::process::id(), "listening": listening }));
        return;
    }
    output.say("run-ready", &[]);
    if let Some(address) = listening.socks5 {
        output.say("run-socks5", &[("address", &address.to_string())]);
    }
    if let Some(address) = listening.http {
        output.say("run-http", &[("address", &address.to_string())]);
    }
    for forward in &listening.forwards {
        output.line(&format!("  {} → {}", forward.listen, forward.to));
    }
}

/// What was said last. Each tunnel is told of: one may follow another without a moment in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Connected(TunnelNumber),
    Refused,
    Connecting,
}

/// Says when the tunnel comes and goes, for people at a terminal and for programs that wait for it.
async fn tell_phases(agent: &Agent, output: &Output) {
    let mut phases = agent.session().phase();
    let mut last = None;
    loop {
        let now = match &*phases.borrow_and_update() {
            Phase::Up(tunnel) => {
                let now = Told::Connected(tunnel.number);
                if last != Some(now) {
                    let transport = format!("{:?}", tunnel.connection.transport()).to_ascii_lowercase();
                    tell_connected(&transport, output);
                }
                Some(now)
            }
            Phase::Refused(problem) => {
                if last != Some(Told::Refused) {
                    tell_problem("refused", problem, output);
                }
                Some(Told::Refused)
            }
            Phase::Down(Some(failure)) => {
                if last != Some(Told::Connecting) {
                    tell_problem("connecting", &failure.problem, output);
                }
                Some(Told::Connecting)
            }
            Phase::Down(None) => last,
            Phase::Stopped => return,
        };
        last = now;
        if phases.changed().await.is_err() {
            return;
        }
    }
}

fn tell_connected(transport: &str, output: &Output) {
    if output.json {
        output.json(&json!({ "event": "connected", "transport": transport }));
    } else {
        output.line(&output.good(&output.text("run-connected", &[("transport", transport)])));
    }
}

fn tell_problem(event: &str, problem: &Problem, output: &Output) {
    if output.json {
        output.json(&json!({ "event": event, "problem": problem }));
    } else {
        output.problem_lines(problem, "");
    }
}

/// Completes when the agent is asked to stop.
async fn stopped() {
    tokio::select! {
        result = tokio::signal::ctrl_c() => {
            if result.is_err() {
                std::future::pending::<()>().await;
            }
        }
        () = process::terminated() => {}
    }
}
