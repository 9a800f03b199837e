//! The triggers that write the change log, generated from the entities.
//!
//! ```text
//! INSERT, UPDATE, DELETE, TRUNCATE by anybody
//!   before the statement   take the clock: the lock is held until the transaction ends
//!   after the statement    give each touched record the next version; enter it into the scopes it is in now, and
//!                          mark it gone from those it was in
//! ```
//!
//! What is entered is what the table has then, and not what a statement says it did: so it does not matter whether one
//! statement wrote a row twice, in which order triggers fire, or what the app's own triggers made of it.
//!
//! **Invariant:** the clock is taken before any row is, so two writers of one statement each never wait for each other.
//! **Invariant:** the clock's row is *written* by every transaction that takes it: who works on an older state
//! (`REPEATABLE READ`) fails with a serialization failure, instead of giving a version a second time.
//! **Invariant:** a record with a row has at least one log entry that is not gone: a row in no scope is entered under
//! the empty scope, which no user has. So the log alone knows every record's version, and every tombstone.
//!
//! The functions run with the rights of whoever attached the tables, so that writers need none on the log.

use super::shape::Shape;
use super::tables::cut;
use crate::model::Entity;
use crate::sql::{self, quoted};

/// Where notifications of changes go. Channels are a database's, and schemas of one are realms of their own.
pub(super) fn channel(schema: &str) -> String {
    cut(&format!("whimbrel_{schema}"))
}

/// The statement in a function that tells of changes.
pub(super) fn notify(schema: &str) -> String {
    format!("PERFORM pg_notify('{}', '');", quoted(&channel(schema)))
}

/// Takes the clock, once in a transaction. A transaction is told by its number and the moment of its beginning: numbers alone begin
/// anew where a dump is loaded.
pub(super) const TAKE_CLOCK: &str = "UPDATE whimbrel_clock SET writer = pg_current_xact_id(), began = now() \
     WHERE writer <> pg_current_xact_id() OR began <> now()";

/// The version of the last change. The floor is what the log had before something was forgotten of it.
pub(super) const NEWEST: &str = "(SELECT greatest(floor, (SELECT max(version) FROM whimbrel_log)) FROM whimbrel_clock)";

/// What is written is looked up by indexes, also where a table was small when a plan was made: the plan stays in use until PostgreSQL analyses the
/// table, which may be a minute and a hundred thousand rows later. (The clock has no index. What it costs to read it nevertheless is far over where JIT begins.)
pub(super) const PLANS: &str = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off";

/// The function that all tables share.
pub(super) fn take_function(schema: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION whimbrel_take() RETURNS trigger {}
BEGIN
  {TAKE_CLOCK};
  RETURN NULL;
END
$whimbrel$",
        properties(schema)
    )
}

/// How a trigger's function is written: with the rights of whoever attached, and with plans ([`PLANS`]) that stay good while tables grow.
pub(super) fn properties(schema: &str) -> String {
    format!(
        "LANGUAGE plpgsql SECURITY DEFINER SET search_path = {}, pg_temp SET enable_seqscan = off SET jit = off AS $whimbrel$",
        sql::identifier(schema)
    )
}

/// What a statement did.
#[derive(Clone, Copy)]
enum Event {
    Insert,
    Update,
    Delete,
    Truncate,
}

const EVENTS: [Event; 4] = [Event::Insert, Event::Update, Event::Delete, Event::Truncate];

impl Event {
    const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
        }
    }

    /// The statement's rows as its trigger sees them.
    const fn referencing(self) -> &'static str {
        match self {
            Self::Insert => "REFERENCING NEW TABLE AS new_rows ",
            Self::Update => "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows ",
            Self::Delete => "REFERENCING OLD TABLE AS old_rows ",
            Self::Truncate => "",
        }
    }

    /// A query for the ids that it touched, and their places: new rows are numbered as they come. Of an `UPDATE`, those whose synced columns have other values.
    fn touched(self, entity: &Entity, shape: &Shape) -> String {
        match self {
            Self::Insert => "SELECT \"id\", row_number() OVER () AS place FROM new_rows".to_owned(),
            Self::Delete => "SELECT \"id\", 0 AS place FROM old_rows".to_owned(),
            Self::Truncate => everything(entity, shape),
            Self::Update => {
                let differs = |position| {
                    let (old, new) = (shape.field(entity, "o", position)?, shape.field(entity, "n", position)?);
                    Some(format!("{old} IS DISTINCT FROM {new}"))
                };
                let differs: Vec<String> = (0..entity.fields.len()).filter_map(differs).collect();
                let differs = differs.join(" OR ");
                format!(
                    "SELECT n.\"id\", 0 AS place FROM new_rows AS n LEFT JOIN old_rows AS o ON o.\"id\" = n.\"id\" \
                     WHERE o.\"id\" IS NULL OR {differs} \
                     UNION SELECT o.\"id\", 0 FROM old_rows AS o LEFT JOIN new_rows AS n ON n.\"id\" = o.\"id\" \
                     WHERE n.\"id\" IS NULL"
                )
            }
        }
    }
}

/// A query for the ids, and a place for each, of all records that are in the table, or in the log as if they were.
pub(super) fn everything(entity: &Entity, shape: &Shape) -> String {
    let Entity { name, table, .. } = entity;
    let logged = shape.id_of("id");
    format!(
        "SELECT \"id\", 0 AS place FROM \"{table}\" UNION SELECT {logged}, 0 FROM whimbrel_log WHERE entity = '{name}' AND NOT gone"
    )
}

/// The statement that enters the records of some ids as the table has them now. `last` is the version before.
pub(super) fn enter(entity: &Entity, shape: &Shape, ids: &str, last: &str) -> String {
    let Entity { name, table, .. } = entity;
    let scopes = sql::scopes_sql(entity, &|position: usize| match shape.field(entity, "t", position) {
        Some(field) => format!("({field})::text"),
        None => "NULL::text".to_owned(),
    });
    // `OFFSET 0` keeps the planner from looking up all records at once by reading all there are: its plan stays in use while the table grows.
    format!(
        "WITH touched AS MATERIALIZED (
    SELECT ids.\"id\", ids.\"id\"::text AS key, {last} + row_number() OVER (ORDER BY ids.place, ids.\"id\") AS version
    FROM (SELECT \"id\", min(place) AS place FROM ({ids}) AS every GROUP BY \"id\") AS ids
  )
  INSERT INTO whimbrel_log AS l (version, entity, id, scope, gone)
  SELECT touched.version, '{name}', touched.key, entered.scope, entered.gone
  FROM touched CROSS JOIN LATERAL (
    SELECT s.scope, false AS gone FROM \"{table}\" AS t CROSS JOIN LATERAL ({scopes}) AS s WHERE t.\"id\" = touched.\"id\"
    UNION ALL
    SELECT o.scope, true FROM whimbrel_log AS o
    WHERE o.entity = '{name}' AND o.id = touched.key AND NOT o.gone AND NOT EXISTS (
      SELECT 1 FROM \"{table}\" AS t CROSS JOIN LATERAL ({scopes}) AS s
      WHERE t.\"id\" = touched.\"id\" AND s.scope = o.scope)
    OFFSET 0
  ) AS entered
  ON CONFLICT (entity, id, scope) DO UPDATE SET version = excluded.version, gone = excluded.gone"
    )
}

/// The statements that put an entity's triggers in place of any older ones.
pub(super) fn triggers(entity: &Entity, shape: &Shape, schema: &str) -> Vec<String> {
    let table = &entity.table;
    let mut statements = vec![format!(
        "CREATE OR REPLACE TRIGGER whimbrel_take BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON \"{table}\" \
         FOR EACH STATEMENT EXECUTE FUNCTION whimbrel_take()"
    )];
    for event in EVENTS {
        let function = function_name(entity, event);
        let enter = enter(entity, shape, &event.touched(entity, shape), "last");
        statements.push(format!(
            "CREATE OR REPLACE FUNCTION \"{function}\"() RETURNS trigger {}
DECLARE
  last bigint;
BEGIN
  last := {NEWEST};
  {enter};
  {}
  RETURN NULL;
END
$whimbrel$",
            properties(schema),
            notify(schema)
        ));
        statements.push(format!(
            "CREATE OR REPLACE TRIGGER whimbrel_{event} AFTER {event} ON \"{table}\" {}\
             FOR EACH STATEMENT EXECUTE FUNCTION \"{function}\"()",
            event.referencing(),
            event = event.name(),
        ));
    }
    statements
}

/// The names of an entity's triggers.
pub(super) fn trigger_names() -> impl Iterator<Item = String> {
    let names = EVENTS.into_iter().map(|event| format!("whimbrel_{}", event.name()));
    names.chain(["whimbrel_take".to_owned()])
}

/// The names of an entity's functions.
pub(super) fn function_names(entity: &Entity) -> impl Iterator<Item = String> {
    EVENTS.into_iter().map(|event| function_name(entity, event))
}

fn function_name(entity: &Entity, event: Event) -> String {
    cut(&format!("whimbrel_{}_{}", event.name(), entity.name))
}
