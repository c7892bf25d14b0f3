//! A bundle: the texts of a directory, compiled into one versioned object.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hitotsu_model::code::Code;
use hitotsu_model::ids::{OrgId, PersonId, PlaceId, ResourceId};
use hitotsu_model::resource::{HostName, Target, Transport};
use hitotsu_model::time::Timestamp;

use crate::decision::{Action, Decision};
use crate::error::{BundleError, BundleErrors};
use crate::explain::Explanation;
use crate::people::Person;
use crate::place::Place;
use crate::resource::Resource;
use crate::subject::{PreparedSubject, Subject};
use crate::table::TestOutcome;

/// A compiled bundle. Share it in an [`Arc`].
#[derive(Debug)]
pub struct Bundle {
    version: String,
    org: OrgId,
    name: String,
    evidence_max_age: Duration,
    forbidden_software: Vec<String>,
    resources: BTreeMap<ResourceId, Resource>,
    places: BTreeMap<PlaceId, Place>,
    people: BTreeMap<PersonId, Person>,
    static_addresses: BTreeMap<HostName, Vec<IpAddr>>,
    warnings: Vec<BundleError>,
}

impl Bundle {
    /// Compiles the texts of a bundle, named by their path relative to its directory, with `/`.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn compile(files: &BTreeMap<String, String>) -> Result<Self, BundleErrors> {
        let _ = files;
        Err(BundleErrors(Vec::new()))
    }

    /// The first 16 hex digits of a SHA-256 over all files.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The organisation.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// The bundle's name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Programs that agents look for, by process name.
    #[must_use]
    pub fn forbidden_software(&self) -> &[String] {
        &self.forbidden_software
    }

    /// How old evidence may be.
    #[must_use]
    pub fn evidence_max_age(&self) -> Duration {
        self.evidence_max_age
    }

    /// What is not wrong but worth a look, such as overlapping prefixes.
    #[must_use]
    pub fn warnings(&self) -> &[BundleError] {
        &self.warnings
    }

    /// The place that `source` is in: the one with the longest prefix that contains it, else the default place.
    #[must_use]
    pub fn place_of(&self, source: IpAddr) -> Option<&PlaceId> {
        let _ = source;
        None
    }

    /// One place.
    #[must_use]
    pub fn place(&self, id: &PlaceId) -> Option<&Place> {
        self.places.get(id)
    }

    /// One person.
    #[must_use]
    pub fn person(&self, id: &PersonId) -> Option<&Person> {
        self.people.get(id)
    }

    /// Every resource, in the order of the ids.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values()
    }

    /// One resource.
    #[must_use]
    pub fn resource(&self, id: &ResourceId) -> Option<&Resource> {
        self.resources.get(id)
    }

    /// Addresses that the bundle gives a name; `None` where the resolver is to be asked.
    #[must_use]
    pub fn static_addresses(&self, name: &HostName) -> Option<Vec<IpAddr>> {
        self.static_addresses.get(name).cloned()
    }

    /// The resources that `target` means: by the patterns of its name or the prefixes of its address, and by its port.
    #[must_use]
    pub fn named(&self, target: &Target) -> Vec<&ResourceId> {
        let _ = target;
        Vec::new()
    }

    /// Every resource whose prefixes contain `address` and whose ports contain `port`. Each of them must allow a flow
    /// to that address.
    #[must_use]
    pub fn containing(&self, address: IpAddr, port: u16, transport: Transport) -> Vec<&ResourceId> {
        let _ = (address, port, transport);
        Vec::new()
    }

    /// Makes a subject ready: once per evidence, not once per flow.
    #[must_use]
    pub fn prepare(&self, subject: Subject) -> PreparedSubject {
        PreparedSubject { subject: Arc::new(subject) }
    }

    /// Whether the asker may learn that `resource` exists: some permit is meant for them, whatever the time, the place
    /// and the state of the device.
    #[must_use]
    pub fn knows(&self, subject: &PreparedSubject, resource: &ResourceId) -> bool {
        let _ = (subject, resource);
        false
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
        let _ = (subject, action, resource);
        Decision {
            allowed: false,
            known: false,
            rules: Vec::new(),
            codes: vec![Code::NotPermitted],
            claim: None,
            expires_at: now,
            errors: Vec::new(),
        }
    }

    /// Why `decide` answers as it does.
    #[must_use]
    pub fn explain(&self, subject: &PreparedSubject, resource: &ResourceId, now: Timestamp) -> Explanation {
        Explanation { decision: self.decide(subject, resource, now), bundle: self.version.clone(), rules: Vec::new() }
    }

    /// Runs the tables in `tests/*.toml`.
    #[must_use]
    pub fn run_tests(&self) -> Vec<TestOutcome> {
        Vec::new()
    }
}
