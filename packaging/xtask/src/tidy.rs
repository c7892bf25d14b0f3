//! What no compiler checks: layers, names, sizes, messages, documents.

mod documents;
mod layers;
mod messages;
mod sources;
mod third_party;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::report::Outcome;
use crate::run::Trouble;
use crate::workspace::Workspace;

/// A rule that is broken somewhere.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    file: PathBuf,
    line: usize,
    what: String,
}

impl Finding {
    /// In a file, at a line counted from 1; line 0 means the whole file.
    pub(crate) fn at(file: &Path, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.what),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.what),
        }
    }
}

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct TextFile {
    path: PathBuf,
    text: String,
}

impl TextFile {
    /// True for one of these endings.
    fn ends(&self, endings: &[&str]) -> bool {
        self.path.extension().is_some_and(|own| endings.iter().any(|ending| own == *ending))
    }

    /// True below this folder.
    fn below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Lines with their number, counted from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// Prints every finding.
///
/// # Errors
/// The tree cannot be read.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, Trouble> {
    let tidy = check(workspace)? == Outcome::one(true);
    Ok(if tidy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One check: the tree is tidy or it is not.
///
/// # Errors
/// The tree cannot be read.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome, Trouble> {
    let files = text_files(workspace)?;
    let (theirs, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.below(third_party::FOLDER));
    let mut findings = layers::check(workspace)?;
    findings.extend(third_party::check(workspace.root(), &theirs));
    findings.extend(sources::check(&files));
    findings.extend(messages::check(&files));
    findings.extend(documents::check(&files));
    findings.sort();
    findings.iter().for_each(|finding| println!("{finding}"));
    println!("tidy: {} files, {} findings", files.len(), findings.len());
    Ok(Outcome::one(findings.is_empty()))
}

/// Every file that is UTF-8; fuzz corpora and other bytes are left alone.
fn text_files(workspace: &Workspace) -> Result<Vec<TextFile>, Trouble> {
    let mut files = Vec::new();
    for path in workspace.files()? {
        let bytes = std::fs::read(workspace.root().join(&path))
            .map_err(|error| Trouble::new(format!("`{}` cannot be read: {error}", path.display())))?;
        let corpus = path.components().any(|part| part.as_os_str() == "corpus");
        if !corpus && let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile { path, text });
        }
    }
    Ok(files)
}
