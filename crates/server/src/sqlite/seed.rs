//! Loading many rows at once, through the same triggers as any other write.

use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Row as _, Sqlite, Transaction};

use super::defaults::Defaults;
use super::values::bind;
use crate::model::{Entity, Row};
use crate::storage::{SeedRows, StorageError};

/// Values bound by one statement, at most. SQLite takes 32,766; more than this gains nothing.
const VALUES_PER_STATEMENT: usize = 2_000;

pub(super) async fn seed<R: SeedRows>(
    writer: &SqlitePool,
    defaults: &Defaults,
    entity: &Entity,
    mut rows: R,
) -> Result<Option<u64>, R::Error> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(StorageError::from)?;
    if !is_untouched(&mut transaction, entity).await? {
        return Ok(None);
    }
    let mut count = 0;
    while let Some(some) = rows.next().await? {
        count += insert(&mut transaction, defaults, entity, &some).await.map_err(StorageError::from)?;
    }
    transaction.commit().await.map_err(StorageError::from)?;
    Ok(Some(count))
}

/// No rows now and none before: rows that somebody deleted do not come back with the next start.
async fn is_untouched(transaction: &mut Transaction<'static, Sqlite>, entity: &Entity) -> Result<bool, StorageError> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM \"{}\") OR EXISTS (SELECT 1 FROM whimbrel_log WHERE entity = ?)",
        entity.table
    );
    let row = sqlx::query(AssertSqlSafe(sql)).bind(&entity.name).fetch_one(&mut **transaction).await?;
    let touched: bool = row.try_get_unchecked(0)?;
    Ok(!touched)
}

/// Inserts new rows by statements of many; how many that were.
pub(super) async fn insert(
    transaction: &mut Transaction<'static, Sqlite>,
    defaults: &Defaults,
    entity: &Entity,
    rows: &[(String, Row)],
) -> sqlx::Result<u64> {
    let columns: String = entity.fields.iter().map(|field| format!(", \"{}\"", field.column)).collect();
    let one = defaults.values(entity);
    let mut count = 0;
    for rows in rows.chunks((VALUES_PER_STATEMENT / (entity.fields.len() + 1)).max(1)) {
        let all = vec![one.as_str(); rows.len()].join(", ");
        let sql = format!("INSERT INTO \"{}\" (\"id\"{columns}) VALUES {all}", entity.table);
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (id, row) in rows {
            query = row.iter().fold(query.bind(id.clone()), bind);
        }
        count += query.execute(&mut **transaction).await?.rows_affected();
    }
    Ok(count)
}
