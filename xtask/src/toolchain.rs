//! Which Rust compiler builds for wasm32, and how its children are told.
//!
//! Normally it is the one in use, with the target and the standard library's sources added by rustup. Where rustup cannot
//! download them, it is the system's own Rust, linked into rustup as `whimbrel-wasm` (see `setup/debian_std.rs`). The choice
//! travels by environment variables only: a `rust-toolchain.toml` that names targets would break every cargo call on such a
//! machine.
//!
//! **Invariant:** one toolchain makes all wasm, so what is tested and what is released come from the same compiler.

use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::process::{Call, find_program};
use crate::small_std;
use crate::workspace::Workspace;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// What the target is needed for, said where it is missing.
pub(crate) const WHY: &str = "the engine is compiled for it, and its standard library from source";

/// The name under which the system's Rust is linked into rustup.
pub(crate) const LINKED_NAME: &str = "whimbrel-wasm";

/// A crate without dependencies of its own. The table at the end keeps cargo from looking for a workspace in the folders above.
const PROBE_MANIFEST: &str = r#"[package]
name = "probe"
version = "0.0.0"
edition = "2024"

[[bin]]
name = "probe"
path = "probe.rs"

[workspace]
"#;

/// A compiler that was seen to compile for wasm32, and to have what a release is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WasmToolchain {
    /// The toolchain in use will do.
    Active,
    /// The linked one will.
    Linked,
}

impl WasmToolchain {
    /// Looks for a toolchain that works, the one in use first.
    pub(crate) fn find(workspace: &Workspace) -> Option<Self> {
        [Self::Active, Self::Linked].into_iter().find(|toolchain| toolchain.works(workspace))
    }

    /// As [`Self::find`], for commands that do not install anything.
    pub(crate) fn need(workspace: &Workspace) -> Result<Self, Failure> {
        Self::find(workspace).ok_or_else(|| Failure::Missing {
            tool: TARGET,
            why: WHY,
            remedy: "run `cargo xtask setup`".to_owned(),
        })
    }

    /// Sends a call of cargo, rustc or wasm-pack to this toolchain and to the folder of wasm32 builds.
    pub(crate) fn apply(self, workspace: &Workspace, call: Call) -> Call {
        let call = call.env("CARGO_TARGET_DIR", workspace.wasm_target());
        match self {
            Self::Active => call,
            // Only a toolchain that rustup downloaded brings its linker under the name rustc looks for.
            Self::Linked => {
                call.env("RUSTUP_TOOLCHAIN", LINKED_NAME).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "rust-lld")
            }
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "the toolchain in use",
            Self::Linked => LINKED_NAME,
        }
    }

    fn works(self, workspace: &Workspace) -> bool {
        let dir = workspace.target().join("xtask/probe");
        let write = |name, content| fs::write(dir.join(name), content);
        let written = fs::create_dir_all(&dir)
            .and_then(|()| write("Cargo.toml", PROBE_MANIFEST))
            .and_then(|()| write("probe.rs", "fn main() {}\n"));
        written.is_ok() && self.has_linker() && self.compiles(workspace, &dir) && self.has_sources(workspace, &dir)
    }

    fn has_linker(self) -> bool {
        self == Self::Active || find_program("rust-lld").is_some()
    }

    /// Compiles an empty program against the target's standard library. Asking rustup, or looking for files, would miss a
    /// library left behind by an older compiler.
    fn compiles(self, workspace: &Workspace, probe: &Path) -> bool {
        let call = Call::new("rustc").args(["--target", TARGET, "--emit", "metadata", "--out-dir"]).arg(probe);
        self.apply(workspace, call.arg(probe.join("probe.rs"))).capture().is_ok()
    }

    /// Lets cargo prepare a build with the standard library, up to the compiling. It looks for the library's sources, fetches
    /// the crates that they need unless they are here, and asks the compiler whether it knows the options.
    fn has_sources(self, workspace: &Workspace, probe: &Path) -> bool {
        let call =
            workspace.cargo().args(["fetch", "--target", TARGET, "--manifest-path"]).arg(probe.join("Cargo.toml"));
        self.apply(workspace, small_std::apply(call)).capture().is_ok()
    }
}
