//! The measures of a drain: what the same rows cost the server's database without a device.
//!
//! `batch_insert HOW CONFIG DATABASE ROWS BATCH` makes the database as the server does, and inserts the rows of a JSON file (arrays of the id and the
//! values in the order of the fields) into `workOrder`, in batches, a transaction each. `own` is how the server itself does it: pushes through its
//! router, in this process, from the bytes of a request to the bytes of its answer. `plain` is SQL and nothing else: a statement of many rows per
//! batch into the same tables, through the same triggers, as durable. Prints the milliseconds that took. `cargo xtask bench drain` calls it.

use std::error::Error;
use std::path::{Path, PathBuf};

use serde_json::Value;
use whimbrel_server::{Config, Entity};

mod own;
mod plain;

const USAGE: &str = "batch_insert own|plain CONFIG DATABASE ROWS BATCH";
const ENTITY: &str = "workOrder";

/// The id and the values of a row.
type Row = Vec<Value>;

/// What is inserted where.
struct Task<'a> {
    config: &'a Config,
    entity: &'a Entity,
    database: &'a Path,
    rows: &'a [Row],
    batch: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    let how = next()?;
    let (config, database) = (Config::load(Path::new(&next()?))?, PathBuf::from(next()?));
    let rows: Vec<Row> = serde_json::from_str(&std::fs::read_to_string(next()?)?)?;
    let batch: usize = next()?.parse()?;
    let entity = config.entities.find(ENTITY).ok_or("no workOrder in the configuration")?;
    let task = Task { config: &config, entity, database: &database, rows: &rows, batch };
    let took = match how.as_str() {
        "own" => own::insert(task).await?,
        "plain" => plain::insert(task).await?,
        _ => return Err(USAGE.into()),
    };
    println!("{}", took.as_secs_f64() * 1000.0);
    Ok(())
}
