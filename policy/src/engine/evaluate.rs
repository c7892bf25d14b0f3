//! The evaluator. It means what Cedar means; tests hold the two together.

use hitotsu_model::posture::ClaimName;
use hitotsu_model::time::Timestamp;

use crate::decision::Action;
use crate::engine::names::{Names, action_entity};
use crate::engine::value::{Bits, Entity, EntityKind, Value};
use crate::limits::OBSERVED_AHEAD_SECONDS_MAX;
use crate::rules::attribute::Attribute;
use crate::rules::expression::{Expr, Letter, Operator, Scope};

/// An expression has no value: a number overflowed, or types do not fit (which the checks rule out).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

/// A claim as rules see it.
#[derive(Debug, Clone)]
pub(crate) struct SeenClaim {
    pub(crate) value: Value,
    pub(crate) source: Value,
    pub(crate) observed_at: Timestamp,
}

/// The parts of the context that time does not change.
#[derive(Debug, Clone)]
pub(crate) struct Still {
    pub(crate) principal: Entity,
    pub(crate) groups: Bits,
    pub(crate) profile: Value,
    pub(crate) ownership: Value,
    pub(crate) level: Value,
    pub(crate) place: Value,
    pub(crate) place_kind: Value,
    pub(crate) attested_at: Option<Timestamp>,
    /// By [`ClaimName`] as a number. Unknown values are absent.
    pub(crate) claims: Vec<Option<SeenClaim>>,
}

/// The parts of the context that time changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) now: Timestamp,
    pub(crate) minute: i64,
    pub(crate) weekday: i64,
    pub(crate) holiday: bool,
    pub(crate) date: i64,
    pub(crate) approved: bool,
}

/// One question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) names: &'a Names,
    pub(crate) still: &'a Still,
    pub(crate) clock: Clock,
    pub(crate) action: Action,
    pub(crate) resource: u32,
    pub(crate) require_person: bool,
}

impl Question<'_> {
    fn claim(&self, name: ClaimName) -> Option<&SeenClaim> {
        let claim = self.still.claims.get(name as usize)?.as_ref()?;
        let ahead = claim.observed_at.since(self.clock.now);
        (ahead.as_secs() <= OBSERVED_AHEAD_SECONDS_MAX).then_some(claim)
    }

    fn age(&self, since: Timestamp) -> Value {
        Value::Long(i64::try_from(self.clock.now.since(since).as_secs()).unwrap_or(i64::MAX))
    }

    /// The value of an attribute; absent where it is optional and unknown.
    pub(crate) fn attribute(&self, attribute: Attribute) -> Option<Value> {
        match attribute {
            Attribute::Profile => Some(self.still.profile.clone()),
            Attribute::Ownership => Some(self.still.ownership.clone()),
            Attribute::Level => Some(self.still.level.clone()),
            Attribute::Place => Some(self.still.place.clone()),
            Attribute::PlaceKind => Some(self.still.place_kind.clone()),
            Attribute::LocalMinute => Some(Value::Long(self.clock.minute)),
            Attribute::Weekday => Some(Value::Long(self.clock.weekday)),
            Attribute::Holiday => Some(Value::Bool(self.clock.holiday)),
            Attribute::Date => Some(Value::Long(self.clock.date)),
            Attribute::Approved => Some(Value::Bool(self.clock.approved)),
            Attribute::EvidenceAge => self.still.attested_at.map(|at| self.age(at)),
            Attribute::Claim(name) => self.claim(name).map(|claim| claim.value.clone()),
            Attribute::ClaimSource(name) => self.claim(name).map(|claim| claim.source.clone()),
            Attribute::ClaimAge(name) => self.claim(name).map(|claim| self.age(claim.observed_at)),
        }
    }

    fn has(&self, attribute: Attribute) -> bool {
        match attribute {
            Attribute::EvidenceAge => self.still.attested_at.is_some(),
            Attribute::Claim(name) | Attribute::ClaimSource(name) | Attribute::ClaimAge(name) => {
                self.claim(name).is_some()
            }
            Attribute::Profile
            | Attribute::Ownership
            | Attribute::Level
            | Attribute::Place
            | Attribute::PlaceKind
            | Attribute::LocalMinute
            | Attribute::Weekday
            | Attribute::Holiday
            | Attribute::Date
            | Attribute::Approved => true,
        }
    }

    fn resource(&self) -> Entity {
        Entity { kind: EntityKind::Resource, number: self.resource }
    }

    /// Whether `entity` is `ancestor` or belongs to it.
    fn within(&self, entity: Entity, ancestor: Entity) -> bool {
        if entity == ancestor {
            return true;
        }
        match entity.kind {
            EntityKind::User => {
                entity == self.still.principal
                    && ancestor.kind == EntityKind::Group
                    && self.still.groups.contains(ancestor.number)
            }
            EntityKind::Group => {
                let closure = self.names.group_closure.get(entity.number as usize);
                ancestor.kind == EntityKind::Group && closure.is_some_and(|bits| bits.contains(ancestor.number))
            }
            EntityKind::Resource => self.names.tier_of(entity.number) == Some(ancestor),
            EntityKind::Action | EntityKind::Device | EntityKind::Place | EntityKind::Tier => false,
        }
    }

    /// Whether every clause holds.
    pub(crate) fn matches(&self, clauses: &[Expr]) -> Result<bool, Failed> {
        for clause in clauses {
            if !self.truth(clause)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn truth(&self, expr: &Expr) -> Result<bool, Failed> {
        match expr {
            Expr::All(parts) => {
                for part in parts {
                    if !self.truth(part)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Expr::Any(parts) => {
                for part in parts {
                    if self.truth(part)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Expr::Not(part) => self.truth(part).map(|flag| !flag),
            Expr::Has(attribute) => Ok(self.has(*attribute)),
            Expr::RequirePerson => Ok(self.require_person),
            Expr::Two(operator, parts) => self.compare(*operator, parts),
            Expr::Constant(_)
            | Expr::Principal
            | Expr::Action
            | Expr::Resource
            | Expr::Context(_)
            | Expr::If(_)
            | Expr::Negate(_)
            | Expr::IsEmpty(_)
            | Expr::Like(..)
            | Expr::IsKind(..)
            | Expr::Set(_) => match self.value(expr)? {
                Value::Bool(flag) => Ok(flag),
                Value::Long(_) | Value::Text(_) | Value::Entity(_) | Value::Set(_) => Err(Failed),
            },
        }
    }

    fn compare(&self, operator: Operator, parts: &[Expr; 2]) -> Result<bool, Failed> {
        let [left, right] = parts;
        let (left, right) = (self.value(left)?, self.value(right)?);
        match (operator, left, right) {
            (Operator::Equal, left, right) => Ok(left == right),
            (Operator::Less, Value::Long(left), Value::Long(right)) => Ok(left < right),
            (Operator::LessOrEqual, Value::Long(left), Value::Long(right)) => Ok(left <= right),
            (Operator::In, Value::Entity(left), Value::Entity(right)) => Ok(self.within(left, right)),
            (Operator::In, Value::Entity(left), Value::Set(right)) => {
                let ancestors: Option<Vec<Entity>> =
                    right.iter().map(|member| if let Value::Entity(e) = member { Some(*e) } else { None }).collect();
                Ok(ancestors.ok_or(Failed)?.iter().any(|ancestor| self.within(left, *ancestor)))
            }
            (Operator::Contains, Value::Set(left), right) => Ok(left.contains(&right)),
            (Operator::ContainsAll, Value::Set(left), Value::Set(right)) => Ok(right.iter().all(|m| left.contains(m))),
            (Operator::ContainsAny, Value::Set(left), Value::Set(right)) => Ok(right.iter().any(|m| left.contains(m))),
            (
                Operator::Less
                | Operator::LessOrEqual
                | Operator::In
                | Operator::Contains
                | Operator::ContainsAll
                | Operator::ContainsAny
                | Operator::Add
                | Operator::Subtract
                | Operator::Multiply,
                _,
                _,
            ) => Err(Failed),
        }
    }

    pub(crate) fn value(&self, expr: &Expr) -> Result<Value, Failed> {
        match expr {
            Expr::Constant(value) => Ok(value.clone()),
            Expr::Principal => Ok(Value::Entity(self.still.principal)),
            Expr::Action => Ok(Value::Entity(action_entity(self.action))),
            Expr::Resource => Ok(Value::Entity(self.resource())),
            Expr::Context(attribute) => self.attribute(*attribute).ok_or(Failed),
            Expr::If(parts) => {
                let [test, then, otherwise] = parts.as_ref();
                self.value(if self.truth(test)? { then } else { otherwise })
            }
            Expr::Two(operator @ (Operator::Add | Operator::Subtract | Operator::Multiply), parts) => {
                let [left, right] = parts.as_ref();
                let (left, right) = (self.number(left)?, self.number(right)?);
                let result = match operator {
                    Operator::Add => left.checked_add(right),
                    Operator::Subtract => left.checked_sub(right),
                    Operator::Multiply => left.checked_mul(right),
                    Operator::Equal
                    | Operator::Less
                    | Operator::LessOrEqual
                    | Operator::In
                    | Operator::Contains
                    | Operator::ContainsAll
                    | Operator::ContainsAny => None,
                };
                result.map(Value::Long).ok_or(Failed)
            }
            Expr::Negate(part) => self.number(part)?.checked_neg().map(Value::Long).ok_or(Failed),
            Expr::IsEmpty(part) => match self.value(part)? {
                Value::Set(members) => Ok(Value::Bool(members.is_empty())),
                Value::Bool(_) | Value::Long(_) | Value::Text(_) | Value::Entity(_) => Err(Failed),
            },
            Expr::Like(part, pattern) => match self.value(part)? {
                Value::Text(text) => Ok(Value::Bool(like(&text, pattern))),
                Value::Bool(_) | Value::Long(_) | Value::Set(_) | Value::Entity(_) => Err(Failed),
            },
            Expr::IsKind(part, kind) => match self.value(part)? {
                Value::Entity(entity) => Ok(Value::Bool(entity.kind == *kind)),
                Value::Bool(_) | Value::Long(_) | Value::Set(_) | Value::Text(_) => Err(Failed),
            },
            Expr::Set(parts) => {
                Ok(Value::set(parts.iter().map(|part| self.value(part)).collect::<Result<Vec<_>, _>>()?))
            }
            Expr::All(_) | Expr::Any(_) | Expr::Not(_) | Expr::Has(_) | Expr::RequirePerson | Expr::Two(..) => {
                self.truth(expr).map(Value::Bool)
            }
        }
    }

    fn number(&self, expr: &Expr) -> Result<i64, Failed> {
        match self.value(expr)? {
            Value::Long(number) => Ok(number),
            Value::Bool(_) | Value::Text(_) | Value::Set(_) | Value::Entity(_) => Err(Failed),
        }
    }
}

/// Whether a principal with these groups is in a rule's scope.
pub(crate) fn principal_in_scope(scope: &Scope, principal: Entity, groups: &Bits) -> bool {
    let within = |ancestor: Entity| {
        ancestor == principal || (ancestor.kind == EntityKind::Group && groups.contains(ancestor.number))
    };
    scope.equal.is_none_or(|entity| entity == principal)
        && scope.within.is_none_or(within)
        && scope.kind.is_none_or(|kind| kind == principal.kind)
}

/// Whether a resource is in a rule's scope.
pub(crate) fn resource_in_scope(scope: &Scope, names: &Names, resource: u32) -> bool {
    let entity = Entity { kind: EntityKind::Resource, number: resource };
    scope.equal.is_none_or(|equal| equal == entity)
        && scope.within.is_none_or(|ancestor| ancestor == entity || names.tier_of(resource) == Some(ancestor))
        && scope.kind.is_none_or(|kind| kind == EntityKind::Resource)
}

/// Cedar's `like`: `*` stands for any text, everything else for itself.
fn like(text: &str, pattern: &[Letter]) -> bool {
    let letters: Vec<char> = text.chars().collect();
    // `reach[i]`: the pattern so far matches the first `i` letters.
    let mut reach = vec![false; letters.len() + 1];
    if let Some(first) = reach.first_mut() {
        *first = true;
    }
    for element in pattern {
        reach = match element {
            Letter::AnyText => {
                let mut seen = false;
                let widened = reach.iter().map(|here| {
                    seen |= here;
                    seen
                });
                widened.collect()
            }
            Letter::Exactly(letter) => {
                let steps = reach.iter().zip(&letters).map(|(here, found)| *here && found == letter);
                std::iter::once(false).chain(steps).collect()
            }
        };
    }
    reach.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        let pattern = |text: &str| -> Vec<Letter> {
            text.chars().map(|c| if c == '*' { Letter::AnyText } else { Letter::Exactly(c) }).collect()
        };
        for (text, form, expected) in [
            ("6.1.0-28-amd64", "6.1.*", true),
            ("6.1", "6.1.*", false),
            ("", "*", true),
            ("", "", true),
            ("abc", "a*c*", true),
            ("abc", "*b", false),
            ("日本語", "日*語", true),
        ] {
            assert_eq!(like(text, &pattern(form)), expected, "{text} like {form}");
        }
    }
}
