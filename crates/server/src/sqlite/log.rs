//! The clock and the change log: where the database stands, and how much of a bucket is ahead of somebody.

use futures_util::TryStreamExt;
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Row as _, SqliteExecutor};
use whimbrel_protocol::Version;

use crate::sql::{self, from_sql, to_sql};
use crate::storage::{Bucket, Head, Secret, StorageResult};

pub(super) async fn read_head(executor: impl SqliteExecutor<'_>) -> StorageResult<Head> {
    let row = sqlx::query(
        "SELECT (SELECT value FROM whimbrel_meta WHERE name = 'history'), (SELECT version FROM whimbrel_clock), \
         (SELECT name FROM whimbrel_era ORDER BY number DESC LIMIT 1), \
         (SELECT CAST(value AS INTEGER) FROM whimbrel_meta WHERE name = 'horizon'), \
         (SELECT value FROM whimbrel_meta WHERE name = 'cursor key')",
    )
    .fetch_one(executor)
    .await?;
    Ok(Head {
        history: row.try_get(0)?,
        version: from_sql(row.try_get(1)?),
        era: row.try_get::<Option<String>, _>(2)?.unwrap_or_default(),
        horizon: from_sql(row.try_get::<Option<i64>, _>(3)?.unwrap_or(0)),
        secret: Secret::new(row.try_get::<String, _>(4)?.into_bytes()),
    })
}

pub(super) async fn count_snapshot(
    executor: impl SqliteExecutor<'_>,
    bucket: Bucket<'_>,
    after: &str,
) -> StorageResult<u64> {
    let query = "SELECT count(*) FROM whimbrel_log INDEXED BY whimbrel_log_by_id \
                 WHERE entity = ? AND scope = ? AND id > ? AND gone = 0";
    let row = sqlx::query(query).bind(&bucket.entity.name).bind(bucket.scope).bind(after).fetch_one(executor).await?;
    Ok(from_sql(row.try_get(0)?))
}

pub(super) async fn count_changes(
    executor: impl SqliteExecutor<'_>,
    bucket: Bucket<'_>,
    after: Version,
    upto: Version,
) -> StorageResult<u64> {
    let query = "SELECT count(*) FROM whimbrel_log INDEXED BY whimbrel_log_by_version \
                 WHERE entity = ? AND scope = ? AND version > ? AND version <= ?";
    let query = sqlx::query(query).bind(&bucket.entity.name).bind(bucket.scope).bind(to_sql(after)).bind(to_sql(upto));
    Ok(from_sql(query.fetch_one(executor).await?.try_get(0)?))
}

/// Along the index of the field, then into the log: a blob has few rows, a scope may have many.
pub(super) async fn has_text(
    executor: impl SqliteExecutor<'_>,
    bucket: Bucket<'_>,
    position: usize,
    text: &str,
) -> StorageResult<bool> {
    let Bucket { entity, scope } = bucket;
    let Some(field) = entity.fields.get(position) else { return Ok(false) };
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM \"{}\" AS t CROSS JOIN whimbrel_log AS l \
         ON l.entity = ? AND l.id = t.\"id\" AND l.scope = ? AND l.gone = 0 WHERE t.\"{}\" = ?)",
        entity.table, field.column
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(&entity.name).bind(scope).bind(text);
    Ok(query.fetch_one(executor).await?.try_get_unchecked(0)?)
}

/// Read one by one, so that a query without an end takes no memory.
pub(super) async fn user_scopes(pool: &SqlitePool, sql: &str, user: &str) -> StorageResult<Vec<String>> {
    let mut rows = sqlx::query(AssertSqlSafe(sql.to_owned())).bind(user).fetch(pool);
    let mut scopes: Vec<String> = Vec::new();
    while let Some(row) = rows.try_next().await? {
        sql::add_scope(&mut scopes, row.try_get(0)?)?;
    }
    Ok(scopes)
}

pub(super) async fn stored_bytes(executor: impl SqliteExecutor<'_>) -> StorageResult<u64> {
    let sql = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
    Ok(from_sql(sqlx::query(sql).fetch_one(executor).await?.try_get(0)?))
}
