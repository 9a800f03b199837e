//! `cargo xtask test`: every check of the project, step by step.
//!
//! **Invariant:** each step builds what it needs by itself, so that the command printed for a failed one reproduces it.
//! **Invariant:** the last line of the output is `N passed, N failed`, with `, N skipped` when steps were left out.

mod engine;
mod report;
mod step;

use std::time::Instant;

use crate::failure::Failure;
use crate::say::say;
use crate::setup;
use crate::workspace::Workspace;

use engine::Engine;
use report::{Outcome, Report};
use step::{Effort, Plan, Step};

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Runs only this step; may be given several times
    #[arg(long, value_enum, value_name = "STEP")]
    only: Vec<Step>,
    /// Also runs what takes long: 100,000 cases of the store's properties, 10,000 transactions of two tabs, a million rows on PostgreSQL, a storm of 5,000 requests
    #[arg(long)]
    long: bool,
    /// Runs the browser's tests in these engines, which it installs first [default: chromium]
    #[arg(long, value_enum, value_name = "ENGINE", value_delimiter = ',')]
    engines: Vec<Engine>,
    /// Goes on after a failed step
    #[arg(long)]
    keep_going: bool,
    /// Prints the steps and runs none
    #[arg(long)]
    list: bool,
}

impl Arguments {
    fn plan(&self) -> Plan {
        let effort = if self.long { Effort::Long } else { Effort::Usual };
        Plan { effort, engines: engine::select(&self.engines) }
    }
}

/// Sets up, runs the steps in their order, and sums up.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Failure> {
    let steps = select(&arguments.only);
    if arguments.list {
        for step in steps {
            say!("{:<12} {}", step.name(), step.purpose());
        }
        return Ok(());
    }
    let tools = setup::run(workspace)?;
    let plan = arguments.plan();
    let mut report = Report::default();
    for step in steps {
        if report.has_failed() && !arguments.keep_going {
            report.add(step, Outcome::Skipped);
            continue;
        }
        say!("\n=== {}: {}", step.name(), step.purpose());
        let start = Instant::now();
        let result = step.run(workspace, &tools, &plan);
        let time = start.elapsed();
        let outcome = match result {
            Ok(()) => Outcome::Passed { time },
            Err(failure) => {
                eprintln!("error: {failure}");
                Outcome::Failed { time }
            }
        };
        report.add(step, outcome);
    }
    say!("{report}");
    if report.has_failed() { Err(Failure::TestSteps) } else { Ok(()) }
}

/// The steps asked for, each once and in the order in which they run; all when none was named.
fn select(only: &[Step]) -> Vec<Step> {
    Step::ALL.into_iter().filter(|step| only.is_empty() || only.contains(step)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Step, select};

    #[test]
    fn steps_run_once_and_in_their_order_however_they_are_named() {
        assert_eq!(select(&[]), Step::ALL);
        assert_eq!(select(&[Step::Size, Step::Fmt, Step::Size]), [Step::Fmt, Step::Size]);
    }
}
