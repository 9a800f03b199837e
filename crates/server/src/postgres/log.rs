//! The clock and the change log: where the database stands, and how much of a bucket is ahead of somebody.

use futures_util::TryStreamExt;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, PgExecutor, Row as _};
use whimbrel_protocol::Version;

use super::shape::Shape;
use super::triggers::NEWEST;
use super::values::plain;
use crate::sql::{self, from_sql, to_sql};
use crate::storage::{Bucket, Head, Secret, StorageResult};

pub(super) async fn read_head(executor: impl PgExecutor<'_>) -> StorageResult<Head> {
    let sql = format!(
        "SELECT (SELECT value FROM whimbrel_meta WHERE name = 'history'), {NEWEST}, \
         (SELECT name FROM whimbrel_era ORDER BY number DESC LIMIT 1), \
         (SELECT value::bigint FROM whimbrel_meta WHERE name = 'horizon'), \
         (SELECT value FROM whimbrel_meta WHERE name = 'cursor key')"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(executor).await?;
    Ok(Head {
        history: row.try_get(0)?,
        version: from_sql(row.try_get(1)?),
        era: row.try_get::<Option<String>, _>(2)?.unwrap_or_default(),
        horizon: from_sql(row.try_get::<Option<i64>, _>(3)?.unwrap_or(0)),
        secret: Secret::new(row.try_get::<String, _>(4)?.into_bytes()),
    })
}

pub(super) async fn count_snapshot(
    executor: impl PgExecutor<'_>,
    bucket: Bucket<'_>,
    after: &str,
) -> StorageResult<u64> {
    let query = "SELECT count(*) FROM whimbrel_log WHERE entity = $1 AND scope = $2 AND id > $3 AND NOT gone";
    let query = sqlx::query(query).bind(&bucket.entity.name).bind(bucket.scope).bind(plain(after));
    Ok(from_sql(query.fetch_one(executor).await?.try_get(0)?))
}

pub(super) async fn count_changes(
    executor: impl PgExecutor<'_>,
    bucket: Bucket<'_>,
    after: Version,
    upto: Version,
) -> StorageResult<u64> {
    let query = "SELECT count(*) FROM whimbrel_log WHERE entity = $1 AND scope = $2 AND version > $3 AND version <= $4";
    let query = sqlx::query(query).bind(&bucket.entity.name).bind(bucket.scope).bind(to_sql(after)).bind(to_sql(upto));
    Ok(from_sql(query.fetch_one(executor).await?.try_get(0)?))
}

pub(super) async fn has_text(
    executor: impl PgExecutor<'_>,
    shape: &Shape,
    bucket: Bucket<'_>,
    position: usize,
    text: &str,
) -> StorageResult<bool> {
    let Bucket { entity, scope } = bucket;
    let Some(field) = entity.fields.get(position) else { return Ok(false) };
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM \"{}\" AS t JOIN whimbrel_log AS l ON {} = t.\"id\" \
         WHERE l.entity = $1 AND l.scope = $2 AND NOT l.gone AND t.\"{}\" = $3)",
        entity.table,
        shape.id_of("l.id"),
        field.column
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(&entity.name).bind(scope).bind(plain(text));
    Ok(query.fetch_one(executor).await?.try_get(0)?)
}

/// Read one by one, so that a query without an end takes no memory.
pub(super) async fn user_scopes(pool: &PgPool, sql: &str, user: &str) -> StorageResult<Vec<String>> {
    let mut rows = sqlx::query(AssertSqlSafe(sql.to_owned())).bind(user).fetch(pool);
    let mut scopes: Vec<String> = Vec::new();
    while let Some(row) = rows.try_next().await? {
        sql::add_scope(&mut scopes, row.try_get(0)?)?;
    }
    Ok(scopes)
}

/// Of the log and its indexes; all else is the app's.
pub(super) async fn stored_bytes(executor: impl PgExecutor<'_>) -> StorageResult<u64> {
    let sql = "SELECT pg_total_relation_size('whimbrel_log')";
    Ok(from_sql(sqlx::query(sql).fetch_one(executor).await?.try_get(0)?))
}
