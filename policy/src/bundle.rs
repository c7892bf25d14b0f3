//! A bundle: the texts of a directory, compiled into one versioned object.
//!
//! | file | what |
//! |---|---|
//! | `bundle.toml` | organisation, offset from UTC, age of evidence, forbidden programs |
//! | `resources.toml`, `resources/*.toml` | internal systems: names, addresses, ports, tier |
//! | `hosts.toml`, `hosts/*.toml` | addresses of names that the gateway does not ask a resolver for |
//! | `places.toml`, `places/*.toml` | places and the networks from which a device is there |
//! | `people.toml`, `people/*.toml` | people and groups |
//! | `calendar.toml` | holidays: single days, those of every year, those of Japan |
//! | `approvals.toml`, `approvals/*.toml` | work that a supervisor approved |
//! | `floor.cedar` | what no permit escapes; forbids only |
//! | `rules/*.cedar` | permits and forbids |
//! | `tests/*.toml` | `given / expect` tables |

mod approvals;
pub(crate) mod lookup;
mod people;
mod places;
mod resources;
pub(crate) mod settings;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::PolicySet;
use hitotsu_model::code::Code;
use hitotsu_model::ids::{GroupId, OrgId, PersonId, PlaceId, ResourceId, RuleId};
use hitotsu_model::resource::{Host, HostName, Target, Transport};
use hitotsu_model::time::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::bundle::lookup::{HostIndex, PrefixIndex};
use crate::bundle::people::People;
use crate::bundle::settings::Settings;
use crate::decision::{Action, Decision};
use crate::engine::Engine;
use crate::engine::calendar::Calendar;
use crate::engine::names::{Names, number};
use crate::error::{BundleError, BundleErrors};
use crate::explain::Explanation;
use crate::limits::{FILE_BYTES_MAX, FILES_MAX};
use crate::people::{Group, Person};
use crate::place::{Place, PlaceKind};
use crate::resource::Resource;
use crate::rules;
use crate::source::{Sink, Source, line_starts};
use crate::subject::{Approval, PreparedSubject, Subject};
use crate::table::{Row, TestOutcome};

/// A compiled bundle. Share it in an [`Arc`].
#[derive(Debug)]
pub struct Bundle {
    version: Arc<str>,
    settings: Settings,
    /// By number, which is the order of the ids.
    resources: Vec<Resource>,
    /// By number, which is the order of the ids.
    places: Vec<Place>,
    default_place: Option<PlaceId>,
    people: People,
    approvals: BTreeMap<PersonId, Vec<Approval>>,
    static_addresses: BTreeMap<HostName, Vec<IpAddr>>,
    warnings: Vec<BundleError>,
    by_host: HostIndex,
    by_prefix: PrefixIndex,
    place_by_prefix: PrefixIndex,
    pub(crate) engine: Engine,
    rows: Vec<Row>,
}

impl Bundle {
    /// Compiles the texts of a bundle, named by their path relative to its directory, with `/`.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn compile(files: &BTreeMap<String, String>) -> Result<Self, BundleErrors> {
        Self::compile_beside_cedar(files).map(|(bundle, _)| bundle)
    }

    /// The bundle, and its rules as Cedar sees them.
    pub(crate) fn compile_beside_cedar(files: &BTreeMap<String, String>) -> Result<(Self, PolicySet), BundleErrors> {
        let sink = Sink::default();
        match compile(files, &sink) {
            Some(compiled) if sink.is_empty() => Ok(compiled),
            Some(_) | None => Err(BundleErrors(sink.into_sorted())),
        }
    }

    /// The first 16 hex digits of a SHA-256 over all files.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn shared_version(&self) -> Arc<str> {
        Arc::clone(&self.version)
    }

    /// The organisation.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.settings.org
    }

    /// The bundle's name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Programs that agents look for, by process name.
    #[must_use]
    pub fn forbidden_software(&self) -> &[String] {
        &self.settings.forbidden_software
    }

    /// How old evidence may be.
    #[must_use]
    pub fn evidence_max_age(&self) -> Duration {
        self.settings.evidence_max_age()
    }

    /// Whether a device may not have a system of tier 1 and one of tier 3 open at the same time.
    #[must_use]
    pub fn tiers_apart(&self) -> bool {
        self.settings.tiers_apart
    }

    /// What is not wrong but worth a look, such as overlapping prefixes.
    #[must_use]
    pub fn warnings(&self) -> &[BundleError] {
        &self.warnings
    }

    /// The place that `source` is in: the one with the longest prefix that contains it, else the default place.
    #[must_use]
    pub fn place_of(&self, source: IpAddr) -> Option<&PlaceId> {
        let longest = self.place_by_prefix.containing(source).next();
        let named = longest.and_then(|(_, number)| self.places.get(number as usize));
        named.map(|place| &place.id).or(self.default_place.as_ref())
    }

    /// One place.
    #[must_use]
    pub fn place(&self, id: &PlaceId) -> Option<&Place> {
        let number = self.engine.names.places.get(id)?;
        self.places.get(*number as usize)
    }

    /// Every place, in the order of the ids.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    /// An instant as the rules read it.
    #[must_use]
    pub fn local_time(&self, at: Timestamp) -> LocalTime {
        let clock = self.engine.calendar.clock(at, &[], PlaceKind::Unknown);
        LocalTime { date: clock.date, weekday: clock.weekday, minute: clock.minute, holiday: clock.holiday }
    }

    /// One person.
    #[must_use]
    pub fn person(&self, id: &PersonId) -> Option<&Person> {
        self.people.people.get(id)
    }

    /// Every person, in the order of the ids.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.people.values()
    }

    /// What a supervisor approved for a person, in the order of their beginnings.
    #[must_use]
    pub fn approvals(&self, person: &PersonId) -> &[Approval] {
        self.approvals.get(person).map_or(&[], Vec::as_slice)
    }

    /// One group.
    #[must_use]
    pub fn group(&self, id: &GroupId) -> Option<&Group> {
        self.people.groups.get(id)
    }

    /// Every resource, in the order of the ids.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter()
    }

    /// One resource.
    #[must_use]
    pub fn resource(&self, id: &ResourceId) -> Option<&Resource> {
        self.numbered(self.resource_number(id)?)
    }

    /// Addresses that the bundle gives a name; `None` where the resolver is to be asked.
    #[must_use]
    pub fn static_addresses(&self, name: &HostName) -> Option<Vec<IpAddr>> {
        self.static_addresses.get(name).cloned()
    }

    /// The resources that `target` means: by the patterns of its name or the prefixes of its address, and by its port.
    #[must_use]
    pub fn named(&self, target: &Target) -> Vec<&ResourceId> {
        match &target.host {
            Host::Address(address) => self.containing(*address, target.port, target.transport),
            Host::Name(name) => {
                let found = self.by_host.matching(name).into_iter().filter_map(|number| self.numbered(number));
                distinct(found.filter(|resource| resource.has_port(target.port, target.transport)))
            }
        }
    }

    /// Every resource that may have `address` and whose ports contain `port`. Each of them must allow a flow to it.
    #[must_use]
    pub fn containing(&self, address: IpAddr, port: u16, transport: Transport) -> Vec<&ResourceId> {
        let found = self.by_prefix.containing(address).filter_map(|(_, number)| self.numbered(number));
        distinct(found.filter(|resource| resource.has_port(port, transport) && resource.may_have(address)))
    }

    fn numbered(&self, number: u32) -> Option<&Resource> {
        self.resources.get(number as usize)
    }

    pub(crate) fn resource_number(&self, id: &ResourceId) -> Option<u32> {
        self.engine.names.resources.get(id).copied()
    }

    /// Makes a subject ready: once per evidence, not once per flow.
    #[must_use]
    pub fn prepare(&self, subject: Subject) -> PreparedSubject {
        PreparedSubject::new(self, &self.engine, Arc::new(subject))
    }

    /// A subject made ready for another bundle is made ready anew.
    fn ready<'a>(&self, subject: &'a PreparedSubject) -> std::borrow::Cow<'a, PreparedSubject> {
        if *subject.bundle == *self.version {
            std::borrow::Cow::Borrowed(subject)
        } else {
            std::borrow::Cow::Owned(PreparedSubject::new(self, &self.engine, Arc::clone(&subject.subject)))
        }
    }

    /// Whether the asker may learn that `resource` exists: some permit is meant for them, whatever the time, the place
    /// and the state of the device.
    #[must_use]
    pub fn knows(&self, subject: &PreparedSubject, resource: &ResourceId) -> bool {
        let subject = self.ready(subject);
        let Some(resource) = self.resource_number(resource).filter(|_| !subject.person_missing) else { return false };
        self.engine.knows(&subject, &self.engine.question(&subject, Action::Connect, resource, Timestamp(0)))
    }

    /// May `subject` connect to `resource` at `now`?
    pub fn decide(&self, subject: &PreparedSubject, resource: &ResourceId, now: Timestamp) -> Decision {
        self.decide_action(subject, Action::Connect, resource, now)
    }

    /// May `subject` do `action` with `resource` at `now`?
    pub fn decide_action(
        &self,
        subject: &PreparedSubject,
        action: Action,
        resource: &ResourceId,
        now: Timestamp,
    ) -> Decision {
        self.engine.decide(&self.ready(subject), action, self.resource_number(resource), now)
    }

    /// Why [`Bundle::decide`] answers as it does.
    #[must_use]
    pub fn explain(&self, subject: &PreparedSubject, resource: &ResourceId, now: Timestamp) -> Explanation {
        let subject = self.ready(subject);
        Explanation::new(self, &self.engine, &subject, resource, now)
    }

    /// The rules that refuse with `code`.
    pub fn rules_with(&self, code: Code) -> impl Iterator<Item = RuleNote> {
        let rules = self.engine.rules.iter().filter(move |rule| rule.code == Some(code));
        rules.map(|rule| RuleNote {
            id: rule.id.clone(),
            file: rule.file.clone(),
            line: rule.line,
            ja: rule.ja.clone(),
            en: rule.en.clone(),
        })
    }

    /// Runs the tables in `tests/*.toml`.
    #[must_use]
    pub fn run_tests(&self) -> Vec<TestOutcome> {
        self.rows.iter().map(|row| row.run(self)).collect()
    }
}

/// Where a rule stands, and its own sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleNote {
    /// The rule.
    pub id: RuleId,
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: usize,
    /// The bundle's own sentence in Japanese.
    pub ja: Option<String>,
    /// The bundle's own sentence in English.
    pub en: Option<String>,
}

/// A local time of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// As `20260401`.
    pub date: i64,
    /// 1 is Monday.
    pub weekday: i64,
    /// Since midnight.
    pub minute: i64,
    /// The calendar calls it a holiday.
    pub holiday: bool,
}

/// The ids of `resources`, each once, in the order found.
fn distinct<'a>(resources: impl Iterator<Item = &'a Resource>) -> Vec<&'a ResourceId> {
    let mut ids: Vec<&ResourceId> = Vec::new();
    for resource in resources {
        if !ids.contains(&&resource.id) {
            ids.push(&resource.id);
        }
    }
    ids
}

/// The files by what they are.
struct Files<'a> {
    all: Vec<Source<'a>>,
}

impl<'a> Files<'a> {
    fn sort(files: &'a BTreeMap<String, String>, starts: &'a [Vec<usize>], sink: &'a Sink) -> Self {
        let sources = files.iter().zip(starts).map(|((file, text), starts)| Source { file, text, starts, sink });
        let all: Vec<Source<'a>> = sources.collect();
        if all.len() > FILES_MAX {
            let remedy = "join files";
            sink.push(BundleError {
                file: "bundle.toml".to_owned(),
                line: None,
                what: format!("more than {FILES_MAX} files"),
                remedy: remedy.to_owned(),
            });
        }
        for source in &all {
            if source.text.len() > FILE_BYTES_MAX {
                source.wrong(None, format!("larger than {FILE_BYTES_MAX} bytes"), "split the file");
            }
            if !KINDS.iter().any(|kind| is_of(source.file, kind))
                && !IGNORED.iter().any(|end| source.file.ends_with(end))
            {
                let remedy = "use `bundle.toml`, `resources.toml`, `hosts.toml`, `places.toml`, `people.toml`, \
                              `calendar.toml`, `approvals.toml`, `floor.cedar`, `rules/*.cedar` or `tests/*.toml`";
                source.wrong(None, "this file is of no known kind", remedy);
            }
        }
        Self { all }
    }

    fn of(&self, kind: &str) -> Vec<Source<'a>> {
        self.all.iter().filter(|source| is_of(source.file, kind)).copied().collect()
    }
}

/// `x.toml` means that file and those in `x/`.
const KINDS: [&str; 10] = [
    "approvals.toml",
    "bundle.toml",
    "calendar.toml",
    "resources.toml",
    "hosts.toml",
    "places.toml",
    "people.toml",
    "tests.toml",
    "floor.cedar",
    "rules.cedar",
];

/// Files that may lie beside.
const IGNORED: [&str; 2] = [".md", ".txt"];

fn is_of(file: &str, kind: &str) -> bool {
    let Some((stem, end)) = kind.split_once('.') else { return false };
    let single = matches!(kind, "bundle.toml" | "calendar.toml" | "floor.cedar");
    let inside = || {
        let name = file.strip_prefix(stem).and_then(|rest| rest.strip_prefix('/'));
        name.is_some_and(|name| !name.contains('/') && name.strip_suffix(end).is_some_and(|stem| stem.len() > 1))
    };
    let directory_only = matches!(kind, "rules.cedar" | "tests.toml");
    (file == kind && !directory_only) || (!single && inside())
}

fn compile(files: &BTreeMap<String, String>, sink: &Sink) -> Option<(Bundle, PolicySet)> {
    let starts: Vec<Vec<usize>> = files.values().map(|text| line_starts(text)).collect();
    let files_by_kind = Files::sort(files, &starts, sink);
    let settings = match files_by_kind.of("bundle.toml").first() {
        Some(source) => settings::read(*source),
        None => {
            sink.push(BundleError {
                file: "bundle.toml".to_owned(),
                line: None,
                what: "the file is not there".to_owned(),
                remedy: "add it, with `org`, `name` and `utc_offset`".to_owned(),
            });
            None
        }
    };
    let calendar = Calendar {
        offset_ms: settings.as_ref().map_or(0, |settings| settings.offset_ms),
        holidays: files_by_kind.of("calendar.toml").first().map(|s| settings::read_calendar(*s)).unwrap_or_default(),
    };
    let found = resources::read(&files_by_kind.of("resources.toml"));
    let static_addresses = resources::read_hosts(&files_by_kind.of("hosts.toml"), &found);
    let places = places::read(&files_by_kind.of("places.toml"));
    let people = people::read(&files_by_kind.of("people.toml"));

    let mut names = Names::default();
    people::number_all(&people, &mut names);
    for (index, place) in places.keys().enumerate() {
        names.places.insert(place.clone(), number(index));
    }
    for (index, resource) in found.resources.values().enumerate() {
        names.resources.insert(resource.id.clone(), number(index));
        names.resource_tiers.push(resource.tier);
    }
    let mut cedar = files_by_kind.of("floor.cedar");
    cedar.extend(files_by_kind.of("rules.cedar"));
    let seconds = settings.as_ref().map_or(600, |settings| settings.evidence_seconds);
    let compiled = rules::parse::read(&cedar, seconds, &mut names, sink);
    if sink.is_empty() {
        rules::tier::published(&compiled.rules, &names, places.values()).into_iter().for_each(|error| sink.push(error));
    }
    let approvals = approvals::read(&files_by_kind.of("approvals.toml"), &names);
    let rows = crate::table::read(&files_by_kind.of("tests.toml"), &names);

    let mut warnings = resources::overlaps(&found);
    warnings.extend(people.warnings.iter().cloned());
    warnings.sort();
    let require_person = found.resources.values().map(|resource| resource.require_person).collect();
    let engine = Engine::new(names, calendar, compiled.rules, require_person);
    let (by_host, by_prefix) = index(&found.resources);
    let bundle = Bundle {
        version: version(files).into(),
        settings: settings?,
        default_place: places.values().find(|place| place.default).map(|place| place.id.clone()),
        place_by_prefix: index_places(&places),
        resources: found.resources.into_values().collect(),
        places: places.into_values().collect(),
        people,
        approvals,
        static_addresses,
        warnings,
        by_host,
        by_prefix,
        engine,
        rows,
    };
    Some((bundle, compiled.policies))
}

fn index(resources: &BTreeMap<ResourceId, Resource>) -> (HostIndex, PrefixIndex) {
    let (mut hosts, mut prefixes) = (HostIndex::default(), PrefixIndex::default());
    for (index, resource) in resources.values().enumerate() {
        resource.hosts.iter().for_each(|pattern| hosts.insert(pattern, number(index)));
        resource.prefixes.iter().for_each(|prefix| prefixes.insert(*prefix, number(index)));
    }
    (hosts, prefixes)
}

fn index_places(places: &BTreeMap<PlaceId, Place>) -> PrefixIndex {
    let mut prefixes = PrefixIndex::default();
    for (index, place) in places.values().enumerate() {
        place.sources.iter().for_each(|prefix| prefixes.insert(*prefix, number(index)));
    }
    prefixes
}

/// The first 16 hex digits of SHA-256 over names and texts, each with its length before it.
fn version(files: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    for part in files.iter().flat_map(|(file, text)| [file, text]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let mut hex = data_encoding::HEXLOWER.encode(&digest);
    hex.truncate(16);
    hex
}
