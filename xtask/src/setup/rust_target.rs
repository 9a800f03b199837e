//! A Rust compiler for wasm32, by the shortest way that works here.

use super::apt::Apt;
use super::{debian_std, notice};
use crate::failure::Failure;
use crate::process::Call;
use crate::toolchain::{TARGET, WasmToolchain};
use crate::workspace::Workspace;

/// Finds a compiler for wasm32, or brings one: from rustup where it can download, from Debian's sources where it cannot.
pub(super) fn provide(workspace: &Workspace, apt: &mut Apt) -> Result<WasmToolchain, Failure> {
    if let Some(toolchain) = WasmToolchain::find(workspace) {
        notice::present(TARGET, toolchain.name());
        if toolchain == WasmToolchain::Linked {
            debian_std::provide_clippy(apt)?;
        }
        return Ok(toolchain);
    }
    notice::installing(TARGET, "the engine is compiled for it; asking rustup");
    // A refusal is expected on a machine that reaches package registries only, so rustup's own words are not shown.
    if Call::new("rustup").args(["target", "add", TARGET]).capture().is_ok() {
        notice::installed(TARGET, WasmToolchain::Active.name());
    } else if Apt::is_here() {
        notice::installing(
            TARGET,
            "rustup cannot download it here; taking Debian's Rust and building its standard library",
        );
        debian_std::provide(workspace, apt)?;
        notice::installed(TARGET, WasmToolchain::Linked.name());
    }
    WasmToolchain::find(workspace).ok_or_else(|| Failure::Missing {
        tool: TARGET,
        why: "the engine is compiled for it",
        remedy: format!("`rustup target add {TARGET}` did not bring it, see what it says"),
    })
}
