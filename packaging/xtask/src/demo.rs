//! `cargo xtask demo`: a whole organisation in a temporary folder, and the product's story told with it.
//!
//! The programs are our own, run as a person would run them; the systems behind the gateway are real servers; what
//! travels is asked for with curl and ssh. In the order in which things happen:
//!
//! - [`words`] and [`screen`] speak to the person; [`interrupt`] hears Ctrl-C.
//! - [`children`] runs programs and ends them, [`namespace`] is a second PC (as root).
//! - [`systems`], [`gateway`] and [`agent`] are what is started.
//! - [`curl`] asks for things through the agent.
//! - [`story`] tells, act by act.

mod agent;
mod children;
mod curl;
mod gateway;
mod interrupt;
mod namespace;
mod screen;
mod story;
mod systems;
mod words;

use std::io::IsTerminal;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use self::children::Groups;
use self::interrupt::Interrupt;
use self::namespace::Namespace;
use self::screen::Screen;
use self::words::{Language, Words};
use crate::run::{self, Trouble};
use crate::tools;
use crate::workspace::Workspace;

/// How the demo runs.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Tell the story without waiting for a person, check each step, and exit accordingly.
    #[arg(long)]
    check: bool,
    /// The language; the locale's without it.
    #[arg(long, value_enum)]
    lang: Option<Language>,
    /// The programs are built already.
    #[arg(long, hide = true)]
    built: bool,
}

/// What every part of the demo needs.
pub(crate) struct Stage<'a> {
    /// Our programs.
    programs: &'a Workspace,
    /// The language of the person.
    language: Language,
    /// Everything that the demo writes is in here.
    scratch: PathBuf,
    /// The processes.
    groups: Groups,
    /// The second PC, as root.
    namespace: Option<Namespace>,
}

/// Runs the demo.
///
/// # Errors
/// It cannot be built or started at all; a step that fails is in the exit code.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode, Trouble> {
    let language = options.lang.unwrap_or_else(Language::of_locale);
    let mut screen = Screen::new(Words::new(language)?);
    tools::programs(workspace, tools::PLAIN)?;
    if tools::is_root() {
        tools::programs(workspace, tools::NAMESPACES)?;
    }
    if !options.built {
        build(workspace, &screen)?;
    }
    let groups = Groups::default();
    let interrupt = Interrupt::watch(groups.clone())?;
    let scratch = tempfile::Builder::new()
        .prefix("hitotsu-demo-")
        .tempdir()
        .map_err(|error| Trouble::new(format!("no temporary folder: {error}")))?;
    let stage = Stage {
        programs: workspace,
        language,
        scratch: scratch.path().to_owned(),
        groups,
        namespace: if tools::is_root() { Some(Namespace::new()?) } else { None },
    };
    let person = !options.check && std::io::stdin().is_terminal();
    let told = story::tell(&stage, &mut screen, &interrupt, person);
    drop(stage);
    scratch.close().map_err(|error| Trouble::new(format!("the temporary folder cannot be removed: {error}")))?;
    if interrupt.came() {
        screen.say("ended", &[]);
        return Ok(if options.check { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let (passed, failed) = screen.score();
    // A step that could not be done ends the story, and is counted as failed already.
    let failed = if told.is_err() { failed.max(1) } else { failed };
    println!("\n{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the three programs; Cargo shows its own progress.
fn build(workspace: &Workspace, screen: &Screen) -> Result<(), Trouble> {
    screen.heading("building");
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--locked", "-p", "hitotsu-gateway", "-p", "hitotsu-agent", "-p", "hitotsu-systems"]);
    let status = cargo.status().map_err(|error| Trouble::new(format!("cargo cannot be started: {error}")))?;
    if status.success() { Ok(()) } else { Err(Trouble::new(format!("`{}` failed", run::shown(&cargo)))) }
}

impl Stage<'_> {
    /// A folder below the scratch folder.
    ///
    /// # Errors
    /// It cannot be made.
    fn folder(&self, name: &str) -> Result<PathBuf, Trouble> {
        let folder = self.scratch.join(name);
        // Private: an agent refuses a state folder that others may read.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|error| Trouble::new(format!("`{}` cannot be made: {error}", folder.display())))?;
        Ok(folder)
    }

    /// Where logs go.
    ///
    /// # Errors
    /// It cannot be made.
    fn logs(&self) -> Result<PathBuf, Trouble> {
        self.folder("logs")
    }

    /// One of our programs, to be run on this machine and ended with us.
    fn program(&self, name: &str) -> std::process::Command {
        let mut command = children::leashed(&self.path(name));
        command.env("LC_ALL", self.language.locale());
        command
    }

    /// The path of one of our programs.
    fn path(&self, name: &str) -> PathBuf {
        self.programs.program(name)
    }
}

/// A path as a word of a command.
fn word(path: &Path) -> String {
    path.display().to_string()
}
