//! Rules that change nothing: those that can never match, those that open nothing because everything is forbidden where
//! they match, and those that others cover.

use std::collections::{BTreeMap, BTreeSet};

use hitotsu_model::ids::DeviceId;
use hitotsu_model::time::Timestamp;

use crate::bundle::Bundle;
use crate::decision::Action;
use crate::engine::names::{action_entity, number};
use crate::error::BundleError;
use crate::explain::Effect;
use crate::limits::IDLE_QUESTIONS_MAX;
use crate::reach::build::principal_of;
use crate::reach::diagram::{HOLDS, Join, NO, Ref};
use crate::reach::{Asker, ReachError, Survey, everybody};
use crate::rules::expression::Rule;
use crate::rules::parse::BUILTIN_FILE;

/// The rules of `bundle` that change no answer in the year from `from` on, each with what to do about it.
///
/// # Errors
/// [`ReachError`].
pub fn idle_rules(bundle: &Bundle, from: Timestamp) -> Result<Vec<BundleError>, ReachError> {
    let mut survey = Survey::new(vec![bundle], from)?;
    let mut seen = Seen::default();
    let kinds = survey.kinds(&everyone(bundle));
    if kinds.len().saturating_mul(bundle.resources().count()) > IDLE_QUESTIONS_MAX {
        return Err(ReachError::TooLarge);
    }
    for (_, askers) in kinds {
        let Some(asker) = askers.first() else { continue };
        for index in 0..bundle.resources().count() {
            survey.look(bundle, asker, number(index), &mut seen)?;
        }
    }
    let mut found = Vec::new();
    let connects = |rule: &Rule| rule.actions.is_empty() || rule.actions.contains(&action_entity(Action::Connect));
    // From the last on, so that of two that cover each other the first stays.
    let mut taken = BTreeSet::new();
    for (index, rule) in bundle.engine.rules.iter().enumerate().rev().filter(|(_, rule)| connects(rule)) {
        if rule.file == BUILTIN_FILE {
            continue;
        }
        let what = if !seen.matched.contains(&index) {
            Some((
                "can never match: nobody, or nothing that can be, meets all of it",
                "mend its condition or its group, or take it away",
            ))
        } else if rule.effect == Effect::Permit && !seen.opens.contains(&index) {
            Some((
                "opens nothing: whatever it permits is forbidden",
                "see what forbids it with `policy who-can`, or take it away",
            ))
        } else if rule.effect == Effect::Permit && survey.is_covered(&seen, index, &taken)? {
            Some(("is shadowed: other rules permit all that it permits", "take it away, or narrow the others"))
        } else {
            None
        };
        if let Some((what, remedy)) = what {
            taken.insert(index);
            found.push(BundleError {
                file: rule.file.clone(),
                line: Some(rule.line),
                what: format!("the rule `{}` {what}", rule.id),
                remedy: remedy.to_owned(),
            });
        }
    }
    found.sort();
    Ok(found)
}

/// Everybody, a device without a person, and each device that rules name.
pub(crate) fn everyone(bundle: &Bundle) -> Vec<Asker> {
    let device = |id: DeviceId| Asker { person: None, device: Some(id), profile: None, ownership: None, level: None };
    let mut askers = everybody(bundle);
    askers.push(device(DeviceId(uuid::Uuid::nil())));
    let named = (0..).map_while(|number| bundle.engine.names.device_name(number));
    askers.extend(named.filter_map(|id| id.parse().ok()).map(device));
    askers
}

/// What rules do, wherever they were looked at.
#[derive(Debug, Default)]
struct Seen {
    /// Rules that match somewhere.
    matched: BTreeSet<usize>,
    /// Permits that open something.
    opens: BTreeSet<usize>,
    /// For each question: what each permit opens there. Equal ones are kept once.
    openings: BTreeSet<BTreeMap<usize, Ref>>,
}

impl Survey<'_> {
    fn look(&mut self, bundle: &Bundle, asker: &Asker, resource: u32, seen: &mut Seen) -> Result<(), ReachError> {
        let Some(principal) = principal_of(bundle, asker) else { return Ok(()) };
        let possible = self.possible(asker)?;
        let engine = &bundle.engine;
        let about = engine.rules_about(principal.entity, &principal.groups);
        let (mut permits, mut refused) = (BTreeMap::new(), NO);
        for index in engine.numbers(Action::Connect, resource, &about) {
            let Some(rule) = engine.rules.get(index) else { continue };
            let matches = self.builder.matching(0, index, &principal, resource)?;
            let diagrams = &mut self.builder.diagrams;
            let holds = diagrams.turn(HOLDS, matches)?;
            let holds = diagrams.join(Join::And, possible, holds)?;
            if holds != NO {
                seen.matched.insert(index);
            }
            match rule.effect {
                Effect::Permit => {
                    permits.insert(index, holds);
                }
                Effect::Forbid => refused = diagrams.join(Join::Or, refused, holds)?,
            }
        }
        for (index, opens) in &mut permits {
            *opens = self.builder.diagrams.without(*opens, refused)?;
            if *opens != NO {
                seen.opens.insert(*index);
            }
        }
        seen.openings.insert(permits);
        Ok(())
    }

    /// Whether other permits than those taken away already open all that permit `index` opens.
    fn is_covered(&mut self, seen: &Seen, index: usize, taken: &BTreeSet<usize>) -> Result<bool, ReachError> {
        for permits in &seen.openings {
            let Some(opens) = permits.get(&index).copied().filter(|opens| *opens != NO) else { continue };
            let mut left = opens;
            for (other, others) in permits {
                if *other != index && !taken.contains(other) {
                    left = self.builder.diagrams.without(left, *others)?;
                }
            }
            if left != NO {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
