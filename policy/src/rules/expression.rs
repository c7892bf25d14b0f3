//! A rule as the engine evaluates it.

use std::collections::BTreeSet;

use hitotsu_model::code::Code;
use hitotsu_model::ids::RuleId;

use crate::engine::value::{Entity, EntityKind, Value};
use crate::explain::Effect;
use crate::rules::attribute::Attribute;

/// An expression. Chains of `&&` and `||` are flat; `!=`, `>` and `>=` are written with the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expr {
    Constant(Value),
    Principal,
    Action,
    Resource,
    RequirePerson,
    Context(Attribute),
    Has(Attribute),
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    If(Box<[Expr; 3]>),
    Two(Operator, Box<[Expr; 2]>),
    Negate(Box<Expr>),
    IsEmpty(Box<Expr>),
    Like(Box<Expr>, Vec<Letter>),
    IsKind(Box<Expr>, EntityKind),
    Set(Vec<Expr>),
}

/// An operator with two operands, both always evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    Less,
    LessOrEqual,
    Add,
    Subtract,
    Multiply,
    In,
    Contains,
    ContainsAll,
    ContainsAny,
}

/// A part of a `like` pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letter {
    Exactly(char),
    AnyText,
}

impl Expr {
    /// Calls `visit` on this expression and all below it.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        match self {
            Self::Constant(_) | Self::Principal | Self::Action | Self::Resource | Self::RequirePerson => {}
            Self::Context(_) | Self::Has(_) => {}
            Self::All(parts) | Self::Any(parts) | Self::Set(parts) => parts.iter().for_each(|part| part.walk(visit)),
            Self::If(parts) => parts.iter().for_each(|part| part.walk(visit)),
            Self::Two(_, parts) => parts.iter().for_each(|part| part.walk(visit)),
            Self::Not(part) | Self::Negate(part) | Self::IsEmpty(part) => part.walk(visit),
            Self::Like(part, _) | Self::IsKind(part, _) => part.walk(visit),
        }
    }

    /// The parts that must all hold: those of a conjunction, else the expression itself.
    pub(crate) fn conjuncts(&self) -> &[Self] {
        if let Self::All(parts) = self { parts } else { std::slice::from_ref(self) }
    }

    /// The attributes that it looks at.
    pub(crate) fn attributes(&self) -> BTreeSet<Attribute> {
        let mut found = BTreeSet::new();
        self.walk(&mut |expr| {
            if let Self::Context(attribute) | Self::Has(attribute) = expr {
                found.insert(*attribute);
            }
        });
        found
    }

    /// Whether it depends on nothing but who asks with what kind of certificate, for what.
    pub(crate) fn is_about_who(&self) -> bool {
        self.attributes().iter().all(|attribute| *attribute == Attribute::Profile)
    }
}

/// `principal`, `principal == x`, `principal in x`, `principal is T`, `principal is T in x`; the same for a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Scope {
    pub(crate) equal: Option<Entity>,
    pub(crate) within: Option<Entity>,
    pub(crate) kind: Option<EntityKind>,
}

/// An instant at which a rule's answer can change by the passing of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Boundary {
    /// When the local clock comes to this minute of the day.
    Minute(i64),
    /// At local midnight.
    Midnight,
    /// When an approval begins or ends.
    Approval,
    /// When an age comes to so many seconds.
    Age(Attribute, i64),
}

/// One rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) id: RuleId,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) effect: Effect,
    pub(crate) code: Option<Code>,
    pub(crate) ja: Option<String>,
    pub(crate) en: Option<String>,
    pub(crate) principal: Scope,
    /// By [`crate::engine::names::action_entity`]; empty means every action.
    pub(crate) actions: Vec<Entity>,
    pub(crate) resource: Scope,
    /// The clauses in their order, each `unless` negated; all must hold for the rule to match.
    pub(crate) clauses: Vec<Expr>,
    pub(crate) boundaries: Vec<Boundary>,
}
