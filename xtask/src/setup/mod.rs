//! `cargo xtask setup`: brings what the other commands need.
//!
//! One file per kind of tool. Each looks first, prints one line about what it found, and installs only what is missing, saying
//! why. The order matters: what cannot be installed (Node) is looked for first, so that nobody waits ten minutes to hear it.
//!
//! **Invariant:** nothing that is there and good enough is touched.

mod apt;
mod browser;
mod cargo_tools;
mod debian_std;
mod engines;
mod node;
mod notice;
mod postgres;
mod rust_target;

use crate::failure::Failure;
use crate::say::say;
use crate::toolchain::WasmToolchain;
use crate::workspace::Workspace;

pub(crate) use browser::Browser;
pub(crate) use engines::{OtherDriver, OtherEngine, provide as provide_engine};

/// What set-up found or brought, for the commands that go on from there.
pub(crate) struct Tools {
    pub(crate) wasm: WasmToolchain,
    pub(crate) browser: Browser,
}

/// Brings everything, and says so tool by tool.
pub(crate) fn run(workspace: &Workspace) -> Result<Tools, Failure> {
    say!("Setting up:");
    let mut apt = apt::Apt::new();
    node::check()?;
    let wasm = rust_target::provide(workspace, &mut apt)?;
    cargo_tools::provide(workspace)?;
    let browser = browser::provide(&mut apt)?;
    postgres::provide(&mut apt)?;
    node::packages(workspace)?;
    Ok(Tools { wasm, browser })
}
