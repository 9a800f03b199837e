//! `whimbrel-conformance --url URL --token T --other-token U`: the cases of the protocol against a server.

use std::process::ExitCode;

use clap::Parser;
use whimbrel_conformance::{Target, run};

/// Tries what docs/PROTOCOL.md says against a server that has the entities and users of crates/conformance/conformance.toml
#[derive(Parser)]
struct Arguments {
    /// Where the server is, without /v1
    #[arg(long, value_name = "URL")]
    url: String,
    /// A token of the first user: scopes all, team:a, team:b, role:boss
    #[arg(long, value_name = "TOKEN")]
    token: String,
    /// A token of the second user: scopes all, team:b. Cases of two users are left out without it
    #[arg(long, value_name = "TOKEN")]
    other_token: Option<String>,
    /// Only cases whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { url, token, other_token, only } = Arguments::parse();
    let report = run(&Target { url, token, other_token }, &only).await;
    println!("{report}");
    if report.failed.is_empty() && !report.passed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
