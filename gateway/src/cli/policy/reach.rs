//! `hitotsu-gateway policy who-can`, `what-can` and `diff`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hitotsu_model::identity::Profile;
use hitotsu_model::ids::{DeviceId, PersonId, ResourceId};
use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::reach::opening::Opening;
use hitotsu_policy::reach::{Asker, Change, Reach, ReachError, compare, everybody, what_can, who_can};
use serde::Serialize;
use serde_json::json;

use super::page::{Block, Page, Part};
use super::wording::Wording;
use crate::bundle_dir;
use crate::cli::{CliError, Context, told};
use crate::clock;
use crate::registry::{Device, RegistryCopy};
use crate::words::Words;

/// Where the answer goes, and who is asked about.
#[derive(Debug, clap::Args)]
pub(crate) struct About {
    /// Devices as `device list --json` writes them. Left out: the devices that are enrolled here.
    #[arg(long, value_name = "FILE")]
    population: Option<PathBuf>,
    /// Ask about the people of the bundle with any device that they could have, not about enrolled devices.
    #[arg(long, conflicts_with = "population")]
    people: bool,
    /// Also write the answer as one page to this file.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

impl About {
    /// The devices that are enrolled and not revoked.
    pub(super) fn devices(&self, context: &Context) -> Result<Vec<Device>, CliError> {
        let unreadable =
            |path: &Path, error: &std::io::Error| CliError::Told(Words::file("file-unreadable", path, error));
        if self.people {
            return Ok(Vec::new());
        }
        let mut devices: Vec<Device> = match &self.population {
            Some(path) => {
                let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
                serde_json::from_slice(&text).map_err(|error| {
                    let (path, why) = (path.display().to_string(), error.to_string());
                    CliError::Told(Words::new("reach-population", &[("path", &path), ("why", &why)]))
                })?
            }
            // A bundle alone can be asked about, without an organisation around it.
            None => match context.config() {
                Ok(config) => match RegistryCopy::beside(&config.database).read() {
                    Ok(snapshot) => snapshot.devices().map(|device| (**device).clone()).collect(),
                    Err(_) => Vec::new(),
                },
                Err(_) => Vec::new(),
            },
        };
        devices.retain(|device| device.revoked.is_none());
        Ok(devices)
    }

    /// The enrolled devices, and the people who have none with any that they could have.
    fn askers(&self, bundles: &[&Bundle], context: &Context) -> Result<Vec<Asker>, CliError> {
        let devices = self.devices(context)?;
        let opens = |device: &&Device| matches!(device.profile, Profile::Device | Profile::Relay);
        let mut askers: Vec<Asker> = devices.iter().filter(opens).map(asker_of).collect();
        let served: BTreeSet<&PersonId> = devices.iter().filter_map(|device| device.person.as_ref()).collect();
        let all: BTreeSet<Asker> = bundles.iter().flat_map(|bundle| everybody(bundle)).collect();
        askers.extend(
            all.into_iter().filter(|asker| asker.person.as_ref().is_none_or(|person| !served.contains(person))),
        );
        askers.sort();
        Ok(askers)
    }
}

/// A device as the rules see it.
pub(super) fn asker_of(device: &Device) -> Asker {
    Asker {
        person: device.person.clone(),
        device: Some(device.id),
        profile: Some(device.profile),
        ownership: Some(device.ownership),
        level: Some(device.level),
    }
}

/// An error of the analysis, in words.
pub(super) fn inexact(error: &ReachError) -> CliError {
    let why = error.to_string();
    CliError::Told(match error {
        ReachError::Uncountable(rules) => Words::new("reach-uncountable", &[("rules", &rules.join(", "))]),
        ReachError::TooManyCases { file, line } => {
            Words::new("reach-too-many-cases", &[("file", file), ("line", &line.to_string())])
        }
        ReachError::TooLarge => Words::new("reach-too-large", &[]),
        ReachError::Offsets => Words::new("reach-offsets", &[("why", &why)]),
    })
}

/// An error of the analysis, for the person who typed the command.
pub(super) fn reason(error: &ReachError, context: &Context) -> String {
    inexact(error).said_in(&context.messages)
}

/// The bundle in `dir`, or the configured one.
pub(super) fn bundle(dir: Option<&PathBuf>, context: &Context) -> Result<Bundle, CliError> {
    match dir {
        Some(dir) => bundle_dir::load(dir).map_err(told),
        None => bundle_dir::load(&context.config()?.policy_dir).map_err(told),
    }
}

/// Says a page: as JSON where asked for, else as text; as a page too where a file is named.
pub(super) fn say(
    context: &Context,
    html: Option<&PathBuf>,
    value: &impl Serialize,
    page: impl Fn(bool) -> Page,
) -> Result<(), CliError> {
    if let Some(path) = html {
        page(true).write_html(path, context.messages.language().as_str())?;
    }
    context.say(value, || page(false).to_text())
}

pub(super) fn who(
    resource: &ResourceId,
    dir: Option<&PathBuf>,
    about: &About,
    context: &Context,
) -> Result<ExitCode, CliError> {
    let bundle = bundle(dir, context)?;
    if bundle.resource(resource).is_none() {
        let known: Vec<&str> = bundle.resources().map(|known| known.id.as_str()).collect();
        let known = known.join(" ");
        return Err(CliError::Usage(
            context.text("reach-no-resource", &[("id", resource.as_str()), ("known", &known)]),
        ));
    }
    let askers = about.askers(&[&bundle], context)?;
    let now = clock::now();
    let found = who_can(&bundle, resource, &askers, now).map_err(|error| inexact(&error))?;
    let value = json!({ "bundle": bundle.version(), "resource": resource, "from": now, "answers": found });
    say(context, about.html.as_ref(), &value, |all| {
        let wording = Wording { context, bundles: vec![&bundle], all };
        let can: usize = found.iter().filter(|reach| !reach.openings.is_empty()).map(|reach| reach.askers.len()).sum();
        let (can, of) = (can.to_string(), askers.len().to_string());
        let title = context.text("reach-who", &[("resource", &wording.resource(resource)), ("can", &can), ("of", &of)]);
        let parts = found.iter().map(|reach| {
            let count = reach.askers.len().to_string();
            let id = if reach.openings.is_empty() { "reach-those-cannot" } else { "reach-those-can" };
            part(&wording, context.text(id, &[("count", &count)]), vec![wording.askers(&reach.askers)], reach)
        });
        Page { title, notes: vec![looked_at(context, &[&bundle])], parts: parts.collect() }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What was looked at: the whole coming year, and every state.
pub(super) fn looked_at(context: &Context, bundles: &[&Bundle]) -> String {
    let versions: Vec<&str> = bundles.iter().map(|bundle| bundle.version()).collect();
    context.text("reach-looked-at", &[("bundle", &versions.join(", ")), ("from", &clock::local(clock::now()))])
}

fn part(wording: &Wording<'_>, title: String, mut notes: Vec<String>, reach: &Reach) -> Part {
    if reach.more {
        notes.push(wording.context.text("reach-more", &[]));
    }
    Part { title, notes, blocks: reach.openings.iter().map(|opening| wording.opening(opening)).collect() }
}

pub(super) fn what(who: &str, dir: Option<&PathBuf>, about: &About, context: &Context) -> Result<ExitCode, CliError> {
    let bundle = bundle(dir, context)?;
    let asker = match who.parse::<DeviceId>() {
        Ok(id) => {
            let devices = about.devices(context)?;
            let found = devices.iter().find(|device| device.id == id).map(asker_of);
            let list = "hitotsu-gateway device list";
            found.ok_or_else(|| CliError::Usage(context.text("no-such-device", &[("id", who), ("list", list)])))?
        }
        Err(_) => {
            let person = who.parse::<PersonId>().map_err(|error| CliError::Usage(error.to_string()))?;
            if bundle.person(&person).is_none() {
                return Err(CliError::Usage(context.text("reach-no-person", &[("id", who)])));
            }
            Asker::person(person)
        }
    };
    let found = what_can(&bundle, &asker, clock::now()).map_err(|error| inexact(&error))?;
    let value = json!({ "bundle": bundle.version(), "asker": asker, "answers": found });
    say(context, about.html.as_ref(), &value, |all| {
        let wording = Wording { context, bundles: vec![&bundle], all };
        let opens: Vec<&Reach> = found.iter().filter(|reach| !reach.openings.is_empty()).collect();
        let (can, of) = (opens.len().to_string(), found.len().to_string());
        let title = context.text("reach-what", &[("who", &wording.asker(&asker)), ("can", &can), ("of", &of)]);
        let mut parts: Vec<Part> =
            opens.iter().map(|reach| part(&wording, wording.resource(&reach.resource), Vec::new(), reach)).collect();
        let never: Vec<String> = found
            .iter()
            .filter(|reach| reach.openings.is_empty())
            .map(|reach| wording.resource(&reach.resource))
            .collect();
        if !never.is_empty() {
            let title = context.text("reach-never", &[]);
            parts.push(Part { title, notes: never, blocks: Vec::new() });
        }
        Page { title, notes: vec![looked_at(context, &[&bundle])], parts }
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn diff(before: &Path, after: &Path, about: &About, context: &Context) -> Result<ExitCode, CliError> {
    let before = bundle_dir::load(before).map_err(told)?;
    let after = bundle_dir::load(after).map_err(told)?;
    let askers = about.askers(&[&before, &after], context)?;
    let changes = compare(&before, &after, &askers, clock::now()).map_err(|error| inexact(&error))?;
    let value = json!({ "before": before.version(), "after": after.version(), "changes": changes });
    say(context, about.html.as_ref(), &value, |all| {
        let wording = Wording { context, bundles: vec![&before, &after], all };
        let id = if changes.is_empty() { "reach-same" } else { "reach-changes" };
        let versions = [("before", before.version()), ("after", after.version())];
        let mut notes = vec![looked_at(context, &[&before, &after])];
        if before.evidence_max_age() != after.evidence_max_age() {
            let [old, new] = [&before, &after].map(|bundle| bundle.evidence_max_age().as_secs().to_string());
            notes.push(context.text("reach-evidence-age", &[("before", &old), ("after", &new)]));
        }
        Page {
            title: context.text(id, &versions),
            notes,
            parts: changes.iter().map(|change| changed(&wording, change)).collect(),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn changed(wording: &Wording<'_>, change: &Change) -> Part {
    let context = wording.context;
    let id = match (change.gains.is_empty(), change.loses.is_empty(), change.loses_all) {
        (true, _, true) => "reach-lose-all",
        (true, _, false) => "reach-lose",
        (false, true, _) => "reach-gain",
        (false, false, _) => "reach-gain-and-lose",
    };
    let count = change.askers.len().to_string();
    let title = context.text(id, &[("resource", &wording.resource(&change.resource)), ("count", &count)]);
    let mut notes = vec![wording.askers(&change.askers)];
    if change.more {
        notes.push(context.text("reach-more", &[]));
    }
    let block = |label: &str, opening: &Opening| -> Block {
        let mut block = vec![(context.text(label, &[]), String::new())];
        block.extend(wording.opening(opening));
        block
    };
    if change.loses_all && !wording.all {
        // What they had is in the page and the JSON; here it would only be long.
        return Part { title, notes, blocks: Vec::new() };
    }
    let gains = change.gains.iter().map(|opening| block("reach-gained", opening));
    let loses = change.loses.iter().map(|opening| block("reach-lost", opening));
    Part { title, notes, blocks: gains.chain(loses).collect() }
}
