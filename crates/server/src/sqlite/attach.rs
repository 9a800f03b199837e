//! Attaching the entities to a database: tables, triggers, and the log of what was there before.
//!
//! **Invariant:** it happens in one transaction; a database that does not fit is left as it was.
//! **Invariant:** a table that is there already is used as it is. Only columns that may be empty are added to it.

use std::collections::BTreeSet;

use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Row as _, Sqlite, Transaction};
use uuid::Uuid;

use super::tables::{OWN_TABLES, add_column, create_attachment_indexes, create_table};
use super::triggers::{Counts, scopes_sql, triggers};
use crate::model::{Entities, Entity};

/// The database file cannot be used for these entities.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// SQLite failed.
    #[error("the database cannot be used: {0}")]
    Sqlite(#[from] sqlx::Error),
    /// The name is taken by something that is no table.
    #[error("entity {entity}: \"{table}\" is a {found} in the database, not a table")]
    NotATable {
        /// The entity.
        entity: String,
        /// The name.
        table: String,
        /// What it is.
        found: String,
    },
    /// A column is missing and cannot be added, because every row must have a value in it.
    #[error("entity {entity}: the table \"{table}\" has no column \"{column}\"; add it and fill it first")]
    MissingColumn {
        /// The entity.
        entity: String,
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
}

pub(super) async fn attach(writer: &SqlitePool, entities: &Entities) -> Result<(), AttachError> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(OWN_TABLES).execute(&mut *transaction).await?;
    sqlx::query("INSERT OR IGNORE INTO whimbrel_meta (name, value) VALUES ('history', ?)")
        .bind(Uuid::new_v4().to_string())
        .execute(&mut *transaction)
        .await?;
    for entity in entities.iter() {
        attach_entity(&mut transaction, entity).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn attach_entity(transaction: &mut Transaction<'static, Sqlite>, entity: &Entity) -> Result<(), AttachError> {
    fit_table(transaction, entity).await?;
    let key = format!("scopes of {}", entity.name);
    let scopes = format!("{}: {}", entity.table, scopes_sql(entity));
    let known = sqlx::query("SELECT value FROM whimbrel_meta WHERE name = ?").bind(&key);
    let known = known.fetch_optional(&mut **transaction).await?.map(|row| row.try_get::<String, _>(0)).transpose()?;
    if known.as_ref() != Some(&scopes) {
        // Rows from before the triggers, or scoped by other templates: every row goes through the trigger once.
        run(transaction, triggers(entity, Counts::Everything)).await?;
        run(transaction, format!("UPDATE \"{}\" SET \"id\" = \"id\"", entity.table)).await?;
        run(transaction, leave_without_row(entity)).await?;
        let remember = "INSERT INTO whimbrel_meta (name, value) VALUES (?, ?) \
                        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        sqlx::query(remember).bind(&key).bind(&scopes).execute(&mut **transaction).await?;
    }
    run(transaction, create_attachment_indexes(entity)).await?;
    run(transaction, triggers(entity, Counts::Differences)).await
}

/// What the log still has and the table has not: it was another table, or the triggers were away. Each gets a version
/// of its own, as every change does.
fn leave_without_row(entity: &Entity) -> String {
    let Entity { name, table, .. } = entity;
    format!(
        "WITH lost AS (
           SELECT id, scope, row_number() OVER (ORDER BY id, scope) AS number FROM whimbrel_log
           WHERE entity = '{name}' AND gone = 0
             AND NOT EXISTS (SELECT 1 FROM \"{table}\" AS t WHERE t.\"id\" = whimbrel_log.id)
         )
         UPDATE whimbrel_log SET gone = 1, version = (SELECT version FROM whimbrel_clock) + lost.number
         FROM lost WHERE entity = '{name}' AND whimbrel_log.id = lost.id AND whimbrel_log.scope = lost.scope;
         UPDATE whimbrel_clock
         SET version = max(version, (SELECT max(version) FROM whimbrel_log WHERE entity = '{name}'))
         WHERE EXISTS (SELECT 1 FROM whimbrel_log WHERE entity = '{name}');"
    )
}

async fn fit_table(transaction: &mut Transaction<'static, Sqlite>, entity: &Entity) -> Result<(), AttachError> {
    let found = sqlx::query("SELECT type FROM sqlite_schema WHERE lower(name) = lower(?)").bind(&entity.table);
    let Some(found) = found.fetch_optional(&mut **transaction).await? else {
        return run(transaction, create_table(entity)).await;
    };
    let found: String = found.try_get(0)?;
    if found != "table" {
        return Err(AttachError::NotATable { entity: entity.name.clone(), table: entity.table.clone(), found });
    }
    let columns = sqlx::query("SELECT lower(name) FROM pragma_table_info(?)").bind(&entity.table);
    let columns = columns.fetch_all(&mut **transaction).await?;
    let columns: BTreeSet<String> = columns.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let missing = |column: &str| AttachError::MissingColumn {
        entity: entity.name.clone(),
        table: entity.table.clone(),
        column: column.to_owned(),
    };
    if !columns.contains("id") {
        return Err(missing("id"));
    }
    for field in entity.fields.iter().filter(|field| !columns.contains(&field.column.to_lowercase())) {
        if field.required {
            return Err(missing(&field.column));
        }
        run(transaction, add_column(entity, field)).await?;
    }
    Ok(())
}

async fn run(transaction: &mut Transaction<'static, Sqlite>, sql: String) -> Result<(), AttachError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **transaction).await?;
    Ok(())
}
