//! Pages of a bucket. Each is one statement, so it is of one state of the database.

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgExecutor, Row as _};
use whimbrel_protocol::Version;

use super::shape::Shape;
use super::values::{PgQuery, plain, read};
use crate::model::Entity;
use crate::sql::{Filling, from_sql, to_sql};
use crate::storage::{Bucket, Page, PageLimit, StorageResult};

pub(super) async fn snapshot(
    executor: impl PgExecutor<'_>,
    shape: &Shape,
    bucket: Bucket<'_>,
    at: Version,
    after: &str,
    limit: PageLimit,
) -> StorageResult<Page> {
    let sql = format!(
        "SELECT l.id, l.version, false{} FROM whimbrel_log AS l JOIN \"{}\" AS t ON t.\"id\" = {} \
         WHERE l.entity = $1 AND l.scope = $2 AND l.id > $3 AND l.version <= $4 AND NOT l.gone ORDER BY l.id LIMIT $5",
        shape.select_list(bucket.entity),
        bucket.entity.table,
        shape.id_of("l.id")
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(&bucket.entity.name).bind(bucket.scope).bind(plain(after));
    collect(executor, query.bind(to_sql(at)), bucket.entity, limit).await
}

/// A log entry whose row is missing all the same counts as gone. Of one that is gone the id is not looked at: it may be of a table that was here
/// before, with other ids.
pub(super) async fn changes(
    executor: impl PgExecutor<'_>,
    shape: &Shape,
    bucket: Bucket<'_>,
    (after, upto): (Version, Version),
    limit: PageLimit,
) -> StorageResult<Page> {
    let sql = format!(
        "SELECT l.id, l.version, t.\"id\" IS NULL{} FROM whimbrel_log AS l \
         LEFT JOIN \"{}\" AS t ON t.\"id\" = {} \
         WHERE l.entity = $1 AND l.scope = $2 AND l.version > $3 AND l.version <= $4 ORDER BY l.version LIMIT $5",
        shape.select_list(bucket.entity),
        bucket.entity.table,
        shape.id_of("CASE WHEN NOT l.gone THEN l.id END")
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(&bucket.entity.name).bind(bucket.scope);
    collect(executor, query.bind(to_sql(after)).bind(to_sql(upto)), bucket.entity, limit).await
}

async fn collect(
    executor: impl PgExecutor<'_>,
    query: PgQuery<'_>,
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
        let gone: bool = result.try_get(2)?;
        let row = if gone { None } else { Some(read(entity, &result, 3)?) };
        page.add(result.try_get(0)?, from_sql(result.try_get(1)?), row);
    }
    Ok(page.done())
}
