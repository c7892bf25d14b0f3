//! The bundle that a new organisation begins with.

use std::collections::BTreeMap;

use hitotsu_model::ids::OrgId;

/// What the sample needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleSettings {
    /// The organisation.
    pub org: OrgId,
    /// Whether systems of tier 3 demand a firewall too. Many a machine that only tries the demo has none.
    pub firewall_for_tier3: bool,
    /// Adds the systems of the demo, on the gateway's own loopback.
    pub demo: Option<DemoPorts>,
}

impl SampleSettings {
    /// The sample of a city, without the demo.
    #[must_use]
    pub fn new(org: OrgId) -> Self {
        Self { org, firewall_for_tier3: true, demo: None }
    }
}

/// Ports of the demo's systems on 127.0.0.1, all different.
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
/// Only there with [`SampleSettings::demo`].
pub const DEMO_PERSON: &str = "p-1000";

macro_rules! files {
    ($folder:literal: $($file:literal),+ $(,)?) => {
        [$(($file, include_str!(concat!("../", $folder, "/", $file)))),+]
    };
}

const CITY: [(&str, &str); 12] = files!("sample":
    "approvals.toml",
    "bundle.toml",
    "calendar.toml",
    "floor.cedar",
    "hosts.toml",
    "people.toml",
    "places.toml",
    "resources.toml",
    "rules/administration.cedar",
    "rules/everyday.cedar",
    "rules/office-work.cedar",
    "rules/residents.cedar",
);

const CITY_TESTS: [(&str, &str); 1] = files!("sample": "tests/city.toml");

const DEMO: [(&str, &str); 4] = files!("sample/demo":
    "hosts/demo.toml",
    "people/demo.toml",
    "resources/demo.toml",
    "rules/demo.cedar",
);

/// The files of the sample bundle, richly commented: relative path to text.
#[must_use]
pub fn sample(settings: &SampleSettings) -> BTreeMap<String, String> {
    let mut words = vec![("{{org}}", settings.org.to_string())];
    let firewall = if settings.firewall_for_tier3 {
        r#"context.profile == "device""#
    } else {
        r#"context.profile == "device" && resource in [Tier::"tier1", Tier::"tier2"]"#
    };
    words.push(("{{firewall_for}}", firewall.to_owned()));
    let mut files: Vec<(&str, &str)> = CITY.into_iter().chain(CITY_TESTS).collect();
    if let Some(ports) = settings.demo {
        files.extend(DEMO);
        words.push(("{{web_port}}", ports.web.to_string()));
        words.push(("{{files_port}}", ports.files.to_string()));
        words.push(("{{ssh_port}}", ports.ssh.to_string()));
        words.push(("{{secret_port}}", ports.secret.to_string()));
    }
    let filled = files.into_iter().map(|(file, text)| {
        let text = words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
        (file.to_owned(), text)
    });
    filled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;

    const PORTS: DemoPorts = DemoPorts { web: 8001, files: 8002, ssh: 8003, secret: 8004 };

    fn compiled(settings: &SampleSettings) -> Bundle {
        Bundle::compile(&sample(settings)).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn the_sample_compiles_and_its_tables_pass() {
        let mut settings = SampleSettings::new("city.example".parse().expect("org"));
        for demo in [None, Some(PORTS)] {
            settings.demo = demo;
            let bundle = compiled(&settings);
            let failed: Vec<_> = bundle.run_tests().into_iter().filter(|outcome| !outcome.passed).collect();
            assert!(failed.is_empty(), "{failed:#?}");
            assert_eq!(bundle.warnings(), []);
        }
    }

    #[test]
    fn a_machine_without_a_firewall_can_try_the_demo() {
        let settings =
            SampleSettings { org: "city.example".parse().expect("org"), firewall_for_tier3: false, demo: Some(PORTS) };
        let bundle = compiled(&settings);
        assert!(bundle.resource(&"demo-web".parse().expect("id")).is_some());
        assert!(bundle.person(&DEMO_PERSON.parse().expect("id")).is_some());
        let host = "portal.demo.internal".parse().expect("host");
        assert_eq!(bundle.static_addresses(&host), Some(vec!["127.0.0.1".parse().expect("address")]));
    }
}
