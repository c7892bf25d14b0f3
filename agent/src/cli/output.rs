//! Writing for people and for programs.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hitotsu_model::control::Problem;
use hitotsu_model::message::{Language, MessageFileError, Messages};
use serde::Serialize;
use serde_json::json;

use super::End;
use super::words::Say;
use crate::control::ControlError;
use crate::message;

/// Where a command's words go.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) messages: Arc<Messages>,
    pub(super) json: bool,
    colour: bool,
}

impl Output {
    pub(super) fn new(language: Language, json: bool) -> Result<Self, MessageFileError> {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Ok(Self { messages: Arc::new(message::messages(language)?), json, colour })
    }

    /// The message `id`.
    pub(super) fn text(&self, id: &str, arguments: &[(&str, &str)]) -> String {
        self.messages.text(id, arguments)
    }

    /// A line of a message.
    pub(super) fn say(&self, id: &str, arguments: &[(&str, &str)]) {
        self.line(&self.text(id, arguments));
    }

    /// A line as it is.
    pub(super) fn line(&self, line: &str) {
        // A reader that went away (`| head`) is no error.
        let _ = writeln!(io::stdout(), "{line}");
    }

    /// One JSON object on a line of its own.
    pub(super) fn json(&self, value: &impl Serialize) {
        self.line(&serde_json::to_string(value).unwrap_or_default());
    }

    /// The sentence, the remedy and the help code of a refusal.
    pub(super) fn problem(&self, problem: &Problem) -> End {
        if self.json {
            self.json(&json!({ "problem": problem }));
        } else {
            self.problem_lines(problem, "");
        }
        End::Problem
    }

    /// The same for people only, indented.
    pub(super) fn problem_lines(&self, problem: &Problem, indent: &str) {
        let (title, remedy) = self.words(problem);
        self.line(&format!("{indent}{}", self.bad(&title)));
        if !remedy.is_empty() {
            self.line(&format!("{indent}{remedy}"));
        }
        let code = problem.help_code.to_string();
        self.line(&format!("{indent}{}", self.text("help-code", &[("code", &code)])));
    }

    /// The words of a problem in this command's language; a site's own rule has only those that came.
    fn words(&self, problem: &Problem) -> (String, String) {
        if problem.code == hitotsu_model::code::Code::SiteRule {
            return (problem.title.clone(), problem.remedy.clone());
        }
        self.messages.code(problem.code)
    }

    /// A failure without a code.
    pub(super) fn failure(&self, why: &str) -> End {
        if self.json {
            self.json(&json!({ "error": why }));
        } else {
            let _ = writeln!(io::stderr(), "hitotsu: {why}");
        }
        End::Problem
    }

    /// The agent could not be asked.
    pub(super) fn not_answered(&self, error: &ControlError) -> End {
        match error {
            ControlError::NotRunning if !self.json => {
                self.say("not-running", &[]);
                End::Problem
            }
            ControlError::NotRunning
            | ControlError::AlreadyRunning
            | ControlError::NotYet
            | ControlError::PathTooLong(_)
            | ControlError::Io(_)
            | ControlError::OtherVersion(_) => self.failed(error),
        }
    }

    /// A failure without a code, in this command's language.
    pub(super) fn failed(&self, error: &impl Say) -> End {
        self.failure(&error.say(&self.messages))
    }

    /// The message `id`, which says what the system would not do, and why.
    pub(super) fn wrong(&self, id: &str, error: &io::Error) -> End {
        self.failure(&self.text(id, &[("why", &error.say(&self.messages))]))
    }

    /// The state directory cannot be used.
    pub(super) fn cannot_use(&self, folder: &Path, error: &io::Error) -> End {
        let folder = folder.display().to_string();
        self.failure(&self.text("folder-not-usable", &[("folder", &folder), ("why", &error.say(&self.messages))]))
    }

    /// Text that means well.
    pub(super) fn good(&self, text: &str) -> String {
        self.coloured("32", text)
    }

    /// Text that means a problem.
    pub(super) fn bad(&self, text: &str) -> String {
        self.coloured("31", text)
    }

    /// Text that is less important.
    pub(super) fn faint(&self, text: &str) -> String {
        self.coloured("2", text)
    }

    fn coloured(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// How long ago, in the largest unit that says enough.
    pub(super) fn ago(&self, passed: Duration) -> String {
        let seconds = passed.as_secs();
        let (id, count) = match seconds {
            0..60 => ("ago-seconds", seconds),
            60..3600 => ("ago-minutes", seconds / 60),
            3600..86_400 => ("ago-hours", seconds / 3600),
            _ => ("ago-days", seconds / 86_400),
        };
        self.text(id, &[("count", &count.to_string())])
    }
}

/// Bytes in a unit that people read.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_in_the_largest_unit_that_leaves_a_whole_number() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(5 * 1024 * 1024), "5.0 MiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
    }
}
