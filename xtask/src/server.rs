//! The sync server's binary.

use std::env;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// How the server is compiled.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// Quickly, for tests.
    Dev,
    /// Optimised, for use.
    Release,
}

/// Builds `whimbrel-server` and says where it is.
pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<PathBuf, Failure> {
    let call = workspace.cargo().args(["build", "--package", "whimbrel-server"]);
    let folder = match profile {
        Profile::Dev => {
            call.run()?;
            "debug"
        }
        Profile::Release => {
            call.arg("--release").run()?;
            "release"
        }
    };
    Ok(workspace.target().join(folder).join(format!("whimbrel-server{}", env::consts::EXE_SUFFIX)))
}
