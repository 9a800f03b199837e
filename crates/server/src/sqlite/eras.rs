//! Eras, and what is forgotten of the change log.
//!
//! **Invariant:** the horizon is where it is to be before the first removal behind it is forgotten.

use sqlx::sqlite::SqlitePool;
use sqlx::{Row as _, SqliteExecutor};
use uuid::Uuid;
use whimbrel_protocol::Version;

use crate::sql::from_sql;
use crate::storage::{Compacted, StorageResult};

/// Removals that one transaction forgets, at most: nobody waits for long meanwhile.
const AT_ONCE: i64 = 5_000;

pub(super) async fn begin(writer: &SqlitePool, now_ms: i64) -> sqlx::Result<()> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    // What was noted under later times was noted by a clock that was wrong; it counts as of now.
    let correct = sqlx::query("UPDATE whimbrel_era SET at = ?1 WHERE at > ?1");
    correct.bind(now_ms).execute(&mut *transaction).await?;
    let name: String = Uuid::new_v4().simple().to_string().chars().take(12).collect();
    let add = sqlx::query("INSERT INTO whimbrel_era (name, at, version) SELECT ?, ?, version FROM whimbrel_clock");
    add.bind(name).bind(now_ms).execute(&mut *transaction).await?;
    transaction.commit().await
}

pub(super) async fn until(executor: impl SqliteExecutor<'_>, era: &str) -> StorageResult<Option<Version>> {
    let sql = "SELECT (SELECT min(next.version) FROM whimbrel_era AS next WHERE next.number > own.number) \
               FROM whimbrel_era AS own WHERE own.name = ?";
    let found = sqlx::query(sql).bind(era).fetch_optional(executor).await?;
    let next = found.map(|row| row.try_get::<Option<i64>, _>(0)).transpose()?;
    Ok(next.map(|next| next.map_or(Version::MAX, from_sql)))
}

/// Another history; where the one before ended is remembered under its name.
pub(super) async fn renew_history(writer: &SqlitePool) -> sqlx::Result<()> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let end = "INSERT OR REPLACE INTO whimbrel_meta (name, value) \
               SELECT 'past ' || value, (SELECT version FROM whimbrel_clock) FROM whimbrel_meta WHERE name = 'history'";
    sqlx::query(end).execute(&mut *transaction).await?;
    let renew = sqlx::query("UPDATE whimbrel_meta SET value = ? WHERE name = 'history'");
    renew.bind(Uuid::new_v4().to_string()).execute(&mut *transaction).await?;
    transaction.commit().await
}

pub(super) async fn history_until(pool: &SqlitePool, history: &str) -> StorageResult<Option<Version>> {
    let sql = "SELECT CASE name WHEN 'history' THEN NULL ELSE CAST(value AS INTEGER) END FROM whimbrel_meta \
               WHERE name = 'past ' || ?1 OR (name = 'history' AND value = ?1)";
    let found = sqlx::query(sql).bind(history).fetch_optional(pool).await?;
    let end = found.map(|row| row.try_get::<Option<i64>, _>(0)).transpose()?;
    Ok(end.map(|end| end.map_or(Version::MAX, from_sql)))
}

pub(super) async fn compact(writer: &SqlitePool, before_ms: i64) -> StorageResult<Compacted> {
    let known = "SELECT CAST(value AS INTEGER) FROM whimbrel_meta WHERE name = 'horizon'";
    let known = sqlx::query(known).fetch_optional(writer).await?.map(|row| row.try_get::<i64, _>(0)).transpose()?;
    let reached = sqlx::query("SELECT max(version) FROM whimbrel_era WHERE at <= ?").bind(before_ms);
    let reached = reached.fetch_one(writer).await?.try_get::<Option<i64>, _>(0)?;
    let horizon = known.max(reached).unwrap_or(0);
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let set = "INSERT INTO whimbrel_meta (name, value) VALUES ('horizon', ?) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    sqlx::query(set).bind(horizon.to_string()).execute(&mut *transaction).await?;
    // No cursor of theirs can be continued.
    let over = "DELETE FROM whimbrel_era WHERE EXISTS \
                (SELECT 1 FROM whimbrel_era AS next WHERE next.number > whimbrel_era.number AND next.version < ?)";
    sqlx::query(over).bind(horizon).execute(&mut *transaction).await?;
    transaction.commit().await?;
    let mut removed = 0;
    loop {
        let some = forget(writer, horizon).await?;
        removed += some;
        if some == 0 {
            return Ok(Compacted { horizon: from_sql(horizon), removed });
        }
    }
}

/// Forgets some removals up to a version; how many. Those of one version go together.
async fn forget(writer: &SqlitePool, horizon: i64) -> StorageResult<u64> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let last = "SELECT max(version) FROM (SELECT version FROM whimbrel_log INDEXED BY whimbrel_log_gone \
                WHERE gone = 1 AND version <= ? ORDER BY version LIMIT ?)";
    let last = sqlx::query(last).bind(horizon).bind(AT_ONCE).fetch_one(&mut *transaction).await?;
    let Some(last) = last.try_get::<Option<i64>, _>(0)? else { return Ok(0) };
    let remember = "INSERT INTO whimbrel_deleted (entity, id, version) \
                    SELECT entity, id, max(version) FROM whimbrel_log AS l INDEXED BY whimbrel_log_gone \
                    WHERE gone = 1 AND version <= ? AND NOT EXISTS \
                      (SELECT 1 FROM whimbrel_log AS o WHERE o.entity = l.entity AND o.id = l.id AND o.gone = 0) \
                    GROUP BY entity, id \
                    ON CONFLICT (entity, id) DO UPDATE SET version = max(version, excluded.version)";
    sqlx::query(remember).bind(last).execute(&mut *transaction).await?;
    let remove = "DELETE FROM whimbrel_log WHERE gone = 1 AND version <= ?";
    let removed = sqlx::query(remove).bind(last).execute(&mut *transaction).await?.rows_affected();
    transaction.commit().await?;
    Ok(removed)
}
