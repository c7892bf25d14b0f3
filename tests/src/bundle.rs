//! The policy bundle of the tests: one person, a few systems on loopback, and floors that a test can break one by one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;

/// The person that tests enrol devices for.
pub const PERSON: &str = "p-1";

/// Builds a bundle.
#[derive(Debug, Clone, Default)]
pub struct TestBundle {
    resources: String,
    hosts: String,
    rules: String,
    places: String,
    evidence_max_age_seconds: Option<u32>,
    on_this_machine: bool,
}

impl TestBundle {
    /// No systems yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A system on loopback that the person may open over TCP.
    #[must_use]
    pub fn tcp(self, id: &str, address: SocketAddr) -> Self {
        self.system(id, "tier3", &[address], "tcp").permit(id, "true")
    }

    /// A system on loopback that the person may open over UDP.
    #[must_use]
    pub fn udp(self, id: &str, address: SocketAddr) -> Self {
        self.system(id, "tier3", &[address], "udp").permit(id, "true")
    }

    /// A system that no rule permits yet, named `<id>.test.internal`, with these addresses.
    ///
    /// # Panics
    /// If there is no address.
    #[must_use]
    pub fn system(mut self, id: &str, tier: &str, addresses: &[SocketAddr], transport: &str) -> Self {
        let port = addresses.first().expect("an address").port();
        let prefixes: Vec<String> = addresses.iter().map(|address| format!("\"{}/32\"", address.ip())).collect();
        let ips: Vec<String> = addresses.iter().map(|address| format!("\"{}\"", address.ip())).collect();
        write!(
            self.resources,
            "[[resource]]\nid = \"{id}\"\ntitle_ja = \"{id}\"\ntitle_en = \"{id}\"\ntier = \"{tier}\"\n\
             hosts = [\"{id}.test.internal\"]\nprefixes = [{}]\nports = [\"{transport}/{port}\"]\nallow_loopback = true\n\n",
            prefixes.join(", ")
        )
        .expect("a string");
        write!(self.hosts, "[[host]]\nname = \"{id}.test.internal\"\naddresses = [{}]\n\n", ips.join(", "))
            .expect("a string");
        self
    }

    /// Any other resource, as it stands in `resources.toml`.
    #[must_use]
    pub fn resource(mut self, text: &str) -> Self {
        self.resources.push_str(text);
        self.resources.push('\n');
        self
    }

    /// Permits a system to the person under a condition.
    #[must_use]
    pub fn permit(mut self, id: &str, condition: &str) -> Self {
        write!(
            self.rules,
            "@id(\"{id}\")\npermit (principal in Group::\"staff\", action == Action::\"connect\", resource == \
             Resource::\"{id}\")\nwhen {{ {condition} }};\n\n"
        )
        .expect("a string");
        self
    }

    /// Any other rule.
    #[must_use]
    pub fn rule(mut self, text: &str) -> Self {
        self.rules.push_str(text);
        self.rules.push('\n');
        self
    }

    /// A place, as it stands in `places.toml`, beside the default one.
    #[must_use]
    pub fn place(mut self, text: &str) -> Self {
        self.places.push_str(text);
        self.places.push('\n');
        self
    }

    /// After how long evidence is stale.
    #[must_use]
    pub fn evidence_max_age(mut self, seconds: u32) -> Self {
        self.evidence_max_age_seconds = Some(seconds);
        self
    }

    /// For an agent that says the truth about this machine, which need not have a firewall.
    #[must_use]
    pub fn on_this_machine(mut self) -> Self {
        self.on_this_machine = true;
        self
    }

    /// The bundle's files.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, String> {
        let age = self.evidence_max_age_seconds.unwrap_or(600);
        let settings = format!(
            "org = \"kawasaki.example\"\nname = \"tests\"\nutc_offset = \"+09:00\"\n\
             evidence_max_age_seconds = {age}\nforbidden_software = [\"winny\"]\n"
        );
        let places = format!(
            "[[place]]\nid = \"home\"\ntitle_ja = \"自宅\"\ntitle_en = \"Home\"\nkind = \"home\"\ndefault = true\n\n{}",
            self.places
        );
        let people = format!(
            "[[group]]\nid = \"staff\"\ntitle = \"staff\"\n\n[[person]]\nid = \"{PERSON}\"\ngroups = [\"staff\"]\n"
        );
        let floor = [FORBIDDEN_SOFTWARE, if self.on_this_machine { "" } else { FIREWALL }].concat();
        [
            ("bundle.toml", settings),
            ("places.toml", places),
            ("people.toml", people),
            ("resources.toml", self.resources.clone()),
            ("hosts.toml", self.hosts.clone()),
            ("floor.cedar", floor),
            ("rules/tests.cedar", self.rules.clone()),
        ]
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text))
        .collect()
    }
}

const FORBIDDEN_SOFTWARE: &str = r#"
@id("forbidden-software")
@code("forbidden-software")
forbid (principal, action, resource)
when { context.profile == "device" }
unless { context has forbidden_software && context.forbidden_software.isEmpty() };
"#;

const FIREWALL: &str = r#"
@id("firewall")
@code("firewall-off")
forbid (principal, action, resource)
when { context.profile == "device" }
unless { context has firewall_on && context.firewall_on };
"#;
