//! The commands: `enrol`, `run`, `status`, `catalogue`, `why`, `doctor`, `logs`.
//!
//! Each ends with 0 when all is well, 1 when something was refused or is wrong, 2 when the command was misused.

mod catalogue;
mod doctor;
mod enrol;
mod logs;
mod output;
mod run;
mod status;
mod why;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hitotsu_model::message::Language;

use crate::platform;
use output::Output;

/// Remote-work access: one attested tunnel from this computer to the internal systems that you may use.
#[derive(Debug, Parser)]
#[command(name = "hitotsu", version, arg_required_else_help = true)]
struct Cli {
    /// Where the agent keeps its identity, configuration and log.
    #[arg(long, global = true, value_name = "DIR", env = "HITOTSU_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Language of the output; by the locale if not given.
    #[arg(long, global = true, value_name = "ja|en", value_parser = language)]
    lang: Option<Language>,
    /// Output for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Enrol this computer with the code that your IT desk gave you.
    Enrol {
        /// The code, such as `XXXX-XXXX-…@gateway.example:443`; `-` reads it from standard input.
        #[arg(required = true, num_args = 1.., value_name = "CODE")]
        code: Vec<String>,
        /// Replace an identity that this computer has already.
        #[arg(long)]
        again: bool,
    },
    /// Run the agent until it is stopped.
    Run,
    /// Show the tunnel, what is wrong, and the open flows.
    Status,
    /// Show what you may reach from here, now.
    Catalogue,
    /// Say whether a target would open, and why not.
    Why {
        /// `host:port`, or a URL.
        target: String,
        /// Ask about UDP.
        #[arg(long)]
        udp: bool,
    },
    /// Look for everything that could be wrong, and say how to mend it.
    Doctor,
    /// Print the agent's log.
    Logs {
        /// Only the last so many lines.
        #[arg(long, short = 'n', default_value_t = 200, value_name = "COUNT")]
        lines: usize,
    },
}

fn language(text: &str) -> Result<Language, String> {
    text.parse().map_err(|error: hitotsu_model::message::UnknownLanguage| error.to_string())
}

/// Problems, refusals.
const EXIT_PROBLEM: u8 = 1;
/// Misuse; as clap's own.
const EXIT_USAGE: u8 = 2;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Well,
    Problem,
    Usage,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        match end {
            End::Well => Self::SUCCESS,
            End::Problem => Self::from(EXIT_PROBLEM),
            End::Usage => Self::from(EXIT_USAGE),
        }
    }
}

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let language = cli.lang.unwrap_or_else(language_of_locale);
    let output = match Output::new(language, cli.json) {
        Ok(output) => output,
        Err(error) => {
            eprintln!("hitotsu: {error}");
            return End::Problem.into();
        }
    };
    let state_dir = match cli.state_dir.map_or_else(platform::state_directory, Ok) {
        Ok(state_dir) => state_dir,
        Err(error) => return output.wrong("no-state-dir", &error).into(),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.wrong("no-runtime", &error).into(),
    };
    let end = runtime.block_on(async {
        match cli.command {
            Command::Enrol { code, again } => enrol::enrol(&state_dir, &code.concat(), again, &output).await,
            Command::Run => run::run(&state_dir, &output).await,
            Command::Status => status::status(&state_dir, &output).await,
            Command::Catalogue => catalogue::catalogue(&state_dir, &output).await,
            Command::Why { target, udp } => why::why(&state_dir, &target, udp, &output).await,
            Command::Doctor => doctor::doctor(&state_dir, &output).await,
            Command::Logs { lines } => logs::logs(&state_dir, lines, &output),
        }
    });
    // A name lookup that hangs in the system's resolver must not hold the program back.
    runtime.shutdown_background();
    end.into()
}

/// By the locale variables, strongest first (POSIX.1-2017 §8.2).
fn language_of_locale() -> Language {
    let set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let name = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find(set);
    name.and_then(|name| std::env::var(name).ok()).map_or(Language::default(), |locale| Language::from_locale(&locale))
}
