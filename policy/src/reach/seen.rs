//! What rules compare each attribute with.

use std::collections::{BTreeMap, BTreeSet};

use hitotsu_model::posture::{ClaimKind, ClaimName};

use crate::engine::value::Value;
use crate::rules::attribute::Attribute;
use crate::rules::expression::{Boundary, Expr, Letter, Operator, Rule};

/// What was found in rules.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Claims that any rule looks at.
    pub(crate) claims: BTreeSet<ClaimName>,
    /// Claims whose source matters.
    pub(crate) sources: BTreeSet<ClaimName>,
    /// The numbers at which an answer can change.
    pub(crate) cuts: BTreeMap<Attribute, BTreeSet<i64>>,
    /// What texts are compared with.
    pub(crate) patterns: BTreeMap<ClaimName, Vec<Vec<Letter>>>,
    /// The texts that lists are asked for.
    pub(crate) mentioned: BTreeMap<ClaimName, BTreeSet<String>>,
    /// Some rule calculates with the date: each day is a class of its own.
    pub(crate) every_date: bool,
    /// Rules that calculate with a value which has no end of classes.
    pub(crate) uncountable: BTreeSet<String>,
}

impl Seen {
    pub(crate) fn look_at(&mut self, rule: &Rule) {
        for boundary in &rule.boundaries {
            match boundary {
                Boundary::Minute(minute) => self.cut(Attribute::LocalMinute, *minute),
                Boundary::Age(attribute, seconds) => self.cut(*attribute, *seconds),
                Boundary::Midnight | Boundary::Approval => {}
            }
        }
        for clause in &rule.clauses {
            for attribute in clause.attributes() {
                if let Attribute::Claim(name) | Attribute::ClaimSource(name) | Attribute::ClaimAge(name) = attribute {
                    self.claims.insert(name);
                }
                if let Attribute::ClaimSource(name) = attribute {
                    self.sources.insert(name);
                }
            }
            self.look(clause, rule);
        }
    }

    fn cut(&mut self, attribute: Attribute, at: i64) {
        self.cuts.entry(attribute).or_default().insert(at);
    }

    fn look(&mut self, expr: &Expr, rule: &Rule) {
        match expr {
            Expr::Two(operator, parts) => {
                let [left, right] = parts.as_ref();
                match (left, right) {
                    (Expr::Context(attribute), Expr::Constant(value)) => {
                        self.compared(*attribute, *operator, value, rule)
                    }
                    (Expr::Constant(value), Expr::Context(attribute)) => {
                        self.compared(*attribute, *operator, value, rule)
                    }
                    (left, right) => {
                        self.look(left, rule);
                        self.look(right, rule);
                    }
                }
            }
            Expr::Like(part, pattern) => {
                if let Expr::Context(Attribute::Claim(name)) = part.as_ref() {
                    self.patterns.entry(*name).or_default().push(pattern.clone());
                } else {
                    self.look(part, rule);
                }
            }
            Expr::IsEmpty(part) if matches!(part.as_ref(), Expr::Context(_)) => {}
            Expr::Context(attribute) => self.calculated(*attribute, rule),
            Expr::All(parts) | Expr::Any(parts) | Expr::Set(parts) => {
                parts.iter().for_each(|part| self.look(part, rule))
            }
            Expr::If(parts) => parts.iter().for_each(|part| self.look(part, rule)),
            Expr::Not(part) | Expr::Negate(part) | Expr::IsEmpty(part) | Expr::IsKind(part, _) => self.look(part, rule),
            Expr::Constant(_) | Expr::Has(_) => {}
            Expr::Principal | Expr::Action | Expr::Resource | Expr::RequirePerson => {}
        }
    }

    /// An attribute beside a constant.
    fn compared(&mut self, attribute: Attribute, operator: Operator, constant: &Value, rule: &Rule) {
        match operator {
            Operator::Add | Operator::Subtract | Operator::Multiply => return self.calculated(attribute, rule),
            Operator::Equal
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::In
            | Operator::Contains
            | Operator::ContainsAll
            | Operator::ContainsAny => {}
        }
        self.constant(attribute, constant);
    }

    fn constant(&mut self, attribute: Attribute, constant: &Value) {
        match (attribute, constant) {
            (attribute, Value::Set(members)) => members.iter().for_each(|member| self.constant(attribute, member)),
            // Running attributes have their boundaries already.
            (attribute, Value::Long(number)) if !attribute.runs() => {
                self.cut(attribute, *number);
                self.cut(attribute, number.saturating_add(1));
            }
            (Attribute::Claim(name), Value::Text(text)) if name.kind() == ClaimKind::TextList => {
                self.mentioned.entry(name).or_default().insert(text.to_string());
            }
            (Attribute::Claim(name), Value::Text(text)) => {
                self.patterns.entry(name).or_default().push(text.chars().map(Letter::Exactly).collect());
            }
            (_, Value::Bool(_) | Value::Long(_) | Value::Text(_) | Value::Entity(_)) => {}
        }
    }

    /// An attribute in an expression of which nothing more is known.
    fn calculated(&mut self, attribute: Attribute, rule: &Rule) {
        match attribute {
            Attribute::Claim(name) => match name.kind() {
                ClaimKind::Bool => {}
                ClaimKind::Integer | ClaimKind::Text | ClaimKind::TextList => {
                    self.uncountable.insert(format!("{}:{} {}", rule.file, rule.line, attribute.name()));
                }
            },
            Attribute::Date => self.every_date = true,
            Attribute::Profile
            | Attribute::Ownership
            | Attribute::Level
            | Attribute::Place
            | Attribute::PlaceKind
            | Attribute::LocalMinute
            | Attribute::Weekday
            | Attribute::Holiday
            | Attribute::Approved
            | Attribute::EvidenceAge
            | Attribute::ClaimSource(_)
            | Attribute::ClaimAge(_) => {}
        }
    }
}
