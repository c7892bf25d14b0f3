//! The certificate is revoked and the tunnel dies; the audit log proves what happened.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Scene;
use super::cut::Stream;
use super::open::expect;
use crate::demo::curl::{self, Through};
use crate::demo::screen::Screen;
use crate::demo::systems::PORTAL;
use crate::run::Trouble;

/// A revocation is pushed, not polled for.
const CUT_WITHIN: Duration = Duration::from_secs(3);

/// The agent hears why with its next connection.
const TOLD_WITHIN: Duration = Duration::from_secs(8);

/// The first lines of `status` say that it is refused, why, what to do, and the number for the help desk.
const STATUS_LINES: usize = 4;

const DEVICE_REVOKED: &str = "device-revoked";

pub(super) fn tell(scene: &mut Scene<'_>, screen: &mut Screen) -> Result<(), Trouble> {
    screen.heading("act-revoke");
    let portal = format!("{PORTAL}:{}", scene.systems.web);
    let device = scene.agent.device()?;
    let mut stream = screen.step("stream-runs", &[], || Stream::open(scene, &scene.agent, "last-stream", &portal))?;
    let cause = Instant::now();
    screen.step("device-revoked", &[], || scene.gateway.revoke(&device))?;
    let seconds = screen.step("stream-cut", &[], || stream.cut(cause, CUT_WITHIN))?;
    screen.say("cut-after", &[("seconds", &format!("{seconds:.2}"))]);
    screen.step("revoked-told", &[], || {
        scene.agent.until(TOLD_WITHIN, |status| status.to_string().contains(DEVICE_REVOKED))?;
        expect(scene.agent.alive(), "the agent ended", "")
    })?;
    let status = scene.agent.words(&["status"])?;
    screen.quote(&status.lines().take(STATUS_LINES).collect::<Vec<_>>().join("\n"));
    screen.step("nothing-opens", &[], || {
        let curl = scene.curl(Through::Socks(scene.agent.socks));
        let url = format!("http://{portal}/");
        let (answer, _) = curl::attempt(curl, &scene.stage.scratch, &url, &[])?;
        expect(answer.status == 0, "the portal still answers", &answer.text())
    })?;

    screen.heading("act-proof");
    let report = screen.step("audit-verified", &[], || scene.gateway.json(&["audit", "verify"]))?;
    let records = report.get("records").and_then(Value::as_u64).unwrap_or_default().to_string();
    screen.say("audit-records", &[("records", &records)]);
    Ok(())
}
