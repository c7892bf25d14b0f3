//! Crates that we had to change are what their authors published, with our patches and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::{Finding, TextFile};

/// Where they lie, and where the patches do.
pub(super) const FOLDER: &str = "third_party";
const PATCHES: &str = "third_party/patches";

/// What stands at the top of each patch.
const TOP_OF_A_PATCH: [&str; 2] = ["Reason: ", "Exit: "];

/// Checks every crate, and the top of every patch.
pub(super) fn check(root: &Path, files: &[TextFile]) -> Vec<Finding> {
    let patches: Vec<&TextFile> = files.iter().filter(|file| file.below(PATCHES)).collect();
    let mut findings: Vec<Finding> = patches.iter().flat_map(|patch| without_a_top(patch)).collect();
    for name in crates(files) {
        let folder = Path::new(FOLDER).join(&name);
        let own: Vec<PathBuf> =
            patches.iter().filter(|patch| is_of(patch, &name)).map(|patch| root.join(&patch.path)).collect();
        let sums = Path::new(FOLDER).join(format!("{name}.sha256"));
        let published = files.iter().find(|file| file.path == sums).map(published).unwrap_or_default();
        let differing = differing(&published, &own, &root.join(&folder));
        let differing = differing.unwrap_or_else(|why| vec![(PathBuf::new(), why)]);
        findings.extend(differing.into_iter().map(|(path, what)| Finding::at(&folder.join(path), 0, what)));
    }
    findings
}

fn without_a_top(patch: &TextFile) -> Vec<Finding> {
    let top: Vec<&str> = patch.lines().map(|(_, line)| line).take_while(|line| !line.starts_with("--- ")).collect();
    let missing = TOP_OF_A_PATCH.iter().filter(|word| !top.iter().any(|line| line.starts_with(**word)));
    missing.map(|word| Finding::at(&patch.path, 0, format!("a patch says `{}` at its top", word.trim()))).collect()
}

/// The name of each.
fn crates(files: &[TextFile]) -> Vec<String> {
    let folders = files.iter().filter_map(|file| file.path.strip_prefix(FOLDER).ok()?.parent()?.to_str());
    let manifest =
        |folder: &&str| files.iter().any(|file| file.path == Path::new(FOLDER).join(folder).join("Cargo.toml"));
    folders.filter(manifest).map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The sum of each file as it was published: lines as `sha256sum` writes them.
fn published(file: &TextFile) -> BTreeMap<PathBuf, String> {
    let line = |(_, line): (usize, &str)| {
        let (sum, path) = line.split_once("  ")?;
        Some((PathBuf::from(path), sum.to_owned()))
    };
    file.lines().filter_map(line).collect()
}

fn is_of(patch: &TextFile, name: &str) -> bool {
    let file = patch.path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
    file.strip_prefix(name).is_some_and(|rest| rest.starts_with("-0"))
}

/// Files that are not what was published once the patches are taken back, and how.
fn differing(
    published: &BTreeMap<PathBuf, String>,
    patches: &[PathBuf],
    ours: &Path,
) -> Result<Vec<(PathBuf, String)>, String> {
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    take_back(patches, ours, work.path())?;
    let mut sums = BTreeMap::new();
    for path in below(work.path())? {
        let octets = std::fs::read(work.path().join(&path)).map_err(|error| error.to_string())?;
        let sum: String = Sha256::digest(&octets).iter().map(|octet| format!("{octet:02x}")).collect();
        sums.insert(path, sum);
    }
    let all: BTreeSet<&PathBuf> = published.keys().chain(sums.keys()).collect();
    let differs = |path: &PathBuf| {
        let what = match (published.get(path), sums.get(path)) {
            (Some(theirs), Some(ours)) if theirs == ours => return None,
            (Some(_), Some(_)) => "it is changed beyond the patches",
            (Some(_), None) => "it is published, and missing here",
            (None, _) => "it is not published",
        };
        Some((path.clone(), what.to_owned()))
    };
    Ok(all.into_iter().filter_map(differs).collect())
}

/// Our folder without the patches, the newest taken back first.
fn take_back(patches: &[PathBuf], ours: &Path, work: &Path) -> Result<(), String> {
    for path in below(ours)? {
        let to = work.join(&path);
        let copied = to.parent().map_or(Ok(()), std::fs::create_dir_all);
        copied.and_then(|()| std::fs::copy(ours.join(&path), &to)).map_err(|error| error.to_string())?;
    }
    for patch in patches.iter().rev() {
        let applied = Command::new("git").current_dir(work).args(["apply", "--reverse"]).arg(patch).output();
        let applied = applied.map_err(|error| format!("`git` cannot be run: {error}"))?;
        if !applied.status.success() {
            let why = String::from_utf8_lossy(&applied.stderr);
            return Err(format!("`{}` does not fit: {}", patch.display(), why.trim()));
        }
    }
    Ok(())
}

/// Every file below a folder, without the folder's own path.
fn below(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(inside) = folders.pop() {
        let entries = std::fs::read_dir(folder.join(&inside)).map_err(|error| error.to_string())?;
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            let path = inside.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "x\n\nReason: y\nExit: z\n\n--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1 +1 @@\n-one\n+two\n";

    #[test]
    fn a_crate_is_what_was_published_with_its_patches() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let sum = |text: &str| Sha256::digest(text).iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        let text = format!("{}  src/lib.rs\n{}  LICENSE\n", sum("one\n"), sum("free\n"));
        let published = published(&TextFile { path: "third_party/a.sha256".into(), text });
        write("1.patch", PATCH);
        write("ours/src/lib.rs", "two\n");
        write("ours/LICENSE", "free\n");
        let found = || differing(&published, &[dir.path().join("1.patch")], &dir.path().join("ours"));

        assert_eq!(found(), Ok(Vec::new()));
        write("ours/LICENSE", "dear\n");
        write("ours/src/more.rs", "");
        let paths: Vec<PathBuf> = found().unwrap().into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["LICENSE", "src/more.rs"].map(PathBuf::from));
        write("ours/src/lib.rs", "three\n");
        assert!(found().unwrap_err().contains("does not fit"));
    }

    #[test]
    fn a_crate_without_the_sums_of_what_was_published_is_found() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("third_party/a")).unwrap();
        std::fs::write(dir.path().join("third_party/a/Cargo.toml"), "").unwrap();
        let manifest = TextFile { path: "third_party/a/Cargo.toml".into(), text: String::new() };
        let findings = check(dir.path(), &[manifest]);
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn a_patch_says_why_it_is_there_and_when_it_goes() {
        let patch = |text: &str| TextFile { path: "third_party/patches/a-0001.patch".into(), text: text.to_owned() };
        assert_eq!(without_a_top(&patch(PATCH)), []);
        assert_eq!(without_a_top(&patch(&PATCH.replace("Exit: ", ""))).len(), 1);
    }
}
