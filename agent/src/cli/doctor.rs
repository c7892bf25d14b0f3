//! `hitotsu doctor`: every part of the path is looked at by itself, so that the broken one is named.

mod checks;

use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::End;
use super::output::Output;
use crate::posture::Description;

/// What a look at one thing came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    /// Name for programs; `check-<name>` is its name for people.
    name: &'static str,
    /// `None` when it could not be looked at because of something before it.
    good: Option<bool>,
    /// What was found, or how to mend it.
    found: String,
}

impl Check {
    fn good(name: &'static str, found: impl ToString) -> Self {
        Self { name, good: Some(true), found: found.to_string() }
    }

    fn bad(name: &'static str, found: impl ToString) -> Self {
        Self { name, good: Some(false), found: found.to_string() }
    }

    fn skipped(name: &'static str) -> Self {
        Self { name, good: None, found: String::new() }
    }
}

pub(super) async fn doctor(state_dir: &Path, output: &Output) -> End {
    let checks = checks::all(state_dir, &output.messages).await;
    let posture = checks::posture(state_dir, &output.messages).await;
    if output.json {
        output.json(&json!({ "checks": checks, "posture": posture }));
    } else {
        show(&checks, &posture, output);
    }
    let bad = |good: Option<bool>| good == Some(false);
    if checks.iter().any(|check| bad(check.good)) || posture.iter().any(|claim| bad(claim.good)) {
        End::Problem
    } else {
        End::Well
    }
}

fn show(checks: &[Check], posture: &[Description], output: &Output) {
    for check in checks {
        let title = output.text(&format!("check-{}", check.name), &[]);
        let found = if check.good.is_none() { output.text("check-skipped", &[]) } else { check.found.clone() };
        output.line(&format!("{} {title}: {found}", mark(check.good, output)));
    }
    for claim in posture {
        output.line(&format!("{} {}: {}", mark(claim.good, output), claim.title, claim.found));
        if !claim.remedy.is_empty() {
            output.line(&format!("    {}", claim.remedy));
        }
    }
}

fn mark(good: Option<bool>, output: &Output) -> String {
    match good {
        Some(true) => output.good("○"),
        Some(false) => output.bad("×"),
        None => output.faint("－"),
    }
}
