//! Node's packages: installed from the lock file, called by their place in `node_modules`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::failure::Failure;
use crate::process::Call;
use crate::workspace::Workspace;

/// Whether `node_modules` is what `package-lock.json` says: npm writes its own copy of the lock as the last thing it does.
pub(crate) fn is_installed(workspace: &Workspace) -> bool {
    let modified = |path: PathBuf| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    let lock = modified(workspace.path("package-lock.json"));
    let installed = modified(workspace.path("node_modules/.package-lock.json"));
    lock.is_some() && installed >= lock
}

/// `npm ci` in the root: exactly the lock's versions, for all npm workspaces at once.
pub(crate) fn install(workspace: &Workspace) -> Result<(), Failure> {
    Call::new("npm").args(["ci", "--no-audit", "--no-fund"]).dir(workspace.root()).run()
}

/// Runs a script of one of the npm workspaces: `npm run build --workspace www`.
pub(crate) fn script(workspace: &Workspace, name: &str, package: &str) -> Call {
    Call::new("npm").args(["run", name, "--workspace", package]).dir(workspace.root())
}

/// A call of a program that an npm package brought, for example `wasm-opt` of `binaryen`.
pub(crate) fn tool(workspace: &Workspace, name: &'static str) -> Result<Call, Failure> {
    let bin = workspace.path("node_modules/.bin");
    // npm puts a script for the Windows shell beside the one for the others.
    let file = if cfg!(windows) { bin.join(format!("{name}.cmd")) } else { bin.join(name) };
    if is_file(&file) {
        Ok(Call::new(file).dir(workspace.root()))
    } else {
        let why = "it comes with the npm packages of the root package.json";
        Err(Failure::Missing { tool: name, why, remedy: "run `cargo xtask setup`".to_owned() })
    }
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}
