//! Attaching the entities to a database: tables, triggers, and the log of what was there before.
//!
//! **Invariant:** it happens in one transaction; a database that does not fit is left as it was.
//! **Invariant:** a table that is there already is used as it is. Only columns that may be empty are added to it.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, Sqlite, Transaction};
use uuid::Uuid;

use super::attach_view::{attach_views, drop_marking_triggers};
use super::tables::{
    OWN_NAMES, OWN_TABLES, add_column, create_attachment_indexes, create_table, drop_attachment_indexes,
};
use super::triggers::{Counts, drop_triggers, scopes_sql, triggers};
use crate::model::{Entities, Entity};
use crate::sql::{AttachError, FORMAT, Step, quoted, steps_from};

/// The secret of the cursors; an attacker who has a cursor and guesses has 256 bits to guess.
const CURSOR_KEY: &str =
    "INSERT INTO whimbrel_meta (name, value) VALUES ('cursor key', lower(hex(randomblob(32)))) ON CONFLICT DO NOTHING";

/// Attaches the entities; the SQL that it took.
pub(super) async fn attach(
    mut transaction: Transaction<'_, Sqlite>,
    entities: &Entities,
    is_dry: bool,
) -> Result<String, AttachError> {
    let mut script = Script { transaction: &mut transaction, text: String::new() };
    if script.is_new().await? {
        script.run(OWN_TABLES.to_owned()).await?;
        script.run(note("history", &Uuid::new_v4().to_string())).await?;
        script.run(CURSOR_KEY.to_owned()).await?;
        script.run(note("format", &FORMAT.to_string())).await?;
    } else {
        let steps = steps_from(script.noted("format").await?.as_deref())?;
        for step in steps {
            match step {
                Step::CursorKey => script.run(CURSOR_KEY.to_owned()).await?,
            }
        }
        if !steps.is_empty() {
            script.run(note("format", &FORMAT.to_string())).await?;
        }
    }
    for entity in entities.iter().filter(|entity| entity.view.is_none()) {
        attach_entity(&mut script, entity).await?;
    }
    attach_views(&mut script, entities).await?;
    for entity in entities.iter().filter(|entity| entity.view.is_some()) {
        attach_entity(&mut script, entity).await?;
    }
    let text = script.text;
    if is_dry {
        transaction.rollback().await?;
    } else {
        transaction.commit().await?;
    }
    Ok(text)
}

/// Takes away what attaching brought.
pub(super) async fn detach(mut transaction: Transaction<'_, Sqlite>, entities: &Entities) -> Result<(), AttachError> {
    let mut script = Script { transaction: &mut transaction, text: String::new() };
    for entity in entities.iter() {
        script.run(drop_triggers(entity) + &drop_attachment_indexes(entity)).await?;
        if entity.view.is_some() {
            script.run(format!("DROP TABLE IF EXISTS \"{}\"", entity.table)).await?;
        }
    }
    drop_marking_triggers(&mut script).await?;
    script.run(OWN_NAMES.map(|name| format!("DROP TABLE IF EXISTS {name};\n")).concat()).await?;
    transaction.commit().await?;
    Ok(())
}

/// A transaction, and what was run in it.
pub(super) struct Script<'t, 'c> {
    transaction: &'t mut Transaction<'c, Sqlite>,
    text: String,
}

impl Script<'_, '_> {
    pub(super) async fn run(&mut self, sql: String) -> Result<(), AttachError> {
        self.text += sql.trim_end_matches([';', '\n']);
        self.text += ";\n\n";
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **self.transaction).await?;
        Ok(())
    }

    async fn is_new(&mut self) -> Result<bool, AttachError> {
        let found = sqlx::query("SELECT 1 FROM sqlite_schema WHERE name = 'whimbrel_log'");
        Ok(found.fetch_optional(&mut **self.transaction).await?.is_none())
    }

    /// The rows of a query, which is no part of the script.
    pub(super) async fn all(&mut self, sql: String) -> Result<Vec<SqliteRow>, AttachError> {
        Ok(sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut **self.transaction).await?)
    }

    pub(super) async fn noted(&mut self, name: &str) -> Result<Option<String>, AttachError> {
        let known = sqlx::query("SELECT value FROM whimbrel_meta WHERE name = ?").bind(name);
        let known = known.fetch_optional(&mut **self.transaction).await?;
        Ok(known.map(|row| row.try_get(0)).transpose()?)
    }
}

pub(super) fn note(name: &str, value: &str) -> String {
    format!(
        "INSERT INTO whimbrel_meta (name, value) VALUES ('{}', '{}') \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        quoted(name),
        quoted(value)
    )
}

/// Under what it is noted how an entity's rows were scoped.
pub(super) fn scopes_key(entity: &Entity) -> String {
    format!("scopes of {}", entity.name)
}

async fn attach_entity(script: &mut Script<'_, '_>, entity: &Entity) -> Result<(), AttachError> {
    fit_table(script, entity).await?;
    let key = scopes_key(entity);
    let scopes = format!("{}: {}", entity.table, scopes_sql(entity));
    if script.noted(&key).await?.as_ref() != Some(&scopes) {
        // Rows from before the triggers, or scoped by other templates: every row goes through the trigger once.
        script.run(triggers(entity, Counts::Everything)).await?;
        script.run(format!("UPDATE \"{}\" SET \"id\" = \"id\"", entity.table)).await?;
        script.run(leave_without_row(entity)).await?;
        script.run(note(&key, &scopes)).await?;
    }
    let indexes = create_attachment_indexes(entity);
    if !indexes.is_empty() {
        script.run(indexes).await?;
    }
    script.run(triggers(entity, Counts::Differences)).await
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

async fn fit_table(script: &mut Script<'_, '_>, entity: &Entity) -> Result<(), AttachError> {
    let found = sqlx::query("SELECT type FROM sqlite_schema WHERE lower(name) = lower(?)").bind(&entity.table);
    let Some(found) = found.fetch_optional(&mut **script.transaction).await? else {
        return script.run(create_table(entity)).await;
    };
    let found: String = found.try_get(0)?;
    if found != "table" {
        return Err(AttachError::NotATable { entity: entity.name.clone(), table: entity.table.clone(), found });
    }
    let columns = sqlx::query("SELECT lower(name) FROM pragma_table_info(?)").bind(&entity.table);
    let columns = columns.fetch_all(&mut **script.transaction).await?;
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
        script.run(add_column(entity, field)).await?;
    }
    Ok(())
}
