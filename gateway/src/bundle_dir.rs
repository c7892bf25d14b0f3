//! Reads a policy bundle from its folder and compiles it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::error::BundleErrors;

use crate::limits::{BUNDLE_FILE_BYTES_MAX, BUNDLE_FILES_MAX};
use crate::words::{InWords, Words};

/// Files of these kinds belong to a bundle; others (notes, a `.git`) are left alone.
const EXTENSIONS: [&str; 2] = ["cedar", "toml"];

/// Why a bundle cannot take effect. The one before stays in effect.
#[derive(Debug, thiserror::Error)]
pub enum BundleDirError {
    /// A file or folder cannot be read.
    #[error("policy bundle `{path}`: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is too large.
    #[error("policy bundle file `{0}` is larger than {BUNDLE_FILE_BYTES_MAX} bytes; split it")]
    TooLarge(PathBuf),
    /// There are too many files.
    #[error("policy bundle `{0}` has more than {BUNDLE_FILES_MAX} files; is it the right folder?")]
    TooMany(PathBuf),
    /// A file is not UTF-8 text.
    #[error("policy bundle file `{0}` is not UTF-8 text; save it as UTF-8")]
    NotText(PathBuf),
    /// The files say something that cannot stand.
    #[error(transparent)]
    Compile(#[from] BundleErrors),
}

impl InWords for BundleDirError {
    fn words(&self) -> Words {
        let with_max =
            |id, path: &Path, max: String| Words::new(id, &[("path", &path.display().to_string()), ("max", &max)]);
        match self {
            Self::Read { path, error } => Words::file("bundle-unreadable", path, error),
            Self::TooLarge(path) => with_max("bundle-file-too-large", path, BUNDLE_FILE_BYTES_MAX.to_string()),
            Self::TooMany(path) => with_max("bundle-too-many-files", path, BUNDLE_FILES_MAX.to_string()),
            Self::NotText(path) => Words::new("bundle-not-text", &[("path", &path.display().to_string())]),
            Self::Compile(errors) => Words::plain(errors),
        }
    }
}

/// Reads and compiles the bundle in `dir`.
///
/// # Errors
/// [`BundleDirError`]; all errors of the content at once.
pub fn load(dir: &Path) -> Result<Bundle, BundleDirError> {
    Ok(Bundle::compile(&read(dir)?)?)
}

/// Reads the files of a bundle: relative paths with `/`, and their text.
///
/// # Errors
/// [`BundleDirError`].
pub fn read(dir: &Path) -> Result<BTreeMap<String, String>, BundleDirError> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(dir.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let failed = |error| BundleDirError::Read { path: folder.clone(), error };
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(BundleDirError::NotText(entry.path()));
            };
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                folders.push((path, format!("{prefix}{name}/")));
            } else if path.extension().is_some_and(|found| EXTENSIONS.iter().any(|known| found == *known)) {
                if files.len() >= BUNDLE_FILES_MAX {
                    return Err(BundleDirError::TooMany(dir.to_path_buf()));
                }
                files.insert(format!("{prefix}{name}"), read_file(&path)?);
            }
        }
    }
    Ok(files)
}

fn read_file(path: &Path) -> Result<String, BundleDirError> {
    let failed = |error| BundleDirError::Read { path: path.to_path_buf(), error };
    if std::fs::metadata(path).map_err(failed)?.len() > BUNDLE_FILE_BYTES_MAX {
        return Err(BundleDirError::TooLarge(path.to_path_buf()));
    }
    String::from_utf8(std::fs::read(path).map_err(failed)?).map_err(|_| BundleDirError::NotText(path.to_path_buf()))
}
