//! Views as entities. A view has no triggers, so the server keeps a copy of what it showed last; triggers on the tables it is made of say when that
//! may be old, and whoever pulls next brings it up to date. The copy is a table like any entity's, and its triggers write the log.
//!
//! ```text
//! tables ──triggers──► whimbrel_dirty            view
//!                            │ before a pull       │ is compared with
//!                            └──────────► copy ◄───┘ ──triggers──► log
//! ```
//!
//! **Invariant:** a mark is taken away by the transaction that has compared, and by no other.

use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Row as _};

use crate::model::{Entities, Entity, Field, FieldType, View};
use crate::storage::StorageResult;

/// Where tables of views say that something was written.
pub(super) const DIRTY_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS whimbrel_dirty (entity TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID";

/// Before the names of triggers on tables of views. No entity's trigger can begin like it.
pub(super) const MARKING: &str = "whimbrel-dirty-";

/// The statements that bring a copy up to date, by entity.
#[derive(Debug, Clone, Default)]
pub(super) struct Views(Vec<(String, [String; 5])>);

impl Views {
    pub(super) fn new(entities: &Entities) -> Self {
        let of = |entity: &Entity| Some((entity.name.clone(), refresh(entity, entity.view.as_ref()?)));
        Self(entities.iter().filter_map(of).collect())
    }

    /// Brings the copies up to date that may be old. What fails for one view stays old, and is tried again.
    pub(super) async fn refresh(&self, readers: &SqlitePool, writer: &SqlitePool) -> StorageResult<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        for row in sqlx::query("SELECT entity FROM whimbrel_dirty").fetch_all(readers).await? {
            let name: String = row.try_get(0)?;
            let Some((_, statements)) = self.0.iter().find(|(entity, _)| *entity == name) else { continue };
            match refresh_one(writer, &name, statements).await.map_err(Into::into) {
                Err(crate::storage::StorageError::Failed(error)) => {
                    tracing::error!(entity = name, %error, "a view cannot be read; what it showed last is served");
                }
                done => done?,
            }
        }
        Ok(())
    }
}

async fn refresh_one(writer: &SqlitePool, entity: &str, statements: &[String]) -> sqlx::Result<()> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let mark =
        sqlx::query("DELETE FROM whimbrel_dirty WHERE entity = ?").bind(entity).execute(&mut *transaction).await?;
    if mark.rows_affected() == 0 {
        return Ok(());
    }
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement.as_str())).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// The view is read once. Of rows with the same id the first counts, and rows without an id do not.
fn refresh(entity: &Entity, view: &View) -> [String; 5] {
    let table = &entity.table;
    let list = |write: &dyn Fn(&Field) -> String| entity.fields.iter().map(write).collect::<String>();
    let columns = list(&|field| format!(", \"{}\"", field.column));
    let read = list(&|field| format!(", {}", as_is(field)));
    let sets = list(&|field| format!(", \"{0}\" = excluded.\"{0}\"", field.column));
    let differs = list(&|field| format!(" OR \"{table}\".\"{0}\" IS NOT excluded.\"{0}\"", field.column));
    [
        "DROP TABLE IF EXISTS temp.whimbrel_now".to_owned(),
        format!("CREATE TEMP TABLE whimbrel_now (\"id\" TEXT PRIMARY KEY NOT NULL{columns}) WITHOUT ROWID"),
        format!(
            "INSERT OR IGNORE INTO temp.whimbrel_now (\"id\"{columns}) SELECT CAST(v.\"id\" AS TEXT){read} FROM \"{}\" AS v \
             WHERE length(v.\"id\") BETWEEN 1 AND {}",
            view.name,
            whimbrel_protocol::ID_BYTES_MAX
        ),
        format!("DELETE FROM \"{table}\" WHERE \"id\" NOT IN (SELECT \"id\" FROM temp.whimbrel_now)"),
        format!(
            "INSERT INTO \"{table}\" (\"id\"{columns}) SELECT \"id\"{columns} FROM temp.whimbrel_now WHERE true \
             ON CONFLICT (\"id\") DO UPDATE SET {} WHERE false{differs}; DROP TABLE temp.whimbrel_now",
            sets.trim_start_matches(", ")
        ),
    ]
}

/// What the view shows, as the copy takes it: a view's columns have no types.
fn as_is(field: &Field) -> String {
    let column = format!("v.\"{}\"", field.column);
    match field.kind {
        FieldType::Text { .. } | FieldType::Ref { .. } | FieldType::Attachment => format!("CAST({column} AS TEXT)"),
        FieldType::Integer | FieldType::Timestamp => format!("CAST({column} AS INTEGER)"),
        FieldType::Real => format!("CAST({column} AS REAL)"),
        FieldType::Boolean => format!("({column} <> 0)"),
    }
}

/// The statements that put triggers on the tables of a view, in place of any older ones.
pub(super) fn marking_triggers(entity: &Entity, view: &View) -> String {
    let each = view.of.iter().flat_map(|table| ["INSERT", "UPDATE", "DELETE"].map(|event| (table, event)));
    let trigger = |(table, event): (&String, &str)| {
        format!(
            "CREATE TRIGGER \"{MARKING}{0}-{table}-{event}\" AFTER {event} ON \"{table}\" BEGIN\n  \
             INSERT INTO whimbrel_dirty (entity) VALUES ('{0}') ON CONFLICT (entity) DO NOTHING;\nEND;\n",
            entity.name
        )
    };
    each.map(trigger).collect()
}

/// The statement that marks a copy as old.
pub(super) fn mark(entity: &Entity) -> String {
    format!("INSERT INTO whimbrel_dirty (entity) VALUES ('{}') ON CONFLICT (entity) DO NOTHING", entity.name)
}
