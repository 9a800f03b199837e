//! How much one server takes: clients that think in between, as many pushes as it can, first pulls. `cargo xtask load` runs it.
//!
//! ```text
//! paced      N clients of teams of ten, each: think, push 1 to 4 changes, pull              p50, p99, changes a second, memory
//! saturated  pushes of 500 new records as fast as they are taken, in turns with plain
//!            INSERTs of 500 rows into the same table, through the same triggers             the ratio
//! first pull of 10,000 and of 100,000 rows                                                  rows a second, memory
//! ```
//! On one core: database and server run on the first, whoever asks on the others. Commits are on disk (fsync, `synchronous = FULL`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a measurement that cannot be made ends"
)]

mod clients;
#[path = "../../tests/server/support/cluster.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod cluster;
mod figures;
mod place;
mod pulls;
mod saturation;

use std::time::Duration;

use clap::{Parser, ValueEnum};

#[derive(Parser)]
struct Arguments {
    /// Clients that think in between
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// For how long they are watched
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Rounds of pushes and of plain inserts, in turns
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Rows of the larger first pull; the smaller has a tenth
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    #[arg(long, value_enum, default_value = "postgres")]
    database: DatabaseKind,
    /// Another server than the one that was built along
    #[arg(long)]
    server: Option<std::path::PathBuf>,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DatabaseKind {
    Postgres,
    Sqlite,
}

fn main() {
    let arguments = Arguments::parse();
    place::on_cores("0");
    let place = place::Place::start(arguments.database, arguments.server.as_deref());
    place::on_cores("1-1023");
    println!("{:?}, {}", arguments.database, figures::load_average());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let time = Duration::from_secs(arguments.seconds);
        clients::measure(&place, arguments.clients, time).await;
        saturation::measure(&place, arguments.rounds).await;
        for rows in [arguments.rows / 10, arguments.rows] {
            pulls::measure(&place, rows).await;
        }
    });
    println!("at the end: {}", figures::load_average());
}
