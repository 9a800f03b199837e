//! Views as entities. A view has no triggers, so the server keeps a copy of what it showed last; triggers on the tables it is made of say when that
//! may be old, and whoever pulls next brings it up to date. The copy is a table like any entity's, and its triggers write the log.
//!
//! **Invariant:** a mark is taken away by the transaction that has compared, under the clock's lock, and the comparison sees whatever was committed
//! before the mark was seen.
//! **Invariant:** marks are rows that are only ever added, so that writers of a view's tables never wait for each other here.

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Row as _};

use super::catalog;
use super::shape::Shape;
use super::tables::cut;
use super::triggers::{TAKE_CLOCK, notify, properties};
use crate::model::{Entities, Entity, View};
use crate::sql::AttachError;
use crate::storage::{StorageError, StorageResult};

/// Where tables of views say that something was written.
pub(super) const DIRTY_TABLE: &str = "CREATE TABLE IF NOT EXISTS whimbrel_dirty (entity text COLLATE \"C\" NOT NULL)";

/// Before the names of triggers and functions that mark copies as old. No entity's can begin like it.
const MARKING: &str = "whimbrel-dirty-";

/// The statements that bring a copy up to date, by entity.
#[derive(Debug, Default)]
pub(super) struct Views(Vec<(String, String)>);

impl Views {
    /// Those of views that are all there.
    pub(super) async fn read(connection: &mut PgConnection, entities: &Entities) -> Result<Self, AttachError> {
        let mut views = Vec::new();
        for entity in entities.iter() {
            if let Some(view) = &entity.view {
                let shape = catalog::view(connection, entity, view).await?;
                views.push((entity.name.clone(), refresh(entity, view, &shape)));
            }
        }
        Ok(Self(views))
    }

    /// Marks all copies as old: nobody tells of a view that was replaced by another.
    pub(super) async fn mark_all(&self, writers: &PgPool) -> sqlx::Result<()> {
        for (entity, _) in &self.0 {
            let mark = sqlx::query("INSERT INTO whimbrel_dirty (entity) VALUES ($1)").bind(entity);
            mark.execute(writers).await?;
        }
        Ok(())
    }

    /// Brings the copies up to date that may be old. What fails for one view stays old, and is tried again.
    pub(super) async fn refresh(&self, readers: &PgPool, writers: &PgPool) -> StorageResult<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        for row in sqlx::query("SELECT DISTINCT entity FROM whimbrel_dirty").fetch_all(readers).await? {
            let name: String = row.try_get(0)?;
            let Some((_, statement)) = self.0.iter().find(|(entity, _)| *entity == name) else { continue };
            match refresh_one(writers, &name, statement).await.map_err(Into::into) {
                Err(StorageError::Failed(error)) => {
                    tracing::error!(entity = name, %error, "a view cannot be read; what it showed last is served");
                }
                done => done?,
            }
        }
        Ok(())
    }
}

async fn refresh_one(writers: &PgPool, entity: &str, statement: &str) -> sqlx::Result<()> {
    let mut transaction = writers.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    sqlx::raw_sql(TAKE_CLOCK).execute(&mut *transaction).await?;
    let marks =
        sqlx::query("DELETE FROM whimbrel_dirty WHERE entity = $1").bind(entity).execute(&mut *transaction).await?;
    if marks.rows_affected() > 0 {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// One statement, so the view is read once and as of one moment. Of rows with the same id one counts, and rows without an id do not.
pub(super) fn refresh(entity: &Entity, view: &View, shape: &Shape) -> String {
    let table = &entity.table;
    let list =
        |write: &dyn Fn(&str) -> String| entity.fields.iter().map(|field| write(&field.column)).collect::<String>();
    let read: String = entity
        .fields
        .iter()
        .enumerate()
        .filter_map(|(position, field)| {
            Some(format!(", {} AS \"{}\"", shape.field(entity, "v", position)?, field.column))
        })
        .collect();
    let columns = list(&|column| format!(", \"{column}\""));
    let sets = list(&|column| format!(", \"{column}\" = excluded.\"{column}\""));
    let differs = list(&|column| format!(" OR s.\"{column}\" IS DISTINCT FROM excluded.\"{column}\""));
    format!(
        "WITH shown AS MATERIALIZED (
    SELECT DISTINCT ON (v.\"id\"::text) v.\"id\"::text AS \"id\"{read} FROM \"{}\" AS v
    WHERE octet_length(v.\"id\"::text) BETWEEN 1 AND {} ORDER BY v.\"id\"::text
  ), leaving AS (
    DELETE FROM \"{table}\" AS s WHERE NOT EXISTS (SELECT 1 FROM shown WHERE shown.\"id\" = s.\"id\")
  )
  INSERT INTO \"{table}\" AS s (\"id\"{columns}) SELECT \"id\"{columns} FROM shown
  ON CONFLICT (\"id\") DO UPDATE SET {} WHERE false{differs}",
        view.name,
        whimbrel_protocol::ID_BYTES_MAX,
        sets.trim_start_matches(", ")
    )
}

/// The statements that put triggers on the tables of a view, in place of any older ones, and mark the copy as old.
pub(super) fn marking(entity: &Entity, view: &View, schema: &str) -> Vec<String> {
    let (name, function) = (&entity.name, function_name(entity));
    let mut statements = vec![format!(
        "CREATE OR REPLACE FUNCTION \"{function}\"() RETURNS trigger {}
BEGIN
  INSERT INTO whimbrel_dirty (entity) VALUES ('{name}');
  {}
  RETURN NULL;
END
$whimbrel$",
        properties(schema),
        notify(schema)
    )];
    statements.extend(view.of.iter().map(|table| {
        format!(
            "CREATE OR REPLACE TRIGGER \"{function}\" AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON \"{table}\" \
             FOR EACH STATEMENT EXECUTE FUNCTION \"{function}\"()"
        )
    }));
    statements
}

/// The statements that take away a copy, and what marks it.
pub(super) fn gone(entity: &Entity) -> [String; 2] {
    let function = function_name(entity);
    [format!("DROP FUNCTION IF EXISTS \"{function}\"() CASCADE"), format!("DROP TABLE IF EXISTS \"{}\"", entity.table)]
}

/// The statement that marks a copy as old.
pub(super) fn mark(entity: &Entity) -> String {
    format!("INSERT INTO whimbrel_dirty (entity) VALUES ('{}')", entity.name)
}

fn function_name(entity: &Entity) -> String {
    cut(&format!("{MARKING}{}", entity.name))
}

/// The functions with all triggers of theirs that mark copies of other entities, of before.
pub(super) async fn others(connection: &mut PgConnection, entities: &Entities) -> Result<Vec<String>, AttachError> {
    let sql = format!(
        "SELECT p.proname::text FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace \
         WHERE n.nspname = current_schema() AND p.proname LIKE '{MARKING}%'"
    );
    let mut others = Vec::new();
    for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await? {
        let name: String = row.try_get(0)?;
        if !entities.iter().any(|entity| entity.view.is_some() && function_name(entity) == name) {
            others.push(name);
        }
    }
    Ok(others)
}
