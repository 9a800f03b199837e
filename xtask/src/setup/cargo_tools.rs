//! Tools that come from crates.io.

use std::path::PathBuf;

use super::notice;
use crate::failure::Failure;
use crate::process::{Call, find_program};
use crate::version::Version;
use crate::workspace::Workspace;

/// Which versions of a tool will do.
#[derive(Clone, Copy, Debug)]
enum Accepted {
    Exactly(Version),
    AtLeast(Version),
}

impl Accepted {
    fn includes(self, version: Version) -> bool {
        match self {
            Self::Exactly(wanted) => version == wanted,
            Self::AtLeast(oldest) => version >= oldest,
        }
    }
}

/// A crate to `cargo install`.
struct Tool {
    package: &'static str,
    program: &'static str,
    /// What comes between the program and `--version`, for a subcommand of cargo.
    subcommand: Option<&'static str>,
    accepted: Accepted,
    /// Whether the tool must be built from its own lock file. Otherwise not: the lock may name a version that a mirror of
    /// crates.io does not have yet.
    locked: bool,
    why: &'static str,
}

fn tools(wasm_bindgen: Version) -> [Tool; 3] {
    [
        Tool {
            package: "wasm-bindgen-cli",
            program: "wasm-bindgen",
            subcommand: None,
            accepted: Accepted::Exactly(wasm_bindgen),
            locked: false,
            why: "it writes the JavaScript around the engine; it must equal the version in Cargo.toml",
        },
        Tool {
            package: "wasm-pack",
            program: "wasm-pack",
            subcommand: None,
            accepted: Accepted::AtLeast(Version::new(0, 13, 0)),
            locked: false,
            why: "it runs the engine's tests inside a browser",
        },
        Tool {
            package: "cargo-nextest",
            program: "cargo-nextest",
            subcommand: Some("nextest"),
            accepted: Accepted::AtLeast(Version::new(0, 9, 85)),
            locked: true,
            why: "it runs the native tests",
        },
    ]
}

/// Firefox's driver, which only some tests need.
const GECKODRIVER: Tool = Tool {
    package: "geckodriver",
    program: "geckodriver",
    subcommand: None,
    accepted: Accepted::AtLeast(Version::new(0, 34, 0)),
    locked: false,
    why: "it starts Firefox for the engine's tests",
};

/// Looks for each tool and installs those that are missing or of a version that will not do.
pub(super) fn provide(workspace: &Workspace) -> Result<(), Failure> {
    tools(workspace.wasm_bindgen_pin()?).iter().try_for_each(|tool| tool.provide(workspace))
}

/// The same for geckodriver; answers where it is.
pub(super) fn provide_geckodriver(workspace: &Workspace) -> Result<PathBuf, Failure> {
    GECKODRIVER.provide(workspace)?;
    let remedy = "cargo installed it, but it is not on the PATH".to_owned();
    find_program(GECKODRIVER.program).ok_or(Failure::Missing { tool: "geckodriver", why: GECKODRIVER.why, remedy })
}

impl Tool {
    fn provide(&self, workspace: &Workspace) -> Result<(), Failure> {
        match self.installed() {
            Some(version) if self.accepted.includes(version) => {
                notice::present(self.package, version);
                Ok(())
            }
            _ => self.install(workspace),
        }
    }

    fn installed(&self) -> Option<Version> {
        let output = Call::new(self.program).args(self.subcommand).arg("--version").capture();
        Version::find(&output.ok()?)
    }

    fn install(&self, workspace: &Workspace) -> Result<(), Failure> {
        notice::installing(self.package, self.why);
        // A folder that stays: an interrupted build goes on where it was.
        let build_dir = workspace.target().join("xtask/tools");
        Call::new("cargo")
            .args(self.install_arguments())
            .env("CARGO_TARGET_DIR", build_dir)
            .dir(workspace.root())
            .run()?;
        match self.installed() {
            Some(version) if self.accepted.includes(version) => notice::installed(self.package, version),
            found => {
                let found = found.map_or_else(|| "not to be found".to_owned(), |version| version.to_string());
                let (tool, wanted) = (self.program, format!("{:?}", self.accepted));
                let remedy = "another one comes first on the PATH than cargo installs to; remove it";
                return Err(Failure::Version { tool, found, wanted, remedy });
            }
        }
        Ok(())
    }

    fn install_arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = vec!["install".into(), self.package.into()];
        if let Accepted::Exactly(version) = self.accepted {
            // --force: a newer or older one under the same name is in the way otherwise.
            arguments.extend(["--version".into(), version.to_string(), "--force".into()]);
        }
        if self.locked {
            arguments.push("--locked".into());
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::{Accepted, tools};
    use crate::version::Version;

    #[test]
    fn exactly_is_exact_and_at_least_is_not() {
        let (older, wanted, newer) = (Version::new(0, 2, 129), Version::new(0, 2, 130), Version::new(0, 2, 131));
        let check = |accepted: Accepted, expected| {
            assert_eq!([older, wanted, newer].map(|version| accepted.includes(version)), expected, "{accepted:?}");
        };
        check(Accepted::Exactly(wanted), [false, true, false]);
        check(Accepted::AtLeast(wanted), [false, true, true]);
    }

    #[test]
    fn the_pinned_tool_is_installed_at_its_pin_and_without_its_lock() {
        let [wasm_bindgen, wasm_pack, nextest] = tools(Version::new(0, 2, 130));
        let line = wasm_bindgen.install_arguments().join(" ");
        assert_eq!(line, "install wasm-bindgen-cli --version 0.2.130 --force");
        assert_eq!(wasm_pack.install_arguments().join(" "), "install wasm-pack");
        assert_eq!(nextest.install_arguments().join(" "), "install cargo-nextest --locked");
    }
}
