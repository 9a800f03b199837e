//! Attaching entities that are views: the copy of what the view shows, and the triggers that say when it may be old.

use std::collections::BTreeSet;

use sqlx::Row as _;

use super::attach::{Script, note, scopes_key};
use super::tables::create_table;
use super::views::{DIRTY_TABLE, MARKING, mark, marking_triggers};
use crate::model::{Entities, Entity, View};
use crate::sql::{AttachError, quoted};

/// Whether the views are what they were is seen by this, and so is what older ones left on their tables.
pub(super) async fn attach_views(script: &mut Script<'_, '_>, entities: &Entities) -> Result<(), AttachError> {
    script.run(DIRTY_TABLE.to_owned()).await?;
    drop_marking_triggers(script).await?;
    for entity in entities.iter() {
        if let Some(view) = &entity.view {
            attach_view(script, entity, view).await?;
        }
    }
    Ok(())
}

/// Takes away all triggers that mark copies as old.
pub(super) async fn drop_marking_triggers(script: &mut Script<'_, '_>) -> Result<(), AttachError> {
    let sql = format!("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '{MARKING}%'");
    for row in script.all(sql).await? {
        let name: String = row.try_get(0)?;
        script.run(format!("DROP TRIGGER \"{name}\"")).await?;
    }
    Ok(())
}

async fn attach_view(script: &mut Script<'_, '_>, entity: &Entity, view: &View) -> Result<(), AttachError> {
    for table in &view.of {
        match kind_of(script, table).await?.as_deref() {
            Some("table") => {}
            found => return Err(AttachError::view(entity, table, found.unwrap_or("not there"))),
        }
    }
    let columns = script.all(format!("SELECT lower(name) FROM pragma_table_info('{}')", quoted(&view.name))).await?;
    let columns: BTreeSet<String> = columns.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if columns.is_empty() {
        return Err(AttachError::view(entity, &view.name, "not there"));
    }
    let wanted = entity.fields.iter().map(|field| field.column.as_str()).chain(["id"]);
    if let Some(column) = wanted.into_iter().find(|column| !columns.contains(&column.to_lowercase())) {
        return Err(AttachError::missing(entity, &view.name, column));
    }
    let key = format!("view of {}", entity.name);
    let copy = create_table(entity);
    if script.noted(&key).await?.as_ref() != Some(&copy) || kind_of(script, &entity.table).await?.is_none() {
        script.run(format!("DROP TABLE IF EXISTS \"{}\"", entity.table)).await?;
        script.run(copy.clone()).await?;
        // Every record is looked at anew: those that are not shown any more leave.
        script.run(format!("DELETE FROM whimbrel_meta WHERE name = '{}'", quoted(&scopes_key(entity)))).await?;
        script.run(note(&key, &copy)).await?;
    }
    script.run(marking_triggers(entity, view)).await?;
    // Whatever happened while the triggers were away.
    script.run(mark(entity)).await
}

async fn kind_of(script: &mut Script<'_, '_>, name: &str) -> Result<Option<String>, AttachError> {
    let sql = format!("SELECT type FROM sqlite_schema WHERE lower(name) = lower('{}')", quoted(name));
    Ok(script.all(sql).await?.first().map(|row| row.try_get(0)).transpose()?)
}
