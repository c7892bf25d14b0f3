//! Checks that Cedar's validator does not make.

use crate::engine::value::Value;
use crate::explain::Effect;
use crate::rules::attribute::Attribute;
use crate::rules::expression::{Boundary, Expr, Operator};
use crate::rules::lower::Misfit;

/// Refuses every form in which the absence of an optional attribute would turn a deny into an allow.
///
/// A rule is monotone in what is known if `context has x` stands, for a permit, under an even number of negations, and
/// for a forbid under an odd one (`unless` is one). Cedar's strict mode already demands that `context.x` be read only
/// where `context has x` was found true, so removing a claim can only take a permit's match away or give a forbid one.
pub(crate) fn unknown_passes(effect: Effect, clauses: &[Expr]) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    for clause in clauses {
        polarity(clause, Some(true), effect, &mut misfits);
    }
    misfits
}

/// `positive` is absent where both truth values could help the rule to match.
fn polarity(expr: &Expr, positive: Option<bool>, effect: Effect, misfits: &mut Vec<Misfit>) {
    match expr {
        Expr::Has(attribute) if attribute.optional() => {
            let wanted = match effect {
                Effect::Permit => Some(true),
                Effect::Forbid => Some(false),
            };
            if positive != wanted {
                misfits.push(explain(*attribute, effect));
            }
        }
        Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| polarity(part, positive, effect, misfits)),
        Expr::Not(part) => polarity(part, positive.map(|flag| !flag), effect, misfits),
        Expr::If(parts) => {
            let [test, then, otherwise] = parts.as_ref();
            polarity(test, None, effect, misfits);
            polarity(then, positive, effect, misfits);
            polarity(otherwise, positive, effect, misfits);
        }
        Expr::Two(_, parts) => parts.iter().for_each(|part| polarity(part, None, effect, misfits)),
        Expr::Set(parts) => parts.iter().for_each(|part| polarity(part, None, effect, misfits)),
        Expr::Negate(part) | Expr::IsEmpty(part) | Expr::Like(part, _) | Expr::IsKind(part, _) => {
            polarity(part, None, effect, misfits);
        }
        Expr::Has(_) | Expr::Context(_) | Expr::Constant(_) => {}
        Expr::Principal | Expr::Action | Expr::Resource | Expr::RequirePerson => {}
    }
}

fn explain(attribute: Attribute, effect: Effect) -> Misfit {
    let name = attribute.name();
    let misfit = match effect {
        Effect::Forbid => Misfit::new(
            format!(
                "a device whose `{name}` is unknown would pass this `forbid`: it matches only where the claim is there"
            ),
            format!("turn it round: `forbid (...) unless {{ context has {name} && <the good state> }}`"),
        ),
        Effect::Permit => Misfit::new(
            format!("a device whose `{name}` is unknown would be let in by this `permit`"),
            format!(
                "demand the good state: `when {{ context has {name} && <the good state> }}`, without `!` around it"
            ),
        ),
    };
    misfit.near(name)
}

/// The instants at which a rule can change by time alone; refuses forms for which they could not be told.
pub(crate) fn boundaries(clauses: &[Expr]) -> (Vec<Boundary>, Vec<Misfit>) {
    let mut found = Vec::new();
    let mut misfits = Vec::new();
    for clause in clauses {
        look(clause, &mut found, &mut misfits);
    }
    found.sort();
    found.dedup();
    (found, misfits)
}

fn look(expr: &Expr, found: &mut Vec<Boundary>, misfits: &mut Vec<Misfit>) {
    match expr {
        Expr::Two(operator @ (Operator::Equal | Operator::Less | Operator::LessOrEqual), parts) => {
            let [left, right] = parts.as_ref();
            match (left, right) {
                (Expr::Context(attribute), Expr::Constant(Value::Long(number))) if attribute.runs() => {
                    compare(*attribute, *operator, *number, true, found);
                }
                (Expr::Constant(Value::Long(number)), Expr::Context(attribute)) if attribute.runs() => {
                    compare(*attribute, *operator, *number, false, found);
                }
                (left, right) => {
                    look(left, found, misfits);
                    look(right, found, misfits);
                }
            }
        }
        Expr::Context(attribute) if attribute.runs() => {
            let name = attribute.name();
            let what = format!("`context.{name}` runs with the clock, so it may only be compared with a number");
            misfits.push(Misfit::new(what, format!("write it as `context.{name} < 600`")).near(name));
        }
        Expr::Context(attribute) if attribute.turns_at_midnight() => found.push(Boundary::Midnight),
        Expr::Context(Attribute::Approved) => found.push(Boundary::Approval),
        Expr::Context(_) | Expr::Has(_) | Expr::Constant(_) => {}
        Expr::Principal | Expr::Action | Expr::Resource | Expr::RequirePerson => {}
        Expr::All(parts) | Expr::Any(parts) | Expr::Set(parts) => {
            parts.iter().for_each(|part| look(part, found, misfits));
        }
        Expr::If(parts) => parts.iter().for_each(|part| look(part, found, misfits)),
        Expr::Two(_, parts) => parts.iter().for_each(|part| look(part, found, misfits)),
        Expr::Not(part) | Expr::Negate(part) | Expr::IsEmpty(part) => look(part, found, misfits),
        Expr::Like(part, _) | Expr::IsKind(part, _) => look(part, found, misfits),
    }
}

/// The values at which a comparison flips: `a < n` and `n <= a` at `n`; `a <= n` and `n < a` at `n + 1`.
fn compare(attribute: Attribute, operator: Operator, number: i64, left: bool, found: &mut Vec<Boundary>) {
    let after = number.saturating_add(1);
    let flips: &[i64] = match (operator, left) {
        (Operator::Less, true) | (Operator::LessOrEqual, false) => &[number],
        (Operator::LessOrEqual, true) | (Operator::Less, false) => &[after],
        (
            Operator::Equal
            | Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::In
            | Operator::Contains
            | Operator::ContainsAll
            | Operator::ContainsAny,
            _,
        ) => &[number, after],
    };
    for flip in flips {
        if attribute == Attribute::LocalMinute {
            // The count starts anew at midnight.
            found.push(Boundary::Midnight);
            if (1..1440).contains(flip) {
                found.push(Boundary::Minute(*flip));
            }
        } else if *flip > 0 {
            found.push(Boundary::Age(attribute, *flip));
        }
    }
}

/// Whether a permit names the `relay` profile where that helps it to match.
pub(crate) fn names_relay(clauses: &[Expr]) -> bool {
    clauses.iter().any(|clause| relay(clause, true))
}

fn relay(expr: &Expr, positive: bool) -> bool {
    let is_relay = |value: &Value| matches!(value, Value::Text(text) if text.as_ref() == "relay");
    match expr {
        Expr::All(parts) | Expr::Any(parts) => parts.iter().any(|part| relay(part, positive)),
        Expr::Not(part) => relay(part, !positive),
        Expr::Two(Operator::Equal, parts) => match parts.as_ref() {
            [Expr::Context(Attribute::Profile), Expr::Constant(value)]
            | [Expr::Constant(value), Expr::Context(Attribute::Profile)] => positive && is_relay(value),
            _ => false,
        },
        Expr::Two(Operator::Contains, parts) => match parts.as_ref() {
            [Expr::Constant(Value::Set(members)), Expr::Context(Attribute::Profile)] => {
                positive && members.iter().any(is_relay)
            }
            _ => false,
        },
        Expr::If(parts) => {
            let [_, then, otherwise] = parts.as_ref();
            relay(then, positive) || relay(otherwise, positive)
        }
        Expr::Two(..) | Expr::Set(_) | Expr::Negate(_) | Expr::IsEmpty(_) | Expr::Like(..) | Expr::IsKind(..) => false,
        Expr::Has(_) | Expr::Context(_) | Expr::Constant(_) => false,
        Expr::Principal | Expr::Action | Expr::Resource | Expr::RequirePerson => false,
    }
}
