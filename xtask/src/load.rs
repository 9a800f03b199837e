//! `cargo xtask load`: how much one server takes, see `crates/server/benches/load`.

use clap::ValueEnum;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// The databases.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Database {
    Postgres,
    Sqlite,
}

/// Options of `cargo xtask load`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Clients that think in between
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    clients: u32,
    /// For how long they are watched
    #[arg(long, value_name = "S", default_value_t = 60)]
    seconds: u32,
    /// Rounds of pushes and of plain inserts, in turns
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: u32,
    /// Rows of the larger first pull; the smaller has a tenth
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    rows: u32,
    /// What the server stores in
    #[arg(long, value_enum, default_value = "postgres")]
    database: Database,
}

/// Builds the server as it is used, and measures.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { clients, seconds, rounds, rows, database } = arguments;
    let database = match database {
        Database::Postgres => "postgres",
        Database::Sqlite => "sqlite",
    };
    let call = workspace.cargo().args(["bench", "--package", "whimbrel-server", "--bench", "load", "--"]);
    let call = call.args([format!("--clients={clients}"), format!("--seconds={seconds}")]);
    call.args([format!("--rounds={rounds}"), format!("--rows={rows}"), format!("--database={database}")]).run()
}
