//! Why an answer is what it is, for machines and for people.

use hitotsu_model::code::Code;
use hitotsu_model::ids::RuleId;
use serde::Serialize;

use crate::decision::Decision;

/// A decision with everything that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The answer.
    pub decision: Decision,
    /// Version of the bundle.
    pub bundle: String,
    /// What each rule that is about this question said.
    pub rules: Vec<RuleFinding>,
}

/// What one rule said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleFinding {
    /// The rule.
    pub rule: RuleId,
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: usize,
    /// What it does when it matches.
    pub effect: Effect,
    /// Whether it matched.
    pub outcome: Outcome,
    /// Its code, if it has one.
    pub code: Option<Code>,
    /// The bundle's own sentence in Japanese.
    pub ja: Option<String>,
    /// The bundle's own sentence in English.
    pub en: Option<String>,
    /// What it demands, and what was found.
    pub findings: Vec<Finding>,
}

/// What a rule does when it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It permits.
    Permit,
    /// It forbids, whatever others permit.
    Forbid,
}

/// Whether a rule matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It matched.
    Matched,
    /// It did not match.
    NotMatched,
    /// It could not be evaluated.
    Failed,
}

/// One demand of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The demand, as the rule writes it.
    pub expected: String,
    /// What was found, attribute by attribute.
    pub found: String,
    /// Whether it is met.
    pub met: bool,
}
