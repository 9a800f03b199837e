//! Conflicts: a change that met a newer row at the server waits here until somebody decides.
//!
//! ```text
//! sent ──► conflict ──► resolved: a new change on the server's row, or none ──► undone: conflict again
//!             │                                                                     or a change back
//!             └ the server's row is the record's base, and pulls keep it up to date
//! ```
//!
//! **Invariant:** until it is resolved, all three versions are there: what it was made on, what was written here, what the server has.
//! **Invariant:** a resolution is one transaction, and what was given up in it is kept for a while.

mod resolve;
mod undo;

use serde::Serialize;
use whimbrel_merge::same;
use whimbrel_protocol::{Fields, Json, Op, ServerRow};

use super::outbox::Entry;
use super::system::{self, Counter};
use super::write::by_name;
use super::{Interrupt, MapId, Read, Txn, View, pending};
use crate::error::{Code, Error, Result};
use crate::json::{FromJson, Object, to_json};
use crate::model::{Field, Row};

pub use resolve::{Choice, Resolution, Side};
pub(super) use resolve::{positions_of, resolve};
pub(super) use undo::{forget_old, undo};

/// A conflict as it is kept.
#[derive(Serialize)]
pub(super) struct ConflictRecord<'a> {
    pub(super) entry: &'a Entry,
    /// What the server said when they met.
    pub(super) server: Option<&'a ServerRow>,
}

/// A conflict as it is read.
pub(super) struct Conflict {
    pub(super) entry: Entry,
    pub(super) server: Option<ServerRow>,
}

impl FromJson for Conflict {
    fn from_json(mut object: Object) -> Result<Self> {
        let entry = object.optional("entry")?.ok_or_else(|| object.wrong("entry"))?;
        Ok(Self { entry, server: object.optional("server")? })
    }
}

/// A conflict as the app sees it.
#[derive(Serialize)]
struct Shown<'a> {
    position: u64,
    change: &'a str,
    entity: &'a str,
    id: &'a str,
    op: Op,
    at: i64,
    /// The values before the change.
    base: &'a Fields,
    /// The values it wrote.
    local: &'a Fields,
    /// What the server has now; none when it has deleted the record.
    server: Option<&'a ServerRow>,
    /// The fields that both sides changed.
    contested: Vec<&'a str>,
}

/// A change has met a newer row.
pub(super) fn open(
    txn: &mut Txn<'_>,
    position: u64,
    entry: &Entry,
    server: Option<&ServerRow>,
) -> Result<(), Interrupt> {
    txn.put(MapId::CONFLICTS, &position.to_be_bytes(), to_json(&ConflictRecord { entry, server })?);
    Counter::Conflicts.add(txn, 1)
}

/// The open conflicts, oldest first, as a JSON array.
pub(super) fn list_json(view: &View<'_>) -> Result<String, Interrupt> {
    let mut json = vec![b'['];
    for (key, bytes) in view.items(MapId::CONFLICTS)? {
        let Conflict { entry, server } = system::from_json(&bytes)?;
        // An entity that the app does not know any more has nothing to be decided.
        if view.table(&entry.entity).is_err() {
            continue;
        }
        let server = server_row(view, &entry, server)?;
        let shown = Shown {
            position: system::number(&key),
            change: &entry.change,
            entity: &entry.entity,
            id: &entry.id,
            op: entry.op,
            at: entry.at,
            base: &entry.was,
            local: &entry.set,
            server: server.as_ref(),
            contested: contested(&entry, server.as_ref()),
        };
        if json.len() > 1 {
            json.push(b',');
        }
        json.extend_from_slice(&to_json(&shown)?);
    }
    json.push(b']');
    String::from_utf8(json).map_err(|_| Error::new(Code::StoreCorrupt, "a conflict's text is not UTF-8").into())
}

/// What the server has of a conflict's record now, as far as it is known here: after a loss, what it said when they met.
fn server_row(view: &impl Read, entry: &Entry, met: Option<ServerRow>) -> Result<Option<ServerRow>, Interrupt> {
    let Some(base) = pending::base(view, &entry.entity, &entry.id)? else { return Ok(met) };
    let schema = view.schema();
    let fields = by_name(schema.entity(&entry.entity)?, base.values.iter().enumerate());
    Ok(Some(ServerRow { version: base.version, fields }))
}

/// The server has no row of a record any more; if a conflict is open, it is one with a deletion now.
pub(super) fn server_has_none(txn: &mut Txn<'_>, entity: &str, id: &str) -> Result<(), Interrupt> {
    for (position, entry) in pending::of_record(txn, entity, id)? {
        if entry.conflict {
            let record = to_json(&ConflictRecord { entry: &entry, server: None })?;
            txn.put(MapId::CONFLICTS, &position.to_be_bytes(), record);
        }
    }
    Ok(())
}

/// The fields that the server has changed as well, and to another value.
fn contested<'a>(entry: &'a Entry, server: Option<&ServerRow>) -> Vec<&'a str> {
    let Some(server) = server else { return Vec::new() };
    let is_contested = |(name, new): &&(String, Json)| {
        let current = server.fields.get(name).unwrap_or(&Json::Null);
        // A new record was made on nothing.
        let was = entry.was.get(name);
        !same(current, new) && was.is_none_or(|was| !same(was, current))
    };
    entry.set.iter().filter(is_contested).map(|(name, _)| name.as_str()).collect()
}

/// The server's row as rows are kept here. Fields that it does not have keep the value that was known.
pub(super) fn to_row(view: &impl Read, entity: &str, row: &ServerRow, known: Option<&Row>) -> Result<Row, Interrupt> {
    let schema = view.schema();
    let fields = schema.entity(entity)?.fields.iter().enumerate();
    let known = |place: usize| known.and_then(|known| known.values.get(place)).cloned().unwrap_or_default();
    let value = |(place, field): (usize, &Field)| match row.fields.get(&field.name) {
        Some(json) => field.kind.value(json),
        None => Ok(known(place)),
    };
    Ok(Row { version: row.version, values: fields.map(value).collect::<Result<_>>()?, ..Row::default() })
}

/// An open conflict, with what the server has now.
fn find(view: &impl Read, position: u64) -> Result<Conflict, Interrupt> {
    let Some(entry) = pending::get(view, position)?.filter(|entry| entry.conflict) else {
        return Err(Error::new(Code::ConflictNotFound, "there is no open conflict at that position").into());
    };
    let met = view.read(MapId::CONFLICTS, &position.to_be_bytes())?;
    let met = met.map(|bytes| system::from_json::<Conflict>(&bytes)).transpose()?;
    let server = server_row(view, &entry, met.and_then(|met| met.server))?;
    Ok(Conflict { entry, server })
}
