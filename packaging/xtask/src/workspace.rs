//! Where things are.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::run::{self, Trouble};

/// The repository and what Cargo says about it.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    metadata: Value,
}

impl Workspace {
    /// Asks Cargo about the workspace that this program was built in.
    ///
    /// # Errors
    /// Cargo fails.
    pub(crate) fn find() -> Result<Self, Trouble> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        // INVARIANT (layout): this crate is packaging/xtask.
        let root = manifest.ancestors().nth(2).unwrap_or(manifest).to_owned();
        let text = run::captured(cargo(&root).args(["metadata", "--format-version", "1", "--no-deps"]))?;
        let metadata: Value = serde_json::from_str(&text)
            .map_err(|error| Trouble::new(format!("the output of `cargo metadata` is not JSON: {error}")))?;
        let target =
            metadata.get("target_directory").and_then(Value::as_str).map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self { root, target, metadata })
    }

    /// The repository's root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where tools are installed that belong to this repository alone.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// A program of ours, as built with the profile `dev`.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// A program of ours, as built with the profile `release`.
    pub(crate) fn release_program(&self, name: &str) -> PathBuf {
        self.built_with("release", name)
    }

    /// A program of ours, as built with a profile of its own name.
    pub(crate) fn built_with(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(name)
    }

    /// Cargo, in the repository's root.
    pub(crate) fn cargo(&self) -> Command {
        cargo(&self.root)
    }

    /// The packages of the workspace, as `cargo metadata` describes them.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &Value> {
        self.metadata.get("packages").and_then(Value::as_array).into_iter().flatten()
    }

    /// Every file of the repository that is not ignored, relative to the root, sorted.
    ///
    /// # Errors
    /// Git fails.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, Trouble> {
        let mut git = Command::new("git");
        git.current_dir(&self.root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let text = run::captured(&mut git)?;
        let mut files: Vec<PathBuf> = text.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
        files.retain(|file| self.root.join(file).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    // `cargo xtask` runs us with variables about our own package; a child that inherits them may rebuild for nothing.
    for (name, _) in std::env::vars_os() {
        let inherited =
            name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_BIN_"));
        if inherited || name == "CARGO_MANIFEST_DIR" || name == "CARGO_MANIFEST_PATH" {
            command.env_remove(name);
        }
    }
    command
}
