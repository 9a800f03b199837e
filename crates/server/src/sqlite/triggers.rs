//! The triggers that write the change log, generated from the entities.
//!
//! After any write, by anybody: tick the clock, mark the record gone from the scopes it was in, and enter it into those
//! it is in now. What the log says of the old row is used, not the old row itself: `INSERT OR REPLACE` removes a row
//! without telling any trigger.
//!
//! **Invariant:** a record with a row has at least one log entry that is not gone: a row in no scope is entered under
//! the empty scope, which no user has. So the log alone knows every record's version, and every tombstone.
//!
//! The conflict clause of the statement that fires a trigger overrides those inside it; an upsert with a named target
//! is not overridden.

use crate::model::Entity;
use crate::sql;

/// When an `UPDATE` counts as a change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// When a synced column gets another value.
    Differences,
    /// Always: to enter rows that were there before the triggers were.
    Everything,
}

/// The statements that put an entity's triggers in place of any older ones.
pub(super) fn triggers(entity: &Entity, counts: Counts) -> String {
    let enter = format!(
        "INSERT INTO whimbrel_log (version, entity, id, scope, gone)\n  \
         SELECT {VERSION}, '{}', NEW.\"id\", scope, 0 FROM ({}) WHERE true\n  \
         ON CONFLICT (entity, id, scope) DO UPDATE SET version = excluded.version, gone = 0;",
        entity.name,
        scopes_sql(entity)
    );
    let when = match counts {
        Counts::Differences => differs(entity),
        Counts::Everything => String::new(),
    };
    // A record that gets another id is two changes, and no two changes of a bucket share a version. Whatever had that
    // id was replaced.
    let tick_again = format!("{TICK} WHERE OLD.\"id\" IS NOT NEW.\"id\";");
    trigger(entity, "INSERT", "", &[&tick(), &leave(entity, "NEW"), &enter])
        + &trigger(
            entity,
            "UPDATE",
            &when,
            &[&tick(), &leave(entity, "OLD"), &tick_again, &leave(entity, "NEW"), &enter],
        )
        + &trigger(entity, "DELETE", "", &[&tick(), &leave(entity, "OLD")])
}

const TICK: &str = "UPDATE whimbrel_clock SET version = version + 1";
const VERSION: &str = "(SELECT version FROM whimbrel_clock)";

fn tick() -> String {
    format!("{TICK};")
}

fn leave(entity: &Entity, row: &str) -> String {
    format!(
        "UPDATE whimbrel_log SET version = {VERSION}, gone = 1 \
         WHERE entity = '{}' AND id = CAST({row}.\"id\" AS TEXT) AND gone = 0;",
        entity.name
    )
}

fn trigger(entity: &Entity, event: &str, when: &str, steps: &[&str]) -> String {
    format!(
        "{}CREATE TRIGGER \"{}\" AFTER {event} ON \"{}\" {when} BEGIN\n  {}\nEND;\n",
        drop_trigger(entity, event),
        trigger_name(entity, event),
        entity.table,
        steps.join("\n  ")
    )
}

fn trigger_name(entity: &Entity, event: &str) -> String {
    format!("whimbrel_{}_{}", entity.name, event.to_lowercase())
}

fn drop_trigger(entity: &Entity, event: &str) -> String {
    format!("DROP TRIGGER IF EXISTS \"{}\";\n", trigger_name(entity, event))
}

/// The statements that take an entity's triggers away.
pub(super) fn drop_triggers(entity: &Entity) -> String {
    ["INSERT", "UPDATE", "DELETE"].map(|event| drop_trigger(entity, event)).concat()
}

fn differs(entity: &Entity) -> String {
    let fields = entity.fields.iter().map(|field| format!(" OR OLD.\"{0}\" IS NOT NEW.\"{0}\"", field.column));
    format!("WHEN OLD.\"id\" IS NOT NEW.\"id\"{}", fields.collect::<String>())
}

/// The scopes of the new row.
pub(super) fn scopes_sql(entity: &Entity) -> String {
    sql::scopes_sql(entity, &|field: usize| match entity.fields.get(field) {
        Some(field) => format!("NEW.\"{}\"", field.column),
        None => "NULL".to_owned(),
    })
}
