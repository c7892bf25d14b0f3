//! Why an answer is what it is, for machines and for people.

use std::fmt::Write as _;

use hitotsu_model::code::Code;
use hitotsu_model::ids::{ResourceId, RuleId};
use hitotsu_model::message::{Language, MessageFileError, Messages};
use hitotsu_model::time::Timestamp;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::decision::{Action, Decision};
use crate::engine::evaluate::Question;
use crate::engine::{Engine, print};
use crate::rules::attribute::Attribute;
use crate::rules::expression::{Expr, Rule};
use crate::subject::PreparedSubject;

/// A decision with everything that led to it. For security staff: it tells what the asker may not learn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The resource asked about.
    pub resource: ResourceId,
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
    /// What it demands, and what was found. A permit matches when all its demands are met; a forbid when one is not.
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

impl Explanation {
    pub(crate) fn new(
        bundle: &Bundle,
        engine: &Engine,
        subject: &PreparedSubject,
        resource: &ResourceId,
        now: Timestamp,
    ) -> Self {
        let rules = match bundle.resource_number(resource) {
            Some(number) => {
                let question = engine.question(subject, Action::Connect, number, now);
                engine.candidates(subject, Action::Connect, number).map(|rule| finding_of(rule, &question)).collect()
            }
            None => Vec::new(),
        };
        let decision = bundle.decide(subject, resource, now);
        Self { resource: resource.clone(), decision, bundle: bundle.version().to_owned(), rules }
    }

    /// Plain text of several lines. `messages` come from [`messages`].
    #[must_use]
    pub fn to_text(&self, messages: &Messages) -> String {
        let mut text = String::new();
        let answer = if self.decision.allowed { "explain-allowed" } else { "explain-denied" };
        let resource = self.resource.as_str();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", messages.text(answer, &[("resource", resource)]));
        for code in &self.decision.codes {
            let (title, remedy) = messages.code(*code);
            let _ = writeln!(text, "  {} {title}\n         {remedy}", code.number());
        }
        if !self.decision.known {
            let _ = writeln!(text, "  {}", messages.text("explain-stranger", &[]));
        }
        let expires = self.decision.expires_at;
        if expires != Timestamp::MAX {
            let _ = writeln!(text, "  {}", messages.text("explain-expires", &[("at", &expires.to_string())]));
        }
        for rule in self.rules.iter().filter(|rule| rule.is_worth_telling(&self.decision)) {
            rule.write_text(&mut text, messages);
        }
        let _ = writeln!(text, "{}", messages.text("explain-bundle", &[("bundle", &self.bundle)]));
        text
    }
}

impl RuleFinding {
    /// The deciding rules; every permit too, where nothing else denied.
    fn is_worth_telling(&self, decision: &Decision) -> bool {
        decision.rules.contains(&self.rule)
            || decision.errors.contains(&self.rule)
            || (decision.rules.is_empty() && self.effect == Effect::Permit)
    }

    fn write_text(&self, text: &mut String, messages: &Messages) {
        let key = match (self.effect, self.outcome) {
            (Effect::Permit, Outcome::Matched) => "explain-permit",
            (Effect::Permit, Outcome::NotMatched) => "explain-permit-not",
            (Effect::Forbid, Outcome::Matched) => "explain-forbid",
            (Effect::Forbid, Outcome::NotMatched) => "explain-forbid-not",
            (Effect::Permit | Effect::Forbid, Outcome::Failed) => "explain-failed",
        };
        let line = self.line.to_string();
        let place = [("rule", self.rule.as_str()), ("file", self.file.as_str()), ("line", line.as_str())];
        let _ = writeln!(text, "  {}", messages.text(key, &place));
        let own = match messages.language() {
            Language::Ja => &self.ja,
            Language::En => &self.en,
        };
        if let Some(own) = own {
            let _ = writeln!(text, "    {own}");
        }
        for finding in &self.findings {
            let mark = if finding.met { "explain-met" } else { "explain-unmet" };
            let parts = [("expected", finding.expected.as_str()), ("found", finding.found.as_str())];
            let _ = writeln!(text, "    {}", messages.text(mark, &parts));
        }
    }
}

const WORDS_JA: &str = include_str!("../messages/ja.ftl");
const WORDS_EN: &str = include_str!("../messages/en.ftl");

/// The words of explanations, with the built-in sentences of codes.
///
/// # Errors
/// [`MessageFileError`] never, if the tests pass.
pub fn messages(language: Language) -> Result<Messages, MessageFileError> {
    let words = match language {
        Language::Ja => WORDS_JA,
        Language::En => WORDS_EN,
    };
    Messages::new(language, &[words])
}

fn finding_of(rule: &Rule, question: &Question<'_>) -> RuleFinding {
    let outcome = match question.matches(&rule.clauses) {
        Ok(true) => Outcome::Matched,
        Ok(false) => Outcome::NotMatched,
        Err(_) => Outcome::Failed,
    };
    let findings = demands(rule).into_iter().map(|expr| Finding {
        expected: print::expression(question.names, expr),
        found: print::found(question, expr),
        met: question.truth(expr) == Ok(true),
    });
    RuleFinding {
        rule: rule.id.clone(),
        file: rule.file.clone(),
        line: rule.line,
        effect: rule.effect,
        outcome,
        code: rule.code,
        ja: rule.ja.clone(),
        en: rule.en.clone(),
        findings: findings.collect(),
    }
}

/// What a permit asks for in its clauses, and what a forbid asks for in its `unless`.
fn demands(rule: &Rule) -> Vec<&Expr> {
    let mut demands: Vec<&Expr> = Vec::new();
    for clause in &rule.clauses {
        match rule.effect {
            Effect::Permit => demands.extend(clause.conjuncts()),
            Effect::Forbid => {
                if let Expr::Not(good) = clause {
                    demands.extend(good.conjuncts());
                }
            }
        }
    }
    // `context has x` says nothing beside a demand that reads `x`: that one shows `x = unknown`.
    let reads =
        |expr: &Expr, attribute: Attribute| !matches!(expr, Expr::Has(_)) && expr.attributes().contains(&attribute);
    let all = demands.clone();
    demands.retain(|demand| {
        let Expr::Has(attribute) = demand else { return true };
        !all.iter().any(|other| reads(other, *attribute))
    });
    demands
}
