//! How long an answer takes, over a bundle of a given size. The clock is passed in, as everywhere in this crate.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, ResourceId};
use hitotsu_model::posture::{Claim, ClaimName, ClaimValue, Posture, Source};
use hitotsu_model::time::Timestamp;

use crate::bundle::Bundle;
use crate::error::BundleErrors;
use crate::memo::Memo;
use crate::subject::{PreparedSubject, Subject};

/// How large the bundle is and how often it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Rules; one in twenty is a floor that applies to everybody.
    pub rules: usize,
    /// Resources.
    pub resources: usize,
    /// People, in a tenth as many groups, at most 200.
    pub people: usize,
    /// Questions of each kind.
    pub questions: usize,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    size: Size,
    rows: Vec<(&'static str, f64)>,
}

impl Figures {
    /// Name (with the unit at its end) and value.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        self.rows.iter().copied()
    }

    /// One value.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.rows().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// One JSON object on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Size { rules, resources, people, questions } = self.size;
        let mut text = format!(
            "{{\"bench\":\"decide\",\"rules\":{rules},\"resources\":{resources},\"people\":{people},\
             \"questions\":{questions}"
        );
        for (name, value) in self.rows() {
            // Writing to a String cannot fail.
            let _ = write!(text, ",\"{name}\":{value:.3}");
        }
        text.push('}');
        text
    }
}

/// Compiles a bundle of this size and asks it. `elapsed` is a clock that only goes forward.
///
/// # Errors
/// [`BundleErrors`] never: the bundle is of our own making.
pub fn run(size: Size, mut elapsed: impl FnMut() -> Duration) -> Result<Figures, BundleErrors> {
    let files = files(size);
    let start = elapsed();
    let bundle = Bundle::compile(&files)?;
    let compile = elapsed().saturating_sub(start);
    let resources: Vec<ResourceId> = bundle.resources().map(|resource| resource.id.clone()).collect();
    let now = Timestamp(1_775_005_200_000);

    let mut prepare = Vec::with_capacity(size.questions);
    let mut new = Vec::with_capacity(size.questions);
    let mut remembered = Vec::with_capacity(size.questions);
    let mut allowed = 0_usize;
    for (index, resource) in resources.iter().cycle().take(size.questions).enumerate() {
        let before = elapsed();
        let subject = bundle.prepare(subject(index * 7 % size.people.max(1), now));
        let ready = elapsed();
        allowed += usize::from(bundle.decide(&subject, resource, now).allowed);
        let answered = elapsed();
        prepare.push(ready.saturating_sub(before));
        new.push(answered.saturating_sub(ready));
        remembered.push(ask_again(&bundle, &subject, resource, now, &mut elapsed));
    }
    let mut rows = vec![("compile_ms", compile.as_secs_f64() * 1e3)];
    for (names, mut times) in [
        (["prepare_p50_us", "prepare_p99_us"], prepare),
        (["new_p50_us", "new_p99_us"], new),
        (["remembered_p50_us", "remembered_p99_us"], remembered),
    ] {
        times.sort();
        for (name, share) in names.into_iter().zip([50, 99]) {
            let time = times.get(times.len() * share / 100).copied().unwrap_or_default();
            rows.push((name, time.as_secs_f64() * 1e6));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a share for people to read")]
    let share = allowed as f64 * 100.0 / size.questions.max(1) as f64;
    rows.push(("allowed_percent", share));
    Ok(Figures { size, rows })
}

fn ask_again(
    bundle: &Bundle,
    subject: &PreparedSubject,
    resource: &ResourceId,
    now: Timestamp,
    elapsed: &mut impl FnMut() -> Duration,
) -> Duration {
    let mut memo = Memo::default();
    let first = memo.decide(bundle, subject, resource, now);
    let before = elapsed();
    let again = memo.decide(bundle, subject, resource, now);
    let time = elapsed().saturating_sub(before);
    if first == again { time } else { Duration::MAX }
}

/// The files of a bundle of this size.
#[must_use]
pub fn files(size: Size) -> BTreeMap<String, String> {
    let groups = (size.people / 10).clamp(1, 200);
    let mut people = String::new();
    let mut resources = String::new();
    // Writing to a String cannot fail.
    for group in 0..groups {
        let _ = writeln!(people, "[[group]]\nid = \"g-{group}\"\ntitle = \"x\"");
    }
    for person in 0..size.people {
        let (one, two) = (person % groups, person * 31 % groups);
        let _ = writeln!(people, "[[person]]\nid = \"p-{person}\"\ngroups = [\"g-{one}\", \"g-{two}\"]");
    }
    for resource in 0..size.resources {
        let tier = if resource % 3 == 0 { "tier2" } else { "tier3" };
        let (high, low) = (resource / 250, resource % 250);
        let _ = writeln!(
            resources,
            "[[resource]]\nid = \"r-{resource}\"\ntitle_ja = \"x\"\ntitle_en = \"x\"\ntier = \"{tier}\"\n\
             hosts = [\"r-{resource}.example\"]\nprefixes = [\"10.{high}.{low}.0/24\"]\nports = [\"tcp/443\"]"
        );
    }
    let place = "[[place]]\nid = \"home\"\ntitle_ja = \"x\"\ntitle_en = \"x\"\nkind = \"home\"\ndefault = true\n";
    let bundle = "org = \"bench.example\"\nname = \"x\"\nutc_offset = \"+09:00\"\n";
    BTreeMap::from([
        ("bundle.toml".to_owned(), bundle.to_owned()),
        ("people.toml".to_owned(), people),
        ("places.toml".to_owned(), place.to_owned()),
        ("resources.toml".to_owned(), resources),
        ("rules/all.cedar".to_owned(), rules(size, groups)),
    ])
}

fn rules(size: Size, groups: usize) -> String {
    let mut text = String::new();
    for rule in 0..size.rules {
        let (group, resource) = (rule % groups, rule % size.resources.max(1));
        let _ = match rule % 20 {
            0 => writeln!(
                text,
                "@id(\"r-{rule}\") @code(\"firewall-off\") forbid (principal, action, resource)\n\
                 unless {{ context has firewall_on && context.firewall_on && context has firewall_on_age_seconds &&\n\
                 context.firewall_on_age_seconds < {} }};",
                3600 + rule
            ),
            1 => writeln!(
                text,
                "@id(\"r-{rule}\") permit (principal in Group::\"g-{group}\", action == Action::\"connect\", resource in \
                 Tier::\"tier3\")\nwhen {{ context.local_minute >= 480 && context.local_minute < 1200 }};"
            ),
            _ => writeln!(
                text,
                "@id(\"r-{rule}\") permit (principal in Group::\"g-{group}\", action, resource == \
                 Resource::\"r-{resource}\")\nwhen {{ context.level >= {} && context.ownership == \"issued\" }};",
                rule % 3
            ),
        };
    }
    text
}

/// One of its people on a PC in good state.
#[must_use]
pub fn subject(person: usize, now: Timestamp) -> Subject {
    let mut posture = Posture::default();
    let claims = [
        (ClaimName::FirewallOn, ClaimValue::Bool(true)),
        (ClaimName::DiskEncrypted, ClaimValue::Bool(true)),
        (ClaimName::SecurityUpdateAgeDays, ClaimValue::Integer(3)),
        (ClaimName::OsVersion, ClaimValue::Text("12".to_owned())),
        (ClaimName::ForbiddenSoftware, ClaimValue::TextList(Vec::new())),
    ];
    for (name, value) in claims {
        // INVARIANT (claims): each value is of its claim's kind.
        let _ = posture.insert(name, Claim { value, source: Source::Os, observed_at: now });
    }
    Subject {
        person: format!("p-{person}").parse().ok(),
        device: DeviceId(uuid::Uuid::nil()),
        profile: Profile::Device,
        ownership: Ownership::Issued,
        level: AssuranceLevel::L1,
        place: "home".parse().ok(),
        posture: Some(posture),
        attested_at: Some(now),
        approvals: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bench_runs_at_a_tiny_size_and_prints_one_json_object() {
        let clock = std::time::Instant::now();
        let size = Size { rules: 40, resources: 10, people: 30, questions: 50 };
        let figures = run(size, || clock.elapsed()).unwrap_or_else(|errors| panic!("{errors}"));
        let json: serde_json::Value = serde_json::from_str(&figures.to_json()).expect("JSON");
        assert_eq!(json["rules"], 40);
        let allowed = figures.value("allowed_percent").expect("share");
        assert!(allowed > 0.0 && allowed < 100.0, "{allowed}");
    }
}
