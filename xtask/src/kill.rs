//! `cargo xtask kill`: Chromium is killed while it writes, again and again, and nothing that it acknowledged may be missing.
//!
//! The program itself is the npm workspace `tests/kill`, which prints its seed and what it has found. Here is what it needs: a browser and
//! the package as an app gets it.

use crate::failure::Failure;
use crate::npm;
use crate::pkg;
use crate::process::Call;
use crate::setup::{self, Browser};
use crate::workspace::Workspace;

const NPM_WORKSPACE: &str = "tests/kill";

/// Options of `cargo xtask kill`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Kills so many times
    #[arg(long, value_name = "N", default_value_t = 20)]
    rounds: u32,
    /// Tears the browser's log so many times [default: a tenth of the rounds]
    #[arg(long, value_name = "N")]
    torn: Option<u32>,
    /// The seed of a run that is to be repeated [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
}

/// Builds the package, then kills.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Failure> {
    let tools = setup::run(workspace)?;
    pkg::build(workspace, pkg::Mode::Release)?;
    call(workspace, &tools.browser, "kill", &arguments.options()).run()
}

/// A program of the npm workspace.
pub(crate) fn call(workspace: &Workspace, browser: &Browser, program: &str, options: &[String]) -> Call {
    browser.apply(npm::script(workspace, program, NPM_WORKSPACE).arg("--").args(options))
}

impl Arguments {
    fn options(&self) -> Vec<String> {
        let mut options = vec![format!("--rounds={}", self.rounds)];
        options.extend(self.torn.map(|torn| format!("--torn={torn}")));
        options.extend(self.seed.map(|seed| format!("--seed={seed}")));
        options
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn what_is_said_reaches_the_program_and_the_rest_is_left_to_it() {
        let options = |line: &str| Line::try_parse_from(line.split(' ')).map(|line| line.arguments.options());
        assert_eq!(options("kill").unwrap(), ["--rounds=20"]);
        let expected = ["--rounds=200", "--torn=30", "--seed=7"];
        assert_eq!(options("kill --rounds 200 --torn 30 --seed 7").unwrap(), expected);
    }
}
