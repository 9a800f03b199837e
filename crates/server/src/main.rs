//! `whimbrel-server`: the sync server as a program.
//!
//! Exit codes: 0 after a clean stop, 1 when it could not serve, 2 when the arguments or the configuration are wrong.

mod program;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    program::main().await
}
