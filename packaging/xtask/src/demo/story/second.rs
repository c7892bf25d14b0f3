//! A second PC with a real firewall, in a network namespace of its own.

use std::time::{Duration, Instant};

use super::cut::{Stream, back};
use super::refuse::why;
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
    let cause = Instant::now();
    screen.step("firewall-off", &[], || namespace.firewall_off())?;
    let seconds = screen.step("stream-cut", &[], || stream.cut(cause, CUT_WITHIN))?;
    screen.say("cut-after", &[("seconds", &format!("{seconds:.2}"))]);
    screen.step("why-told", &[], || why(&agent, &ledger, FIREWALL_OFF))?;
    screen.quote(&agent.words(&["why", &ledger])?);
    screen.step("firewall-on", &[], || namespace.firewall_on(&scene.stage.scratch))?;
    screen.step("access-back", &[], || back(scene, &agent, &ledger))
}
