//! What a person may reach from here, now, and what is wrong with the device.

use std::time::Instant;

use hitotsu_model::code::Code;
use hitotsu_model::control::{Catalogue, CatalogueEntry, Problem, ProtocolVersion};
use hitotsu_model::message::Messages;
use hitotsu_model::time::Timestamp;
use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::resource::Resource;

use crate::admission;
use crate::denied::Denied;
use crate::gateway::Gateway;
use crate::session::Session;

/// The catalogue of one session. A system that would answer [`Code::NotPermitted`] is absent: its user need not know
/// that it exists.
#[must_use]
pub fn of(gateway: &Gateway, session: &Session, messages: &Messages, now: Timestamp) -> Catalogue {
    let bundle = gateway.bundle();
    let evidence = admission::evidence(session, &bundle, Instant::now());
    let mut entries = Vec::new();
    for resource in bundle.resources() {
        let denied = match &evidence {
            Ok(evidence) => admission::judge(evidence, gateway, &bundle, std::slice::from_ref(&resource.id), now).err(),
            Err(denied) => Some(denied.clone()),
        };
        if denied.as_ref().is_some_and(|denied| denied.code() == Code::NotPermitted) {
            continue;
        }
        // Without evidence the rules are not asked; the names of systems are then nobody's to know.
        if evidence.is_err() {
            continue;
        }
        entries.push(CatalogueEntry {
            resource: resource.id.clone(),
            title_ja: resource.title_ja.clone(),
            title_en: resource.title_en.clone(),
            tier: resource.tier,
            hosts: hosts(resource),
            ports: resource.ports.clone(),
            allowed: denied.is_none(),
            problems: denied.map(|denied| problems(&denied, messages)).unwrap_or_default(),
        });
    }
    Catalogue {
        version: ProtocolVersion::CURRENT,
        org: bundle.org().clone(),
        device: session.identity.device(),
        person: session.identity.person().cloned(),
        place: session.place(),
        level: session.identity.level(),
        attested_at: session.believed().map(|believed| now.minus(believed.at.elapsed())),
        entries,
    }
}

/// Names and address ranges that lead to it. The gateway's own table of addresses stays its own.
fn hosts(resource: &Resource) -> Vec<String> {
    let patterns = resource.hosts.iter().map(ToString::to_string);
    if resource.hosts.is_empty() {
        resource.prefixes.iter().map(ToString::to_string).collect()
    } else {
        patterns.collect()
    }
}

/// Every reason of a refusal as a problem.
#[must_use]
pub fn problems(denied: &Denied, messages: &Messages) -> Vec<Problem> {
    let mut all: Vec<Problem> = denied.codes().into_iter().map(|code| Problem::new(code, messages)).collect();
    if let Some(first) = all.first_mut() {
        first.claim = denied.claim;
        if denied.code() != Code::NotPermitted {
            first.rules.clone_from(&denied.rules);
        }
    }
    all
}

/// What is wrong with the device, whatever it asks for: the codes that any system of the catalogue gives.
#[must_use]
pub fn findings(session: &Session, bundle: &Bundle, now: Timestamp) -> Vec<Code> {
    let prepared = session.subject(bundle, now);
    let mut found = Vec::new();
    for resource in bundle.resources() {
        let decision = session.with_memo(|memo| memo.decide(bundle, &prepared.subject, &resource.id, now));
        for code in decision.codes {
            // Evidence and posture; what is the person's or the place's is no finding about the device.
            let about_device = (200_000..400_000).contains(&code.number());
            if about_device && !found.contains(&code) {
                found.push(code);
            }
        }
    }
    found.sort_unstable();
    found
}
