//! `cargo xtask bench`: this engine beside other ways to keep rows in a browser, in headless Chromium.
//!
//! The bench itself is the npm workspace `benches/browser`, which prints the tables and writes `target/bench/latest.json`. Here is
//! what it needs: a browser, the package as an app gets it, and its options. `cargo xtask bench drain` measures the sync instead.

mod drain;

use crate::failure::Failure;
use crate::npm;
use crate::workspace::Workspace;
use crate::{pkg, setup};

const NPM_WORKSPACE: &str = "benches/browser";

/// The peer that has to be built first.
const WHIMBREL: &str = "whimbrel";

/// Every peer that the bench knows.
const ALL: &str = "all";

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// Measures with so many rows; may be given several times [default: 10000 and 100000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    rows: Vec<u32>,
    /// Measures these, for example `whimbrel,raw`, or `all`; ratios need `raw` [default: whimbrel,raw,packed,dexie]
    #[arg(long, value_name = "PEER", value_delimiter = ',')]
    peers: Vec<String>,
    /// How often everything is measured; the table has the medians
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// The seed of the rows [default: always the same]
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Shows where the time goes: the heaviest functions of each measure, and the steps of a cold start
    #[arg(long)]
    profile: bool,
}

/// What is measured instead.
#[derive(clap::Subcommand)]
enum Other {
    /// Measures how fast an outbox becomes the server's over loopback, and what a long one takes of memory
    Drain(drain::Arguments),
}

/// Builds the package where it is measured, then measures.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(Other::Drain(arguments)) = &arguments.other {
        return drain::run(workspace, arguments);
    }
    let tools = setup::run(workspace)?;
    if arguments.measures(WHIMBREL) {
        pkg::build(workspace, if arguments.profile { pkg::Mode::Profile } else { pkg::Mode::Release })?;
    }
    let call = npm::script(workspace, "bench", NPM_WORKSPACE).arg("--").args(arguments.options());
    tools.browser.apply(call).run()
}

impl Arguments {
    fn measures(&self, peer: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|name| name == peer || name == ALL)
    }

    /// The same, as the bench takes them. It knows its peers, and what is measured when nothing was said.
    fn options(&self) -> Vec<String> {
        let mut options = vec![format!("--runs={}", self.runs)];
        options.extend(self.rows.iter().map(|rows| format!("--rows={rows}")));
        if !self.peers.is_empty() {
            options.push(format!("--peers={}", self.peers.join(",")));
        }
        options.extend(self.seed.map(|seed| format!("--seed={seed}")));
        options.extend(self.profile.then(|| "--profile".to_owned()));
        options
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Other, WHIMBREL};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Line::try_parse_from(line.split(' ')).map(|line| line.arguments)
    }

    #[test]
    fn what_is_not_said_is_left_to_the_bench() {
        let arguments = parse("bench").unwrap();
        assert_eq!(arguments.options(), ["--runs=3"]);
        assert!(arguments.measures(WHIMBREL));
    }

    #[test]
    fn what_is_said_reaches_the_bench() {
        let arguments = parse("bench --rows 10000 --rows 50000 --peers raw,dexie --runs 5 --seed 7 --profile").unwrap();
        let expected = ["--runs=5", "--rows=10000", "--rows=50000", "--peers=raw,dexie", "--seed=7", "--profile"];
        assert_eq!(arguments.options(), expected);
        assert!(!arguments.measures(WHIMBREL));
        assert!(parse("bench --peers all").unwrap().measures(WHIMBREL));
    }

    #[test]
    fn a_drain_has_options_of_its_own() {
        let Some(Other::Drain(_)) = parse("bench drain --runs 2 --queue 0").unwrap().other else { panic!("no drain") };
        assert!(parse("bench --rows 10000 drain").is_err());
        assert!(parse("bench drain --queue 100001").is_err(), "the outbox takes no more");
    }

    #[test]
    fn too_few_rows_are_refused_before_anything_is_built() {
        assert!(parse("bench --rows 999").is_err());
        assert!(parse("bench --runs 0").is_err());
    }
}
