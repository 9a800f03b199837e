//! The project's own commands: `cargo xtask setup | demo | test | conformance | load | kill | sim | pkg | size | bench`.
//!
//! A command is a file of this crate. Each one is a sequence of calls to other programs (cargo, npm, wasm-bindgen, apt-get …)
//! whose output is shown as it comes, and around them the few decisions worth testing: what is missing, what is stale, what is
//! over budget.
//!
//! **Invariant:** a failure is one sentence on stderr that names the step or the tool and what to do, never a panic.
//! **Invariant:** every command can be repeated; what is there already is skipped.

mod bench;
mod conformance;
mod demo;
mod failure;
mod kill;
mod load;
mod npm;
mod pkg;
mod process;
mod say;
mod server;
mod setup;
mod sim;
mod size;
mod small_std;
mod test;
mod toolchain;
mod version;
mod workspace;
mod www;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

use failure::Failure;
use workspace::Workspace;

/// What `cargo xtask` understands.
#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, tests and shows Whimbrel.")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Installs what the other commands need and is not here yet
    Setup,
    /// Builds the engine and the npm package into pkg/dist
    Pkg(pkg::Arguments),
    /// Prints what a page must load, and fails above the budget of size-budget.toml
    Size,
    /// Measures the engine beside other ways to keep rows in a browser
    Bench(bench::Arguments),
    /// Kills Chromium while it writes and looks whether what it acknowledged is there
    Kill(kill::Arguments),
    /// Lives through worlds of seeds: devices, tabs, a hostile network, and a judge
    Sim(sim::Arguments),
    /// Tries the cases of docs/PROTOCOL.md against a server
    Conformance(conformance::Arguments),
    /// Measures how much one server takes: clients that think, pushes beside plain inserts, first pulls
    Load(load::Arguments),
    /// Builds everything and serves the demo on this machine
    Demo(demo::Arguments),
    /// Runs every check and test of the project
    Test(test::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // A test run has already said what failed, above its totals, which must be the last line.
            if !matches!(failure, Failure::TestSteps) {
                eprintln!("error: {failure}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    match task {
        Task::Setup => setup::run(&workspace).map(|_| ()),
        Task::Pkg(arguments) => pkg::build(&workspace, arguments.mode()),
        Task::Size => size::run(&workspace),
        Task::Bench(arguments) => bench::run(&workspace, arguments),
        Task::Kill(arguments) => kill::run(&workspace, arguments),
        Task::Sim(arguments) => sim::run(&workspace, arguments),
        Task::Conformance(arguments) => conformance::run(&workspace, arguments),
        Task::Load(arguments) => load::run(&workspace, arguments),
        Task::Demo(arguments) => demo::run(&workspace, arguments),
        Task::Test(arguments) => test::run(&workspace, arguments),
    }
}
