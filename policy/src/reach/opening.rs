//! Diagrams as people read them: under which circumstances, one opening after the other.

use std::collections::{BTreeMap, BTreeSet};

use hitotsu_model::identity::{Ownership, Profile};
use hitotsu_model::ids::PlaceId;
use hitotsu_model::posture::{ClaimName, ClaimValue, Source};
use serde::Serialize;

use crate::limits::OPENINGS_MAX;
use crate::reach::diagram::{Diagrams, NO, Ref, YES};
use crate::reach::domain::{ClaimClass, DayClass, Domain, LEVELS, OWNERSHIPS, PROFILES, Variable};
use crate::rules::attribute::Attribute;

/// Circumstances under which something opens. What is absent does not matter; openings of one answer never overlap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct Opening {
    /// Kinds of certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Vec<Profile>>,
    /// Whose the device is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ownerships: Option<Vec<Ownership>>,
    /// Assurance levels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<u8>>,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places: Option<Vec<At>>,
    /// With an approval, or without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<bool>,
    /// On which days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<Days>>,
    /// From a minute of the day until just before another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<Vec<(i64, i64)>>,
    /// States of the device, any of which will do; each asks for all of its claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub states: Option<Vec<State>>,
}

/// A place: as the bundle says, or as the one before and the one after it say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct At {
    /// The place; absent where it is none that is known.
    pub place: Option<PlaceId>,
    /// The place of the same networks in the bundle before, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Option<PlaceId>>,
}

/// Some days of the coming year.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Days {
    /// 1 is Monday.
    pub weekdays: Vec<i64>,
    /// Only on holidays, only on others, or on both.
    pub holiday: Option<bool>,
    /// From the first to the last of these dates, as `20260401`; the whole year where absent.
    pub dates: Option<(i64, i64)>,
}

/// What is asked of a device's state: each of these.
pub type State = Vec<Need>;

/// What is asked of one claim, or of the evidence as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Need {
    /// `firewall_on`, or `evidence`.
    pub claim: String,
    /// What it may be, in the spelling of rules: `true`, `<= 30`, `unknown`, `source os`, `age_seconds < 600`.
    pub any_of: Vec<String>,
}

/// The openings of a function, and whether there are more than are written down.
pub(crate) fn openings(diagrams: &Diagrams, domain: &Domain, function: Ref) -> (Vec<Opening>, bool) {
    let mut all = Vec::new();
    let complete = walk(diagrams, &mut Vec::new(), function, &|variable| !variable.is_state(), &mut |path, rest| {
        let mut opening = situation(domain, path);
        // A client without our agent shows no state, and none is asked of it.
        if rest != YES && opening.profiles.as_deref() != Some(&[Profile::Relay]) {
            opening.states = Some(states(diagrams, domain, rest));
        }
        all.push(opening);
        all.len() < OPENINGS_MAX
    });
    all.sort();
    (all, !complete)
}

/// Chosen classes of some variables.
type Path = Vec<(Variable, BTreeSet<usize>)>;

/// Visits every way to an answer other than no, down to the first variable that is not `wanted`. False once the visitor
/// has enough.
fn walk(
    diagrams: &Diagrams,
    path: &mut Path,
    function: Ref,
    wanted: &dyn Fn(Variable) -> bool,
    visit: &mut dyn FnMut(&Path, Ref) -> bool,
) -> bool {
    if function == NO {
        return true;
    }
    let first =
        diagrams.first(function).and_then(|(number, children)| Some((Variable::from_number(number)?, children)));
    let Some((variable, children)) = first.filter(|(variable, _)| wanted(*variable)) else {
        return visit(path, function);
    };
    let mut by_child: BTreeMap<Ref, BTreeSet<usize>> = BTreeMap::new();
    for (class, child) in children.iter().enumerate() {
        by_child.entry(*child).or_default().insert(class);
    }
    for (child, classes) in by_child {
        path.push((variable, classes));
        let go_on = walk(diagrams, path, child, wanted, visit);
        path.pop();
        if !go_on {
            return false;
        }
    }
    true
}

fn situation(domain: &Domain, path: &Path) -> Opening {
    let mut opening = Opening::default();
    for (variable, classes) in path {
        match variable {
            Variable::Profile => opening.profiles = Some(chosen(&PROFILES, classes)),
            Variable::Ownership => opening.ownerships = Some(chosen(&OWNERSHIPS, classes)),
            Variable::Level => {
                let levels: Vec<u8> = (0_u8..).take(LEVELS).collect();
                opening.levels = Some(chosen(&levels, classes));
            }
            Variable::Place => opening.places = Some(places(domain, classes)),
            Variable::Approved => opening.approved = Some(classes.contains(&1)),
            Variable::Day => opening.days = Some(days(domain, classes)),
            Variable::Minute => opening.minutes = Some(minutes(&domain.minutes, classes)),
            // The walk stops before these.
            Variable::Evidence | Variable::Claim(_) => {}
        }
    }
    opening
}

fn chosen<T: Clone>(all: &[T], classes: &BTreeSet<usize>) -> Vec<T> {
    classes.iter().filter_map(|class| all.get(*class)).cloned().collect()
}

fn places(domain: &Domain, classes: &BTreeSet<usize>) -> Vec<At> {
    let at = |class: &usize| {
        let ids = &domain.places.get(*class)?.ids;
        let (first, last) = (ids.first()?, ids.last()?);
        Some(At { place: last.clone(), before: (first != last).then(|| first.clone()) })
    };
    let distinct: BTreeSet<At> = classes.iter().filter_map(at).collect();
    distinct.into_iter().collect()
}

/// Joins neighbouring classes; the last ends at midnight.
fn minutes(starts: &[i64], classes: &BTreeSet<usize>) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for class in classes {
        let Some(start) = starts.get(*class) else { continue };
        let end = starts.get(class + 1).copied().unwrap_or(1440);
        match spans.last_mut() {
            Some((_, last)) if last == start => *last = end,
            Some(_) | None => spans.push((*start, end)),
        }
    }
    spans
}

fn days(domain: &Domain, classes: &BTreeSet<usize>) -> Vec<Days> {
    let mut found = Vec::new();
    let chosen: Vec<&DayClass> = classes.iter().filter_map(|class| domain.days.get(*class)).collect();
    let stretches: BTreeSet<usize> = chosen.iter().map(|class| class.stretch).collect();
    for stretch in stretches {
        let dates = domain.stretches.get(stretch).copied().filter(|_| domain.stretches.len() > 1);
        for (holiday, weekdays) in weekdays(domain, &chosen, stretch) {
            found.push(Days { weekdays: weekdays.into_iter().collect(), holiday, dates });
        }
    }
    found
}

/// The weekdays of one stretch: of all days, of holidays or of the others.
fn weekdays(domain: &Domain, chosen: &[&DayClass], stretch: usize) -> BTreeMap<Option<bool>, BTreeSet<i64>> {
    let mut kinds: BTreeMap<Option<bool>, BTreeSet<i64>> = BTreeMap::new();
    let mut whichever = BTreeSet::new();
    for weekday in 1..=7 {
        let there = flags(domain.days.iter(), stretch, weekday);
        let taken = flags(chosen.iter().copied(), stretch, weekday);
        match (taken.len(), there.len()) {
            (0, _) => {}
            // No holiday falls on this weekday: it goes with the others of whichever kind.
            (1, 1) if taken.contains(&false) => {
                whichever.insert(weekday);
            }
            (taken_count, there_count) if taken_count == there_count => {
                kinds.entry(None).or_default().insert(weekday);
            }
            (_, _) => {
                kinds.entry(taken.first().copied()).or_default().insert(weekday);
            }
        }
    }
    if !whichever.is_empty() {
        let kind = if kinds.contains_key(&Some(false)) { Some(false) } else { None };
        kinds.entry(kind).or_default().extend(whichever);
    }
    kinds
}

/// Which of holidays and other days some classes hold of one weekday.
fn flags<'c>(classes: impl Iterator<Item = &'c DayClass>, stretch: usize, weekday: i64) -> BTreeSet<bool> {
    let of_day = classes.filter(|class| class.stretch == stretch && class.weekday == weekday);
    of_day.filter_map(|class| class.holiday.last().copied()).collect()
}

/// Every way to meet what is asked of the device's state.
fn states(diagrams: &Diagrams, domain: &Domain, function: Ref) -> Vec<State> {
    let mut all = Vec::new();
    walk(diagrams, &mut Vec::new(), function, &|_| true, &mut |path, _| {
        all.push(path.iter().map(|(variable, classes)| need(domain, *variable, classes)).collect());
        all.len() < OPENINGS_MAX
    });
    all
}

fn need(domain: &Domain, variable: Variable, classes: &BTreeSet<usize>) -> Need {
    match variable {
        Variable::Claim(claim) => {
            Need { claim: claim.as_str().to_owned(), any_of: claim_words(domain, claim, classes) }
        }
        Variable::Evidence => {
            let mut any_of = Vec::new();
            let ages: BTreeSet<i64> =
                classes.iter().filter_map(|class| domain.evidence.get(*class).copied().flatten()).collect();
            if classes.contains(&0) {
                any_of.push("unknown".to_owned());
            }
            let all: BTreeSet<i64> = domain.evidence.iter().copied().flatten().collect();
            any_of.extend(number_words("age_seconds ", &ages, &all, 0));
            Need { claim: "evidence".to_owned(), any_of }
        }
        Variable::Profile
        | Variable::Ownership
        | Variable::Level
        | Variable::Place
        | Variable::Approved
        | Variable::Day
        | Variable::Minute => Need { claim: String::new(), any_of: Vec::new() },
    }
}

fn claim_words(domain: &Domain, claim: ClaimName, classes: &BTreeSet<usize>) -> Vec<String> {
    let all = domain.claim(claim);
    let known = || all.iter().flatten();
    let taken: Vec<&ClaimClass> = classes.iter().filter_map(|class| all.get(*class)?.as_ref()).collect();
    let mut words = Vec::new();
    if classes.contains(&0) {
        words.push("unknown".to_owned());
    }
    // Per source and set of ages: the values.
    let mut by_value: BTreeMap<String, BTreeSet<(Source, i64)>> = BTreeMap::new();
    for class in &taken {
        by_value.entry(value_word(&class.value)).or_default().insert((class.source, class.age));
    }
    let mut by_rest: BTreeMap<BTreeSet<(Source, i64)>, BTreeSet<String>> = BTreeMap::new();
    for (value, rest) in by_value {
        by_rest.entry(rest).or_default().insert(value);
    }
    let sources: BTreeSet<Source> = known().map(|class| class.source).collect();
    let ages: BTreeSet<i64> = known().map(|class| class.age).collect();
    for (rest, values) in by_rest {
        let of_values = value_words(domain, claim, &taken, &values);
        let mut of_rest: BTreeMap<BTreeSet<i64>, Vec<&str>> = BTreeMap::new();
        for source in &sources {
            let with: BTreeSet<i64> = rest.iter().filter(|(s, _)| s == source).map(|(_, age)| *age).collect();
            if !with.is_empty() {
                of_rest.entry(with).or_default().push(source.as_str());
            }
        }
        for (with, from) in of_rest {
            let mut word = of_values.join(", ");
            if from.len() < sources.len() {
                word += &format!("; source {}", from.join("/"));
            }
            if with.len() < ages.len() {
                word += &format!("; {}", number_words("age_seconds ", &with, &ages, 0).join(", "));
            }
            words.push(word);
        }
    }
    words
}

/// Values of a claim: `true`, `<= 30`, `"debian"`; nothing is left out.
fn value_words(domain: &Domain, claim: ClaimName, taken: &[&ClaimClass], values: &BTreeSet<String>) -> Vec<String> {
    let numbers: BTreeSet<i64> = taken
        .iter()
        .filter(|class| values.contains(&value_word(&class.value)))
        .filter_map(|class| if let ClaimValue::Integer(number) = class.value { Some(number) } else { None })
        .collect();
    if numbers.is_empty() {
        return values.iter().cloned().collect();
    }
    let all: BTreeSet<i64> = domain
        .claim(claim)
        .iter()
        .flatten()
        .filter_map(|class| if let ClaimValue::Integer(number) = class.value { Some(number) } else { None })
        .collect();
    let lowest = domain.cuts.get(&Attribute::Claim(claim)).and_then(|cuts| cuts.first()).map_or(0, |cut| cut - 1);
    number_words("", &numbers, &all, lowest)
}

/// Stretches of numbers, of which each class is told by its lowest: `<= 30`, `31 to 59`, `>= 60`, `any`.
fn number_words(before: &str, taken: &BTreeSet<i64>, all: &BTreeSet<i64>, lowest: i64) -> Vec<String> {
    let next = |number: i64| all.range(number + 1..).next().copied();
    let mut words = Vec::new();
    let mut open: Option<i64> = None;
    for number in all {
        if !taken.contains(number) {
            continue;
        }
        let start = *open.get_or_insert(*number);
        let end = next(*number);
        if end.is_some_and(|end| taken.contains(&end)) {
            continue;
        }
        words.push(match (start <= lowest, end) {
            (true, None) => format!("{before}any"),
            (true, Some(end)) => format!("{before}<= {}", end - 1),
            (false, None) => format!("{before}>= {start}"),
            (false, Some(end)) if end - 1 == start => format!("{before}{start}"),
            (false, Some(end)) => format!("{before}{start} to {}", end - 1),
        });
        open = None;
    }
    words
}

fn value_word(value: &ClaimValue) -> String {
    match value {
        ClaimValue::Bool(flag) => flag.to_string(),
        ClaimValue::Integer(number) => number.to_string(),
        ClaimValue::Text(text) => format!("\"{text}\""),
        ClaimValue::TextList(list) if list.is_empty() => "none".to_owned(),
        ClaimValue::TextList(list) => format!("[{}]", list.join(", ")),
        ClaimValue::Unknown(_) => "unknown".to_owned(),
    }
}
