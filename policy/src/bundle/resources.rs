//! `resources.toml` and `hosts.toml`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hitotsu_model::ids::ResourceId;
use hitotsu_model::resource::{HostName, Tier};

use crate::error::BundleError;
use crate::limits::RESOURCES_MAX;
use crate::prefix::{Prefix, special_range};
use crate::resource::{HostPattern, PortRange, Resource};
use crate::source::{At, Source, Table, did_you_mean};

/// Everything that the files of resources say.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    pub(crate) resources: BTreeMap<ResourceId, Resource>,
    /// Where each was read.
    pub(crate) lines: BTreeMap<ResourceId, (String, usize)>,
}

pub(crate) fn read(sources: &[Source<'_>]) -> Resources {
    let mut found = Resources::default();
    for source in sources {
        let root = source.table();
        let table = Table::root(*source, &root);
        for resource in table.tables("resource") {
            read_resource(&resource, &mut found);
        }
        table.finish();
        if found.resources.len() > RESOURCES_MAX {
            source.wrong(None, format!("more than {RESOURCES_MAX} resources"), "join systems that share their rules");
        }
    }
    found
}

fn read_resource(table: &Table<'_, '_>, found: &mut Resources) {
    let id = table.parsed::<ResourceId>("id", "\"chat\"");
    let title_ja = table.text("title_ja", "\"チャット\"");
    let title_en = table.text("title_en", "\"Chat\"");
    let tier = table.text("tier", "\"tier3\"").and_then(|text| tier(table, &text));
    let hosts = table.parsed_list::<HostPattern>("hosts", "[\"chat.example\"]");
    let prefixes = table.parsed_list::<Prefix>("prefixes", "[\"10.1.0.0/24\"]");
    let ports = table.parsed_list::<PortRange>("ports", "[\"tcp/443\"]");
    let allow_loopback = table.flag("allow_loopback", false);
    let oversize_as_capsule = table.flag("oversize_as_capsule", false);
    let require_person = table.flag("require_person", true);
    table.finish();
    let (Some(id), Some(title_ja), Some(title_en), Some(tier)) = (id, title_ja, title_en, tier) else { return };
    if prefixes.is_empty() {
        let what = format!("`{}` may have no address: it has no prefixes", id.value);
        table.wrong(
            table.line(),
            what,
            "add `prefixes = [\"10.1.0.0/24\"]`: the addresses that its names may resolve to",
        );
    }
    if ports.is_empty() {
        table.wrong(table.line(), format!("`{}` has no ports", id.value), "add `ports = [\"tcp/443\"]`");
    }
    let loopback = |prefix: &&At<Prefix>| prefix.value.address().is_loopback();
    if let Some(prefix) = prefixes.iter().find(loopback).filter(|_| !allow_loopback) {
        let what = format!("`{}` is the gateway's own loopback", prefix.value);
        table.wrong(prefix.line, what, "add `allow_loopback = true` if the system really runs beside the gateway");
    }
    match tier {
        Tier::Tier1 => tell_wide_prefixes(table, &prefixes),
        Tier::Tier2 => tell_open_names(table, &hosts, &prefixes),
        Tier::Tier3 => {}
    }
    let resource = Resource {
        id: id.value.clone(),
        title_ja: title_ja.value,
        title_en: title_en.value,
        tier,
        hosts: hosts.into_iter().map(|host| host.value).collect(),
        prefixes: prefixes.into_iter().map(|prefix| prefix.value).collect(),
        ports: ports.into_iter().map(|range| range.value.0).collect(),
        allow_loopback,
        oversize_as_capsule,
        require_person,
    };
    found.lines.insert(id.value.clone(), (table.source().file.to_owned(), table.line()));
    if found.resources.insert(id.value.clone(), resource).is_some() {
        table.wrong(id.line, format!("resource `{}` is there twice", id.value), "take one away");
    }
}

/// A tier 1 prefix that is wider than a special range would not protect the addresses in that range.
fn tell_wide_prefixes(table: &Table<'_, '_>, prefixes: &[At<Prefix>]) {
    for prefix in prefixes.iter().filter(|prefix| prefix.value.bits() < 8) {
        let what = format!("`{}` is too wide for a tier 1 system", prefix.value);
        table.wrong(prefix.line, what, "name the system's own networks");
    }
}

/// Where the LGWAN side breaks out to the Internet (the α' model), the destinations are named one by one.
fn tell_open_names(table: &Table<'_, '_>, hosts: &[At<HostPattern>], prefixes: &[At<Prefix>]) {
    let public = |prefix: &Prefix| special_range(prefix.address()).is_none_or(|special| !special.covers(prefix));
    let Some(outside) = prefixes.iter().find(|prefix| public(&prefix.value)) else { return };
    for host in hosts.iter().filter(|host| matches!(host.value, HostPattern::Below(_))) {
        let what = format!(
            "`{}` at `{}` opens whatever is below a name on the Internet to the LGWAN side, which the guideline \
             (α'モデル, ローカルブレイクアウト) allows for named destinations only",
            host.value, outside.value
        );
        table.wrong(host.line, what, "name each host, or make it a system of `tier3`");
    }
}

fn tier(table: &Table<'_, '_>, text: &At<String>) -> Option<Tier> {
    match text.value.as_str() {
        "tier1" => Some(Tier::Tier1),
        "tier2" => Some(Tier::Tier2),
        "tier3" => Some(Tier::Tier3),
        other => {
            let remedy = did_you_mean(other, ["tier1", "tier2", "tier3"].into_iter());
            table.wrong(text.line, format!("`{other}` is not a tier"), remedy);
            None
        }
    }
}

/// Names whose addresses the bundle gives itself.
pub(crate) fn read_hosts(sources: &[Source<'_>], resources: &Resources) -> BTreeMap<HostName, Vec<IpAddr>> {
    let mut hosts: BTreeMap<HostName, Vec<IpAddr>> = BTreeMap::new();
    for source in sources {
        let root = source.table();
        let table = Table::root(*source, &root);
        for host in table.tables("host") {
            let name = host.parsed::<HostName>("name", "\"files.example\"");
            let addresses = host.parsed_list::<IpAddr>("addresses", "[\"10.1.0.7\"]");
            host.finish();
            let Some(name) = name else { continue };
            if addresses.is_empty() {
                host.wrong(
                    host.line(),
                    format!("`{}` has no addresses", name.value),
                    "add `addresses = [\"10.1.0.7\"]`",
                );
            }
            tell_strange_addresses(&host, &name.value, &addresses, resources);
            let list = addresses.into_iter().map(|address| address.value.to_canonical()).collect();
            if hosts.insert(name.value.clone(), list).is_some() {
                host.wrong(
                    name.line,
                    format!("host `{}` is there twice", name.value),
                    "join its addresses in one entry",
                );
            }
        }
        table.finish();
    }
    hosts
}

fn tell_strange_addresses(host: &Table<'_, '_>, name: &HostName, addresses: &[At<IpAddr>], resources: &Resources) {
    let meant = |resource: &&Resource| resource.hosts.iter().any(|pattern| pattern.matches(name));
    for resource in resources.resources.values().filter(meant) {
        for address in addresses.iter().filter(|address| !resource.may_have(address.value)) {
            let what = format!("`{name}` is `{}`, which `{}` may not have", address.value, resource.id);
            host.wrong(address.line, what, "add the address to the resource's `prefixes`, or mend it here");
        }
    }
}

/// Pairs of resources whose prefixes and ports overlap: a flow there must be allowed by both.
pub(crate) fn overlaps(found: &Resources) -> Vec<BundleError> {
    let all: Vec<&Resource> = found.resources.values().collect();
    let mut warnings = Vec::new();
    for (index, one) in all.iter().enumerate() {
        for other in all.iter().skip(index + 1).filter(|other| share_a_port(one, other)) {
            let pairs = one.prefixes.iter().flat_map(|a| other.prefixes.iter().map(move |b| (a, b)));
            let Some((a, b)) = pairs.into_iter().find(|(a, b)| a.overlaps(b)) else { continue };
            let (file, line) = found.lines.get(&other.id).cloned().unwrap_or_default();
            let strict = if one.tier == other.tier { "" } else { " of another tier" };
            warnings.push(BundleError {
                file,
                line: Some(line),
                what: format!("`{}` ({b}) and `{}`{strict} ({a}) share addresses and ports", other.id, one.id),
                remedy: "a flow there needs the permission of both; narrow one of them if that is not meant".to_owned(),
            });
        }
    }
    warnings
}

fn share_a_port(one: &Resource, other: &Resource) -> bool {
    one.ports
        .iter()
        .any(|a| other.ports.iter().any(|b| a.transport == b.transport && a.first <= b.last && b.first <= a.last))
}
