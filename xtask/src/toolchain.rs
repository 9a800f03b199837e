//! Which Rust compiler builds for wasm32, and how its children are told.
//!
//! Normally it is the one in use, with the target added by rustup. Where rustup cannot download the target, it is the
//! system's own Rust, linked into rustup as `whimbrel-wasm` (see `setup/debian_std.rs`). The choice travels by environment
//! variables only: a `rust-toolchain.toml` that names targets would break every cargo call on such a machine.

use std::fs;

use crate::failure::Failure;
use crate::process::{Call, find_program};
use crate::workspace::Workspace;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The name under which the system's Rust is linked into rustup.
pub(crate) const LINKED_NAME: &str = "whimbrel-wasm";

/// A compiler that was seen to compile for wasm32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WasmToolchain {
    /// The toolchain in use has the target.
    Active,
    /// The linked one has.
    Linked,
}

impl WasmToolchain {
    /// Looks for a toolchain that works, the one in use first.
    pub(crate) fn find(workspace: &Workspace) -> Option<Self> {
        [Self::Active, Self::Linked].into_iter().find(|toolchain| toolchain.compiles(workspace))
    }

    /// As [`Self::find`], for commands that do not install anything.
    pub(crate) fn need(workspace: &Workspace) -> Result<Self, Failure> {
        Self::find(workspace).ok_or_else(|| Failure::Missing {
            tool: TARGET,
            why: "the engine is compiled for it",
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

    /// Compiles an empty program against the target's standard library. Asking rustup, or looking for files, would miss a
    /// library left behind by an older compiler.
    fn compiles(self, workspace: &Workspace) -> bool {
        let dir = workspace.target().join("xtask/probe");
        let source = dir.join("probe.rs");
        if fs::create_dir_all(&dir).and_then(|()| fs::write(&source, "fn main() {}\n")).is_err() {
            return false;
        }
        let call =
            Call::new("rustc").args(["--target", TARGET, "--emit", "metadata", "--out-dir"]).arg(&dir).arg(&source);
        let has_linker = self == Self::Active || find_program("rust-lld").is_some();
        has_linker && self.apply(workspace, call).capture().is_ok()
    }
}
