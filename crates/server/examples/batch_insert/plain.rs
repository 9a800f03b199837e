//! By plain SQL.

use std::error::Error;
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use whimbrel_server::{Database as _, Entity, SqliteStorage};

use super::{Row, Task};

pub(super) async fn insert(
    Task { config, entity, database, rows, batch }: Task<'_>,
) -> Result<Duration, Box<dyn Error>> {
    SqliteStorage::open(database, &config.entities).await?.close().await?;
    let options = SqliteConnectOptions::new()
        .filename(database)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-32768")
        .foreign_keys(true)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let start = Instant::now();
    for some in rows.chunks(batch) {
        insert_batch(&mut connection, entity, some).await?;
    }
    Ok(start.elapsed())
}

async fn insert_batch(connection: &mut SqliteConnection, entity: &Entity, rows: &[Row]) -> Result<(), Box<dyn Error>> {
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
