//! One text of each class that some patterns tell apart.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::limits::{LIST_MENTIONS_MAX, TEXT_STATES_MAX};
use crate::rules::expression::Letter;

/// How far each pattern has come, by position: `true` where it can stand.
type State = Vec<Vec<bool>>;

/// A text for every combination of matching and not matching `patterns` that some text shows; none where there are too
/// many combinations to walk through.
pub(crate) fn classes(patterns: &[Vec<Letter>]) -> Option<Vec<String>> {
    let distinct: Vec<&Vec<Letter>> = {
        let mut seen: Vec<&Vec<Letter>> = Vec::new();
        for pattern in patterns {
            if !seen.contains(&pattern) {
                seen.push(pattern);
            }
        }
        seen
    };
    let alphabet = alphabet(&distinct);
    let start: State = distinct.iter().map(|pattern| begin(pattern)).collect();
    let mut witnesses: BTreeMap<Vec<bool>, String> = BTreeMap::new();
    let mut known: BTreeSet<State> = BTreeSet::from([start.clone()]);
    let mut open = VecDeque::from([(start, String::new())]);
    while let Some((state, text)) = open.pop_front() {
        let matched = state.iter().map(|reach| reach.last().copied().unwrap_or(false)).collect();
        witnesses.entry(matched).or_insert_with(|| text.clone());
        for letter in &alphabet {
            let next: State =
                distinct.iter().zip(&state).map(|(pattern, reach)| step(pattern, reach, *letter)).collect();
            if known.insert(next.clone()) {
                if known.len() > TEXT_STATES_MAX {
                    return None;
                }
                let mut text = text.clone();
                text.push(*letter);
                open.push_back((next, text));
            }
        }
    }
    Some(witnesses.into_values().collect())
}

/// The letters of the patterns, and one that is in none.
fn alphabet(patterns: &[&Vec<Letter>]) -> BTreeSet<char> {
    let letters = patterns.iter().flat_map(|pattern| pattern.iter());
    let mut alphabet: BTreeSet<char> =
        letters.filter_map(|letter| if let Letter::Exactly(letter) = letter { Some(*letter) } else { None }).collect();
    let other = ('a'..='z').chain('A'..='Z').chain('\u{3041}'..='\u{30ff}').find(|letter| !alphabet.contains(letter));
    alphabet.extend(other);
    alphabet
}

/// Passes over stars, which may stand for nothing.
fn close(pattern: &[Letter], mut reach: Vec<bool>) -> Vec<bool> {
    let mut open = false;
    for (index, here) in reach.iter_mut().enumerate() {
        *here |= open;
        open = *here && matches!(pattern.get(index), Some(Letter::AnyText));
    }
    reach
}

fn begin(pattern: &[Letter]) -> Vec<bool> {
    let mut reach = vec![false; pattern.len() + 1];
    if let Some(first) = reach.first_mut() {
        *first = true;
    }
    close(pattern, reach)
}

fn step(pattern: &[Letter], reach: &[bool], letter: char) -> Vec<bool> {
    let mut next = vec![false; reach.len()];
    for (index, here) in reach.iter().enumerate().filter(|(_, here)| **here) {
        let stays = matches!(pattern.get(index), Some(Letter::AnyText));
        let moves = pattern.get(index) == Some(&Letter::Exactly(letter));
        if let Some(place) = next.get_mut(index).filter(|_| stays) {
            *place = *here;
        }
        if let Some(place) = next.get_mut(index + 1).filter(|_| moves) {
            *place = *here;
        }
    }
    close(pattern, next)
}

/// Every set of the texts that rules mention, with and without one that they do not; none where there are too many.
pub(crate) fn lists(mentioned: &BTreeSet<String>) -> Option<Vec<Vec<String>>> {
    if mentioned.len() > LIST_MENTIONS_MAX {
        return None;
    }
    let mut other = "other".to_owned();
    while mentioned.contains(&other) {
        other.push('-');
    }
    let all: Vec<&String> = mentioned.iter().chain(std::iter::once(&other)).collect();
    let sets = 0..1_u32 << all.len();
    let members = |set: u32| {
        let chosen = all.iter().enumerate().filter(|(index, _)| set & (1 << index) != 0);
        chosen.map(|(_, text)| (*text).clone()).collect()
    };
    Some(sets.map(members).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Vec<Letter> {
        text.chars().map(|letter| if letter == '*' { Letter::AnyText } else { Letter::Exactly(letter) }).collect()
    }

    #[test]
    fn there_is_a_text_for_every_combination_that_can_be() {
        let texts = classes(&[pattern("6.*"), pattern("*-amd64"), pattern("6.1")]).expect("few");
        let matches = |text: &String| (text.starts_with("6."), text.ends_with("-amd64"), text == "6.1");
        let found: BTreeSet<(bool, bool, bool)> = texts.iter().map(matches).collect();
        let all = [
            (false, false, false),
            (false, true, false),
            (true, false, false),
            (true, false, true),
            (true, true, false),
        ];
        assert_eq!(found, BTreeSet::from(all));
        assert_eq!(texts.len(), all.len(), "{texts:?}");
    }

    #[test]
    fn lists_hold_each_mentioned_text_or_not() {
        assert_eq!(lists(&BTreeSet::new()), Some(vec![Vec::new(), vec!["other".to_owned()]]));
        let two = lists(&BTreeSet::from(["winny".to_owned(), "other".to_owned()])).expect("few");
        assert_eq!(two.len(), 8);
    }
}
