//! wasm32 without rustup's downloads: Debian's Rust, its standard library built from the sources that Debian ships with it.
//!
//! apt-get (compiler, sources) ─► cargo -Z build-std ─► *.rlib into the system's rustlib ─► rustup toolchain link
//!
//! That library is for development and tests, as the one that rustup would bring. A release is compiled from the same sources once
//! more, with the engine and for size (`small_std.rs`), so they stay. The few crates that they need come from crates.io.
//!
//! **Invariant:** the system's library folder is replaced as a whole; an interrupted set-up leaves the old one or none.

use std::fs;
use std::path::{Path, PathBuf};

use super::apt::{Apt, as_root};
use super::notice;
use crate::failure::Failure;
use crate::process::Call;
use crate::toolchain::{LINKED_NAME, TARGET};
use crate::workspace::Workspace;

const PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];
const CLIPPY_PACKAGE: &str = "rust-web-clippy";
const SYSROOT: &str = "/usr";

/// The crate whose build makes cargo build the standard library; nothing of it is kept.
const SEED_NAME: &str = "std_seed";
const SEED_MANIFEST: &str = r#"[package]
name = "std_seed"
version = "0.0.0"
edition = "2021"

[lib]
path = "lib.rs"

[profile.release]
panic = "abort"

# Keeps cargo from looking for a workspace in the folders above.
[workspace]
"#;

/// Installs compiler and sources, builds the standard library, and makes rustup know the result.
pub(super) fn provide(workspace: &Workspace, apt: &mut Apt) -> Result<(), Failure> {
    apt.install(&PACKAGES)?;
    provide_clippy(apt)?;
    let built = build_std(&workspace.target().join("xtask/std_seed"))?;
    install_rlibs(&built)?;
    Call::new("rustup").args(["toolchain", "link", LINKED_NAME, SYSROOT]).run()
}

/// Clippy is a package of its own, which an older set-up may not have brought.
pub(super) fn provide_clippy(apt: &mut Apt) -> Result<(), Failure> {
    if Path::new(SYSROOT).join("bin/cargo-clippy").is_file() {
        return Ok(());
    }
    notice::installing(CLIPPY_PACKAGE, "the engine is linted as it is compiled for the browser");
    apt.install(&[CLIPPY_PACKAGE])
}

/// Builds `std`, both panic strategies, and `test`, which test programs are linked with; answers with the folder of the rlibs.
fn build_std(dir: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(dir).map_err(Failure::file("creating", dir))?;
    for (name, content) in [("Cargo.toml", SEED_MANIFEST), ("lib.rs", "#![no_std]\n")] {
        let path = dir.join(name);
        fs::write(&path, content).map_err(Failure::file("writing", &path))?;
    }
    let target = dir.join("target");
    Call::new(Path::new(SYSROOT).join("bin/cargo"))
        .args(["build", "--release", "--target", TARGET, "-Z", "build-std=std,panic_abort,panic_unwind,test"])
        .dir(dir)
        // Debian's cargo would otherwise find rustup's rustc on the search path.
        .env("RUSTC", Path::new(SYSROOT).join("bin/rustc"))
        .env("RUSTC_BOOTSTRAP", "1")
        // As in rustup's: a profile with link-time optimisation can be linked with it, for example by `wasm-pack test --release`.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_TARGET_DIR", &target)
        .run()?;
    Ok(target.join(TARGET).join("release/deps"))
}

/// Copies the libraries beside the system's own, first under another name, then in one move.
fn install_rlibs(built: &Path) -> Result<(), Failure> {
    let rlibs: Vec<PathBuf> = fs::read_dir(built)
        .map_err(Failure::file("reading", built))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_library(path))
        .collect();
    let target_dir = Path::new(SYSROOT).join("lib/rustlib").join(TARGET);
    let (dir, new) = (target_dir.join("lib"), target_dir.join("lib.new"));
    let (dir, new) = (dir.to_string_lossy(), new.to_string_lossy());
    as_root(&["rm", "-rf", &new])?.run()?;
    as_root(&["mkdir", "-p", &new])?.run()?;
    as_root(&["install", "-m", "644", "-t", &new])?.args(rlibs).run()?;
    as_root(&["rm", "-rf", &dir])?.run()?;
    as_root(&["mv", &new, &dir])?.run()
}

fn is_library(path: &Path) -> bool {
    let is_seed = || path.file_name().is_some_and(|name| name.to_string_lossy().contains(SEED_NAME));
    path.extension().is_some_and(|extension| extension == "rlib") && !is_seed()
}

#[cfg(test)]
mod tests {
    use super::{SEED_MANIFEST, SEED_NAME, is_library};
    use std::path::Path;

    #[test]
    fn the_seed_itself_is_not_installed() {
        assert!(is_library(Path::new("deps/libcore-1f.rlib")));
        assert!(!is_library(Path::new("deps/libstd_seed-1f.rlib")));
        assert!(!is_library(Path::new("deps/libcore-1f.rmeta")));
        assert!(SEED_MANIFEST.contains(SEED_NAME));
    }
}
