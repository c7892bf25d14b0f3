//! Documents: links lead somewhere, decisions are numbered, the threat model names tests that exist.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{Finding, TextFile};

/// The document whose rows each name the test that defends them.
const THREAT_MODEL: &str = "docs/threat-model.md";

/// Checks every document.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        files.iter().filter(|file| file.ends(&["md"])).flat_map(|file| broken_links(file, files)).collect();
    findings.extend(misnumbered_decisions(files));
    findings.extend(missing_tests(files));
    findings
}

fn broken_links(file: &TextFile, files: &[TextFile]) -> Vec<Finding> {
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    let mut in_code = false;
    for (at, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        for link in links_in(line).filter(|link| !in_code && !link.contains("://") && !link.starts_with("mailto:")) {
            let (place, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if place.is_empty() { file.path.clone() } else { resolved(&folder.join(place)) };
            let is_folder = files.iter().any(|other| other.path.starts_with(&target));
            let other = files.iter().find(|other| other.path == target);
            if other.is_none() && !is_folder {
                findings.push(Finding::at(&file.path, at, format!("the link `{link}` leads nowhere")));
            } else if !heading.is_empty() && !other.is_some_and(|other| has_heading(other, heading)) {
                findings.push(Finding::at(&file.path, at, format!("the link `{link}` names no heading there")));
            }
        }
    }
    findings
}

/// The targets of `[text](target)` in a line.
fn links_in(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()).filter(|link| !link.is_empty())
}

/// The path without `.` and `..`.
fn resolved(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

/// True when a heading has this anchor: lower case, spaces to hyphens, other marks dropped.
fn has_heading(file: &TextFile, anchor: &str) -> bool {
    file.lines().filter_map(|(_, line)| line.strip_prefix('#')).any(|heading| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let slug: String = words
            .chars()
            .filter(|character| character.is_alphanumeric() || "-_ ".contains(*character))
            .map(|character| if character == ' ' { '-' } else { character })
            .collect();
        slug == anchor
    })
}

/// Decisions are `docs/decisions/NNNN-title.md`, counted from 0001 without a gap, each with a title.
fn misnumbered_decisions(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let decisions = files.iter().filter(|file| file.path.parent() == Some(Path::new("docs/decisions")));
    for (index, file) in decisions.enumerate() {
        let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let expected = format!("{:04}-", index + 1);
        if !name.starts_with(&expected) {
            findings.push(Finding::at(&file.path, 0, format!("the next decision's name begins with `{expected}`")));
        }
        if !file.text.starts_with("# ") {
            findings.push(Finding::at(&file.path, 1, "a decision begins with its title"));
        }
    }
    findings
}

/// Each row of the threat model's tables names, in its last column, tests that exist.
fn missing_tests(files: &[TextFile]) -> Vec<Finding> {
    let Some(model) = files.iter().find(|file| file.path == Path::new(THREAT_MODEL)) else { return Vec::new() };
    let mut tests = BTreeSet::new();
    for file in files.iter().filter(|file| file.ends(&["rs"])) {
        for (_, line) in file.lines() {
            let name = line.split_once("fn ").and_then(|(_, rest)| rest.split(['(', '<']).next());
            tests.extend(name);
        }
    }
    let mut findings = Vec::new();
    for (at, line) in model.lines().filter(|(_, line)| line.starts_with('|') && line.ends_with('|')) {
        let last = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        if last.chars().all(|character| "-: ".contains(character)) || last == "Test" {
            continue;
        }
        let named: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            findings.push(Finding::at(&model.path, at, "the row names no test that defends it"));
        }
        for name in named.into_iter().filter(|name| !tests.contains(name)) {
            findings.push(Finding::at(&model.path, at, format!("there is no test `{name}`")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.into(), text: text.to_owned() }
    }

    #[test]
    fn a_link_to_nothing_or_to_no_heading_is_found() {
        let files = [
            file(
                "README.md",
                "[a](docs/a.md) [b](docs/none.md) [c](docs/a.md#the-way-in) [d](docs/a.md#way) [e](docs)\n",
            ),
            file("docs/a.md", "# The way in\n[up](../README.md)\n"),
        ];
        let findings: Vec<String> = check(&files).into_iter().map(|finding| finding.what).collect();
        assert_eq!(
            findings,
            ["the link `docs/none.md` leads nowhere", "the link `docs/a.md#way` names no heading there"]
        );
    }

    #[test]
    fn a_gap_between_decisions_is_found() {
        let files = [file("docs/decisions/0001-a.md", "# A\n"), file("docs/decisions/0003-b.md", "B\n")];
        assert_eq!(check(&files).len(), 2);
    }

    #[test]
    fn a_threat_whose_test_is_gone_is_found() {
        let files = [
            file(
                "docs/threat-model.md",
                "| Threat | Test |\n|---|---|\n| a | `here` |\n| b | `gone` |\n| c | none |\n",
            ),
            file("tests/tests/a.rs", "#[test]\nfn here() {}\n"),
        ];
        assert_eq!(check(&files).len(), 2);
    }
}
