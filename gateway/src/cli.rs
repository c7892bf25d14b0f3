//! The commands. Those that change a running gateway speak to its admin socket.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hitotsu_model::message::{Language, Messages};
use serde::Serialize;

use crate::config::Config;
use crate::local::ClientError;
use crate::words::{EN as MESSAGES_EN, InWords, JA as MESSAGES_JA, Words};

mod audit;
mod ca;
mod check;
mod device;
mod enrol_code;
mod explain;
mod init;
mod issuer;
mod policy;
mod serve;
mod session;

/// The remote-work access gateway.
#[derive(Debug, Parser)]
#[command(name = "hitotsu-gateway", version, about)]
pub struct Cli {
    /// The configuration file.
    #[arg(long, global = true, default_value = "gateway.toml", env = "HITOTSU_GATEWAY_CONFIG")]
    config: PathBuf,
    /// Answer as JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    /// `ja` or `en`; the locale's language otherwise.
    #[arg(long, global = true)]
    lang: Option<Language>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an organisation that serves at once.
    Init(init::Args),
    /// Check the configuration, the certificates and the policy bundle.
    Check,
    /// Serve.
    Serve(serve::Args),
    Issuer(issuer::Args),
    /// Make a one-time code with which a machine enrols.
    EnrolCode(enrol_code::Args),
    /// List, show and revoke devices.
    #[command(subcommand)]
    Device(device::Command),
    /// Read and verify the audit log.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Issue, list, revoke and rotate certificates; sign a CRL.
    #[command(subcommand)]
    Ca(ca::Command),
    /// List and end sessions.
    #[command(subcommand)]
    Session(session::Command),
    /// What a person reads whose help code this is, which rules say so, and who was refused so lately.
    Explain(explain::Args),
    /// Check, reload and explain the policy bundle.
    #[command(subcommand)]
    Policy(policy::Command),
}

/// What every command has.
pub(crate) struct Context {
    config: PathBuf,
    json: bool,
    messages: Messages,
}

impl Context {
    /// Reads the configuration.
    pub(crate) fn config(&self) -> Result<Config, CliError> {
        Config::load(&self.config).map_err(told)
    }

    /// The message `id` in the user's language.
    pub(crate) fn text(&self, id: &str, arguments: &[(&str, &str)]) -> String {
        self.messages.text(id, arguments)
    }

    /// Says the answer: as JSON where asked for, else as text.
    pub(crate) fn say(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), CliError> {
        let line = if self.json {
            serde_json::to_string(value).map_err(|error| CliError::Refused(error.to_string()))?
        } else {
            text()
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| CliError::Refused(error.to_string()))
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// It could not be done; the text says why and how to mend it.
    #[error("{0}")]
    Refused(String),
    /// The same as a sentence that has a name.
    #[error("{0}")]
    Told(Words),
    /// It was asked for wrongly.
    #[error("{0}")]
    Usage(String),
    /// The gateway did not do it.
    #[error(transparent)]
    Gateway(#[from] ClientError),
}

impl CliError {
    /// For the person who typed the command.
    pub(crate) fn said_in(&self, messages: &Messages) -> String {
        match self {
            Self::Refused(text) | Self::Usage(text) => text.clone(),
            Self::Told(words) => words.said_in(messages),
            Self::Gateway(error) => error.words().map_or_else(|| error.to_string(), |words| words.said_in(messages)),
        }
    }
}

/// An error in the words of whoever typed the command.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn told(error: impl InWords) -> CliError {
    CliError::Told(error.words())
}

/// Parses the command line and runs the command. Exit code 0: done; 1: not done; 2: asked for wrongly.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let language = cli.lang.unwrap_or_else(language_of_locale);
    let file = match language {
        Language::Ja => MESSAGES_JA,
        Language::En => MESSAGES_EN,
    };
    let messages = match Messages::new(language, &[file]) {
        Ok(messages) => messages,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(1);
        }
    };
    let json = cli.json;
    let context = Context { config: cli.config, json, messages };
    match run(cli.command, &context) {
        Ok(code) => code,
        Err(error) => {
            if json {
                eprintln!("{}", serde_json::json!({ "error": error.to_string() }));
            } else {
                eprintln!("{}", context.text("error", &[("error", &error.said_in(&context.messages))]));
            }
            match error {
                CliError::Refused(_) | CliError::Told(_) | CliError::Gateway(_) => ExitCode::from(1),
                CliError::Usage(_) => ExitCode::from(2),
            }
        }
    }
}

fn run(command: Command, context: &Context) -> Result<ExitCode, CliError> {
    match command {
        Command::Init(args) => init::run(args, context),
        Command::Check => check::run(context),
        Command::Serve(args) => serve::run(args, context),
        Command::Issuer(args) => issuer::run(&args, context),
        Command::EnrolCode(args) => short(enrol_code::run(args, context)),
        Command::Device(command) => short(device::run(command, context)),
        Command::Ca(command) => short(ca::run(command, context)),
        Command::Audit(command) => audit::run(command, context),
        Command::Session(command) => short(session::run(command, context)),
        Command::Explain(args) => explain::run(&args, context),
        Command::Policy(command) => short(policy::run(command, context)),
    }
}

/// Runs a short command; one thread is enough.
fn short<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CliError::Refused(error.to_string()))?.block_on(work)
}

fn language_of_locale() -> Language {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG")).unwrap_or_default();
    Language::from_locale(&locale)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_sentence_is_there_in_both_languages() {
        let ids = |file: &'static str| -> BTreeSet<&str> {
            let named = |line: &'static str| line.split_once(" =").map(|(id, _)| id);
            file.lines()
                .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
                .filter_map(named)
                .collect()
        };
        assert_eq!(ids(MESSAGES_JA), ids(MESSAGES_EN));
        assert!(ids(MESSAGES_EN).len() > 20);
        for (language, file) in [(Language::Ja, MESSAGES_JA), (Language::En, MESSAGES_EN)] {
            Messages::new(language, &[file]).expect("parses");
        }
    }
}
