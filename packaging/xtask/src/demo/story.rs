//! The story, act by act.

mod cut;
mod open;
mod proof;
mod refuse;
mod second;

use std::io::BufRead;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::agent::Agent;
use super::curl::{self, Answer, Through};
use super::gateway::Gateway;
use super::interrupt::Interrupt;
use super::screen::Screen;
use super::systems::{FILES, PORTAL, SSH, Systems};
use super::{Stage, word};
use crate::run::Trouble;

/// From `hitotsu run` to believed evidence: a first look at a slow machine takes a few seconds.
const UP_WITHIN: Duration = Duration::from_secs(20);

/// One act: does its steps and prints them.
type Act = fn(&mut Scene<'_>, &mut Screen) -> Result<(), Trouble>;

/// What the acts play with.
pub(super) struct Scene<'a> {
    stage: &'a Stage<'a>,
    // Ended in this order: what depends on something ends before it.
    agent: Agent<'a>,
    gateway: Gateway,
    systems: Systems,
}

/// Starts everything and tells the story; waits for the person where there is one.
///
/// # Errors
/// A step that the rest needs failed; it is counted and printed already.
pub(super) fn tell<'a>(
    stage: &'a Stage<'a>,
    screen: &mut Screen,
    interrupt: &Interrupt,
    person: bool,
) -> Result<(), Trouble> {
    let mut scene = set(stage, screen)?;
    if person {
        invite(&scene, screen);
        screen.say("press-enter", &[]);
        wait_for_enter(interrupt);
    }
    let acts: [Act; 5] = [open::tell, refuse::tell, cut::tell, second::tell, proof::tell];
    for act in acts {
        if interrupt.came() {
            return Err(Trouble::new("interrupted"));
        }
        act(&mut scene, screen)?;
    }
    if person && !interrupt.came() {
        again(&mut scene, screen)?;
        invite(&scene, screen);
        screen.say("press-ctrl-c", &[]);
        interrupt.wait();
    }
    Ok(())
}

/// Starts the systems, the gateway and the agent.
fn set<'a>(stage: &'a Stage<'a>, screen: &mut Screen) -> Result<Scene<'a>, Trouble> {
    screen.heading("act-start");
    let systems = screen.step("systems-run", &[], || Systems::start(stage))?;
    let mut gateway = screen.step("organisation-made", &[], || Gateway::init(stage, &systems))?;
    let address = gateway.address().to_string();
    screen.step("gateway-serves", &[("address", &address)], || gateway.serve(stage))?;
    let mut agent = Agent::new(stage, "pc", None, &systems)?;
    let code = screen.step("code-made", &[], || gateway.enrol_code())?;
    screen.quote(&format!("hitotsu enrol {code}"));
    screen.step("enrolled", &[], || agent.enrol(&code))?;
    screen.step("agent-up", &[], || agent.start(stage, UP_WITHIN))?;
    Ok(Scene { stage, agent, gateway, systems })
}

/// A new device in place of the one that the story revoked, so that a person can go on trying.
fn again(scene: &mut Scene<'_>, screen: &mut Screen) -> Result<(), Trouble> {
    let code = scene.gateway.enrol_code()?;
    let mut agent = Agent::new(scene.stage, "pc-again", None, &scene.systems)?;
    screen.step("enrolled-again", &[], || {
        agent.enrol(&code)?;
        agent.start(scene.stage, UP_WITHIN)
    })?;
    scene.agent = agent;
    Ok(())
}

/// What runs, and what to try.
fn invite(scene: &Scene<'_>, screen: &Screen) {
    let (systems, agent) = (&scene.systems, &scene.agent);
    screen.heading("try-heading");
    screen.say("try-web", &[]);
    screen.quote(&format!("curl --proxy socks5h://{} http://{PORTAL}:{}/", agent.socks, systems.web));
    screen.say("try-browser", &[]);
    screen.quote(&format!("http://{}/proxy.pac", agent.http));
    screen.say("try-files", &[]);
    let files = format!("http://{FILES}:{}/", systems.files);
    screen.quote(&format!("curl --proxy socks5h://{} -X PROPFIND -H 'Depth: 1' {files}", agent.socks));
    screen.say("try-ssh", &[]);
    screen.quote(&format!("ssh -p {} demo@{}    # {SSH}:{}", agent.ssh.port(), agent.ssh.ip(), systems.ssh));
    screen.say("try-commands", &[]);
    let folder = scene.stage.path("hitotsu");
    let folder = folder.parent().unwrap_or(&folder);
    screen.quote(&format!("export PATH=\"{}:$PATH\"", folder.display()));
    screen.quote(&format!("export HITOTSU_STATE_DIR={}", agent.state().display()));
    screen.quote(&format!("export HITOTSU_GATEWAY_CONFIG={}", scene.gateway.config().display()));
    screen.quote("hitotsu status; hitotsu catalogue; hitotsu doctor");
    screen.quote("hitotsu-gateway session list; hitotsu-gateway audit tail");
    screen.say("logs-in", &[("folder", &word(&scene.stage.scratch.join("logs")))]);
}

impl Scene<'_> {
    /// Curl on the first PC.
    fn curl(&self, through: Through) -> Command {
        curl::through(self.agent.on_this_pc(Path::new("curl")), through)
    }

    /// One request from the first PC.
    fn ask(&self, through: Through, url: &str, more: &[&str]) -> Result<Answer, Trouble> {
        curl::ask(self.curl(through), &self.stage.scratch, url, more)
    }
}

/// Returns when the person presses Enter or Ctrl-C.
fn wait_for_enter(interrupt: &Interrupt) {
    let (pressed, interrupt) = (interrupt.clone(), interrupt.clone());
    // A read of the terminal cannot be cancelled; the thread ends with the process.
    std::thread::spawn(move || {
        let _line = std::io::stdin().lock().read_line(&mut String::new());
        pressed.wake();
    });
    interrupt.wait();
}
