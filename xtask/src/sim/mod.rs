//! `cargo xtask sim`: the engine and the server's rules in worlds made from seeds, see `crates/sim`.

mod mutants;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// Worlds of one `cargo xtask test`.
const SEEDS: u64 = 300;

/// In one `cargo xtask test`, every so many steps of a scenario a tab dies; a prime, so that it is not always the same kind of step.
const STRIDE: u64 = 13;

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
    /// Plays the scenarios of `crates/sim/scenarios`, each with a crash at every step
    #[arg(long, conflicts_with_all = ["seeds", "seed", "any_faults", "mutants"])]
    crashes: bool,
}

/// Builds the simulation and runs it.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.mutants {
        mutants::run(workspace)
    } else if arguments.crashes {
        crashes(workspace, 1)
    } else {
        workspace.cargo().args(PROGRAM).arg("--release").arg("--").args(arguments.options()).run()
    }
}

/// What `cargo xtask test` does: some worlds, and every mutant. Compiled without optimisation, of which the other tests have the most already.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Failure> {
    workspace.cargo().args(PROGRAM).arg("--").arg(format!("--seeds={SEEDS}")).run()?;
    crashes(workspace, STRIDE)?;
    mutants::run(workspace)
}

/// The scenarios, with a crash at every step of that distance.
fn crashes(workspace: &Workspace, stride: u64) -> Result<(), Failure> {
    let folder = workspace.path("crates/sim/scenarios");
    let scenarios = format!("--scenarios={}", folder.display());
    workspace.cargo().args(PROGRAM).arg("--").args([scenarios, format!("--stride={stride}")]).run()
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
