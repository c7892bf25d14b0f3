//! The variables of an analysis and the classes of their values.
//!
//! Two values are in one class when no rule tells them apart: places by the networks of both bundles, days by weekday,
//! holiday and the dates that rules compare with, minutes and ages by the numbers that they are compared with, texts by
//! the patterns that they meet. So an answer for one value of each class is an answer for all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hitotsu_model::identity::{Ownership, Profile};
use hitotsu_model::ids::PlaceId;
use hitotsu_model::posture::{ClaimKind, ClaimName, ClaimValue, Source};
use hitotsu_model::time::{Timestamp, civil_from_days};

use crate::bundle::Bundle;
use crate::engine::calendar::{Calendar, weekday_of};
use crate::prefix::Prefix;
use crate::reach::seen::Seen;
use crate::reach::texts;
use crate::rules::attribute::Attribute;

/// Days that an analysis looks ahead: a year, so that every holiday and every weekday comes once.
pub(crate) const DAYS_AHEAD: i64 = 366;
const DAY_MS: i64 = 86_400_000;

/// A variable, in the order in which diagrams decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variable {
    Profile,
    Ownership,
    Level,
    Place,
    Approved,
    Day,
    Minute,
    Evidence,
    Claim(ClaimName),
}

impl Variable {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let plain = [
            Self::Profile,
            Self::Ownership,
            Self::Level,
            Self::Place,
            Self::Approved,
            Self::Day,
            Self::Minute,
            Self::Evidence,
        ];
        plain.into_iter().chain(ClaimName::ALL.iter().map(|claim| Self::Claim(*claim)))
    }

    pub(crate) fn number(self) -> u16 {
        match self {
            Self::Profile => 0,
            Self::Ownership => 1,
            Self::Level => 2,
            Self::Place => 3,
            Self::Approved => 4,
            Self::Day => 5,
            Self::Minute => 6,
            Self::Evidence => 7,
            Self::Claim(claim) => 8 + claim as u16,
        }
    }

    pub(crate) fn from_number(number: u16) -> Option<Self> {
        Self::all().find(|variable| variable.number() == number)
    }

    /// Whether it is a state of the device, and not the situation that it is in.
    pub(crate) fn is_state(self) -> bool {
        match self {
            Self::Evidence | Self::Claim(_) => true,
            Self::Profile | Self::Ownership | Self::Level | Self::Place | Self::Approved | Self::Day | Self::Minute => {
                false
            }
        }
    }

    /// The variable that gives an attribute its value.
    pub(crate) fn of(attribute: Attribute) -> Self {
        match attribute {
            Attribute::Profile => Self::Profile,
            Attribute::Ownership => Self::Ownership,
            Attribute::Level => Self::Level,
            Attribute::Place | Attribute::PlaceKind => Self::Place,
            Attribute::Approved => Self::Approved,
            Attribute::Weekday | Attribute::Holiday | Attribute::Date => Self::Day,
            Attribute::LocalMinute => Self::Minute,
            Attribute::EvidenceAge => Self::Evidence,
            Attribute::Claim(name) | Attribute::ClaimSource(name) | Attribute::ClaimAge(name) => Self::Claim(name),
        }
    }
}

/// Certificates that can open anything at all.
pub(crate) const PROFILES: [Profile; 2] = [Profile::Device, Profile::Relay];
pub(crate) const OWNERSHIPS: [Ownership; 3] = [Ownership::Issued, Ownership::SharedDesk, Ownership::Byod];
/// Levels 0 to 4.
pub(crate) const LEVELS: usize = 5;

/// Networks that are at the same place, in each bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PlaceClass {
    /// By bundle.
    pub(crate) ids: Vec<Option<PlaceId>>,
}

/// Days that no rule tells apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DayClass {
    /// Which stretch between the dates that rules compare with.
    pub(crate) stretch: usize,
    /// 1 is Monday.
    pub(crate) weekday: i64,
    /// By bundle.
    pub(crate) holiday: Vec<bool>,
}

/// One class of a claim's values.
#[derive(Debug, Clone)]
pub(crate) struct ClaimClass {
    pub(crate) value: ClaimValue,
    pub(crate) source: Source,
    pub(crate) age: i64,
}

/// The classes of every variable.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) places: Vec<PlaceClass>,
    pub(crate) days: Vec<DayClass>,
    /// By class: the dates, as `20260401`.
    pub(crate) dates: Vec<Vec<i64>>,
    /// The first and the last date of each stretch.
    pub(crate) stretches: Vec<(i64, i64)>,
    /// Where each class of minutes begins; the first is 0.
    pub(crate) minutes: Vec<i64>,
    /// Ages; the first class is that there is none.
    pub(crate) evidence: Vec<Option<i64>>,
    /// By claim; the first class is that it is unknown.
    pub(crate) claims: Vec<Vec<Option<ClaimClass>>>,
    /// Rules that calculate with a value which has no end of classes.
    pub(crate) uncountable: BTreeSet<String>,
    /// Where the numbers of each claim are cut, for the words.
    pub(crate) cuts: BTreeMap<Attribute, Vec<i64>>,
}

impl Domain {
    pub(crate) fn new(bundles: &[&Bundle], from: Timestamp) -> Self {
        let mut seen = Seen::default();
        for bundle in bundles {
            bundle.engine.rules.iter().for_each(|rule| seen.look_at(rule));
        }
        let (days, dates, stretches) = days(bundles, from, &seen);
        let cut = |attribute| seen.cuts.get(&attribute).cloned().unwrap_or_default();
        let minutes =
            std::iter::once(0).chain(cut(Attribute::LocalMinute).into_iter().filter(|m| (1..1440).contains(m)));
        let evidence = std::iter::once(None).chain(ages(&cut(Attribute::EvidenceAge)).into_iter().map(Some)).collect();
        let claims = ClaimName::ALL.iter().map(|claim| claim_classes(*claim, &mut seen)).collect();
        Self {
            places: places(bundles),
            days,
            dates,
            stretches,
            minutes: minutes.collect(),
            evidence,
            claims,
            cuts: seen.cuts.iter().map(|(attribute, cuts)| (*attribute, cuts.iter().copied().collect())).collect(),
            uncountable: seen.uncountable,
        }
    }

    /// How many classes a variable has.
    pub(crate) fn classes(&self, variable: Variable) -> usize {
        match variable {
            Variable::Profile => PROFILES.len(),
            Variable::Ownership => OWNERSHIPS.len(),
            Variable::Level => LEVELS,
            Variable::Place => self.places.len(),
            Variable::Approved => 2,
            Variable::Day => self.days.len(),
            Variable::Minute => self.minutes.len(),
            Variable::Evidence => self.evidence.len(),
            Variable::Claim(claim) => self.claim(claim).len(),
        }
    }

    pub(crate) fn claim(&self, claim: ClaimName) -> &[Option<ClaimClass>] {
        self.claims.get(claim as usize).map_or(&[], Vec::as_slice)
    }

    /// The class of an instant's day, where it is one of those looked at or like one of them.
    pub(crate) fn day_of(&self, date: i64, weekday: i64, holiday: &[bool]) -> Option<usize> {
        let known = self.dates.iter().position(|dates| dates.contains(&date));
        known.or_else(|| {
            let within = |class: &DayClass| {
                let stretch = self.stretches.get(class.stretch);
                // The first stretch reaches back for ever: what was recorded lies before today.
                stretch.is_some_and(|(first, last)| (class.stretch == 0 || *first <= date) && date <= *last)
            };
            self.days.iter().position(|class| within(class) && class.weekday == weekday && class.holiday == holiday)
        })
    }

    /// The class of a minute of the day.
    pub(crate) fn minute_of(&self, minute: i64) -> usize {
        self.minutes.iter().rposition(|first| *first <= minute).unwrap_or(0)
    }
}

/// The stretches of addresses that every bundle treats alike.
fn places(bundles: &[&Bundle]) -> Vec<PlaceClass> {
    let mut starts: BTreeSet<IpAddr> = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()].into();
    for prefix in bundles.iter().flat_map(|bundle| bundle.places()).flat_map(|place| &place.sources) {
        starts.insert(prefix.address());
        starts.extend(behind(prefix));
    }
    let class =
        |address: IpAddr| PlaceClass { ids: bundles.iter().map(|bundle| bundle.place_of(address).cloned()).collect() };
    let distinct: BTreeSet<PlaceClass> = starts.into_iter().map(class).collect();
    distinct.into_iter().collect()
}

/// The first address behind a prefix.
fn behind(prefix: &Prefix) -> Option<IpAddr> {
    match prefix.address() {
        IpAddr::V4(address) => {
            let size = 1_u64 << (32 - u32::from(prefix.bits()).min(32));
            u32::try_from(u64::from(u32::from(address)) + size).ok().map(|next| Ipv4Addr::from(next).into())
        }
        IpAddr::V6(address) => {
            let size = 1_u128.checked_shl(128 - u32::from(prefix.bits()).min(128))?;
            u128::from(address).checked_add(size).map(|next| Ipv6Addr::from(next).into())
        }
    }
}

type Days = (Vec<DayClass>, Vec<Vec<i64>>, Vec<(i64, i64)>);

fn days(bundles: &[&Bundle], from: Timestamp, seen: &Seen) -> Days {
    let offset = bundles.first().map_or(0, |bundle| bundle.engine.calendar.offset_ms);
    let first = from.0.saturating_add(offset).div_euclid(DAY_MS);
    let cuts = seen.cuts.get(&Attribute::Date).cloned().unwrap_or_default();
    let mut stretches: Vec<(i64, i64)> = Vec::new();
    let mut classes: BTreeMap<DayClass, Vec<i64>> = BTreeMap::new();
    for day in first..first.saturating_add(DAYS_AHEAD) {
        let date = date_of(day);
        match stretches.last_mut() {
            Some((_, last)) if !seen.every_date && !cuts.iter().any(|cut| *last < *cut && *cut <= date) => *last = date,
            Some(_) | None => stretches.push((date, date)),
        }
        let holiday = |calendar: &Calendar| calendar.holidays.contains(&date);
        let class = DayClass {
            stretch: stretches.len() - 1,
            weekday: weekday_of(day),
            holiday: bundles.iter().map(|bundle| holiday(&bundle.engine.calendar)).collect(),
        };
        classes.entry(class).or_default().push(date);
    }
    let (days, dates) = classes.into_iter().unzip();
    (days, dates, stretches)
}

/// `20260401` of a count of days since 1970.
fn date_of(day: i64) -> i64 {
    let (year, month, day) = civil_from_days(day);
    year * 10_000 + i64::from(month) * 100 + i64::from(day)
}

/// One age of each class: the youngest, from 0 on.
fn ages(cuts: &BTreeSet<i64>) -> Vec<i64> {
    std::iter::once(0).chain(cuts.iter().copied().filter(|cut| *cut > 0)).collect()
}

const SOURCES: [Source; 6] = [Source::Os, Source::Hw, Source::HwBoot, Source::Mdm, Source::Agent, Source::Unknown];

fn claim_classes(claim: ClaimName, seen: &mut Seen) -> Vec<Option<ClaimClass>> {
    let mut classes = vec![None];
    if !seen.claims.contains(&claim) {
        // No rule looks at it: unknown says as much as any value.
        return classes;
    }
    let sources = if seen.sources.contains(&claim) { &SOURCES[..] } else { &[Source::Os] };
    let ages = ages(&seen.cuts.get(&Attribute::ClaimAge(claim)).cloned().unwrap_or_default());
    for value in values(claim, seen) {
        for source in sources {
            for age in &ages {
                classes.push(Some(ClaimClass { value: value.clone(), source: *source, age: *age }));
            }
        }
    }
    classes
}

fn values(claim: ClaimName, seen: &mut Seen) -> Vec<ClaimValue> {
    match claim.kind() {
        ClaimKind::Bool => vec![ClaimValue::Bool(true), ClaimValue::Bool(false)],
        ClaimKind::Integer => {
            let cuts = seen.cuts.get(&Attribute::Claim(claim)).cloned().unwrap_or_default();
            let lowest = cuts.first().map_or(0, |cut| cut.saturating_sub(1));
            let mut numbers: BTreeSet<i64> = cuts;
            numbers.insert(lowest);
            numbers.into_iter().map(ClaimValue::Integer).collect()
        }
        ClaimKind::Text => {
            let patterns = seen.patterns.get(&claim).cloned().unwrap_or_default();
            match texts::classes(&patterns) {
                Some(texts) => texts.into_iter().map(ClaimValue::Text).collect(),
                None => {
                    seen.uncountable.insert(claim.as_str().to_owned());
                    Vec::new()
                }
            }
        }
        ClaimKind::TextList => {
            let mentioned = seen.mentioned.get(&claim).cloned().unwrap_or_default();
            match texts::lists(&mentioned) {
                Some(lists) => lists.into_iter().map(ClaimValue::TextList).collect(),
                None => {
                    seen.uncountable.insert(claim.as_str().to_owned());
                    Vec::new()
                }
            }
        }
    }
}
