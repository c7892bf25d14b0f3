//! The bundle that a new organisation begins with.

use std::collections::BTreeMap;

use hitotsu_model::ids::OrgId;

/// What the sample needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleSettings {
    /// The organisation.
    pub org: OrgId,
    /// Adds the systems of the demo, on the gateway's own loopback.
    pub demo: Option<DemoPorts>,
}

/// Ports of the demo's systems on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoPorts {
    /// `demo-web`, `portal.demo.internal`.
    pub web: u16,
    /// `demo-files` (WebDAV), `files.demo.internal`.
    pub files: u16,
    /// `demo-ssh`, `ssh.demo.internal`.
    pub ssh: u16,
    /// `demo-secret` (tier 1, never from home), `residents.demo.internal`.
    pub secret: u16,
}

/// The person of the sample to whom the demo binds its device: general staff, welfare and IT administrators.
pub const DEMO_PERSON: &str = "p-1000";

/// The files of the sample bundle, richly commented.
#[must_use]
pub fn sample(settings: &SampleSettings) -> BTreeMap<String, String> {
    let _ = settings;
    BTreeMap::new()
}
