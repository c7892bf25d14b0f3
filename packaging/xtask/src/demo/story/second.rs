//! A second PC with a real firewall, in a network namespace of its own.

use std::time::Duration;

use serde_json::Value;

use super::cut::{Stream, back};
use super::open::expect;
use super::{Scene, UP_WITHIN};
use crate::demo::agent::Agent;
use crate::demo::screen::Screen;
use crate::demo::systems::LEDGER;
use crate::run::Trouble;

/// A change of the firewall is seen when it happens, evidence of it may take five seconds, the cut one.
const CUT_WITHIN: Duration = Duration::from_secs(8);

const FIREWALL_OFF: &str = "firewall-off";

pub(super) fn tell(scene: &mut Scene<'_>, screen: &mut Screen) -> Result<(), Trouble> {
    screen.heading("act-second");
    let Some(namespace) = &scene.stage.namespace else {
        screen.say("second-needs-root", &[]);
        return Ok(());
    };
    let ledger = format!("{LEDGER}:{}", scene.systems.ledger);
    let mut agent = Agent::new(scene.stage, "second-pc", Some(namespace), &scene.systems)?;
    screen.step("second-enrolled", &[], || {
        namespace.firewall_on(&scene.stage.scratch)?;
        agent.enrol(&scene.gateway.enrol_code()?)?;
        agent.start(scene.stage, UP_WITHIN)
    })?;
    let mut stream = screen.step("stream-runs", &[], || Stream::open(scene, &agent, "second-stream", &ledger))?;
    screen.step("firewall-off", &[], || namespace.firewall_off())?;
    let seconds = screen.step("stream-cut", &[], || stream.cut(CUT_WITHIN))?;
    screen.say("cut-after", &[("seconds", &format!("{seconds:.2}"))]);
    screen.step("why-told", &[], || {
        let answer = agent.json(&["why", &ledger])?;
        let problems = answer.get("problems").and_then(Value::as_array);
        let found =
            problems.into_iter().flatten().any(|problem| problem.get("code") == Some(&Value::from(FIREWALL_OFF)));
        expect(found, "`why` does not say so", &answer.to_string())
    })?;
    screen.step("firewall-on", &[], || namespace.firewall_on(&scene.stage.scratch))?;
    screen.step("access-back", &[], || back(scene, &agent, &ledger))
}
