//! The `given / expect` tables of a bundle.

use serde::Serialize;

/// How one row of a table came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestOutcome {
    /// The file.
    pub file: String,
    /// The line of the row.
    pub line: usize,
    /// The row's name.
    pub name: String,
    /// Whether the answer is the expected one.
    pub passed: bool,
    /// The expected and the real answer, line by line; empty when they agree.
    pub difference: String,
}
