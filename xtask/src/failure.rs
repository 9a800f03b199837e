//! What can go wrong in a command, each as the one sentence its user reads.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A tool is not here and this program cannot bring it.
    #[error("{tool} is missing ({why}): {remedy}")]
    Missing { tool: &'static str, why: &'static str, remedy: String },
    /// A tool is here in a version that will not do.
    #[error("{tool} is version {found}, but {wanted} is needed: {remedy}")]
    Version { tool: &'static str, found: String, wanted: String, remedy: &'static str },
    /// A program could not be started at all.
    #[error("{program} could not be started: {source}")]
    Start { program: String, source: io::Error },
    /// A program ran and failed; what it said stands above.
    #[error("{line} failed ({status})")]
    Exit { line: String, status: ExitStatus },
    /// A file or folder could not be read or written.
    #[error("{doing} {path} failed: {source}", path = path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    /// A file of the project does not say what is looked for in it.
    #[error("{file}: {reason}")]
    Content { file: String, reason: String },
    /// The package is larger than the repository allows.
    #[error(
        "the package is over its size budget: {found:.1} KiB of {budget:.1} KiB (size-budget.toml says how it may be raised)"
    )]
    OverBudget { found: f64, budget: f64 },
    /// The demo's address is in use.
    #[error("{address} is taken: stop what listens there, or choose another with --port")]
    AddressTaken { address: String },
    /// The server never answered.
    #[error("whimbrel-server did not answer on {address}: {reason}")]
    ServerSilent { address: String, reason: String },
    /// The server was asked to stop and did not.
    #[error("whimbrel-server did not stop within {seconds} s and was killed")]
    ServerStuck { seconds: u64 },
    /// The handler for Ctrl-C could not be set.
    #[error("Ctrl-C cannot be handled: {0}")]
    Signal(#[from] ctrlc::Error),
    /// One or more steps of `cargo xtask test` failed; the report has said which.
    #[error("some steps failed")]
    TestSteps,
}

impl Failure {
    /// Turns an I/O error into a failure that names the path: `.map_err(Failure::file("reading", &path))`.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { doing, path, source }
    }

    /// Turns a parser's error into a failure that names the file: `.map_err(Failure::content("Cargo.toml"))`.
    pub(crate) fn content<E: Display>(file: &str) -> impl FnOnce(E) -> Self {
        let file = file.to_owned();
        move |error| Self::Content { file, reason: error.to_string().trim_end().replace('\n', " ") }
    }
}
