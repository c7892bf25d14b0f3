//! `nft --json list ruleset` (libnftables-json(5)).

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::rules::{Chain, ChainKey, Condition, Field, Rule, Ruleset, Value, Verdict, network};

/// What nft listed.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) ruleset: Ruleset,
    /// Some rules hold extensions of iptables that nft cannot show.
    pub(super) foreign: bool,
}

/// Elements of named sets and maps, by family, table and name.
type Sets = BTreeMap<(String, String, String), Vec<Json>>;

pub(super) fn parse(json: &str) -> Result<Listed, serde_json::Error> {
    let document: Json = serde_json::from_str(json)?;
    let objects: &[Json] = document.get("nftables").and_then(Json::as_array).map_or(&[], Vec::as_slice);
    let sets: Sets = objects.iter().filter_map(set).collect();
    let mut listed = Listed { ruleset: Ruleset::default(), foreign: false };
    for object in objects {
        if let Some(chain) = object.get("chain") {
            let new = Chain { input_policy: input_policy(chain), rules: Vec::new() };
            listed.ruleset.chains.insert(key(chain, "name"), new);
        }
    }
    for rule in objects.iter().filter_map(|object| object.get("rule")) {
        let key = key(rule, "chain");
        let statements: &[Json] = rule.get("expr").and_then(Json::as_array).map_or(&[], Vec::as_slice);
        listed.foreign |= statements.iter().any(|statement| statement.get("xt").is_some());
        let elements = |name: &str| sets.get(&(key.family.clone(), key.table.clone(), name.to_owned()));
        let rules = rules(statements, &elements);
        listed.ruleset.chains.entry(key.clone()).or_default().rules.extend(rules);
    }
    Ok(listed)
}

fn text(object: &Json, field: &str) -> String {
    object.get(field).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn key(object: &Json, name: &str) -> ChainKey {
    ChainKey { family: text(object, "family"), table: text(object, "table"), name: text(object, name) }
}

fn set(object: &Json) -> Option<((String, String, String), Vec<Json>)> {
    let set = object.get("set").or_else(|| object.get("map"))?;
    let elements = set.get("elem").and_then(Json::as_array).cloned().unwrap_or_default();
    Some(((text(set, "family"), text(set, "table"), text(set, "name")), elements))
}

fn input_policy(chain: &Json) -> Option<Verdict> {
    (text(chain, "hook") == "input" && text(chain, "type") == "filter").then(|| match text(chain, "policy").as_str() {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Refuse,
        _ => Verdict::NotUnderstood,
    })
}

/// One rule becomes several where a verdict map decides.
fn rules<'a>(statements: &[Json], elements: &impl Fn(&str) -> Option<&'a Vec<Json>>) -> Vec<Rule> {
    let (mut rules, mut conditions) = (Vec::new(), Vec::new());
    for statement in statements {
        let Some((kind, body)) = statement.as_object().and_then(|object| object.iter().next()) else { continue };
        match kind.as_str() {
            "match" => conditions.extend(matched(body, elements)),
            "limit" | "quota" | "xt" => conditions.push(Condition::NotUnderstood),
            "vmap" => rules.extend(mapped(body, &conditions, elements)),
            "counter" | "log" | "mangle" | "set" | "notrack" | "ct helper" | "ct timeout" => {}
            _ => {
                rules.push(Rule { conditions: conditions.clone(), verdict: verdict(kind, body) });
            }
        }
    }
    // A target of iptables that nft cannot show might be a verdict.
    if rules.is_empty() && statements.iter().any(|statement| statement.get("xt").is_some()) {
        rules.push(Rule { conditions, verdict: Verdict::NotUnderstood });
    }
    rules
}

fn verdict(kind: &str, body: &Json) -> Verdict {
    match kind {
        "accept" => Verdict::Accept,
        "drop" | "reject" => Verdict::Refuse,
        "jump" => Verdict::Jump(text(body, "target")),
        "goto" => Verdict::Goto(text(body, "target")),
        "return" => Verdict::Return,
        "continue" => Verdict::Continue,
        _ => Verdict::NotUnderstood,
    }
}

fn mapped<'a>(body: &Json, conditions: &[Condition], elements: &impl Fn(&str) -> Option<&'a Vec<Json>>) -> Vec<Rule> {
    let data = body.get("data");
    let named = data.and_then(Json::as_str).and_then(|name| elements(name.strip_prefix('@').unwrap_or(name)));
    let pairs = named.or_else(|| data.and_then(|data| data.get("set")).and_then(Json::as_array));
    let (Some(left), Some(pairs)) = (body.get("key"), pairs) else {
        return vec![Rule { conditions: conditions.to_vec(), verdict: Verdict::NotUnderstood }];
    };
    let rule = |pair: &Json| {
        let (value, then) = (pair.get(0)?, pair.get(1)?);
        let (kind, body) = then.as_object()?.iter().next()?;
        let mut conditions = conditions.to_vec();
        conditions.extend(condition(left, "==", value, elements));
        Some(Rule { conditions, verdict: verdict(kind, body) })
    };
    pairs.iter().filter_map(rule).collect()
}

fn matched<'a>(body: &Json, elements: &impl Fn(&str) -> Option<&'a Vec<Json>>) -> Vec<Condition> {
    let (Some(left), Some(right)) = (body.get("left"), body.get("right")) else {
        return vec![Condition::NotUnderstood];
    };
    condition(left, &text(body, "op"), right, elements)
}

/// A condition on a field of a protocol is also the condition that the packet is of that protocol; nft leaves it out.
fn condition<'a>(
    left: &Json,
    operator: &str,
    right: &Json,
    elements: &impl Fn(&str) -> Option<&'a Vec<Json>>,
) -> Vec<Condition> {
    let Some((kind, about)) = left.as_object().and_then(|object| object.iter().next()) else {
        return vec![Condition::NotUnderstood];
    };
    let word = |field| about.get(field).and_then(Json::as_str).unwrap_or_default();
    let compared = |field| compared(field, operator, right, elements);
    let of = |field, name: &str| Condition::Field { field, values: vec![Value::Text(name.to_owned())], negated: false };
    match (kind.as_str(), word("protocol"), word("field"), word("key")) {
        ("meta", _, _, "iifname" | "iif") => vec![compared(Field::Interface)],
        ("meta", _, _, "nfproto" | "protocol") => vec![compared(Field::Family)],
        ("meta", _, _, "l4proto") => vec![compared(Field::Protocol)],
        ("meta", _, _, "pkttype") => vec![compared(Field::DestinationKind)],
        ("payload", family @ ("ip" | "ip6"), "protocol" | "nexthdr", _) => {
            vec![of(Field::Family, family), compared(Field::Protocol)]
        }
        ("payload", family @ ("ip" | "ip6"), "saddr", _) => vec![of(Field::Family, family), compared(Field::Source)],
        ("payload", family @ ("ip" | "ip6"), "daddr", _) => {
            vec![of(Field::Family, family), compared(Field::Destination)]
        }
        ("payload", protocol @ ("tcp" | "udp" | "th"), port @ ("dport" | "sport"), _) => {
            let field = if port == "dport" { Field::DestinationPort } else { Field::SourcePort };
            let any = if protocol == "th" { "all" } else { protocol };
            vec![of(Field::Protocol, any), compared(field)]
        }
        ("payload", protocol @ ("tcp" | "udp"), _, _) => vec![of(Field::Protocol, protocol), Condition::NotUnderstood],
        // No probe is of these protocols, rewritten, or expected by a helper.
        ("payload", "icmp" | "icmpv6" | "igmp" | "sctp" | "dccp" | "udplite" | "esp" | "ah", _, _)
        | ("ct", _, _, "status" | "helper") => vec![Condition::Never],
        ("ct", _, _, "state") => vec![compared(Field::ConnectionState)],
        ("fib", ..) if about.get("result").and_then(Json::as_str) == Some("type") => {
            vec![compared(Field::DestinationKind)]
        }
        _ => vec![Condition::NotUnderstood],
    }
}

fn compared<'a>(
    field: Field,
    operator: &str,
    right: &Json,
    elements: &impl Fn(&str) -> Option<&'a Vec<Json>>,
) -> Condition {
    let negated = match operator {
        "==" | "in" => false,
        "!=" => true,
        _ => return Condition::NotUnderstood,
    };
    Condition::Field { field, values: values(right, elements), negated }
}

fn values<'a>(right: &Json, elements: &impl Fn(&str) -> Option<&'a Vec<Json>>) -> Vec<Value> {
    match right {
        Json::Array(list) => list.iter().flat_map(|one| values(one, elements)).collect(),
        Json::Number(number) => {
            vec![number.as_u64().map_or(Value::NotUnderstood, |number| Value::Range(number, number))]
        }
        Json::String(name) => match name.strip_prefix('@') {
            Some(set) => elements(set)
                .map_or(vec![Value::NotUnderstood], |list| list.iter().flat_map(|one| values(one, elements)).collect()),
            None if network(name) == Value::NotUnderstood => vec![Value::Text(name.clone())],
            None => vec![network(name)],
        },
        Json::Object(object) => match object.iter().next().map(|(kind, body)| (kind.as_str(), body)) {
            Some(("set", list)) => values(list, elements),
            Some(("elem", element)) => {
                element.get("val").map_or(vec![Value::NotUnderstood], |one| values(one, elements))
            }
            Some(("range", ends)) => vec![range(ends)],
            Some(("prefix", prefix)) => {
                let length = prefix.get("len").and_then(Json::as_u64).unwrap_or(u64::MAX);
                vec![network(&format!("{}/{length}", text(prefix, "addr")))]
            }
            Some(_) | None => vec![Value::NotUnderstood],
        },
        Json::Null | Json::Bool(_) => vec![Value::NotUnderstood],
    }
}

fn range(ends: &Json) -> Value {
    match (ends.get(0), ends.get(1)) {
        (Some(Json::Number(first)), Some(Json::Number(last))) => match (first.as_u64(), last.as_u64()) {
            (Some(first), Some(last)) => Value::Range(first, last),
            _ => Value::NotUnderstood,
        },
        (Some(Json::String(first)), Some(Json::String(last))) => match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) => Value::Addresses(first, last),
            _ => Value::NotUnderstood,
        },
        _ => Value::NotUnderstood,
    }
}
