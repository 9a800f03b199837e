//! Attaching the entities to a database: tables, triggers, and the log of what was there before.
//!
//! First it is planned as a list of statements, from what the catalog says; then they are run, or only shown. What needs no change
//! is not touched, so a server that starts beside others waits for nobody.
//!
//! **Invariant:** it happens in one transaction; a database that does not fit is left as it was.
//! **Invariant:** a table that is there already is used as it is. Only columns that may be empty are added to it.

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use uuid::Uuid;

use super::catalog::{self, Shapes, Table};
use super::shape::Shape;
use super::tables::{OWN_NAMES, OWN_TABLES, add_column, create_attachment_indexes, create_table, index_name};
use super::triggers::{NEWEST, TAKE_CLOCK, enter, everything, function_names, take_function, trigger_names, triggers};
use super::views::{self, Views};
use crate::model::{Entities, Entity};
use crate::sql::{AttachError, FORMAT, Step, identifier, quoted, scopes_sql, steps_from};

/// The first version that can replace a trigger.
const VERSION_MIN: i32 = 14;
/// Servers that attach at the same time do so one after the other ("whim").
const ATTACH_LOCK: &str = "SELECT pg_advisory_xact_lock(2003331437)";
/// The secret of the cursors: 244 random bits.
const CURSOR_KEY: &str = "INSERT INTO whimbrel_meta (name, value) \
     VALUES ('cursor key', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')) ON CONFLICT DO NOTHING";

/// Also says in which schema that was.
pub(super) async fn attach(writers: &PgPool, entities: &Entities) -> Result<(Shapes, Views, String), AttachError> {
    let mut transaction = writers.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    run(&mut transaction, ATTACH_LOCK).await?;
    for statement in plan(&mut transaction, entities).await? {
        run(&mut transaction, &statement).await?;
    }
    let shapes = catalog::shapes(&mut transaction, entities).await?;
    let views = Views::read(&mut transaction, entities).await?;
    let (schema, _) = catalog::schema(&mut transaction).await?;
    transaction.commit().await?;
    Ok((shapes, views, schema))
}

pub(super) async fn script(connection: &mut PgConnection, entities: &Entities) -> Result<String, AttachError> {
    let statements = plan(connection, entities).await?;
    Ok(statements.iter().map(|statement| format!("{statement};\n\n")).collect())
}

pub(super) async fn detach(connection: &mut PgConnection, entities: &Entities) -> Result<(), AttachError> {
    let mut transaction = connection.begin().await?;
    run(&mut transaction, ATTACH_LOCK).await?;
    for entity in entities.iter() {
        if catalog::table(&mut transaction, entity).await?.is_some() {
            for name in trigger_names() {
                run(&mut transaction, &format!("DROP TRIGGER IF EXISTS {name} ON \"{}\"", entity.table)).await?;
            }
        }
        for name in function_names(entity) {
            run(&mut transaction, &format!("DROP FUNCTION IF EXISTS \"{name}\"()")).await?;
        }
        if entity.view.is_some() {
            for statement in views::gone(entity) {
                run(&mut transaction, &statement).await?;
            }
        }
        for field in entity.attachments().filter_map(|position| entity.fields.get(position)) {
            run(&mut transaction, &format!("DROP INDEX IF EXISTS \"{}\"", index_name(&entity.name, field))).await?;
        }
    }
    for function in views::others(&mut transaction, &Entities::default()).await? {
        run(&mut transaction, &format!("DROP FUNCTION \"{function}\"() CASCADE")).await?;
    }
    // When a table of an entity that is not declared any more still has it, this fails, and nothing has happened.
    run(&mut transaction, "DROP FUNCTION IF EXISTS whimbrel_take()").await?;
    for name in OWN_NAMES {
        run(&mut transaction, &format!("DROP TABLE IF EXISTS {name}")).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn run(connection: &mut PgConnection, statement: &str) -> Result<(), AttachError> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// The statements that bring the database to where it is to be.
async fn plan(connection: &mut PgConnection, entities: &Entities) -> Result<Vec<String>, AttachError> {
    let version = sqlx::query("SELECT current_setting('server_version_num')::integer / 10000");
    let version: i32 = version.fetch_one(&mut *connection).await?.try_get(0)?;
    if version < VERSION_MIN {
        return Err(AttachError::TooOld { found: version, wanted: VERSION_MIN });
    }
    let (schema, is_there) = catalog::schema(connection).await?;
    let is_attached = catalog::has_own_tables(connection).await?;
    let mut statements = Vec::new();
    if !is_there {
        statements.push(format!("CREATE SCHEMA {}", identifier(&schema)));
    }
    if !is_attached {
        statements.push(OWN_TABLES.to_owned());
        let history = note_sql("history", "gen_random_uuid()::text");
        statements.push(history);
        statements.push(CURSOR_KEY.to_owned());
    }
    let steps = if is_attached { steps_from(catalog::noted(connection, "format").await?.as_deref())? } else { &[] };
    statements.extend(steps.iter().map(|step| match step {
        Step::CursorKey => CURSOR_KEY.to_owned(),
    }));
    if !is_attached || !steps.is_empty() {
        statements.push(note_sql("format", &format!("'{FORMAT}'")));
    }
    let take = take_function(&schema);
    let take_digest = digest(std::slice::from_ref(&take));
    let noted_take = if is_attached { catalog::noted(connection, "take").await? } else { None };
    if noted_take.as_ref() != Some(&take_digest) {
        statements.push(take);
        statements.push(note_sql("take", &format!("'{take_digest}'")));
    }
    if is_attached {
        for function in views::others(connection, entities).await? {
            statements.push(format!("DROP FUNCTION \"{function}\"() CASCADE"));
        }
    }
    // What a view is made of comes first.
    let (views, tables): (Vec<&Entity>, Vec<&Entity>) = entities.iter().partition(|entity| entity.view.is_some());
    if !views.is_empty() {
        statements.push(views::DIRTY_TABLE.to_owned());
    }
    for entity in tables.into_iter().chain(views) {
        plan_entity(connection, entity, &schema, is_attached, &mut statements).await?;
    }
    Ok(statements)
}

async fn plan_entity(
    connection: &mut PgConnection,
    entity: &Entity,
    schema: &str,
    is_attached: bool,
    statements: &mut Vec<String>,
) -> Result<(), AttachError> {
    let mut table = catalog::table(connection, entity).await?;
    if let Some(view) = &entity.view {
        let marking = views::marking(entity, view, schema);
        let key = format!("view of {}", entity.name);
        let shape = catalog::view(connection, entity, view).await?;
        let digest = digest(&[marking.join(";"), create_table(entity), views::refresh(entity, view, &shape)]);
        let noted = if is_attached { catalog::noted(connection, &key).await? } else { None };
        if table.is_none() || noted.as_ref() != Some(&digest) {
            // Every record is looked at anew: those that are not shown any more leave.
            table = None;
            statements.extend(views::gone(entity));
            statements.extend(marking);
            statements.push(views::mark(entity));
            statements.push(note_sql(&key, &format!("'{digest}'")));
        }
    }
    let (shape, existing) = match table {
        None => {
            statements.push(create_table(entity));
            (Shape::created(entity), 0)
        }
        Some(Table { shape, missing, triggers }) => {
            statements.extend(missing.iter().map(|field| add_column(entity, field)));
            (shape, triggers)
        }
    };
    let (triggers_key, scopes_key) = (format!("triggers of {}", entity.name), format!("scopes of {}", entity.name));
    let (mut noted_triggers, mut noted_scopes) = (None, None);
    if is_attached {
        noted_triggers = catalog::noted(connection, &triggers_key).await?;
        noted_scopes = catalog::noted(connection, &scopes_key).await?;
    }
    let are_there = usize::try_from(existing).is_ok_and(|existing| existing == trigger_names().count());
    let wanted: Vec<String> =
        create_attachment_indexes(entity).into_iter().chain(triggers(entity, &shape, schema)).collect();
    let digest = digest(&wanted);
    if !are_there || noted_triggers.as_ref() != Some(&digest) {
        statements.extend(wanted);
        statements.push(note_sql(&triggers_key, &format!("'{digest}'")));
    }
    let scopes = scopes_sql(entity, &|position: usize| shape.field(entity, "t", position).unwrap_or_default());
    let scopes = format!("{}: {scopes}", entity.table);
    if !are_there || noted_scopes.as_ref() != Some(&scopes) {
        // Rows from before the triggers, or scoped by other templates; rows that went while the triggers were away.
        statements.push(TAKE_CLOCK.to_owned());
        statements.push(enter(entity, &shape, &everything(entity, &shape), NEWEST));
        statements.push(note_sql(&scopes_key, &format!("'{}'", quoted(&scopes))));
    }
    Ok(())
}

/// The statement that notes a value, which is SQL.
fn note_sql(name: &str, value: &str) -> String {
    format!(
        "INSERT INTO whimbrel_meta (name, value) VALUES ('{}', {value}) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        quoted(name)
    )
}

fn digest(statements: &[String]) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, statements.join(";").as_bytes()).to_string()
}
