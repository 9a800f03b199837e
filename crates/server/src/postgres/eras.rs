//! Eras, and what is forgotten of the change log.
//!
//! **Invariant:** the horizon is where it is to be before the first removal behind it is forgotten.
//! **Invariant:** the clock's floor is at least what the log's newest version was before something was forgotten.

use sqlx::postgres::{PgPool, Postgres};
use sqlx::{AssertSqlSafe, PgExecutor, Row as _, Transaction};
use uuid::Uuid;
use whimbrel_protocol::Version;

use super::triggers::{NEWEST, TAKE_CLOCK};
use super::values::plain;
use crate::sql::from_sql;
use crate::storage::{Compacted, StorageResult};

/// Removals that one transaction forgets, at most: nobody waits for long meanwhile.
const AT_ONCE: i64 = 5_000;

/// A transaction that has the clock, so that nothing is written until it ends.
async fn begin_alone(writers: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    let mut transaction = writers.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    sqlx::query(TAKE_CLOCK).execute(&mut *transaction).await?;
    Ok(transaction)
}

pub(super) async fn begin(writers: &PgPool, now_ms: i64) -> sqlx::Result<()> {
    let mut transaction = begin_alone(writers).await?;
    // What was noted under later times was noted by a clock that was wrong; it counts as of now.
    let correct = sqlx::query("UPDATE whimbrel_era SET at = $1 WHERE at > $1");
    correct.bind(now_ms).execute(&mut *transaction).await?;
    let name: String = Uuid::new_v4().simple().to_string().chars().take(12).collect();
    let add = format!("INSERT INTO whimbrel_era (name, at, version) VALUES ($1, $2, {NEWEST})");
    sqlx::query(AssertSqlSafe(add)).bind(name).bind(now_ms).execute(&mut *transaction).await?;
    transaction.commit().await
}

pub(super) async fn until(executor: impl PgExecutor<'_>, era: &str) -> StorageResult<Option<Version>> {
    let sql = "SELECT (SELECT min(next.version) FROM whimbrel_era AS next WHERE next.number > own.number) \
               FROM whimbrel_era AS own WHERE own.name = $1";
    let found = sqlx::query(sql).bind(plain(era)).fetch_optional(executor).await?;
    let next = found.map(|row| row.try_get::<Option<i64>, _>(0)).transpose()?;
    Ok(next.map(|next| next.map_or(Version::MAX, from_sql)))
}

/// Another history; where the one before ended is remembered under its name.
pub(super) async fn renew_history(writers: &PgPool) -> sqlx::Result<()> {
    let mut transaction = begin_alone(writers).await?;
    let end = format!(
        "INSERT INTO whimbrel_meta (name, value) \
         SELECT 'past ' || value, {NEWEST}::text FROM whimbrel_meta WHERE name = 'history' \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    );
    sqlx::query(AssertSqlSafe(end)).execute(&mut *transaction).await?;
    let renew = sqlx::query("UPDATE whimbrel_meta SET value = $1 WHERE name = 'history'");
    renew.bind(Uuid::new_v4().to_string()).execute(&mut *transaction).await?;
    transaction.commit().await
}

pub(super) async fn history_until(readers: &PgPool, history: &str) -> StorageResult<Option<Version>> {
    let sql = "SELECT CASE name WHEN 'history' THEN NULL ELSE value::bigint END FROM whimbrel_meta \
               WHERE name = 'past ' || $1::text OR (name = 'history' AND value = $1)";
    let found = sqlx::query(sql).bind(plain(history)).fetch_optional(readers).await?;
    let end = found.map(|row| row.try_get::<Option<i64>, _>(0)).transpose()?;
    Ok(end.map(|end| end.map_or(Version::MAX, from_sql)))
}

pub(super) async fn compact(writers: &PgPool, before_ms: i64) -> StorageResult<Compacted> {
    let mut transaction = begin_alone(writers).await?;
    let sql = "SELECT greatest((SELECT value::bigint FROM whimbrel_meta WHERE name = 'horizon'), \
               (SELECT max(version) FROM whimbrel_era WHERE at <= $1), 0)";
    let horizon: i64 = sqlx::query(sql).bind(before_ms).fetch_one(&mut *transaction).await?.try_get(0)?;
    let set = "INSERT INTO whimbrel_meta (name, value) VALUES ('horizon', $1) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    sqlx::query(set).bind(horizon.to_string()).execute(&mut *transaction).await?;
    // No cursor of theirs can be continued.
    let over = "DELETE FROM whimbrel_era WHERE EXISTS \
                (SELECT 1 FROM whimbrel_era AS next WHERE next.number > whimbrel_era.number AND next.version < $1)";
    sqlx::query(over).bind(horizon).execute(&mut *transaction).await?;
    transaction.commit().await?;
    let mut removed = 0;
    loop {
        let some = forget(writers, horizon).await?;
        removed += some;
        if some == 0 {
            return Ok(Compacted { horizon: from_sql(horizon), removed });
        }
    }
}

/// Forgets some removals up to a version; how many. Those of one version go together.
async fn forget(writers: &PgPool, horizon: i64) -> StorageResult<u64> {
    let mut transaction = begin_alone(writers).await?;
    let last = "SELECT max(version) FROM (\
                SELECT version FROM whimbrel_log WHERE gone AND version <= $1 ORDER BY version LIMIT $2) AS oldest";
    let last = sqlx::query(last).bind(horizon).bind(AT_ONCE).fetch_one(&mut *transaction).await?;
    let Some(last) = last.try_get::<Option<i64>, _>(0)? else { return Ok(0) };
    let floor = format!("UPDATE whimbrel_clock SET floor = {NEWEST}");
    sqlx::query(AssertSqlSafe(floor)).execute(&mut *transaction).await?;
    let remember = "INSERT INTO whimbrel_deleted AS d (entity, id, version) \
                    SELECT entity, id, max(version) FROM whimbrel_log AS l \
                    WHERE gone AND version <= $1 AND NOT EXISTS \
                      (SELECT 1 FROM whimbrel_log AS o WHERE o.entity = l.entity AND o.id = l.id AND NOT o.gone) \
                    GROUP BY entity, id \
                    ON CONFLICT (entity, id) DO UPDATE SET version = greatest(d.version, excluded.version)";
    sqlx::query(remember).bind(last).execute(&mut *transaction).await?;
    let remove = "DELETE FROM whimbrel_log WHERE gone AND version <= $1";
    let removed = sqlx::query(remove).bind(last).execute(&mut *transaction).await?.rows_affected();
    transaction.commit().await?;
    Ok(removed)
}
