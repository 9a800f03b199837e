//! The steps of a test run: what each one is for, and the calls that it makes.

use clap::ValueEnum;
use std::fs;

use super::engine::{self, Engine};
use crate::failure::Failure;
use crate::server::{self, Profile};
use crate::setup::Tools;
use crate::toolchain::TARGET;
use crate::workspace::Workspace;
use crate::{kill, npm, pkg, sim, size, www};

/// Cases of a property in a long run; what they mean to each test is said in tests/property/mod.rs.
const LONG_CASES: &str = "100000";
/// The same for the small properties of single functions, which proptest counts by itself.
const LONG_SMALL_CASES: &str = "10000";

/// The server's tests that can be given more to do: commit order, crashes, several servers, whatever bytes come.
const SERVER_LONG: &str = "test(no_reader_misses) + test(crashes) + test(instances) + test(/^fuzz::/)";
/// Rows that a hundred writers write.
const LONG_ROWS: &str = "1000000";
/// Rounds of killing the server, and of killing PostgreSQL.
const LONG_CRASHES: &str = "200";
/// Worlds of the simulation on two servers.
const LONG_WORLDS: &str = "100";
/// What each client does that moves between servers.
const LONG_STEPS: &str = "1000";

/// Enough to see that it works; `cargo xtask kill` is for more.
const KILL_OPTIONS: [&str; 2] = ["--rounds=5", "--torn=2"];

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// What a developer waits for.
    Usual,
    /// What a night is for.
    Long,
}

/// Transactions of two tabs.
const TABS: &str = "--transactions=1000";
const TABS_LONG: &str = "--transactions=10000";

/// Requests of the storm in a long run; a usual one has what the test says.
const STORM_LONG: &str = "5000";

/// How much is tried, and where.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) effort: Effort,
    pub(super) engines: Vec<Engine>,
}

/// One step; the order of the variants is the order in which they run, the quick ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    Fmt,
    Clippy,
    ClippyWasm,
    Native,
    Doc,
    Sim,
    Browser,
    Pkg,
    Size,
    Js,
    Www,
    E2e,
    Kill,
    Tabs,
    Faults,
}

impl Step {
    pub(super) const ALL: [Self; 15] = [
        Self::Fmt,
        Self::Clippy,
        Self::ClippyWasm,
        Self::Native,
        Self::Doc,
        Self::Sim,
        Self::Browser,
        Self::Pkg,
        Self::Size,
        Self::Js,
        Self::Www,
        Self::E2e,
        Self::Kill,
        Self::Tabs,
        Self::Faults,
    ];

    /// The name by which `--only` knows it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::ClippyWasm => "clippy-wasm",
            Self::Native => "native",
            Self::Doc => "doc",
            Self::Sim => "sim",
            Self::Browser => "browser",
            Self::Pkg => "pkg",
            Self::Size => "size",
            Self::Js => "js",
            Self::Www => "www",
            Self::E2e => "e2e",
            Self::Kill => "kill",
            Self::Tabs => "tabs",
            Self::Faults => "faults",
        }
    }

    pub(super) fn purpose(self) -> &'static str {
        match self {
            Self::Fmt => "the formatting of the Rust code",
            Self::Clippy => "lints of everything that runs natively",
            Self::ClippyWasm => "lints of the engine as it is compiled for the browser",
            Self::Native => "the native tests of all crates",
            Self::Doc => "the examples in the documentation",
            Self::Sim => "the engine and the server's rules in worlds made from seeds",
            Self::Browser => "the engine's tests in a browser, on a real IndexedDB",
            Self::Pkg => "the build of the npm package",
            Self::Size => "what a page must load, against the budget",
            Self::Js => "the type tests and unit tests of the package and of the bench",
            Self::Www => "the build of the demo",
            Self::E2e => "the demo in Chromium against a real server",
            Self::Kill => "a few rounds of killing Chromium while it writes",
            Self::Tabs => {
                "tabs that write the same records at once, one that is frozen, and a database deleted under them"
            }
            Self::Faults => "every call of IndexedDB failing once, in every way",
        }
    }

    pub(super) fn run(self, workspace: &Workspace, tools: &Tools, plan: &Plan) -> Result<(), Failure> {
        match self {
            Self::Fmt => workspace.cargo().args(["fmt", "--all", "--check"]).run(),
            Self::Clippy => {
                workspace.cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]).run()
            }
            Self::ClippyWasm => clippy_wasm(workspace, tools),
            Self::Native => native(workspace, plan.effort),
            Self::Doc => workspace.cargo().args(["test", "--doc", "--workspace"]).run(),
            Self::Sim => sim::test(workspace),
            Self::Browser => {
                let targets = browser_targets(workspace)?;
                plan.engines.iter().try_for_each(|engine| engine::run(workspace, tools, *engine, &targets))
            }
            Self::Pkg => pkg::build(workspace, pkg::Mode::Release),
            Self::Size => size::run(workspace),
            Self::Js => {
                pkg::build(workspace, pkg::Mode::Release)?;
                npm::script(workspace, "test", "pkg").run()?;
                npm::script(workspace, "test", "benches/browser").run()
            }
            Self::Www => {
                pkg::build(workspace, pkg::Mode::Release)?;
                www::build(workspace)
            }
            Self::E2e => end_to_end(workspace, tools, plan.effort),
            Self::Kill => in_chromium(workspace, tools, "kill", &KILL_OPTIONS),
            Self::Tabs => {
                let transactions = if plan.effort == Effort::Long { TABS_LONG } else { TABS };
                in_chromium(workspace, tools, "tabs", &[transactions])
            }
            Self::Faults => {
                pkg::build(workspace, pkg::Mode::Release)?;
                tools.browser.apply(npm::script(workspace, "faults", "tests/faults")).run()
            }
        }
    }
}

fn native(workspace: &Workspace, effort: Effort) -> Result<(), Failure> {
    workspace.cargo().args(["nextest", "run", "--workspace"]).run()?;
    if effort == Effort::Usual {
        return Ok(());
    }
    let call = workspace.cargo().args(["nextest", "run", "--package", "whimbrel"]);
    let call = call.args(["--cargo-profile", "thorough", "--profile", "long", "--no-fail-fast"]);
    call.env("WHIMBREL_CASES", LONG_CASES).env("PROPTEST_CASES", LONG_SMALL_CASES).run()?;
    let call = workspace.cargo().args(["nextest", "run", "--package", "whimbrel-server"]);
    let call =
        call.args(["--cargo-profile", "thorough", "--profile", "long", "--no-fail-fast", "--success-output", "final"]);
    let call = call.args(["--filterset", SERVER_LONG]).env("WHIMBREL_ROWS", LONG_ROWS);
    let call = call.env("WHIMBREL_WORLDS", LONG_WORLDS).env("PROPTEST_CASES", LONG_SMALL_CASES);
    call.env("WHIMBREL_CRASHES", LONG_CRASHES).env("WHIMBREL_STEPS", LONG_STEPS).run()
}

fn clippy_wasm(workspace: &Workspace, tools: &Tools) -> Result<(), Failure> {
    let call = workspace.cargo().args(["clippy", "--package", "whimbrel", "--target", TARGET, "--lib"]);
    let call = call.args(browser_targets(workspace)?).args(["--", "--deny", "warnings"]);
    tools.wasm.apply(workspace, call).run()?;
    let call = workspace.cargo().args(["clippy", "--package", "whimbrel-attachments", "--target", TARGET, "--lib"]);
    tools.wasm.apply(workspace, call.args(["--", "--deny", "warnings"])).run()
}

/// A program of `tests/kill`, with the package as an app gets it.
fn in_chromium(workspace: &Workspace, tools: &Tools, program: &str, options: &[&str]) -> Result<(), Failure> {
    pkg::build(workspace, pkg::Mode::Release)?;
    let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    kill::call(workspace, &tools.browser, program, &options).run()
}

fn end_to_end(workspace: &Workspace, tools: &Tools, effort: Effort) -> Result<(), Failure> {
    pkg::build(workspace, pkg::Mode::Release)?;
    www::build(workspace)?;
    let server = server::build(workspace, Profile::Dev)?;
    let call = npm::script(workspace, "test", "tests/e2e").env("WHIMBREL_SERVER", server);
    let call = if effort == Effort::Long { call.env("STORM_REQUESTS", STORM_LONG) } else { call };
    tools.browser.apply(call).run()
}

/// `--test NAME` for each `tests/browser*.rs`; the other tests of the engine run natively and do not compile for the browser.
fn browser_targets(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let dir = workspace.path("tests");
    let entries = fs::read_dir(&dir).map_err(Failure::file("reading", &dir))?;
    let files = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let targets = browser_test_arguments(files);
    if targets.is_empty() {
        let reason = "no browser*.rs among the tests: nothing would run in the browser".to_owned();
        return Err(Failure::Content { file: "tests".to_owned(), reason });
    }
    Ok(targets)
}

fn browser_test_arguments(files: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = files
        .filter_map(|file| Some(file.strip_suffix(".rs")?.to_owned()))
        .filter(|name| name.starts_with("browser"))
        .collect();
    names.sort();
    names.into_iter().flat_map(|name| ["--test".to_owned(), name]).collect()
}

#[cfg(test)]
mod tests {
    use super::{Step, browser_test_arguments};
    use clap::ValueEnum;

    #[test]
    fn the_list_of_steps_is_complete_and_named_as_only_names_them() {
        assert_eq!(Step::ALL, Step::value_variants());
        for step in Step::ALL {
            assert_eq!(Step::from_str(step.name(), false), Ok(step));
        }
    }

    #[test]
    fn only_browser_tests_run_in_the_browser() {
        let files = ["tidy.rs", "browser_store.rs", "browser.rs", "browser", "e2e", "browser.ts"].map(str::to_owned);
        let arguments = browser_test_arguments(files.into_iter());
        assert_eq!(arguments, ["--test", "browser", "--test", "browser_store"]);
    }
}
