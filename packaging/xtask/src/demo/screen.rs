//! What a person sees: progress while something is awaited, and one line for each step that is done.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::words::Words;
use crate::run::Trouble;

/// The terminal and the score.
pub(super) struct Screen {
    words: Words,
    colours: bool,
    passed: u32,
    failed: u32,
}

impl Screen {
    /// On standard output.
    pub(super) fn new(words: Words) -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { words, colours, passed: 0, failed: 0 }
    }

    /// A sentence in the person's language.
    pub(super) fn words(&self, id: &str, variables: &[(&str, &str)]) -> String {
        self.words.say(id, variables)
    }

    /// A heading of the story.
    pub(super) fn heading(&self, id: &str) {
        println!("\n{}", self.paint("1;36", &self.words(id, &[])));
    }

    /// A sentence by itself.
    pub(super) fn say(&self, id: &str, variables: &[(&str, &str)]) {
        println!("  {}", self.words(id, variables));
    }

    /// Something to copy into another terminal, or a program's own words.
    pub(super) fn quote(&self, text: &str) {
        for line in text.lines() {
            println!("      {}", self.paint("2", line));
        }
    }

    /// Does one step of the story: shows that it goes on, then whether it did what the sentence says.
    ///
    /// # Errors
    /// What the step could not do; it is printed and counted already.
    pub(super) fn step<T>(
        &mut self,
        id: &str,
        variables: &[(&str, &str)],
        work: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let sentence = self.words(id, variables);
        let spinner = ProgressBar::new_spinner().with_message(sentence.clone());
        if let Ok(style) = ProgressStyle::with_template("  {spinner:.cyan} {msg} {elapsed}") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(Duration::from_millis(100));
        let begun = Instant::now();
        let outcome = work();
        spinner.finish_and_clear();
        let took = begun.elapsed().as_secs_f64();
        let took = if took < 0.05 { String::new() } else { self.paint("2", &format!("  {took:.2} s")) };
        match &outcome {
            Ok(_) => {
                self.passed += 1;
                println!("  {} {sentence}{took}", self.paint("32", "✓"));
            }
            Err(trouble) => {
                self.failed += 1;
                println!("  {} {sentence}{took}", self.paint("31", "✗"));
                self.quote(&trouble.to_string());
            }
        }
        outcome
    }

    /// Passed and failed steps.
    pub(super) fn score(&self) -> (u32, u32) {
        (self.passed, self.failed)
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
