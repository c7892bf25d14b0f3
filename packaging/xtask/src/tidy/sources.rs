//! How a source file looks.

use std::path::Path;

use super::{Finding, TextFile, layers};

/// A file longer than this has more than one subject; 600 is the aim.
const FILE_LINES_MAX: usize = 700;

/// Folders of the crates that read no clock and open nothing.
const PURE_FOLDERS: &[&str] = &["policy/model/src", "policy/src", "pki/src", "tunnel/proto/src"];

/// What only a shell may do.
const IMPURE_CALLS: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "TcpStream",
    "UdpSocket",
    "tokio::",
];

/// Endings of files that people write.
const WRITTEN: &[&str] =
    &["cedar", "css", "ftl", "html", "js", "mjs", "md", "py", "rs", "service", "sh", "sql", "toml", "yml"];

/// Checks every written file.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    files.iter().filter(|file| file.ends(WRITTEN)).flat_map(of_file).collect()
}

fn of_file(file: &TextFile) -> Vec<Finding> {
    let mut findings = whole(file);
    let code = file.ends(&["rs"]);
    let pure = PURE_FOLDERS.iter().any(|folder| file.below(folder));
    let ours = file.below("packaging/xtask/src/tidy");
    let tests_begin = file.lines().find(|(_, line)| line.trim() == "mod tests {").map_or(usize::MAX, |(at, _)| at);
    for (at, line) in file.lines() {
        let mut found = |what: &str| findings.push(Finding::at(&file.path, at, what));
        if line.ends_with([' ', '\t']) && !file.ends(&["md"]) {
            found("spaces at the end of the line");
        }
        if line.contains('\r') {
            found("a carriage return; lines end with a line feed alone");
        }
        if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
            found("a merge that is not finished");
        }
        if ours {
            continue;
        }
        if let Some(word) = ["TODO", "FIXME", "XXX", "HACK"].iter().find(|word| has_word(line, word)) {
            found(&format!("`{word}`: do it, or file it where work is planned"));
        }
        if !code {
            // In code such a path is a test's made-up machine.
            if ["/home/", "/Users/", "C:\\Users\\"].iter().any(|place| line.contains(place)) {
                found("a path of somebody's own machine");
            }
            continue;
        }
        if line.contains("todo!(") || line.contains("dbg!(") {
            found("a mark of unfinished work");
        }
        if pure
            && at < tests_begin
            && !comment(line)
            && let Some(call) = IMPURE_CALLS.iter().find(|call| line.contains(*call))
        {
            found(&format!("`{call}` in a pure crate: pass the value in"));
        }
        if (at > tests_begin || file.below("tests/tests")) && line.contains("thread::sleep(") {
            found("a test that sleeps; use simulated time, or wait for what is to happen");
        }
    }
    findings
}

fn whole(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    let code = file.ends(&["rs"]);
    if code && lines > FILE_LINES_MAX {
        findings.push(Finding::at(&file.path, 0, format!("{lines} lines; split it, {FILE_LINES_MAX} is the wall")));
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        findings.push(Finding::at(&file.path, lines, "no line feed at the end of the file"));
    }
    if code && let Some(what) = name_fault(&file.path) {
        findings.push(Finding::at(&file.path, 0, what));
    }
    findings
}

fn name_fault(path: &Path) -> Option<String> {
    let name = path.file_stem()?.to_str()?;
    if name == "mod" {
        return Some("`mod.rs`: write `name.rs` beside the folder `name`".to_owned());
    }
    let folder = path.parent()?.file_name()?.to_str()?;
    let bag = [name, folder].into_iter().find(|part| layers::is_grab_bag(part))?;
    Some(format!("the module name `{bag}` says nothing; name what it holds"))
}

fn comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// True when the word stands alone in the line.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|character: char| !character.is_alphanumeric() && character != '_').any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let file = TextFile { path: path.into(), text: text.to_owned() };
        check(&[file]).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_clean_file_has_no_findings() {
        assert_eq!(findings("policy/src/engine.rs", "//! std::fs is not used.\nfn decide() {}\n"), [""; 0]);
    }

    #[test]
    fn a_pure_crate_that_reads_the_clock_is_found_but_not_in_its_tests() {
        assert_eq!(findings("pki/src/a.rs", "let now = SystemTime::now();\n").len(), 1);
        assert_eq!(findings("pki/src/a.rs", "mod tests {\nlet now = SystemTime::now();\n}\n"), [""; 0]);
        assert_eq!(findings("agent/src/a.rs", "let now = SystemTime::now();\n"), [""; 0]);
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        assert_eq!(findings("agent/src/route/mod.rs", "\n").len(), 1);
        assert_eq!(findings("agent/src/utils.rs", "\n").len(), 1);
        assert_eq!(findings("agent/src/helpers/route.rs", "\n").len(), 1);
    }

    #[test]
    fn unfinished_work_is_found() {
        assert_eq!(findings("agent/src/a.rs", "// TODO later\n").len(), 1);
        assert_eq!(findings("agent/src/a.rs", "fn a() { todo!() }\n").len(), 1);
        assert_eq!(findings("agent/src/a.rs", "fn a() {} \n").len(), 1);
        assert_eq!(findings("agent/src/a.rs", "fn a() {}").len(), 1);
    }

    #[test]
    fn a_test_that_sleeps_is_found() {
        assert_eq!(findings("tests/tests/a.rs", "std::thread::sleep(second);\n").len(), 1);
    }
}
