//! A local write: the row and its outbox entry, in one transaction or not at all.

use whimbrel_protocol::{CHANGE_BYTES_MAX, Fields, Op};

use super::confirmation::{self, Confirmation};
use super::outbox::{Entry, Folded, OUTBOX_MAX};
use super::pending;
use super::system::Counter;
use super::transfer::check_importing;
use super::{Interrupt, Read, Txn};
use crate::error::{Code, Error};
use crate::json::to_json;
use crate::model::{Entity, Policy, Row, Value, changed_fields, check_id, new_record};

/// What the app wants to write.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalWrite {
    /// What is to be done.
    pub op: Op,
    /// The entity's name.
    pub entity: String,
    /// The record's id.
    pub id: String,
    /// The fields; empty for a delete.
    pub fields: Fields,
    /// The change's id (UUID v7).
    pub change: String,
    /// The device's clock, in milliseconds since 1970.
    pub at: i64,
}

/// Writes one change. Several in one transaction are atomic. Returns what has come to its end at once: a record that is deleted before
/// anybody knew of it.
///
/// # Errors
/// Every code of bad input; then nothing of the transaction is written.
pub fn write(txn: &mut Txn<'_>, write: &LocalWrite) -> Result<Vec<Confirmation>, Interrupt> {
    check_importing(txn)?;
    let schema = txn.schema();
    let entity = schema.entity(&write.entity)?;
    check_policy(entity, write.op)?;
    check_id(&write.id)?;
    let before = txn.row(&write.entity, &write.id)?;
    let entry = match (write.op, before.as_ref().filter(|row| !row.deleted)) {
        (Op::Create, None) => create(txn, entity, write, before.as_ref())?,
        (Op::Create, Some(_)) => return Err(refused(Code::RowExists, "exists already", write)),
        (Op::Update, Some(row)) => match update(txn, entity, write, row)? {
            Some(entry) => entry,
            // Nothing changes, so there is nothing to wait for.
            None => return confirmation::accepted(txn, &unchanged(txn, write, row), None),
        },
        (Op::Delete, Some(row)) => delete(txn, entity, write, row)?,
        (Op::Update | Op::Delete, None) => return Err(refused(Code::RowNotFound, "does not exist", write)),
    };
    enqueue(txn, entry)
}

pub(super) fn check_policy(entity: &Entity, op: Op) -> Result<(), Error> {
    match (entity.policy, op) {
        (Policy::ReadOnly, _) => Err(Error::new(Code::ReadOnly, format!("{} is read-only here", entity.name))),
        (Policy::AppendOnly, Op::Update | Op::Delete) => {
            Err(Error::new(Code::AppendOnly, format!("{} takes new records only", entity.name)))
        }
        (Policy::AppendOnly | Policy::LastWriteWins | Policy::Merge | Policy::DetectConflicts, _) => Ok(()),
    }
}

fn refused(code: Code, why: &str, write: &LocalWrite) -> Interrupt {
    Error::new(code, format!("{} \"{}\" {why}", write.entity, write.id)).into()
}

fn create(txn: &mut Txn<'_>, entity: &Entity, write: &LocalWrite, gone: Option<&Row>) -> Result<Entry, Interrupt> {
    if gone.is_some() {
        let detail = format!("{} \"{}\" was deleted and the server does not know yet", write.entity, write.id);
        return Err(Error::new(Code::RowExists, detail).into());
    }
    let values = new_record(entity, &write.fields)?;
    let entry = entry(txn, write, None, by_name(entity, values.iter().enumerate()), Fields::new());
    txn.put_row(&write.entity, &write.id, &Row { dirty: true, values, ..Row::default() })?;
    Ok(entry)
}

fn update(txn: &mut Txn<'_>, entity: &Entity, write: &LocalWrite, row: &Row) -> Result<Option<Entry>, Interrupt> {
    let mut values = row.values.clone();
    values.resize(entity.fields.len(), Value::Null);
    let (mut set, mut was) = (Vec::new(), Vec::new());
    for (place, value) in changed_fields(entity, &write.fields)? {
        if let Some(slot) = values.get_mut(place).filter(|slot| **slot != value) {
            was.push((place, std::mem::replace(slot, value.clone())));
            set.push((place, value));
        }
    }
    if set.is_empty() {
        return Ok(None);
    }
    let names = |fields: &[(usize, Value)]| by_name(entity, fields.iter().map(|(place, value)| (*place, value)));
    let entry = entry(txn, write, Some(row), names(&set), names(&was));
    keep_base(txn, write, row)?;
    txn.put_row(&write.entity, &write.id, &Row { dirty: true, values, ..row.clone() })?;
    Ok(Some(entry))
}

/// An update that changes nothing, as an entry that need not be sent.
fn unchanged(txn: &Txn<'_>, write: &LocalWrite, row: &Row) -> Entry {
    entry(txn, write, Some(row), Fields::new(), Fields::new())
}

fn delete(txn: &mut Txn<'_>, entity: &Entity, write: &LocalWrite, row: &Row) -> Result<Entry, Interrupt> {
    let was = by_name(entity, row.values.iter().enumerate());
    let entry = entry(txn, write, Some(row), Fields::new(), was);
    keep_base(txn, write, row)?;
    txn.put_row(&write.entity, &write.id, &Row { dirty: true, deleted: true, ..row.clone() })?;
    Ok(entry)
}

/// The server's row is kept beside the changed one, so that a refusal can bring it back.
fn keep_base(txn: &mut Txn<'_>, write: &LocalWrite, row: &Row) -> Result<(), Interrupt> {
    if row.dirty { Ok(()) } else { pending::set_base(txn, &write.entity, &write.id, row) }
}

fn entry(txn: &Txn<'_>, write: &LocalWrite, row: Option<&Row>, set: Fields, was: Fields) -> Entry {
    Entry {
        change: write.change.clone(),
        folded: Vec::new(),
        entity: write.entity.clone(),
        id: write.id.clone(),
        op: write.op,
        base: row.map(|row| row.version).filter(|version| *version > 0),
        set,
        was,
        schema: txn.schema().version,
        at: write.at,
        seq: None,
        sent: None,
        conflict: false,
    }
}

fn by_name<'a>(entity: &Entity, values: impl Iterator<Item = (usize, &'a Value)>) -> Fields {
    let named = values.filter_map(|(place, value)| Some((entity.fields.get(place)?.name.clone(), value.to_json())));
    named.collect()
}

/// Adds a change to the outbox, folded with the record's last one when that was not sent.
fn enqueue(txn: &mut Txn<'_>, entry: Entry) -> Result<Vec<Confirmation>, Interrupt> {
    let last = pending::of_record(txn, &entry.entity, &entry.id)?.pop();
    let (position, entry) = match last {
        Some((position, last)) if last.is_open() => match last.fold(entry) {
            Folded::Into(entry) => (position, *entry),
            Folded::Nothing(both) => {
                pending::remove(txn, position, &both)?;
                txn.delete_row(&both.entity, &both.id)?;
                return confirmation::accepted(txn, &both, None);
            }
        },
        _ => {
            if Counter::Pending.get(txn)? >= OUTBOX_MAX {
                return Err(Error::new(Code::OutboxFull, format!("{OUTBOX_MAX} changes wait already")).into());
            }
            Counter::Pending.add(txn, 1)?;
            (Counter::Position.next(txn)?, entry)
        }
    };
    let bytes = to_json(&entry)?.len();
    if bytes > CHANGE_BYTES_MAX {
        let detail =
            format!("{} \"{}\" has {bytes} bytes of changes; {CHANGE_BYTES_MAX} are possible", entry.entity, entry.id);
        return Err(Error::new(Code::ValueTooLarge, detail).into());
    }
    pending::put(txn, position, &entry)?;
    Ok(Vec::new())
}
