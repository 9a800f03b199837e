//! A record with local changes is the server's row with those changes laid over it. This is the one place that does it.

use super::outbox::Entry;
use super::pending;
use super::{Interrupt, Read, Txn};
use crate::model::{Policy, Row, Value};
use whimbrel_merge::{Meeting, Merged, merge};
use whimbrel_protocol::Op;

/// Makes a record anew from the server's row (`None`: the server has none) and the changes that still wait.
///
/// **Invariant:** afterwards the record is dirty exactly when changes wait, and the server's row is kept exactly as long.
pub(super) fn rebuild(txn: &mut Txn<'_>, entity: &str, id: &str, server: Option<&Row>) -> Result<(), Interrupt> {
    let waiting = pending::of_record(txn, entity, id)?;
    rebuild_from(txn, entity, id, server, &waiting)
}

/// The same, for who knows which changes wait.
pub(super) fn rebuild_from(
    txn: &mut Txn<'_>,
    entity: &str,
    id: &str,
    server: Option<&Row>,
    waiting: &[(u64, Entry)],
) -> Result<(), Interrupt> {
    if waiting.is_empty() {
        pending::delete_base(txn, entity, id)?;
        return match server {
            Some(row) => txn.put_row(entity, id, &Row { dirty: false, deleted: false, ..row.clone() }),
            None => txn.delete_row(entity, id),
        };
    }
    match server {
        Some(row) => pending::set_base(txn, entity, id, row)?,
        None => pending::delete_base(txn, entity, id)?,
    }
    // Changes of a row that is not here: they were recovered, and wait unseen until a pull brings it.
    let is_new = waiting.first().is_some_and(|(_, entry)| entry.op == Op::Create);
    if server.is_none() && !is_new && !is_shown(txn, entity, id)? {
        return txn.put_row(entity, id, &Row { dirty: true, deleted: true, ..Row::default() });
    }
    // The server's row has left the device, or was lost: what people see of it stays.
    let shown = if server.is_none() && !is_new { txn.row(entity, id)? } else { None };
    let shown = shown.map(|row| Row { buckets: Vec::new(), ..row });
    let mut local = server.cloned().or(shown).unwrap_or_default();
    (local.dirty, local.deleted) = (true, false);
    for (_, entry) in waiting {
        lay_over(txn, &mut local, entry, server.is_some())?;
    }
    txn.put_row(entity, id, &local)
}

/// Whether there is a row that people see.
pub(super) fn is_shown(view: &impl Read, entity: &str, id: &str) -> Result<bool, Interrupt> {
    Ok(view.row(entity, id)?.is_some_and(|row| !row.deleted))
}

/// Lays one change over a row; over a server's row with the policy `merge` as the server will, as far as that can be known here.
pub(super) fn lay_over(view: &impl Read, row: &mut Row, entry: &Entry, is_servers: bool) -> Result<(), Interrupt> {
    row.deleted = entry.op == Op::Delete;
    let schema = view.schema();
    let entity = schema.entity(&entry.entity)?;
    row.values.resize(entity.fields.len(), Value::Null);
    for (field, slot) in entity.fields.iter().zip(&mut row.values) {
        let Some(json) = entry.set.get(&field.name) else { continue };
        // A pair that somebody else has made as well keeps what this one has no value for.
        if is_servers && entry.op == Op::Create && entity.pair.is_some() && json.is_null() {
            continue;
        }
        let merged = if is_servers && entity.policy == Policy::Merge && entry.op == Op::Update {
            let (was, current) = (entry.was.get(&field.name), slot.to_json());
            merge(field.rule, Meeting { was, current: &current, new: json, is_newer: true })
        } else {
            Merged::New
        };
        match merged {
            Merged::Current => {}
            // What is in conflict shows what was written here.
            Merged::New | Merged::Conflict => *slot = field.kind.value(json)?,
            Merged::Other(json) => *slot = field.kind.value(&json)?,
        }
    }
    Ok(())
}
