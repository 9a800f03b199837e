//! `cargo xtask pkg`: from the engine's Rust to the npm package.
//!
//! ```text
//! cargo build ─► wasm-bindgen ─► wasm-opt ─► gzip + base64 ─┐
//!                     │ glue, DTO types                     ▼
//!                     └──────────► pkg/src/generated/ ─► esbuild ─► pkg/dist/index.js, attachments.js, service-worker.js
//!                                                   └──► tsc ─────► pkg/dist/*.d.ts
//! ```
//!
//! The wasm stands inside the JavaScript as text: that is the one form which every bundler, a plain script, a classic service
//! worker and Node all load unchanged.
//!
//! **Invariant:** a step runs only when what it reads has changed; cargo decides that for itself.

mod bundle;
mod embed;
mod engine;
mod fresh;
mod order;

use std::path::PathBuf;

use crate::failure::Failure;
use crate::toolchain::WasmToolchain;
use crate::workspace::Workspace;

pub(crate) use embed::gzip;
pub(crate) use fresh::Stamp;

/// Options of `cargo xtask pkg`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Builds quickly and readably: no optimisation, no minification, wasm with function names
    #[arg(long)]
    dev: bool,
}

impl Arguments {
    pub(crate) fn mode(&self) -> Mode {
        if self.dev { Mode::Dev } else { Mode::Release }
    }
}

/// For whom the package is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// For somebody who debugs it.
    Dev,
    /// For a page.
    Release,
    /// The same with the names of its functions, for a profiler.
    Profile,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
            Self::Profile => "profile",
        }
    }
}

/// Where the package's source is.
pub(crate) fn source_dir(workspace: &Workspace) -> PathBuf {
    workspace.path("pkg/src")
}

/// Where the built package is.
pub(crate) fn dist_dir(workspace: &Workspace) -> PathBuf {
    workspace.path("pkg/dist")
}

/// esbuild's account of what went into which file of the package.
pub(crate) fn metafile(workspace: &Workspace) -> PathBuf {
    workspace.target().join("pkg/esbuild.json")
}

/// Builds the package, as far as it is not built already.
pub(crate) fn build(workspace: &Workspace, mode: Mode) -> Result<(), Failure> {
    let toolchain = WasmToolchain::need(workspace)?;
    for module in &engine::MODULES {
        let wasm = engine::compile(workspace, toolchain, module, mode)?;
        let wasm = engine::bind(workspace, module, &wasm, mode)?;
        let (wasm, names) = match mode {
            Mode::Dev => (wasm, engine::Names::default()),
            Mode::Release => engine::optimise(workspace, module, &wasm)?,
            Mode::Profile => (engine::optimise_named(workspace, module, &wasm)?, engine::Names::default()),
        };
        engine::place_glue(workspace, module, mode, &names)?;
        embed::write(workspace, module, &wasm, mode)?;
    }
    bundle::scripts(workspace, mode)?;
    bundle::types(workspace)
}

/// Where the products between the steps are kept.
fn work_dir(workspace: &Workspace, mode: Mode) -> PathBuf {
    workspace.target().join("pkg").join(mode.name())
}

/// Where the package's source finds what is generated for it.
fn generated_dir(workspace: &Workspace) -> PathBuf {
    source_dir(workspace).join("generated")
}
