//! Where things are: the repository's root, cargo's target folder, and the one fact read from the root Cargo.toml.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::process::Call;
use crate::version::Version;

/// The repository this program was started in.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Finds the repository: the folder above this crate, which `cargo run` names to its children.
    pub(crate) fn find() -> Result<Self, Failure> {
        let manifest_dir =
            env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = manifest_dir.parent().map(Path::to_path_buf).unwrap_or(manifest_dir);
        if !root.join("Cargo.lock").is_file() {
            let reason = "not found; start this as `cargo xtask` inside the repository".to_owned();
            return Err(Failure::Content { file: root.join("Cargo.lock").display().to_string(), reason });
        }
        // A relative CARGO_TARGET_DIR is relative to where cargo was started, which is also our working directory.
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => env::current_dir().map_err(Failure::file("finding", Path::new(".")))?.join(dir),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Cargo's folder for native builds; also where this program keeps its own products.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Cargo's folder for wasm32 builds: their own, because they may come from another rustc, and two compilers that take
    /// turns in one folder rebuild everything at each turn.
    pub(crate) fn wasm_target(&self) -> PathBuf {
        self.target.join("wasm")
    }

    /// A call of cargo on this repository. The target folder is said in full: it may have been given relative to elsewhere.
    pub(crate) fn cargo(&self) -> Call {
        Call::new("cargo").dir(&self.root).env("CARGO_TARGET_DIR", &self.target)
    }

    /// The version of wasm-bindgen that the root Cargo.toml pins: the command-line tool must be of the very same.
    pub(crate) fn wasm_bindgen_pin(&self) -> Result<Version, Failure> {
        let path = self.path("Cargo.toml");
        let text = fs::read_to_string(&path).map_err(Failure::file("reading", &path))?;
        wasm_bindgen_pin(&text)
    }
}

fn wasm_bindgen_pin(manifest: &str) -> Result<Version, Failure> {
    let document: toml::Table = manifest.parse().map_err(Failure::content("Cargo.toml"))?;
    let targets = document.get("target").and_then(toml::Value::as_table);
    let tables = targets.into_iter().flat_map(|targets| targets.values()).chain(document.get("workspace"));
    let requirement = tables
        .filter_map(|table| table.get("dependencies")?.get("wasm-bindgen"))
        .find_map(|entry| entry.as_str().or_else(|| entry.get("version")?.as_str()));
    let reason = match requirement {
        Some(requirement) if requirement.starts_with('=') => match Version::find(requirement) {
            Some(version) => return Ok(version),
            None => format!("wasm-bindgen = \"{requirement}\" names no version"),
        },
        Some(requirement) => {
            format!("wasm-bindgen = \"{requirement}\" must be pinned as \"=0.2.x\": its tool must match")
        }
        None => "wasm-bindgen is not among the dependencies of the wasm target".to_owned(),
    };
    Err(Failure::Content { file: "Cargo.toml".to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::wasm_bindgen_pin;

    #[track_caller]
    fn check(manifest: &str, expected: &str) {
        let found = match wasm_bindgen_pin(manifest) {
            Ok(version) => version.to_string(),
            Err(failure) => failure.to_string(),
        };
        assert!(found.starts_with(expected), "{found:?} does not start with {expected:?}");
    }

    #[test]
    fn the_pin_is_read_wherever_cargo_allows_it() {
        check("[target.'cfg(target_family = \"wasm\")'.dependencies]\nwasm-bindgen = \"=0.2.130\"", "0.2.130");
        check("[target.'cfg(x)'.dependencies]\nwasm-bindgen = { version = \"=0.2.131\", features = [] }", "0.2.131");
        check("[workspace.dependencies]\nwasm-bindgen = \"=0.2.132\"", "0.2.132");
    }

    #[test]
    fn a_pin_that_does_not_pin_is_refused() {
        check("[workspace.dependencies]\nwasm-bindgen = \"0.2\"", "Cargo.toml: wasm-bindgen = \"0.2\" must be pinned");
        check(
            "[workspace.dependencies]\nwasm-bindgen = \"=0.2\"",
            "Cargo.toml: wasm-bindgen = \"=0.2\" names no version",
        );
        check("[package]\nname = \"x\"", "Cargo.toml: wasm-bindgen is not among");
        check("[package", "Cargo.toml: ");
    }
}
