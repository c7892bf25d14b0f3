//! Files that only their owner may read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::loose::Loose;

/// Anything that group or others may do.
const LOOSE_BITS: u32 = 0o077;

/// Creates `path` with `bytes`, readable and writable by its owner only, in one step: others see the whole file or
/// none, also after a power failure. An existing file is replaced; a missing directory is created, its owner's only.
///
/// # Errors
/// The directory cannot be written.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !directory.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = directory.join(name);
    // What a process of the same number left when it was killed.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let written = write_new(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    if let Err(error) = written {
        drop(fs::remove_file(&fresh));
        return Err(error);
    }
    File::open(directory)?.sync_all()
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // The mode is given at creation: there is no moment in which the file is open to others.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Refuses a file or directory that others than its owner may read or write, or that is another user's.
///
/// # Errors
/// The message says what is loose and which command mends it.
pub fn check_private(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let refuse = |loose: Loose| Err(loose.into());
    if found.is_symlink() {
        return refuse(Loose::Link(path.to_owned()));
    }
    let (owner, own) = (found.uid(), rustix::process::geteuid().as_raw());
    if owner != own {
        return refuse(Loose::Owner { path: path.to_owned(), owner, own });
    }
    let mode = found.mode() & 0o7777;
    if mode & LOOSE_BITS != 0 {
        let tight = if found.is_dir() { "700" } else { "600" };
        return refuse(Loose::Open { path: path.to_owned(), mode, tight });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").mode() & 0o7777
    }

    #[test]
    fn a_private_file_and_its_directory_are_its_owners_only_and_leave_nothing_beside() {
        let home = tempfile::tempdir().expect("tempdir");
        let path = home.path().join("state/key.pem");
        create_private(&path, b"one").expect("created");
        create_private(&path, b"two").expect("replaced");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!((mode(&path), mode(path.parent().expect("parent"))), (0o600, 0o700));
        assert_eq!(fs::read_dir(home.path().join("state")).expect("list").count(), 1);
        check_private(&path).expect("private");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_command_that_mends_it() {
        let home = tempfile::tempdir().expect("tempdir");
        let path = home.path().join("key.pem");
        create_private(&path, b"x").expect("created");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("chmod");
        let error = check_private(&path).expect_err("loose").to_string();
        assert!(error.contains("mode 640") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_symbolic_link_is_refused() {
        let home = tempfile::tempdir().expect("tempdir");
        create_private(&home.path().join("real"), b"x").expect("created");
        symlink(home.path().join("real"), home.path().join("link")).expect("link");
        assert!(check_private(&home.path().join("link")).is_err());
    }
}
