//! `cargo xtask bench drain`: how fast an outbox becomes the server's, and what a long one takes of memory.

use std::env;

use crate::failure::Failure;
use crate::npm;
use crate::server::{self, Profile};
use crate::workspace::Workspace;
use crate::{pkg, setup};

use super::NPM_WORKSPACE;

/// Inserts the same rows without a client: the measure.
const EXAMPLE: &str = "batch_insert";

/// Options of `cargo xtask bench drain`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often the drain is measured; the medians count
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Changes that are drained in each run; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    changes: u32,
    /// Changes that are queued to see what that takes of memory; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(..=100_000))]
    queue: u32,
    /// Shows where the time goes: the heaviest functions of each drain
    #[arg(long)]
    profile: bool,
}

/// Builds the package and the server as they are used, then measures.
pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Failure> {
    let tools = setup::run(workspace)?;
    pkg::build(workspace, if arguments.profile { pkg::Mode::Profile } else { pkg::Mode::Release })?;
    let server = server::build(workspace, Profile::Release)?;
    workspace.cargo().args(["build", "--package", "whimbrel-server", "--release", "--example", EXAMPLE]).run()?;
    let insert = workspace.target().join("release/examples").join(format!("{EXAMPLE}{}", env::consts::EXE_SUFFIX));
    let call = npm::script(workspace, "drain", NPM_WORKSPACE).arg("--").args(arguments.options());
    tools.browser.apply(call.env("WHIMBREL_SERVER", server).env("WHIMBREL_BATCH_INSERT", insert)).run()
}

impl Arguments {
    fn options(&self) -> Vec<String> {
        let Self { runs, changes, queue, profile } = self;
        let mut options = vec![format!("--runs={runs}"), format!("--changes={changes}"), format!("--queue={queue}")];
        options.extend(profile.then(|| "--profile".to_owned()));
        options
    }
}
