//! `iptables-save` and its kin: one option after another, as `iptables(8)` and `iptables-extensions(8)` name them.

use super::rules::{Chain, ChainKey, Condition, Field, Rule, Ruleset, Value, Verdict, network};

/// The programs of a family.
pub(super) struct Programs {
    pub(super) family: &'static str,
    pub(super) save: &'static str,
    pub(super) legacy_save: &'static str,
}

pub(super) const FAMILIES: &[Programs] = &[
    Programs { family: "ip", save: "iptables-save", legacy_save: "iptables-legacy-save" },
    Programs { family: "ip6", save: "ip6tables-save", legacy_save: "ip6tables-legacy-save" },
];

/// Targets after which the next rule follows.
const GO_ON: &[&str] = &["LOG", "NFLOG", "MARK", "CONNMARK", "CT", "SET", "TRACE", "AUDIT", "SECMARK", "CONNSECMARK"];

/// The filter table.
pub(super) fn parse(text: &str, family: &str) -> Ruleset {
    let mut ruleset = Ruleset::default();
    let key = |name: &str| ChainKey { family: family.to_owned(), table: "filter".to_owned(), name: name.to_owned() };
    let filter = text.lines().skip_while(|line| line.trim() != "*filter").take_while(|line| line.trim() != "COMMIT");
    for line in filter {
        if let Some(declared) = line.strip_prefix(':') {
            let mut words = declared.split_whitespace();
            let (Some(name), Some(policy)) = (words.next(), words.next()) else { continue };
            let input_policy = match (name, policy) {
                ("INPUT", "ACCEPT") => Some(Verdict::Accept),
                ("INPUT", "DROP") => Some(Verdict::Refuse),
                ("INPUT", _) => Some(Verdict::NotUnderstood),
                _ => None,
            };
            ruleset.chains.insert(key(name), Chain { input_policy, rules: Vec::new() });
        } else if let Some(appended) = line.strip_prefix("-A ") {
            let words = words(appended);
            let Some((name, options)) = words.split_first() else { continue };
            let known = |target: &str| ruleset.chains.contains_key(&key(target));
            let rule = rule(options, &known);
            ruleset.chains.entry(key(name)).or_default().rules.push(rule);
        }
    }
    ruleset
}

/// Words of a line; a comment is one word in double quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            _ if escaped => {
                word.push(c);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn rule(options: &[String], known: &impl Fn(&str) -> bool) -> Rule {
    let mut rule = Rule { conditions: Vec::new(), verdict: Verdict::Continue };
    let mut words = options.iter().map(String::as_str);
    let mut negated = false;
    while let Some(option) = words.next() {
        if option == "!" {
            negated = true;
            continue;
        }
        let mut field = |field| Condition::Field { field, values: values(field, words.next()), negated };
        let condition = match option {
            "-m" | "--match" | "--comment" | "--reject-with" | "--log-prefix" | "--log-level" => {
                // Names what follows, or says nothing about the packet.
                words.next();
                None
            }
            "-i" | "--in-interface" => Some(field(Field::Interface)),
            "-p" | "--protocol" => Some(field(Field::Protocol)),
            "-s" | "--source" | "--src-range" => Some(field(Field::Source)),
            "-d" | "--destination" | "--dst-range" => Some(field(Field::Destination)),
            "--dport" | "--dports" => Some(field(Field::DestinationPort)),
            "--sport" | "--sports" => Some(field(Field::SourcePort)),
            "--state" | "--ctstate" => Some(field(Field::ConnectionState)),
            "--dst-type" | "--pkt-type" => Some(field(Field::DestinationKind)),
            "--icmp-type" | "--icmpv6-type" | "--ctstatus" => {
                words.next();
                Some(Condition::Never)
            }
            "-j" | "--jump" | "-g" | "--goto" => {
                let target = words.next().unwrap_or_default();
                rule.verdict = verdict(target, matches!(option, "-g" | "--goto"), known(target));
                None
            }
            // Its arguments, if any, are unknown words in turn.
            _ => Some(Condition::NotUnderstood),
        };
        rule.conditions.extend(condition);
        negated = false;
    }
    // What an unknown target takes as arguments looks like conditions; such a rule is not understood anyway. After
    // REJECT and LOG everything was consumed above.
    rule
}

fn verdict(target: &str, goto: bool, known: bool) -> Verdict {
    match target {
        "ACCEPT" => Verdict::Accept,
        "DROP" | "REJECT" => Verdict::Refuse,
        "RETURN" => Verdict::Return,
        name if known && goto => Verdict::Goto(name.to_owned()),
        name if known => Verdict::Jump(name.to_owned()),
        name if GO_ON.contains(&name) => Verdict::Continue,
        _ => Verdict::NotUnderstood,
    }
}

fn values(field: Field, word: Option<&str>) -> Vec<Value> {
    let one = |value: &str| match field {
        Field::Source | Field::Destination => match value.split_once('-') {
            Some((first, last)) => match (first.parse(), last.parse()) {
                (Ok(first), Ok(last)) => Value::Addresses(first, last),
                _ => Value::NotUnderstood,
            },
            None => network(value),
        },
        Field::SourcePort | Field::DestinationPort => {
            let (first, last) = value.split_once(':').unwrap_or((value, value));
            let end = |text: &str, open| if text.is_empty() { Ok(open) } else { text.parse() };
            match (end(first, 0), end(last, u64::from(u16::MAX))) {
                (Ok(first), Ok(last)) => Value::Range(first, last),
                _ => Value::NotUnderstood,
            }
        }
        Field::Interface | Field::Family | Field::Protocol | Field::ConnectionState | Field::DestinationKind => {
            Value::Text(value.to_owned())
        }
    };
    word.map_or(vec![Value::NotUnderstood], |word| word.split(',').map(one).collect())
}
