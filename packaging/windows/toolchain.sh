#!/bin/bash
# Adds what a build for Windows needs to this machine: the Rust target x86_64-pc-windows-gnu and a linker.
#
#   packaging/windows/toolchain.sh
#
# rustup gives the target where it can reach its server. Elsewhere, as on a closed network, the standard library is
# built once from Debian's rust-src package, which must be of the very version of the compiler. Both ways only add
# files to the toolchain. On anything but Debian without rustup's server, or without root where the linker is missing,
# it says what to install.
set -euo pipefail

target=x86_64-pc-windows-gnu
linker=x86_64-w64-mingw32-gcc
linker_package=gcc-mingw-w64-x86-64-posix
source_suite=trixie-backports
rustup_seconds_max=60
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The toolchain that the repository pins, wherever this is called from.
cd "$(dirname "$0")/../.."
sysroot=$(rustc --print sysroot)
version=$(rustc --version | cut -d' ' -f2)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

main() {
    ensure_linker
    if has_target; then
        echo "rustc $version has $target already"
    elif from_rustup; then
        echo "rustup added $target"
    else
        from_debian
        echo "built $target from Debian's rust-src $version"
    fi
}

ensure_linker() {
    command -v "$linker" >/dev/null && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "install $linker_package, which has $linker"
    # An archive directory of our own: another apt run that cleans the shared one cannot take files away from this.
    mkdir -p "$work/linker/partial"
    apt-get -o Dir::Cache::archives="$work/linker" -qq install -y --no-install-recommends "$linker_package" >/dev/null
}

has_target() {
    compgen -G "$sysroot/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null
}

from_rustup() {
    command -v rustup >/dev/null || return 1
    timeout "$rustup_seconds_max" rustup target add "$target" >"$work/rustup.log" 2>&1 && has_target
}

from_debian() {
    command -v apt-get >/dev/null || fail "rustup cannot add $target, and this is not Debian"
    fetch_source
    build_std
    install_std
}

# Unpacks library/ of rust-src into $work/source. It comes from the mirror that this machine's apt already uses, with a
# state of its own, so that the machine's package lists stay as they are.
fetch_source() {
    local apt=$work/apt mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$') ||
        fail "apt knows no Debian mirror; run: apt-get update"
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    echo "deb [signed-by=$keyring] $mirror $source_suite main" >"$apt/sources.list"
    local options=(
        -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::State::lists="$apt/lists" -o Dir::Cache::archives="$apt/archives"
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root
    )
    apt-get "${options[@]}" -qq update
    (cd "$apt" && apt-get "${options[@]}" -qq download "rust-src=$version+*") ||
        fail "$source_suite has no rust-src $version; the package must match the compiler"
    mkdir -p "$work/source"
    dpkg-deb --fsys-tarfile "$apt"/rust-src_*.deb |
        tar -x -C "$work/source" --strip-components=5 "./usr/src/rustc-$version/library"
}

# Builds the standard library as a dependency of an empty program, which is the way that cargo offers. The compiler
# must take unstable features for that: RUSTC_BOOTSTRAP lets a stable one do so, for this one command.
build_std() {
    mkdir -p "$work/empty/src"
    echo 'fn main() {}' >"$work/empty/src/main.rs"
    printf '[package]\nname = "empty"\nedition = "2024"\n[workspace]\n' >"$work/empty/Cargo.toml"
    (cd "$work/empty" && env -u RUSTFLAGS -u CARGO_BUILD_TARGET \
        RUSTC="$sysroot/bin/rustc" RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT="$work/source" \
        CARGO_TARGET_DIR="$work/built" CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS=-Cembed-bitcode=yes \
        "$sysroot/bin/cargo" build -q --release --target "$target" \
        -Zbuild-std=std,test,proc_macro,panic_abort,panic_unwind)
}

# Only adds files. The standard library itself comes last: until then the target does not count as there, so that
# neither a build that runs meanwhile nor the next call of this takes a part for the whole.
install_std() {
    local built=$work/built/$target/release/deps home=$sysroot/lib/rustlib/$target/lib file
    mkdir -p "$home"
    for file in "$built"/lib*.rlib; do
        case $(basename "$file") in libstd-*) ;; *) cp -n "$file" "$home/" ;; esac
    done
    cp -n "$built"/libstd-*.rlib "$home/.libstd.new"
    mv -n "$home/.libstd.new" "$home/$(basename "$built"/libstd-*.rlib)"
}

fail() {
    echo "$*" >&2
    exit 1
}

main
