//! The state of the PC goes bad in the middle of a transfer: the live flow is cut, and comes back with the cause gone.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Scene;
use super::open::expect;
use crate::demo::agent::Agent;
use crate::demo::children::Running;
use crate::demo::curl::{self, Through};
use crate::demo::screen::Screen;
use crate::demo::systems::PORTAL;
use crate::run::Trouble;

/// The agent looks for forbidden programs every two seconds or sooner, evidence of a change may take five, a cut one.
const CUT_WITHIN: Duration = Duration::from_secs(8);

/// The way back takes what the way out took.
const BACK_WITHIN: Duration = Duration::from_secs(8);

/// A line of the endless stream comes ten times a second.
const LINE_WITHIN: Duration = Duration::from_secs(3);

/// A program that the sample policy forbids to run.
const FORBIDDEN_PROGRAM: &str = "forbidden-demo";

/// The reason that it gives.
const FORBIDDEN_SOFTWARE: &str = "forbidden-software";

pub(super) fn tell(scene: &mut Scene<'_>, screen: &mut Screen) -> Result<(), Trouble> {
    screen.heading("act-cut");
    let portal = format!("{PORTAL}:{}", scene.systems.web);
    let mut stream = screen.step("stream-runs", &[], || Stream::open(scene, &scene.agent, "stream", &portal))?;
    let cause = Instant::now();
    let variables = [("name", FORBIDDEN_PROGRAM)];
    let program = screen.step("forbidden-starts", &variables, || forbidden(scene, FORBIDDEN_PROGRAM))?;
    let seconds = screen.step("stream-cut", &[], || stream.cut(cause, CUT_WITHIN))?;
    screen.say("cut-after", &[("seconds", &format!("{seconds:.2}"))]);
    screen.step("why-told", &[], || scene.why(&portal, FORBIDDEN_SOFTWARE))?;
    screen.quote(&scene.agent.words(&["why", &portal])?);
    screen.step("forbidden-stops", &[], || {
        drop(program);
        Ok(())
    })?;
    let begun = Instant::now();
    screen.step("access-back", &[], || back(scene, &scene.agent, &portal))?;
    screen.say("back-after", &[("seconds", &format!("{:.2}", begun.elapsed().as_secs_f64()))]);
    Ok(())
}

/// A program that policy forbids, really running: one of our own under the forbidden name.
fn forbidden(scene: &Scene<'_>, name: &str) -> Result<Running, Trouble> {
    let program = scene.stage.folder("programs")?.join(name);
    let own = scene.stage.path("hitotsu-systems");
    let made = std::fs::hard_link(&own, &program).or_else(|_| std::fs::copy(&own, &program).map(drop));
    made.map_err(|error| Trouble::new(format!("`{}` cannot be made: {error}", program.display())))?;
    let mut command = Command::new(&program);
    command.args(["tcp-echo", "--until-stdin-closes"]);
    let mut running = Running::start(&scene.stage.groups, &scene.stage.logs()?, name, command)?;
    running.announcement()?;
    Ok(running)
}

/// Asks until a system answers again.
pub(super) fn back(scene: &Scene<'_>, agent: &Agent<'_>, authority: &str) -> Result<(), Trouble> {
    let deadline = Instant::now() + BACK_WITHIN;
    let url = format!("http://{authority}/");
    loop {
        let curl = curl::through(agent.on_this_pc(Path::new("curl")), Through::Socks(agent.socks));
        let (answer, words) = curl::attempt(curl, &scene.stage.scratch, &url, &[])?;
        if answer.status == 200 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return expect(false, "the system does not answer", &words.unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A transfer that would never end by itself.
pub(super) struct Stream {
    curl: Running,
}

impl Stream {
    /// Opens it, and returns when lines come.
    pub(super) fn open(scene: &Scene<'_>, agent: &Agent<'_>, name: &str, authority: &str) -> Result<Self, Trouble> {
        let mut curl = curl::through(agent.on_this_pc(Path::new("curl")), Through::Socks(agent.socks));
        curl.args(["--no-buffer", &format!("http://{authority}/stream")]);
        let mut curl = Running::start(&scene.stage.groups, &scene.stage.logs()?, name, curl)?;
        for expected in 0..3_u32 {
            let line = curl.line(LINE_WITHIN).unwrap_or_default();
            expect(line == expected.to_string(), "the stream does not run", &curl.log_end())?;
        }
        Ok(Self { curl })
    }

    /// Waits until it is cut; the seconds since the cause.
    pub(super) fn cut(&mut self, cause: Instant, within: Duration) -> Result<f64, Trouble> {
        match self.curl.ended(within) {
            Some(_) => Ok(cause.elapsed().as_secs_f64()),
            None => Err(Trouble::new(format!("the stream goes on after {within:?}"))),
        }
    }
}
