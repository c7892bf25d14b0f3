//! Circumstances in the words of whoever reads them.

use hitotsu_model::identity::{Ownership, Profile};
use hitotsu_model::ids::{PlaceId, ResourceId};
use hitotsu_model::message::Language;
use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::reach::Asker;
use hitotsu_policy::reach::opening::{At, Days, Opening, State};

use super::page::Block;
use crate::cli::Context;

/// Askers that are named in a text; the rest is counted. A page and JSON name all.
const NAMED_MAX: usize = 40;

/// The words for one or two bundles; the last is looked at first.
pub(super) struct Wording<'a> {
    pub(super) context: &'a Context,
    pub(super) bundles: Vec<&'a Bundle>,
    /// Names everybody, however many they are.
    pub(super) all: bool,
}

impl Wording<'_> {
    fn text(&self, id: &str) -> String {
        self.context.text(id, &[])
    }

    fn list(&self, items: impl IntoIterator<Item = String>) -> String {
        items.into_iter().collect::<Vec<_>>().join(&self.text("reach-and"))
    }

    /// A system's title with its id.
    pub(super) fn resource(&self, id: &ResourceId) -> String {
        let found = self.bundles.iter().rev().find_map(|bundle| bundle.resource(id));
        let title = found.map(|resource| match self.context.messages.language() {
            Language::Ja => resource.title_ja.as_str(),
            Language::En => resource.title_en.as_str(),
        });
        title.map_or_else(|| id.to_string(), |title| format!("{title} ({id})"))
    }

    fn place(&self, id: Option<&PlaceId>) -> String {
        let Some(id) = id else { return self.text("reach-place-unknown") };
        let found = self.bundles.iter().rev().find_map(|bundle| bundle.place(id));
        let title = found.map(|place| match self.context.messages.language() {
            Language::Ja => place.title_ja.as_str(),
            Language::En => place.title_en.as_str(),
        });
        title.map_or_else(|| id.to_string(), ToOwned::to_owned)
    }

    /// `p-1001`, or with the beginning of the device's id.
    pub(super) fn asker(&self, asker: &Asker) -> String {
        let device = asker.device.map(|device| device.to_string());
        let short = device.as_deref().and_then(|id| id.get(..8));
        match (&asker.person, short) {
            (Some(person), Some(device)) => format!("{person}/{device}"),
            (Some(person), None) => person.to_string(),
            (None, Some(device)) => device.to_owned(),
            (None, None) => "-".to_owned(),
        }
    }

    /// Who, as far as a line holds.
    pub(super) fn askers(&self, askers: &[Asker]) -> String {
        let shown = if self.all { askers.len() } else { NAMED_MAX };
        let names: Vec<String> = askers.iter().take(shown).map(|asker| self.asker(asker)).collect();
        let names = names.join(" ");
        match askers.len().saturating_sub(shown) {
            0 => names,
            more => self.context.text("reach-and-more", &[("names", &names), ("count", &more.to_string())]),
        }
    }

    /// One opening, label by label.
    pub(super) fn opening(&self, opening: &Opening) -> Block {
        let mut block = Block::new();
        let mut put = |label: &str, value: String| block.push((self.text(label), value));
        if let Some(places) = &opening.places {
            put("reach-where", self.list(places.iter().map(|at| self.at(at))));
        }
        if let Some(days) = &opening.days {
            put("reach-days", self.list(days.iter().map(|days| self.days(days))));
        }
        if let Some(minutes) = &opening.minutes {
            let spans = minutes.iter().map(|(from, until)| format!("{}-{}", clock(*from), clock(*until)));
            put("reach-time", self.list(spans));
        }
        if let Some(approved) = opening.approved {
            put("reach-approval", self.text(if approved { "reach-approved" } else { "reach-not-approved" }));
        }
        if let Some(profiles) = opening.profiles.as_ref().filter(|profiles| **profiles != [Profile::Device]) {
            put("reach-agent", self.list(profiles.iter().map(|profile| self.profile(*profile))));
        }
        if let Some(ownerships) = &opening.ownerships {
            put("reach-device", self.list(ownerships.iter().map(|ownership| self.ownership(*ownership))));
        }
        if let Some(levels) = &opening.levels {
            put("reach-level", self.list(levels.iter().map(|level| format!("L{level}"))));
        }
        if let Some(states) = &opening.states {
            let or = self.text("reach-or");
            put("reach-state", states.iter().map(|state| self.state(state)).collect::<Vec<_>>().join(&or));
        }
        if block.is_empty() {
            block.push((self.text("reach-when"), self.text("reach-always")));
        }
        block
    }

    fn at(&self, at: &At) -> String {
        let place = self.place(at.place.as_ref());
        match &at.before {
            None => place,
            Some(before) => {
                self.context.text("reach-place-was", &[("place", &place), ("before", &self.place(before.as_ref()))])
            }
        }
    }

    fn profile(&self, profile: Profile) -> String {
        self.text(if profile == Profile::Relay { "reach-agentless" } else { "reach-with-agent" })
    }

    fn ownership(&self, ownership: Ownership) -> String {
        self.text(match ownership {
            Ownership::Issued => "reach-issued",
            Ownership::SharedDesk => "reach-shared-desk",
            Ownership::Byod => "reach-byod",
        })
    }

    fn days(&self, days: &Days) -> String {
        let weekdays = if days.weekdays.len() == 7 {
            self.text("reach-every-day")
        } else {
            runs(&days.weekdays).map(|(from, until)| self.weekdays(from, until)).collect::<Vec<_>>().join(" ")
        };
        let holiday = match days.holiday {
            None => weekdays,
            Some(true) => self.context.text("reach-on-holidays", &[("days", &weekdays)]),
            Some(false) => self.context.text("reach-not-on-holidays", &[("days", &weekdays)]),
        };
        match days.dates {
            None => holiday,
            Some((from, until)) => format!("{holiday} {}..{}", date(from), date(until)),
        }
    }

    fn weekdays(&self, from: i64, until: i64) -> String {
        let day = |day: i64| self.weekday(day);
        if from == until { day(from) } else { format!("{}-{}", day(from), day(until)) }
    }

    /// 1 is Monday.
    pub(super) fn weekday(&self, day: i64) -> String {
        self.text(&format!("weekday-{day}"))
    }

    fn state(&self, state: &State) -> String {
        let needs = state.iter().map(|need| format!("{}: {}", need.claim, need.any_of.join(" | ")));
        self.list(needs)
    }
}

/// Neighbouring numbers as first and last.
fn runs(numbers: &[i64]) -> impl Iterator<Item = (i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            Some(_) | None => runs.push((*number, *number)),
        }
    }
    runs.into_iter()
}

fn clock(minute: i64) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn date(date: i64) -> String {
    format!("{:04}-{:02}-{:02}", date / 10_000, date / 100 % 100, date % 100)
}
