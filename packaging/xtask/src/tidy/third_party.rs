//! Crates that we had to change are what their authors published, with our patches and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Finding, TextFile};

/// Where they lie, and where the patches do.
pub(super) const FOLDER: &str = "third_party";
const PATCHES: &str = "third_party/patches";

/// What Cargo adds to a download.
const ADDED_BY_CARGO: &[&str] = &[".cargo-ok", ".cargo_vcs_info.json", "Cargo.lock"];

/// What stands at the top of each patch.
const TOP_OF_A_PATCH: [&str; 2] = ["Reason: ", "Exit: "];

/// Checks every crate whose published form is on this machine, and the top of every patch.
pub(super) fn check(root: &Path, files: &[TextFile]) -> Vec<Finding> {
    let patches: Vec<&TextFile> = files.iter().filter(|file| file.below(PATCHES)).collect();
    let mut findings: Vec<Finding> = patches.iter().flat_map(|patch| without_a_top(patch)).collect();
    for (name, version) in crates(files) {
        let folder = Path::new(FOLDER).join(&name);
        let own: Vec<PathBuf> =
            patches.iter().filter(|patch| is_of(patch, &name)).map(|patch| root.join(&patch.path)).collect();
        if let Some(published) = downloaded(&format!("{name}-{version}")) {
            let differing = differing(&published, &own, &root.join(&folder));
            findings.extend(
                differing
                    .unwrap_or_else(|why| vec![(PathBuf::new(), why)])
                    .into_iter()
                    .map(|(path, what)| Finding::at(&folder.join(path), 0, what)),
            );
        }
    }
    findings
}

fn without_a_top(patch: &TextFile) -> Vec<Finding> {
    let top: Vec<&str> = patch.lines().map(|(_, line)| line).take_while(|line| !line.starts_with("--- ")).collect();
    let missing = TOP_OF_A_PATCH.iter().filter(|word| !top.iter().any(|line| line.starts_with(**word)));
    missing.map(|word| Finding::at(&patch.path, 0, format!("a patch says `{}` at its top", word.trim()))).collect()
}

/// Name and version of each.
fn crates(files: &[TextFile]) -> Vec<(String, String)> {
    let manifests = files.iter().filter(|file| file.below(FOLDER) && file.path.ends_with("Cargo.toml"));
    let field = |file: &TextFile, name: &str| {
        let prefix = format!("{name} = \"");
        file.lines().find_map(|(_, line)| line.strip_prefix(&prefix)?.strip_suffix('"').map(str::to_owned))
    };
    manifests.filter_map(|file| Some((field(file, "name")?, field(file, "version")?))).collect()
}

fn is_of(patch: &TextFile, name: &str) -> bool {
    let file = patch.path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
    file.strip_prefix(name).is_some_and(|rest| rest.starts_with("-0"))
}

/// The published folder, where Cargo has downloaded it.
fn downloaded(folder: &str) -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let registries = std::fs::read_dir(home.join("registry/src")).ok()?;
    registries.flatten().map(|registry| registry.path().join(folder)).find(|folder| folder.is_dir())
}

/// Files that are not what the published ones with these patches are, and how.
fn differing(published: &Path, patches: &[PathBuf], ours: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let work = std::env::temp_dir().join(format!("xtask-third-party-{}", std::process::id()));
    let outcome = patched(published, patches, &work).and_then(|()| compare(&work, ours));
    let _ = std::fs::remove_dir_all(&work);
    outcome
}

fn patched(published: &Path, patches: &[PathBuf], work: &Path) -> Result<(), String> {
    for path in below(published)? {
        let to = work.join(&path);
        let copied = to.parent().map_or(Ok(()), std::fs::create_dir_all);
        copied.and_then(|()| std::fs::copy(published.join(&path), &to)).map_err(|error| error.to_string())?;
    }
    for patch in patches {
        let applied = Command::new("git").current_dir(work).arg("apply").arg(patch).output();
        let applied = applied.map_err(|error| format!("`git` cannot be run: {error}"))?;
        if !applied.status.success() {
            let why = String::from_utf8_lossy(&applied.stderr);
            return Err(format!("`{}` does not fit: {}", patch.display(), why.trim()));
        }
    }
    Ok(())
}

fn compare(theirs: &Path, ours: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let all: BTreeSet<PathBuf> = below(theirs)?.into_iter().chain(below(ours)?).collect();
    let differs = |path: &PathBuf| {
        let what = match (std::fs::read(theirs.join(path)).ok(), std::fs::read(ours.join(path)).ok()) {
            (Some(theirs), Some(ours)) if theirs == ours => return None,
            (Some(_), Some(_)) => "it is changed beyond the patches",
            (Some(_), None) => "it is published, and missing here",
            (None, _) => "it is not published",
        };
        Some((path.clone(), what.to_owned()))
    };
    Ok(all.iter().filter_map(differs).collect())
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
            } else if !ADDED_BY_CARGO.iter().any(|added| path == Path::new(added)) {
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
        let dir = std::env::temp_dir().join(format!("xtask-third-party-test-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("published/src/lib.rs", "one\n");
        write("published/LICENSE", "free\n");
        write("published/.cargo-ok", "");
        write("1.patch", PATCH);
        write("ours/src/lib.rs", "two\n");
        write("ours/LICENSE", "free\n");
        let found = || differing(&dir.join("published"), &[dir.join("1.patch")], &dir.join("ours"));

        assert_eq!(found(), Ok(Vec::new()));
        write("ours/src/lib.rs", "three\n");
        write("ours/src/more.rs", "");
        std::fs::remove_file(dir.join("ours/LICENSE")).unwrap();
        let paths: Vec<PathBuf> = found().unwrap().into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["LICENSE", "src/lib.rs", "src/more.rs"].map(PathBuf::from));
        write("published/src/lib.rs", "other\n");
        assert!(found().unwrap_err().contains("does not fit"));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_patch_says_why_it_is_there_and_when_it_goes() {
        let patch = |text: &str| TextFile { path: "third_party/patches/a-0001.patch".into(), text: text.to_owned() };
        assert_eq!(without_a_top(&patch(PATCH)), []);
        assert_eq!(without_a_top(&patch(&PATCH.replace("Exit: ", ""))).len(), 1);
    }
}
