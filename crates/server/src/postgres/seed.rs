//! Loading many rows at once, through the same triggers as any other write.

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Row as _};

use super::shape::Shape;
use super::triggers::TAKE_CLOCK;
use super::values::bind;
use crate::model::{Entity, Row};
use crate::storage::{SeedRows, StorageError};

/// Values bound by one statement, at most. PostgreSQL takes 65,535; a statement of so many is slow to plan.
const VALUES_PER_STATEMENT: usize = 8_000;

pub(super) async fn seed<R: SeedRows>(
    writers: &PgPool,
    entity: &Entity,
    shape: &Shape,
    mut rows: R,
) -> Result<Option<u64>, R::Error> {
    let begun = writers.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await;
    let mut transaction = begun.map_err(StorageError::from)?;
    sqlx::query(TAKE_CLOCK).execute(&mut *transaction).await.map_err(StorageError::from)?;
    if !is_untouched(&mut transaction, entity).await? {
        return Ok(None);
    }
    let mut count = 0;
    while let Some(some) = rows.next().await? {
        count += insert(&mut transaction, entity, shape, &some).await.map_err(StorageError::from)?;
    }
    transaction.commit().await.map_err(StorageError::from)?;
    Ok(Some(count))
}

/// No rows now and none before: rows that somebody deleted do not come back with the next start.
async fn is_untouched(connection: &mut PgConnection, entity: &Entity) -> Result<bool, StorageError> {
    let sql = format!(
        "SELECT NOT (EXISTS (SELECT 1 FROM \"{}\") OR EXISTS (SELECT 1 FROM whimbrel_log WHERE entity = $1) \
         OR EXISTS (SELECT 1 FROM whimbrel_deleted WHERE entity = $1))",
        entity.table
    );
    Ok(sqlx::query(AssertSqlSafe(sql)).bind(&entity.name).fetch_one(connection).await?.try_get(0)?)
}

/// Inserts new rows by statements of many; how many that were.
pub(super) async fn insert(
    connection: &mut PgConnection,
    entity: &Entity,
    shape: &Shape,
    rows: &[(String, Row)],
) -> sqlx::Result<u64> {
    let width = entity.fields.len() + 1;
    let mut count = 0;
    for rows in rows.chunks((VALUES_PER_STATEMENT / width).max(1)) {
        let all = (0..rows.len()).map(|row| shape.values(entity, row * width + 1));
        let sql = insert_sql(entity, &all.collect::<Vec<_>>().join(", "));
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for (id, row) in rows {
            let fields = entity.fields.iter().zip(row);
            query = fields.fold(query.bind(id.clone()), |query, (field, value)| bind(query, field, value));
        }
        count += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(count)
}

/// The statement that makes rows of those values.
pub(super) fn insert_sql(entity: &Entity, values: &str) -> String {
    let columns: String = entity.fields.iter().map(|field| format!(", \"{}\"", field.column)).collect();
    format!("INSERT INTO \"{}\" (\"id\"{columns}) VALUES {values}", entity.table)
}
