//! `cargo xtask sim`: the engine and the server's rules in worlds made from seeds, see `crates/sim`.

mod mutants;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// Worlds of one `cargo xtask test`.
const SEEDS: u64 = 300;

/// Options of `cargo xtask sim`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Lives through so many worlds
    #[arg(long, value_name = "N", default_value_t = SEEDS)]
    seeds: u64,
    /// The first seed; with `--seeds 1` its story is told
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Does not ask that every kind of fault has happened: one world need not have them all
    #[arg(long)]
    any_faults: bool,
    /// Breaks the engine or the server on purpose, one way at a time, and looks whether the worlds show it
    #[arg(long, conflicts_with_all = ["seeds", "seed", "any_faults"])]
    mutants: bool,
}

/// Builds the simulation and runs it.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.mutants {
        mutants::run(workspace)
    } else {
        workspace.cargo().args(PROGRAM).arg("--release").arg("--").args(arguments.options()).run()
    }
}

/// What `cargo xtask test` does: some worlds, and every mutant. Compiled without optimisation, of which the other tests have the most already.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Failure> {
    workspace.cargo().args(PROGRAM).arg("--").arg(format!("--seeds={SEEDS}")).run()?;
    mutants::run(workspace)
}

/// Cargo's words for running the simulation.
const PROGRAM: [&str; 4] = ["run", "--quiet", "--package", "whimbrel-sim"];

impl Arguments {
    fn options(&self) -> Vec<String> {
        let mut options = vec![format!("--seeds={}", self.seeds), format!("--seed={}", self.seed)];
        options.extend(self.any_faults.then(|| "--any-faults".to_owned()));
        options
    }
}
