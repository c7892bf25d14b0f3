//! Installing what the tests need.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{self, Trouble};
use crate::workspace::Workspace;

/// The version of `cargo-deny` that `deny.toml` is written for.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// The independent clients that our gateway is tested with: one of HTTP/3, and a libcurl that speaks HTTP/2 to proxies.
const PYTHON_PACKAGES: &[(&str, &str)] = &[("aioquic", "1.7.2"), ("pycurl", "7.49.0")];

/// What tells a test where Python with these packages is.
pub(crate) const PYTHON_VARIABLE: &str = "HITOTSU_TEST_PYTHON";

/// A program that some test runs, and the Debian package that has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    name: &'static str,
    package: &'static str,
}

/// What the tests and the demo run without being root.
pub(crate) const PLAIN: &[Program] = &[
    Program { name: "curl", package: "curl" },
    Program { name: "git", package: "git" },
    Program { name: "openssl", package: "openssl" },
    Program { name: "node", package: "nodejs" },
    Program { name: "python3", package: "python3-venv" },
    Program { name: "ssh", package: "openssh-client" },
    Program { name: "setpriv", package: "util-linux" },
];

/// What network namespaces need, and with them root.
pub(crate) const NAMESPACES: &[Program] =
    &[Program { name: "ip", package: "iproute2" }, Program { name: "nft", package: "nftables" }];

/// What counts instructions.
pub(crate) const VALGRIND: &[Program] = &[Program { name: "valgrind", package: "valgrind" }];

/// What a build for Windows links with.
pub(crate) const WINDOWS: &[Program] =
    &[Program { name: "x86_64-w64-mingw32-gcc", package: "gcc-mingw-w64-x86-64-posix" }];

/// True for the user who may install packages and make network namespaces.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Installs the missing ones of `programs` when that can be done.
///
/// # Errors
/// Names each program that is missing still, and how to install it.
pub(crate) fn programs(workspace: &Workspace, programs: &[Program]) -> Result<(), Trouble> {
    let missing = |programs: &[Program]| -> Vec<Program> {
        programs.iter().copied().filter(|program| !run::on_path(program.name)).collect()
    };
    let wanted = missing(programs);
    let packages: Vec<&str> = wanted.iter().map(|program| program.package).collect();
    debian(workspace, &packages)?;
    let still: Vec<String> =
        missing(programs).iter().map(|program| format!("`{}` (package {})", program.name, program.package)).collect();
    if still.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = wanted.iter().map(|program| program.package).collect();
    Err(Trouble::new(format!(
        "missing: {}; as root on Debian or Ubuntu: `apt-get install {}`",
        still.join(", "),
        packages.join(" ")
    )))
}

/// Installs Debian packages as root; does nothing for others, who are told by whoever needs them.
fn debian(workspace: &Workspace, packages: &[&str]) -> Result<(), Trouble> {
    if packages.is_empty() || !is_root() || !run::on_path("apt-get") {
        return Ok(());
    }
    println!("installing {}", packages.join(" "));
    // Lists and archives of our own: another apt-get may delete or lock the shared ones while we read them.
    let folder = workspace.tools().join("apt");
    for part in ["archives/partial", "lists/partial"] {
        std::fs::create_dir_all(folder.join(part))
            .map_err(|error| Trouble::new(format!("`{}` cannot be made: {error}", folder.display())))?;
    }
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300"]);
        command.arg("-o").arg(format!("Dir::Cache::archives={}/", folder.join("archives").display()));
        command.arg("-o").arg(format!("Dir::State::lists={}/", folder.join("lists").display()));
        command.args(words);
        run::captured(&mut command)
    };
    apt(&["update"])?;
    let mut words = vec!["install", "--no-install-recommends"];
    words.extend(packages);
    apt(&words)?;
    let _left_behind = std::fs::remove_dir_all(&folder);
    Ok(())
}

/// `cargo-deny` as a program: the one on the path when it is new enough, else our own, built once.
///
/// # Errors
/// It cannot be built.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf, Trouble> {
    let root = workspace.tools();
    let own = root.join("bin").join("cargo-deny");
    for candidate in [PathBuf::from("cargo-deny"), own.clone()] {
        let version = run::captured(Command::new(&candidate).arg("--version")).unwrap_or_default();
        if version.trim().ends_with(CARGO_DENY_VERSION) {
            return Ok(candidate);
        }
    }
    // A debug build takes a third of the time of a release build and still checks everything in two seconds.
    let mut cargo = workspace.cargo();
    let build = root.join("build");
    cargo.args(["install", "--locked", "--debug", "--quiet", "--root"]).arg(&root);
    cargo.arg("--target-dir").arg(&build).arg(format!("cargo-deny@{CARGO_DENY_VERSION}"));
    println!("building cargo-deny {CARGO_DENY_VERSION} (about a minute, once)");
    run::captured(&mut cargo).map_err(|trouble| {
        Trouble::new(format!("{trouble}\ninstall it by hand: `cargo install --locked cargo-deny@{CARGO_DENY_VERSION}`"))
    })?;
    let _left_behind = std::fs::remove_dir_all(build);
    Ok(own)
}

/// True when `cargo nextest` is here; without it `cargo test` runs the same tests, slower.
pub(crate) fn has_nextest(workspace: &Workspace) -> bool {
    run::succeeds(workspace.cargo().args(["nextest", "--version"]))
}

/// Python with [`PYTHON_PACKAGES`] in an environment of its own.
///
/// # Errors
/// It cannot be made; says how to do it by hand.
pub(crate) fn python(workspace: &Workspace) -> Result<PathBuf, Trouble> {
    let folder = workspace.tools().join("python");
    let python = folder.join("bin").join("python3");
    let checks: Vec<String> = PYTHON_PACKAGES
        .iter()
        .map(|(name, version)| format!("import {name}; assert version('{name}') == '{version}'"))
        .collect();
    let check = format!("from importlib.metadata import version; {}", checks.join("; "));
    let ready = || run::succeeds(Command::new(&python).args(["-c", &check]));
    if ready() {
        return Ok(python);
    }
    let packages: Vec<String> = PYTHON_PACKAGES.iter().map(|(name, version)| format!("{name}=={version}")).collect();
    println!("installing {} into `{}`", packages.join(" "), folder.display());
    let venv = || run::captured(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    if venv().is_err() {
        // Debian's python3 comes without the module that makes environments.
        debian(workspace, &["python3-venv"])?;
        venv()?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run::captured(Command::new(&python).args(pip).args(&packages))?;
    if ready() {
        return Ok(python);
    }
    Err(Trouble::new(format!(
        "missing: {1}; by hand: `python3 -m venv {0} && {0}/bin/pip install {1}`",
        folder.display(),
        packages.join(" ")
    )))
}
