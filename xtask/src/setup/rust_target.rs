//! A Rust compiler for wasm32 and the sources of its standard library, by the shortest way that works here.

use super::apt::Apt;
use super::{debian_std, notice};
use crate::failure::Failure;
use crate::process::Call;
use crate::toolchain::{TARGET, WHY, WasmToolchain};
use crate::workspace::Workspace;

/// What rustup is asked for: the library to develop and test with, and its sources, which a release is compiled from.
const RUSTUP_REQUESTS: [[&str; 3]; 2] = [["target", "add", TARGET], ["component", "add", "rust-src"]];

/// Finds a compiler for wasm32, or brings one: from rustup where it can download, from Debian's sources where it cannot.
pub(super) fn provide(workspace: &Workspace, apt: &mut Apt) -> Result<WasmToolchain, Failure> {
    if let Some(toolchain) = WasmToolchain::find(workspace) {
        notice::present(TARGET, toolchain.name());
        if toolchain == WasmToolchain::Linked {
            debian_std::provide_clippy(apt)?;
        }
        return Ok(toolchain);
    }
    notice::installing(TARGET, format!("{WHY}; asking rustup"));
    // A refusal is expected on a machine that reaches package registries only, so rustup's own words are not shown.
    if grants_all(|request| Call::new("rustup").args(request).capture().is_ok()) {
        notice::installed(TARGET, WasmToolchain::Active.name());
    } else if Apt::is_here() {
        notice::installing(
            TARGET,
            "rustup cannot download all of it here; taking Debian's Rust and building its standard library",
        );
        debian_std::provide(workspace, apt)?;
        notice::installed(TARGET, WasmToolchain::Linked.name());
    }
    WasmToolchain::find(workspace).ok_or_else(|| Failure::Missing { tool: TARGET, why: WHY, remedy: remedy() })
}

/// Whether rustup brings everything. Half of it is no use: one toolchain makes both kinds of build.
fn grants_all(ask: impl FnMut([&'static str; 3]) -> bool) -> bool {
    RUSTUP_REQUESTS.into_iter().all(ask)
}

fn remedy() -> String {
    let requests = RUSTUP_REQUESTS.map(|request| format!("`rustup {}`", request.join(" ")));
    format!("{} must succeed and crates.io be in reach; see what they say", requests.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::{grants_all, remedy};

    #[test]
    fn rustup_must_grant_the_target_and_the_sources() {
        let mut asked = Vec::new();
        assert!(grants_all(|request| {
            asked.push(request.join(" "));
            true
        }));
        assert_eq!(asked, ["target add wasm32-unknown-unknown", "component add rust-src"]);
        assert!(!grants_all(|request| request[0] == "target"), "the target without the sources");
        assert!(!grants_all(|request| request[0] == "component"), "the sources without the target");
    }

    #[test]
    fn the_remedy_is_what_to_type() {
        let expected = "`rustup target add wasm32-unknown-unknown` and `rustup component add rust-src` must succeed";
        assert!(remedy().starts_with(expected), "{}", remedy());
    }
}
