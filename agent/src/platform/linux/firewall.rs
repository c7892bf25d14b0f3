//! Firewall: what it really lets in.
//!
//! With the right to read the packet filter's rules, each of a set of probes (a new connection from an unrelated
//! address to a port that nobody would open on purpose) is followed through them; the firewall is on when all are
//! refused. Rules for single ports, networks or answers do no harm. Without that right, the configuration of ufw or
//! firewalld says what they would load; then the claim is the agent's word and not the operating system's.
//!
//! All of it is about the network namespace that the agent is in.

use std::time::Duration;

use hitotsu_model::posture::ClaimName;

use crate::posture::{Collector, Command, CommandError, Context, Finding, Machine, Signal, Watched, WhyUnknown};

mod iptables;
mod managers;
mod nft;
mod probe;
mod rules;

use probe::probes;
use rules::{Fate, Ruleset, fate};

/// A change must be seen within 5 s also where it is not announced: iptables' older kind announces nothing. A look
/// takes 5 ms, nearly all of it nft's own.
const POLL: Duration = Duration::from_secs(4);
/// Longest that listing the rules may take.
const LIST_DEADLINE: Duration = Duration::from_secs(2);
/// `CAP_NET_ADMIN` (capabilities(7)): only with it does the kernel show its rules.
const CAP_NET_ADMIN: u32 = 12;
/// Tables of iptables' older kind, a name a line.
const LEGACY_TABLES: &str = "/proc/thread-self/net/ip_tables_names";

/// Makes `firewall_on`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Firewall;

impl Collector for Firewall {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::FirewallOn]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        let machine = &context.machine;
        let finding = if may_list(machine) { by_rules(machine) } else { managers::by_configuration(machine) };
        vec![finding]
    }

    fn watched(&self, _machine: &Machine) -> Watched {
        Watched::every(POLL).or_signal(Signal::Firewall, POLL).and_paths(managers::FILES.iter().copied())
    }
}

fn may_list(machine: &Machine) -> bool {
    let status = machine.read("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).map(str::trim);
    let bits = effective.and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
    bits >> CAP_NET_ADMIN & 1 == 1
}

fn by_rules(machine: &Machine) -> Finding {
    let name = ClaimName::FirewallOn;
    let (rulesets, complete) = match listed(machine) {
        Ok(listed) => listed,
        Err(CommandError::Absent(_)) => return Finding::unknown(name, WhyUnknown::NoFirewallTool),
        Err(error) => return Finding::unknown_because(name, WhyUnknown::NotReadable, error),
    };
    let fates: Vec<(Fate, String)> =
        probes(machine).iter().map(|probe| (fate(&rulesets, probe), probe.to_string())).collect();
    if fates.iter().all(|(fate, _)| *fate == Fate::Refused) {
        return Finding::yes_or_no(name, true);
    }
    // What could not be listed could only refuse more.
    if complete && fates.iter().any(|(fate, _)| *fate == Fate::LetIn) {
        return Finding::yes_or_no(name, false);
    }
    let open = fates.iter().find(|(fate, _)| *fate != Fate::Refused).map(|(_, probe)| probe.as_str());
    Finding::unknown_because(name, WhyUnknown::RuleNotUnderstood, open.unwrap_or_default())
}

/// All rules in force, and whether that is really all.
fn listed(machine: &Machine) -> Result<(Vec<Ruleset>, bool), CommandError> {
    let (mut rulesets, mut complete) = (Vec::new(), true);
    match run(machine, "nft", &["--json", "list", "ruleset"]) {
        Ok(json) => {
            let listed = nft::parse(&json)
                .map_err(|error| CommandError::Failed { program: "nft".to_owned(), message: error.to_string() })?;
            // Rules that iptables loaded by extensions that nft does not know are shown by iptables itself.
            if listed.foreign {
                for family in iptables::FAMILIES {
                    match run(machine, family.save, &[]) {
                        Ok(text) => rulesets.push(iptables::parse(&text, family.family)),
                        Err(_) => complete = false,
                    }
                }
            }
            rulesets.push(listed.ruleset);
        }
        Err(CommandError::Absent(_)) => {
            for family in iptables::FAMILIES {
                rulesets.push(iptables::parse(&run(machine, family.save, &[])?, family.family));
            }
        }
        Err(error) => return Err(error),
    }
    if machine.read(LEGACY_TABLES).is_ok_and(|names| !names.trim().is_empty()) {
        for family in iptables::FAMILIES {
            match run(machine, family.legacy_save, &[]) {
                Ok(text) => rulesets.push(iptables::parse(&text, family.family)),
                Err(_) => complete = false,
            }
        }
    }
    Ok((rulesets, complete))
}

fn run(machine: &Machine, program: &str, arguments: &[&str]) -> Result<String, CommandError> {
    machine.run(&Command { program, arguments, deadline: LIST_DEADLINE, user: None })
}

#[cfg(test)]
mod tests;
