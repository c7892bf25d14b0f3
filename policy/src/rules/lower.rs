//! From Cedar's syntax tree to [`Expr`].

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::pst;

use crate::engine::names::Names;
use crate::engine::value::{Entity, EntityKind, Value};
use crate::limits::EXPRESSION_DEPTH_MAX;
use crate::rules::attribute::Attribute;
use crate::rules::expression::{Expr, Letter, Operator, Scope};
use crate::source::did_you_mean;

/// Something in a rule that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) what: String,
    pub(crate) remedy: String,
    /// A piece of the rule's text that tells the line, where there is one.
    pub(crate) near: Option<String>,
}

impl Misfit {
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into(), near: None }
    }

    pub(crate) fn near(mut self, text: impl Into<String>) -> Self {
        self.near = Some(text.into());
        self
    }
}

/// Lowers the parts of one rule, and collects everything that is wrong with them.
pub(crate) struct Lowering<'a> {
    pub(crate) names: &'a mut Names,
    pub(crate) attributes: &'a BTreeMap<String, Attribute>,
    pub(crate) misfits: Vec<Misfit>,
}

impl Lowering<'_> {
    /// The clauses, each `unless` negated.
    pub(crate) fn clauses(&mut self, clauses: &[pst::Clause]) -> Vec<Expr> {
        let lowered = clauses.iter().map(|clause| match clause {
            pst::Clause::When(expr) => self.expr(expr, 0),
            pst::Clause::Unless(expr) => Expr::Not(Box::new(self.expr(expr, 0))),
        });
        lowered.collect()
    }

    pub(crate) fn principal(&mut self, constraint: &pst::PrincipalConstraint) -> Scope {
        match constraint {
            pst::PrincipalConstraint::Any => Scope::default(),
            pst::PrincipalConstraint::Eq(entity) => Scope { equal: self.scope_entity(entity), ..Scope::default() },
            pst::PrincipalConstraint::In(entity) => Scope { within: self.scope_entity(entity), ..Scope::default() },
            pst::PrincipalConstraint::Is(kind) => Scope { kind: self.kind(kind), ..Scope::default() },
            pst::PrincipalConstraint::IsIn(kind, entity) => {
                Scope { kind: self.kind(kind), within: self.scope_entity(entity), equal: None }
            }
        }
    }

    pub(crate) fn resource(&mut self, constraint: &pst::ResourceConstraint) -> Scope {
        match constraint {
            pst::ResourceConstraint::Any => Scope::default(),
            pst::ResourceConstraint::Eq(entity) => Scope { equal: self.scope_entity(entity), ..Scope::default() },
            pst::ResourceConstraint::In(entity) => Scope { within: self.scope_entity(entity), ..Scope::default() },
            pst::ResourceConstraint::Is(kind) => Scope { kind: self.kind(kind), ..Scope::default() },
            pst::ResourceConstraint::IsIn(kind, entity) => {
                Scope { kind: self.kind(kind), within: self.scope_entity(entity), equal: None }
            }
        }
    }

    pub(crate) fn actions(&mut self, constraint: &pst::ActionConstraint) -> Vec<Entity> {
        match constraint {
            pst::ActionConstraint::Any => Vec::new(),
            pst::ActionConstraint::Eq(action) => self.literal(action).into_iter().collect(),
            pst::ActionConstraint::In(actions) => {
                if actions.is_empty() {
                    self.misfits.push(Misfit::new("`action in []` never matches", "name the actions that are meant"));
                }
                actions.iter().filter_map(|action| self.literal(action)).collect()
            }
        }
    }

    fn scope_entity(&mut self, entity: &pst::EntityOrSlot) -> Option<Entity> {
        match entity {
            pst::EntityOrSlot::Entity(entity) => self.literal(entity),
            pst::EntityOrSlot::Slot(_) => {
                self.misfits.push(Misfit::new("templates are not used here", "write the entity instead of the slot"));
                None
            }
        }
    }

    fn kind(&mut self, kind: &pst::EntityType) -> Option<EntityKind> {
        let name = kind.to_string();
        let found = EntityKind::ALL.iter().copied().find(|kind| kind.as_str() == name);
        if found.is_none() {
            let remedy = did_you_mean(&name, EntityKind::ALL.iter().map(|kind| kind.as_str()));
            self.misfits.push(Misfit::new(format!("there is no entity type `{name}`"), remedy).near(name));
        }
        found
    }

    fn literal(&mut self, entity: &pst::EntityUID) -> Option<Entity> {
        let kind = self.kind(&entity.ty)?;
        match self.names.literal(kind, entity.eid.as_str()) {
            Ok(entity) => Some(entity),
            Err(right) => {
                let what = match kind {
                    EntityKind::Group => "no such group in `people.toml`",
                    EntityKind::User => "no such person in `people.toml`",
                    EntityKind::Place => "no such place in `places.toml`",
                    EntityKind::Resource => "no such resource in `resources.toml`",
                    EntityKind::Tier => "no such tier",
                    EntityKind::Action => "no such action",
                    EntityKind::Device => "a device is named by its id in lower case",
                };
                let remedy = did_you_mean(entity.eid.as_str(), right.iter().map(String::as_str));
                let text = format!("{}::\"{}\"", kind.as_str(), entity.eid);
                self.misfits.push(Misfit::new(format!("`{text}`: {what}"), remedy).near(text));
                None
            }
        }
    }

    fn expr(&mut self, expr: &pst::Expr, depth: usize) -> Expr {
        if depth > EXPRESSION_DEPTH_MAX {
            let what = format!("the condition is nested deeper than {EXPRESSION_DEPTH_MAX}");
            return self.refuse(Misfit::new(what, "split it into several rules"));
        }
        let depth = depth + 1;
        #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow; what is new is refused")]
        match expr {
            pst::Expr::Literal(literal) => self.constant(literal),
            pst::Expr::Var(pst::Var::Principal) => Expr::Principal,
            pst::Expr::Var(pst::Var::Action) => Expr::Action,
            pst::Expr::Var(pst::Var::Resource) => Expr::Resource,
            pst::Expr::UnaryOp { op: pst::UnaryOp::Not, expr } => Expr::Not(Box::new(self.expr(expr, depth))),
            pst::Expr::UnaryOp { op: pst::UnaryOp::Neg, expr } => Expr::Negate(Box::new(self.expr(expr, depth))),
            pst::Expr::UnaryOp { op: pst::UnaryOp::IsEmpty, expr } => Expr::IsEmpty(Box::new(self.expr(expr, depth))),
            pst::Expr::BinaryOp { op, left, right } => self.binary(*op, left, right, depth),
            pst::Expr::GetAttr { expr: of, attr } => self.attribute(of, attr.as_str(), Expr::Context, expr),
            pst::Expr::HasAttr { expr: of, attrs } if attrs.tail.is_empty() => {
                self.attribute(of, attrs.head.as_str(), Expr::Has, expr)
            }
            pst::Expr::Like { expr, pattern } => {
                let letters = pattern.iter().map(|element| match element {
                    pst::PatternElem::Char(letter) => Letter::Exactly(*letter),
                    pst::PatternElem::Wildcard => Letter::AnyText,
                });
                Expr::Like(Box::new(self.expr(expr, depth)), letters.collect())
            }
            pst::Expr::Is { expr, entity_type, in_expr } => self.is(expr, entity_type, in_expr.as_deref(), depth),
            pst::Expr::IfThenElse { cond, then_expr, else_expr } => {
                let parts = [cond, then_expr, else_expr].map(|part| self.expr(part, depth));
                Expr::If(Box::new(parts))
            }
            pst::Expr::Set(members) => self.set(members, depth),
            other => self.unsupported(other),
        }
    }

    fn constant(&mut self, literal: &pst::Literal) -> Expr {
        match literal {
            pst::Literal::Bool(flag) => Expr::Constant(Value::Bool(*flag)),
            pst::Literal::Long(number) => Expr::Constant(Value::Long(*number)),
            pst::Literal::String(text) => Expr::Constant(Value::Text(text.as_str().into())),
            pst::Literal::EntityUID(entity) => match self.literal(entity) {
                Some(entity) => Expr::Constant(Value::Entity(entity)),
                None => NEVER,
            },
            other => self.refuse(Misfit::new(format!("`{other:?}` is not used here"), "write it another way")),
        }
    }

    fn binary(&mut self, op: pst::BinaryOp, left: &Arc<pst::Expr>, right: &Arc<pst::Expr>, depth: usize) -> Expr {
        let two = |operator, parts: [Expr; 2]| Expr::Two(operator, Box::new(parts));
        let not = |expr| Expr::Not(Box::new(expr));
        if matches!(op, pst::BinaryOp::And | pst::BinaryOp::Or) {
            let mut parts = Vec::new();
            self.chain(op, left, depth, &mut parts);
            self.chain(op, right, depth, &mut parts);
            return if op == pst::BinaryOp::And { Expr::All(parts) } else { Expr::Any(parts) };
        }
        let parts = [self.expr(left, depth), self.expr(right, depth)];
        self.check_words(&parts);
        #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that may grow; what is new is refused")]
        match op {
            pst::BinaryOp::Eq => two(Operator::Equal, parts),
            pst::BinaryOp::NotEq => not(two(Operator::Equal, parts)),
            pst::BinaryOp::Less => two(Operator::Less, parts),
            pst::BinaryOp::LessEq => two(Operator::LessOrEqual, parts),
            // INVARIANT (operand order): both operands are evaluated, left first; `a > b` is `!(a <= b)`.
            pst::BinaryOp::Greater => not(two(Operator::LessOrEqual, parts)),
            pst::BinaryOp::GreaterEq => not(two(Operator::Less, parts)),
            pst::BinaryOp::Add => two(Operator::Add, parts),
            pst::BinaryOp::Sub => two(Operator::Subtract, parts),
            pst::BinaryOp::Mul => two(Operator::Multiply, parts),
            pst::BinaryOp::In => two(Operator::In, parts),
            pst::BinaryOp::Contains => two(Operator::Contains, parts),
            pst::BinaryOp::ContainsAll => two(Operator::ContainsAll, parts),
            pst::BinaryOp::ContainsAny => two(Operator::ContainsAny, parts),
            other => self.refuse(Misfit::new(format!("`{other}` is not used here"), "write it another way")),
        }
    }

    /// Flattens a chain of the same operator, whichever way it leans.
    fn chain(&mut self, op: pst::BinaryOp, expr: &Arc<pst::Expr>, depth: usize, parts: &mut Vec<Expr>) {
        let mut rights = Vec::new();
        let mut spine = expr;
        while let pst::Expr::BinaryOp { op: inner, left, right } = spine.as_ref() {
            if *inner != op {
                break;
            }
            rights.push(right);
            spine = left;
        }
        parts.push(self.expr(spine, depth));
        for right in rights.into_iter().rev() {
            // A chain that leans to the right is flat by now.
            let lowered = self.expr(right, depth);
            match (lowered, op == pst::BinaryOp::And) {
                (Expr::All(inner), true) | (Expr::Any(inner), false) => parts.extend(inner),
                (part, _) => parts.push(part),
            }
        }
    }

    fn is(&mut self, expr: &Arc<pst::Expr>, kind: &pst::EntityType, within: Option<&pst::Expr>, depth: usize) -> Expr {
        let Some(kind) = self.kind(kind) else { return NEVER };
        let lowered = self.expr(expr, depth);
        let is = Expr::IsKind(Box::new(lowered.clone()), kind);
        match within {
            None => is,
            Some(within) => {
                let parts = [lowered, self.expr(within, depth)];
                Expr::All(vec![is, Expr::Two(Operator::In, Box::new(parts))])
            }
        }
    }

    fn set(&mut self, members: &[Arc<pst::Expr>], depth: usize) -> Expr {
        let members: Vec<Expr> = members.iter().map(|member| self.expr(member, depth)).collect();
        let constants: Option<Vec<Value>> = members
            .iter()
            .map(|member| if let Expr::Constant(value) = member { Some(value.clone()) } else { None })
            .collect();
        match constants {
            Some(values) => Expr::Constant(Value::set(values)),
            None => Expr::Set(members),
        }
    }

    fn attribute(&mut self, of: &pst::Expr, name: &str, make: fn(Attribute) -> Expr, whole: &pst::Expr) -> Expr {
        let pst::Expr::Var(of) = of else { return self.unsupported(whole) };
        match (of, self.attributes.get(name)) {
            (pst::Var::Context, Some(attribute)) => make(*attribute),
            (pst::Var::Context, None) => {
                let remedy = did_you_mean(name, self.attributes.keys().map(String::as_str));
                self.refuse(Misfit::new(format!("there is no `context.{name}`"), remedy).near(name))
            }
            (pst::Var::Resource, _) if name == "require_person" && matches!(whole, pst::Expr::GetAttr { .. }) => {
                Expr::RequirePerson
            }
            (pst::Var::Resource | pst::Var::Principal | pst::Var::Action, _) => self.unsupported(whole),
        }
    }

    /// Tells texts that an attribute with a closed list of words can never equal.
    fn check_words(&mut self, parts: &[Expr; 2]) {
        let attributes = parts.iter().filter_map(|part| if let Expr::Context(a) = part { Some(*a) } else { None });
        let Some(words) = attributes.filter_map(Attribute::words).next() else { return };
        let mut constants = Vec::new();
        for part in parts {
            let Expr::Constant(value) = part else { continue };
            let members = if let Value::Set(members) = value { members.as_ref() } else { std::slice::from_ref(value) };
            let texts =
                members.iter().filter_map(|member| if let Value::Text(t) = member { Some(t.clone()) } else { None });
            constants.extend(texts);
        }
        for text in constants.iter().filter(|text| !words.contains(&text.as_ref())) {
            let remedy = did_you_mean(text, words.iter().copied());
            self.misfits
                .push(Misfit::new(format!("`\"{text}\"` never matches here"), remedy).near(format!("\"{text}\"")));
        }
    }

    fn unsupported(&mut self, expr: &pst::Expr) -> Expr {
        let remedy = "compare attributes of `context` with texts, numbers, flags, sets or entities; \
                      for networks name a place";
        self.refuse(Misfit::new(format!("`{expr}` is not used here"), remedy))
    }

    fn refuse(&mut self, misfit: Misfit) -> Expr {
        self.misfits.push(misfit);
        NEVER
    }
}

/// Stands for what was refused; the bundle does not compile, so it is never evaluated.
const NEVER: Expr = Expr::Constant(Value::Bool(false));
