//! The agent, checked for Windows.

use std::path::Path;
use std::process::Command;

use crate::report::Outcome;
use crate::run::{self, Trouble};
use crate::tools;
use crate::workspace::Workspace;

const TARGET: &str = "x86_64-pc-windows-gnu";

/// Adds the target where no toolchain server can be reached.
const TOOLCHAIN: &str = "packaging/windows/toolchain.sh";

/// True when the compiler has the target's standard library.
pub(crate) fn installed(workspace: &Workspace) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(workspace.root()).args(["--print", "target-libdir", "--target", TARGET]);
    run::captured(&mut rustc).is_ok_and(|folder| {
        std::fs::read_dir(folder.trim()).is_ok_and(|mut files| {
            files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libstd-")))
        }) && run::on_path("x86_64-w64-mingw32-gcc")
    })
}

/// `cargo check` of the agent, installing the target first when that can be done.
///
/// # Errors
/// The target is missing and cannot be installed.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome, Trouble> {
    let script = workspace.root().join(TOOLCHAIN);
    if !installed(workspace) {
        tools::programs(workspace, tools::WINDOWS)?;
        install(&script)?;
    }
    super::steps::succeeds(workspace.cargo().args(["check", "--package", "hitotsu-agent", "--target", TARGET]))
}

fn install(script: &Path) -> Result<(), Trouble> {
    if script.is_file() && tools::is_root() {
        let (status, _) = run::shown_and_captured(Command::new("bash").arg(script))?;
        if status.success() {
            return Ok(());
        }
    }
    Err(Trouble::new(format!(
        "missing: the target {TARGET} and mingw-w64; `rustup target add {TARGET}` where that works, \
         else as root on Debian `bash {TOOLCHAIN}`"
    )))
}
