//! Messages say the same things in every language.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, TextFile};

/// Checks each `ja.ftl` against the `en.ftl` beside it.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let messages: Vec<&TextFile> = files.iter().filter(|file| file.ends(&["ftl"])).collect();
    let mut findings = Vec::new();
    for file in &messages {
        let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(other) = other_language(name) else {
            findings.push(Finding::at(&file.path, 0, "a message file is named for its language: `ja.ftl` or `en.ftl`"));
            continue;
        };
        let other = file.path.with_file_name(other);
        match messages.iter().find(|candidate| candidate.path == other) {
            Some(twin) => findings.extend(differences(file, twin)),
            None => findings.push(Finding::at(&file.path, 0, format!("`{}` is missing", other.display()))),
        }
    }
    findings
}

fn other_language(name: &str) -> Option<String> {
    match (name.strip_suffix("ja.ftl"), name.strip_suffix("en.ftl")) {
        (Some(rest), _) => Some(format!("{rest}en.ftl")),
        (None, Some(rest)) => Some(format!("{rest}ja.ftl")),
        (None, None) => None,
    }
}

/// What `file` says and its twin does not; the other direction is found from the other side.
fn differences(file: &TextFile, twin: &TextFile) -> Vec<Finding> {
    let (own, theirs) = (entries(file), entries(twin));
    let twin = twin.path.display();
    own.into_iter()
        .filter_map(|(id, (line, variables))| match theirs.get(&id) {
            None => Some(Finding::at(&file.path, line, format!("`{id}` is missing in `{twin}`"))),
            Some((_, other)) if *other != variables => {
                Some(Finding::at(&file.path, line, format!("`{id}` has other variables in `{twin}`")))
            }
            Some(_) => None,
        })
        .collect()
}

/// Each message and attribute (`id.attribute`), with its line and the variables in it.
fn entries(file: &TextFile) -> BTreeMap<String, (usize, BTreeSet<String>)> {
    let mut entries = BTreeMap::new();
    let (mut message, mut current) = (String::new(), String::new());
    for (at, line) in file.lines().filter(|(_, line)| !line.starts_with('#')) {
        let indented = line.starts_with([' ', '\t']);
        let head = line.trim_start().split_once('=').map(|(head, _)| head.trim());
        match head {
            Some(id) if !indented && !id.is_empty() => {
                id.clone_into(&mut message);
                message.clone_into(&mut current);
            }
            Some(head) if indented && head.starts_with('.') => current = format!("{message}{head}"),
            Some(_) | None => {}
        }
        if !current.is_empty() {
            let (_, variables) = entries.entry(current.clone()).or_insert_with(|| (at, BTreeSet::new()));
            variables.extend(variables_in(line));
        }
    }
    entries
}

fn variables_in(line: &str) -> impl Iterator<Item = String> {
    line.split('$').skip(1).map(|rest| {
        rest.chars().take_while(|character| character.is_ascii_alphanumeric() || "-_".contains(*character)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.into(), text: text.to_owned() }
    }

    #[test]
    fn a_message_attribute_or_variable_of_one_language_alone_is_found() {
        let ja = file("m/ja.ftl", "a = あ\n    .remedy = い\nb = { $count } 件\nc = { $name }\n");
        let en = file("m/en.ftl", "a = a\nb = { $count } of them\nc = { $title }\n");
        let findings: Vec<String> = check(&[ja, en]).into_iter().map(|finding| finding.what).collect();
        assert_eq!(
            findings,
            [
                "`a.remedy` is missing in `m/en.ftl`",
                "`c` has other variables in `m/en.ftl`",
                "`c` has other variables in `m/ja.ftl`"
            ]
        );
    }

    #[test]
    fn a_language_without_its_twin_is_found() {
        assert_eq!(check(&[file("m/ja.ftl", "a = あ\n")]).len(), 1);
    }
}
