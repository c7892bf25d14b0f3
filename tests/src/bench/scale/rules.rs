//! More rules: what the policy costs where it is loaded, and where it is asked.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use hitotsu_policy::bench::{Figures, Size, run as ask};

use super::column::Column;
use super::ground::Ground;
use super::loads;
use crate::bench::Scale;
use crate::bench::cut::admin;
use crate::bench::grid::Grid;
use crate::bench::memory::bring_up;
use crate::bench::process_figures::{Histogram, resident_kib};
use crate::bench::report::Unit;

/// People of a city.
const PEOPLE: usize = 13_000;

/// Rules in one file, which must stay below the largest that a gateway reads.
const RULES_IN_FILE: usize = 1_000;

/// The gateway's own figure of all that comes before the dial.
const ADMISSION: &str = "hitotsu_admission_seconds";

/// Measures at every size.
pub(super) async fn measure(scale: Scale) -> Grid {
    let sizes: &[usize] = scale.pick(&[10, 100, 1_000, 5_000], &[10, 40]);
    let mut grid = Grid::new("rules", sizes);
    let ground = Ground::start(scale.pick(10, 2)).await;
    let tunnels = Arc::from(bring_up(ground.devices.len(), &ground.devices).await);
    let live = loads::open(&ground, &tunnels, scale.pick(1_000, 4)).await;
    for (number, size) in sizes.iter().enumerate() {
        eprintln!("scale: {size} rules ...");
        let mut column = Column { grid: &mut grid, number, scale };
        ground.world.write_bundle(&files(&ground, *size, scale.pick(PEOPLE, 20)));
        let begun = Instant::now();
        admin(&ground.world, "/v1/policy/reload", "{}").await;
        column.add("reload", begun.elapsed().as_secs_f64() * 1e3, Unit::Milliseconds);
        let before = Histogram::read(ground.world.metrics, ADMISSION).await;
        for _ in 0..scale.pick(3, 1) {
            column.new_flows(&ground, &tunnels).await;
        }
        let admission = Histogram::read(ground.world.metrics, ADMISSION).await.since(&before);
        column.add("admission_p50", admission.percentile_us(50.0), Unit::Microseconds);
        let figures = decide(*size, scale).await;
        let value = |name| figures.value(name).expect("it was measured");
        column.add("decide_p50", value("new_p50_us"), Unit::Microseconds);
        column.add("decide_p99", value("new_p99_us"), Unit::Microseconds);
        column.add("compile", value("compile_ms"), Unit::Milliseconds);
        column.add("gateway", resident_kib(ground.gateway()), Unit::Kibibytes);
    }
    drop(live);
    grid
}

/// The policy crate's own bench, at this size.
async fn decide(rules: usize, scale: Scale) -> Figures {
    let people = scale.pick(PEOPLE, 20);
    let size = Size { rules, resources: resources(rules), people, questions: scale.pick(2_000, 20) };
    let clock = Instant::now();
    let asking = tokio::task::spawn_blocking(move || ask(size, || clock.elapsed()));
    asking.await.expect("ran").unwrap_or_else(|errors| panic!("{errors}"))
}

fn resources(rules: usize) -> usize {
    (rules / 10).max(2)
}

/// The bundle of this size, in which the systems of the bench stay permitted.
fn files(ground: &Ground, rules: usize, people: usize) -> BTreeMap<String, String> {
    let mut bundle = ground.bundle();
    for resource in 0..resources(rules) {
        let (high, low) = (resource / 250, resource % 250);
        bundle = bundle.resource(&format!(
            "[[resource]]\nid = \"r-{resource}\"\ntitle_ja = \"x\"\ntitle_en = \"x\"\ntier = \"tier3\"\n\
             hosts = [\"r-{resource}.example\"]\nprefixes = [\"10.{high}.{low}.0/24\"]\nports = [\"tcp/443\"]\n"
        ));
    }
    let mut files = bundle.files();
    let staff = files.get_mut("people.toml").expect("every bundle has people");
    for person in 0..people {
        write!(staff, "\n[[person]]\nid = \"n-{person}\"\ngroups = [\"staff\"]\n").expect("a string");
    }
    let all: Vec<usize> = (0..rules).collect();
    for (number, some) in all.chunks(RULES_IN_FILE).enumerate() {
        let text = some.iter().map(|rule| self::rule(*rule, resources(rules))).collect();
        files.insert(format!("rules/more-{number}.cedar"), text);
    }
    files
}

fn rule(rule: usize, resources: usize) -> String {
    if rule.is_multiple_of(20) {
        return format!(
            "@id(\"m-{rule}\") @code(\"firewall-off\") forbid (principal, action, resource)\n\
             unless {{ context has firewall_on && context.firewall_on }};\n"
        );
    }
    let resource = rule % resources;
    format!(
        "@id(\"m-{rule}\") permit (principal in Group::\"staff\", action, resource == Resource::\"r-{resource}\")\n\
         when {{ context.ownership == \"issued\" }};\n"
    )
}
