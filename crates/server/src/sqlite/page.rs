//! Pages of a bucket. Each is one statement, so it is of one state of the database.
//!
//! Rows are taken from the result one by one and the page ends when it is full, so memory does not depend on the
//! bucket.

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Row as _, SqliteExecutor};
use whimbrel_protocol::Version;

use super::tables::select_list;
use super::values::{SqliteQuery, read};
use crate::model::Entity;
use crate::sql::{Filling, from_sql, to_sql};
use crate::storage::{Bucket, Page, PageLimit, StorageResult};

/// Which index is used is not left to SQLite, which has no statistics here and guesses wrong. `CROSS JOIN` fixes the
/// order: along the log, then into the table.
pub(super) async fn snapshot(
    executor: impl SqliteExecutor<'_>,
    bucket: Bucket<'_>,
    at: Version,
    after: &str,
    limit: PageLimit,
) -> StorageResult<Page> {
    let sql = format!(
        "SELECT l.id, l.version, 0{} FROM whimbrel_log AS l INDEXED BY whimbrel_log_by_id \
         CROSS JOIN \"{}\" AS t ON t.\"id\" = l.id \
         WHERE l.entity = ? AND l.scope = ? AND l.id > ? AND l.version <= ? AND l.gone = 0 ORDER BY l.id LIMIT ?",
        select_list(bucket.entity),
        bucket.entity.table
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(&bucket.entity.name).bind(bucket.scope).bind(after);
    collect(executor, query.bind(to_sql(at)), bucket.entity, limit).await
}

/// A log entry whose row is missing all the same counts as gone.
pub(super) async fn changes(
    executor: impl SqliteExecutor<'_>,
    bucket: Bucket<'_>,
    after: Version,
    upto: Version,
    limit: PageLimit,
) -> StorageResult<Page> {
    let sql = format!(
        "SELECT l.id, l.version, t.\"id\" IS NULL{} FROM whimbrel_log AS l INDEXED BY whimbrel_log_by_version \
         LEFT JOIN \"{}\" AS t ON l.gone = 0 AND t.\"id\" = l.id \
         WHERE l.entity = ? AND l.scope = ? AND l.version > ? AND l.version <= ? ORDER BY l.version LIMIT ?",
        select_list(bucket.entity),
        bucket.entity.table
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(&bucket.entity.name).bind(bucket.scope);
    collect(executor, query.bind(to_sql(after)).bind(to_sql(upto)), bucket.entity, limit).await
}

async fn collect(
    executor: impl SqliteExecutor<'_>,
    query: SqliteQuery<'_>,
    entity: &Entity,
    limit: PageLimit,
) -> StorageResult<Page> {
    let one_more = to_sql(limit.rows as u64 + 1);
    let mut results = query.bind(one_more).fetch(executor);
    let mut page = Filling::new(limit);
    while let Some(result) = results.try_next().await? {
        if page.is_full() {
            break;
        }
        let gone: bool = result.try_get_unchecked(2)?;
        let row = if gone { None } else { Some(read(entity, &result, 3)?) };
        page.add(result.try_get(0)?, from_sql(result.try_get(1)?), row);
    }
    Ok(page.done())
}
