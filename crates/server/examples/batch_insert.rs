//! The measure of a drain: the same rows put into the same tables, through the same triggers, by plain SQL and nothing else.
//!
//! `batch_insert CONFIG DATABASE ROWS BATCH` makes the database as the server does, and inserts the rows of a JSON file (arrays of the id and the
//! values in the order of the fields) into `workOrder`: a statement of many rows per batch, a transaction per batch, as durable as the server's.
//! Prints the milliseconds that took. `cargo xtask bench drain` calls it.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use whimbrel_server::{Config, Database as _, Entity, SqliteStorage};

const USAGE: &str = "batch_insert CONFIG DATABASE ROWS BATCH";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    let (config, database) = (Config::load(PathBuf::from(next()?).as_path())?, PathBuf::from(next()?));
    let rows: Vec<Vec<Value>> = serde_json::from_str(&std::fs::read_to_string(next()?)?)?;
    let batch: usize = next()?.parse()?;
    let entity = config.entities.find("workOrder").ok_or("no workOrder in the configuration")?;

    SqliteStorage::open(&database, &config.entities).await?.close().await?;
    let options = SqliteConnectOptions::new()
        .filename(&database)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-32768")
        .foreign_keys(true)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let start = Instant::now();
    for some in rows.chunks(batch) {
        insert(&mut connection, entity, some).await?;
    }
    println!("{}", start.elapsed().as_secs_f64() * 1000.0);
    Ok(())
}

async fn insert(connection: &mut SqliteConnection, entity: &Entity, rows: &[Vec<Value>]) -> Result<(), Box<dyn Error>> {
    let columns: String = entity.fields.iter().map(|field| format!(", \"{}\"", field.column)).collect();
    let one = format!("(?{})", ", ?".repeat(entity.fields.len()));
    let sql = format!("INSERT INTO \"{}\" (\"id\"{columns}) VALUES {}", entity.table, vec![one; rows.len()].join(", "));
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in rows.iter().flatten() {
        query = match value {
            Value::String(text) => query.bind(text),
            number => query.bind(number.as_i64().ok_or("texts and whole numbers only")?),
        };
    }
    query.execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}
