//! What ufw and firewalld are set to load, for a user who may not see the rules themselves.

use std::time::Duration;

use hitotsu_model::posture::ClaimName;

use crate::posture::{Command, Finding, Machine, WhyUnknown};

/// What is watched. Everybody may read them on Debian, Ubuntu and Fedora but for firewalld's directory on the last.
pub(super) const FILES: &[&str] =
    &["/etc/ufw/ufw.conf", "/etc/default/ufw", "/etc/firewalld/firewalld.conf", "/etc/firewalld/zones"];
const UNIT_DEADLINE: Duration = Duration::from_secs(2);

pub(super) fn by_configuration(machine: &Machine) -> Finding {
    ufw(machine)
        .or_else(|| firewalld(machine))
        .unwrap_or_else(|| Finding::unknown(ClaimName::FirewallOn, WhyUnknown::RulesetNotReadable))
}

/// `None` where ufw is not in charge.
fn ufw(machine: &Machine) -> Option<Finding> {
    let enabled = setting(&machine.read("/etc/ufw/ufw.conf").ok()?, "ENABLED")?.eq_ignore_ascii_case("yes");
    if !enabled || !is_active(machine, "ufw.service") {
        return None;
    }
    let defaults = machine.read("/etc/default/ufw").unwrap_or_default();
    let closed = match setting(&defaults, "DEFAULT_INPUT_POLICY").as_deref() {
        Some("DROP" | "REJECT") => true,
        Some("ACCEPT") => false,
        _ => return None,
    };
    Some(Finding::yes_or_no(ClaimName::FirewallOn, closed).on_own_word())
}

/// `None` where firewalld is not in charge, or does not show its zones.
fn firewalld(machine: &Machine) -> Option<Finding> {
    let configuration = machine.read("/etc/firewalld/firewalld.conf").ok()?;
    if !is_active(machine, "firewalld.service") {
        return None;
    }
    let zone = setting(&configuration, "DefaultZone")?;
    // Only the zone `trusted` lets everything in as delivered; a changed or new one lies here.
    let custom = machine.list("/etc/firewalld/zones").ok()?;
    let mut open = zone == "trusted";
    for file in custom.iter().filter(|name| name.ends_with(".xml")) {
        let text = machine.read(format!("/etc/firewalld/zones/{file}")).ok()?;
        let used = *file == format!("{zone}.xml") || text.contains("<interface");
        open |= used && (file == "trusted.xml" || text.contains("target=\"ACCEPT\""));
    }
    Some(Finding::yes_or_no(ClaimName::FirewallOn, !open).on_own_word())
}

/// `KEY=value` or `KEY="value"`.
fn setting(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('='))?;
    Some(value.trim().trim_matches('"').to_owned())
}

fn is_active(machine: &Machine, unit: &str) -> bool {
    let answer = machine.run(&Command {
        program: "systemctl",
        arguments: &["show", "--property=ActiveState", "--value", unit],
        deadline: UNIT_DEADLINE,
        user: None,
    });
    answer.is_ok_and(|state| state.trim() == "active")
}
