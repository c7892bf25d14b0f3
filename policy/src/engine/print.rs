//! Expressions and values as people read them: Cedar's own spelling.

use crate::decision::Action;
use crate::engine::evaluate::Question;
use crate::engine::names::{Names, PLACE_UNKNOWN};
use crate::engine::value::{Entity, EntityKind, Value};
use crate::rules::attribute::Attribute;
use crate::rules::expression::{Expr, Letter, Operator};

/// An expression in Cedar's spelling.
pub(crate) fn expression(names: &Names, expr: &Expr) -> String {
    let print = |expr: &Expr| expression(names, expr);
    let joined = |parts: &[Expr], with: &str| parts.iter().map(print).collect::<Vec<_>>().join(with);
    match expr {
        Expr::Constant(value) => value_text(names, value),
        Expr::Principal => "principal".to_owned(),
        Expr::Action => "action".to_owned(),
        Expr::Resource => "resource".to_owned(),
        Expr::RequirePerson => "resource.require_person".to_owned(),
        Expr::Context(attribute) => attribute.name(),
        Expr::Has(attribute) => format!("context has {}", attribute.name()),
        Expr::All(parts) => format!("({})", joined(parts, " && ")),
        Expr::Any(parts) => format!("({})", joined(parts, " || ")),
        Expr::Not(part) => {
            if let Expr::Two(operator, parts) = part.as_ref() {
                negated(names, *operator, parts)
            } else {
                format!("!{}", print(part))
            }
        }
        Expr::If(parts) => {
            let [test, then, otherwise] = parts.as_ref();
            format!("(if {} then {} else {})", print(test), print(then), print(otherwise))
        }
        Expr::Two(operator, parts) => {
            let [left, right] = parts.as_ref();
            two(*operator, &print(left), &print(right))
        }
        Expr::Negate(part) => format!("-{}", print(part)),
        Expr::IsEmpty(part) => format!("{}.isEmpty()", print(part)),
        Expr::Like(part, pattern) => {
            let letters = pattern.iter().map(|letter| match letter {
                Letter::Exactly(letter) => *letter,
                Letter::AnyText => '*',
            });
            format!("{} like \"{}\"", print(part), letters.collect::<String>())
        }
        Expr::IsKind(part, kind) => format!("{} is {}", print(part), kind.as_str()),
        Expr::Set(parts) => format!("[{}]", joined(parts, ", ")),
    }
}

fn two(operator: Operator, left: &str, right: &str) -> String {
    match operator {
        Operator::Equal => format!("{left} == {right}"),
        Operator::Less => format!("{left} < {right}"),
        Operator::LessOrEqual => format!("{left} <= {right}"),
        Operator::Add => format!("({left} + {right})"),
        Operator::Subtract => format!("({left} - {right})"),
        Operator::Multiply => format!("({left} * {right})"),
        Operator::In => format!("{left} in {right}"),
        Operator::Contains => format!("{left}.contains({right})"),
        Operator::ContainsAll => format!("{left}.containsAll({right})"),
        Operator::ContainsAny => format!("{left}.containsAny({right})"),
    }
}

fn negated(names: &Names, operator: Operator, parts: &[Expr; 2]) -> String {
    let [left, right] = parts;
    let (left, right) = (expression(names, left), expression(names, right));
    match operator {
        Operator::Equal => format!("{left} != {right}"),
        Operator::Less => format!("{left} >= {right}"),
        Operator::LessOrEqual => format!("{left} > {right}"),
        Operator::Add
        | Operator::Subtract
        | Operator::Multiply
        | Operator::In
        | Operator::Contains
        | Operator::ContainsAll
        | Operator::ContainsAny => format!("!({})", two(operator, &left, &right)),
    }
}

fn value_text(names: &Names, value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Long(number) => number.to_string(),
        Value::Text(text) => format!("\"{text}\""),
        Value::Entity(entity) => entity_text(names, *entity),
        Value::Set(members) => {
            format!("[{}]", members.iter().map(|member| value_text(names, member)).collect::<Vec<_>>().join(", "))
        }
    }
}

fn entity_text(names: &Names, entity: Entity) -> String {
    let number = entity.number;
    let id = match entity.kind {
        EntityKind::Action => Action::ALL.get(number as usize).map(ToString::to_string),
        EntityKind::Device => names.device_name(number),
        EntityKind::Group => names.groups.iter().find(|(_, n)| **n == number).map(|(id, _)| id.to_string()),
        EntityKind::Place => {
            let named = names.places.iter().find(|(_, n)| **n == number).map(|(id, _)| id.to_string());
            Some(named.unwrap_or_else(|| PLACE_UNKNOWN.to_owned()))
        }
        EntityKind::Resource => names.resources.iter().find(|(_, n)| **n == number).map(|(id, _)| id.to_string()),
        EntityKind::Tier => Some(format!("tier{}", number + 1)),
        EntityKind::User => names.people.iter().find(|(_, who)| who.number == number).map(|(id, _)| id.to_string()),
    };
    format!("{}::\"{}\"", entity.kind.as_str(), id.unwrap_or_else(|| "...".to_owned()))
}

/// What was found for each attribute of an expression: `firewall_on = false, place_kind = "home"`.
pub(crate) fn found(question: &Question<'_>, expr: &Expr) -> String {
    let mut parts: Vec<String> = Vec::new();
    for attribute in expr.attributes() {
        let value = question.attribute(attribute);
        let text = match (attribute, value) {
            (_, None) => "unknown".to_owned(),
            (Attribute::LocalMinute, Some(Value::Long(minute))) => {
                format!("{minute} ({:02}:{:02})", minute / 60, minute % 60)
            }
            (_, Some(value)) => value_text(question.names, &value),
        };
        parts.push(format!("{} = {text}", attribute.name()));
    }
    let mut names_principal = false;
    expr.walk(&mut |part| names_principal |= matches!(part, Expr::Principal));
    if names_principal {
        parts.push(format!("principal = {}", entity_text(question.names, question.still.principal)));
    }
    parts.join(", ")
}
