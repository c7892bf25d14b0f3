//! What is not allowed is refused, with a code, a sentence and a remedy.

use serde_json::Value;

use super::Scene;
use super::open::expect;
use crate::demo::agent::Agent;
use crate::demo::curl::{self, Through};
use crate::demo::screen::Screen;
use crate::demo::systems::RESIDENTS;
use crate::run::Trouble;

/// A system that uses My Number may not be reached from a home.
const PLACE_NOT_PERMITTED: &str = "place-not-permitted";

/// A system that does not exist is refused as one that this person may not know.
const NOT_PERMITTED: &str = "400401 not-permitted";

pub(super) fn tell(scene: &mut Scene<'_>, screen: &mut Screen) -> Result<(), Trouble> {
    screen.heading("act-refuse");
    let http = Through::Http(scene.agent.http);
    let target = format!("{RESIDENTS}:{}", scene.systems.secret);
    screen.step("refused-place", &[], || {
        let (answer, _) = curl::attempt(scene.curl(http), &scene.stage.scratch, &format!("http://{target}/"), &[])?;
        let told = answer.says("proxy-status", PLACE_NOT_PERMITTED);
        expect(answer.connect == 403 && told, "it was not refused so", &answer.headers)
    })?;
    screen.step("refused-unknown", &[], || {
        let nowhere = "http://no-such-system.demo.internal/";
        let (answer, _) = curl::attempt(scene.curl(http), &scene.stage.scratch, nowhere, &[])?;
        let told = answer.says("proxy-status", NOT_PERMITTED);
        expect(answer.connect == 403 && told, "it was not refused so", &answer.headers)
    })?;
    screen.step("why-told", &[], || scene.why(&target, PLACE_NOT_PERMITTED))?;
    screen.quote(&scene.agent.words(&["why", &target])?);
    Ok(())
}

impl Scene<'_> {
    /// Checks that the first PC's `why` gives this code, with a sentence and a remedy.
    pub(super) fn why(&self, target: &str, code: &str) -> Result<(), Trouble> {
        why(&self.agent, target, code)
    }
}

/// Checks that a PC's `why` gives this code, with a sentence and a remedy.
pub(super) fn why(agent: &Agent<'_>, target: &str, code: &str) -> Result<(), Trouble> {
    let answer = agent.json(&["why", target])?;
    let problems = answer.pointer("/why/problems").and_then(Value::as_array);
    let found = problems.into_iter().flatten().any(|problem| {
        let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
        text("code") == code && !text("title").is_empty() && !text("remedy").is_empty()
    });
    expect(found, "`why` does not say so", &answer.to_string())
}
