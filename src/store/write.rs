//! A local write: the row and its outbox entry, in one transaction or not at all.

use whimbrel_protocol::{CHANGE_BYTES_MAX, Fields, Op};

use super::confirmation::{self, Confirmation};
use super::outbox::{Entry, Folded, OUTBOX_MAX};
use super::pending;
use super::system::Counter;
use super::transfer::check_importing;
use super::{Interrupt, Read, Txn, constraints, rebase, system, unplaced};
use crate::error::{Code, Error};
use crate::model::{Entity, FieldType, Policy, Row, Value, changed_fields, check_id, new_record};

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

/// Writes one change, and what the deletion of a record does to others. Several in one transaction are atomic. Returns what has come to its end
/// at once: a record that is deleted before anybody knew of it.
///
/// # Errors
/// Every code of bad input; then nothing of the transaction is written.
pub fn write(txn: &mut Txn<'_>, write: &LocalWrite) -> Result<Vec<Confirmation>, Interrupt> {
    check_importing(txn)?;
    write_one(txn, write, true)
}

fn write_one(txn: &mut Txn<'_>, write: &LocalWrite, is_asked_for: bool) -> Result<Vec<Confirmation>, Interrupt> {
    let schema = txn.schema();
    let entity = schema.entity(&write.entity)?;
    check_policy(entity, write.op)?;
    check_id(&write.id)?;
    let before = txn.row(&write.entity, &write.id)?;
    let mut confirmed = Vec::new();
    let entry = match (write.op, before.as_ref().filter(|row| !row.deleted)) {
        (Op::Create, None) => create(txn, entity, write, before.as_ref())?,
        (Op::Create, Some(row)) if entity.pair.is_some() => match add_again(txn, entity, write, row)? {
            Some(entry) => entry,
            None => return confirmation::accepted(txn, &unchanged(txn, write, row), None),
        },
        (Op::Create, Some(_)) => return Err(refused(Code::RowExists, "exists already", write)),
        (Op::Update, Some(row)) => match update(txn, entity, write, row)? {
            Some(entry) => entry,
            // Nothing changes, so there is nothing to wait for.
            None => return confirmation::accepted(txn, &unchanged(txn, write, row), None),
        },
        (Op::Delete, Some(row)) => {
            if is_asked_for {
                confirmed = write_before(txn, write)?;
            }
            delete(txn, entity, write, row)?
        }
        (Op::Update | Op::Delete, None) => return Err(refused(Code::RowNotFound, "does not exist", write)),
    };
    confirmed.extend(enqueue(txn, entry)?);
    Ok(confirmed)
}

/// Writes what a deletion does to others. That can be forbidden.
fn write_before(txn: &mut Txn<'_>, deletion: &LocalWrite) -> Result<Vec<Confirmation>, Interrupt> {
    let mut confirmed = Vec::new();
    for one in constraints::before_delete(&txn.view(), deletion)? {
        confirmed.extend(write_one(txn, &one, false).map_err(|interrupt| because(interrupt, &one, deletion))?);
    }
    Ok(confirmed)
}

fn because(interrupt: Interrupt, one: &LocalWrite, deletion: &LocalWrite) -> Interrupt {
    let error = match interrupt.pages() {
        Ok(pages) => return Interrupt::missing(pages),
        Err(error) => error,
    };
    let ((entity, id), detail) = ((&deletion.entity, &deletion.id), error.detail());
    let detail = format!("{entity} \"{id}\" is referred to by {} \"{}\", and {detail}", one.entity, one.id);
    Error::new(error.code(), detail).into()
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
    if gone.is_some() && entity.pair.is_none() {
        let detail = format!("{} \"{}\" was deleted and the server does not know yet", write.entity, write.id);
        return Err(Error::new(Code::RowExists, detail).into());
    }
    let values = new_record(entity, &write.fields)?;
    entity.check_identity(&write.id, None, &values)?;
    constraints::check(&txn.view(), entity, &write.id, None, &values)?;
    let mut entry = entry(txn, write, None, by_name(entity, values.iter().enumerate()), Fields::new());
    if entity.pair.is_some() {
        let seen = system::seen(txn, &write.entity)?;
        entry.base = seen.max(unplaced::version(txn, &write.entity, &write.id)?);
    }
    let row = gone.cloned().unwrap_or_default();
    txn.put_row(&write.entity, &write.id, &Row { dirty: true, deleted: false, values, ..row })?;
    Ok(entry)
}

/// A pair that is there stays there once. What it is added with are changes of the row; unless its creation is still to be sent: that is made anew,
/// now, in knowledge of what came meanwhile.
fn add_again(txn: &mut Txn<'_>, entity: &Entity, write: &LocalWrite, row: &Row) -> Result<Option<Entry>, Interrupt> {
    let last = pending::of_record(txn, &write.entity, &write.id)?.pop();
    if last.is_some_and(|(_, last)| last.is_open() && last.op == Op::Create) {
        let known = by_name(entity, row.values.iter().enumerate());
        let fields = known.into_iter().chain(write.fields.iter().cloned()).collect();
        return create(txn, entity, &LocalWrite { fields, ..write.clone() }, Some(row)).map(Some);
    }
    entity.check_identity(&write.id, None, &new_record(entity, &write.fields)?)?;
    let entry = update(txn, entity, &LocalWrite { op: Op::Update, ..write.clone() }, row)?;
    if entry.is_some() {
        check_policy(entity, Op::Update)?;
    }
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
    entity.check_identity(&write.id, Some(&row.values), &values)?;
    constraints::check(&txn.view(), entity, &write.id, Some(&row.values), &values)?;
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

pub(super) fn by_name<'a>(entity: &Entity, values: impl Iterator<Item = (usize, &'a Value)>) -> Fields {
    let named = values.filter_map(|(place, value)| Some((entity.fields.get(place)?.name.clone(), value.to_json())));
    named.collect()
}

/// Adds a change to the outbox, folded with what waits of its record and was not sent: a deletion with all of it, another change with the last.
fn enqueue(txn: &mut Txn<'_>, mut entry: Entry) -> Result<Vec<Confirmation>, Interrupt> {
    let mut waiting = pending::of_record(txn, &entry.entity, &entry.id)?;
    let mut is_apart = false;
    while let Some((position, last)) = waiting.pop().filter(|(_, last)| last.is_open()) {
        if !may_fold(txn, position, &last, &entry)? {
            is_apart = true;
            break;
        }
        let is_ended = (last.op, entry.op) == (Op::Create, Op::Delete);
        let is_known = is_ended && (!waiting.is_empty() || pending::base(txn, &entry.entity, &entry.id)?.is_some());
        match last.fold(entry, is_known) {
            // It goes where it was written: behind the deletions of those that referred to the record.
            Folded::Into(deletion) if deletion.op == Op::Delete => {
                pending::remove(txn, position, &deletion)?;
                entry = *deletion;
            }
            Folded::Into(both) => return put(txn, position, &both),
            Folded::Nothing(both) => {
                pending::remove(txn, position, &both)?;
                rebase::rebuild(txn, &both.entity, &both.id, None)?;
                return confirmation::accepted(txn, &both, None);
            }
        }
    }
    if Counter::Pending.get(txn)? >= OUTBOX_MAX {
        return Err(Error::new(Code::OutboxFull, format!("{OUTBOX_MAX} changes wait already")).into());
    }
    Counter::Pending.add(txn, 1)?;
    let position = Counter::Position.next(txn)?;
    if is_apart {
        Counter::Apart.set(txn, position);
    }
    put(txn, position, &entry)
}

fn put(txn: &mut Txn<'_>, position: u64, entry: &Entry) -> Result<Vec<Confirmation>, Interrupt> {
    // One that is refused takes its transaction with it, so nothing is left of what was put.
    let bytes = pending::put(txn, position, entry)?;
    if bytes > CHANGE_BYTES_MAX {
        let detail =
            format!("{} \"{}\" has {bytes} bytes of changes; {CHANGE_BYTES_MAX} are possible", entry.entity, entry.id);
        return Err(Error::new(Code::ValueTooLarge, detail).into());
    }
    Ok(Vec::new())
}

/// Whether a change may fold with the last one of its record: not when what was written between the two needs the one as it is, or is needed by the
/// other. A new record can be referred to, and a reference or a unique value that is given up makes way for others.
fn may_fold(txn: &Txn<'_>, position: u64, last: &Entry, entry: &Entry) -> Result<bool, Interrupt> {
    if Counter::Position.get(txn)? == position {
        return Ok(true);
    }
    match (entry.op, last.op) {
        // What refers to a new record is deleted by now, or refers to another one; unless it says so apart, it never did.
        (Op::Delete, Op::Create) => Ok(Counter::Apart.get(txn)? < position),
        (Op::Delete, _) => Ok(!needs_order(txn, last, u64::MAX)?),
        (Op::Create | Op::Update, _) => Ok(!needs_order(txn, entry, position)?),
    }
}

/// Whether a change sets a unique value, or a reference to a record that was made after a position; at the last position there is, any reference.
fn needs_order(txn: &Txn<'_>, entry: &Entry, position: u64) -> Result<bool, Interrupt> {
    let schema = txn.schema();
    let entity = schema.entity(&entry.entity)?;
    let indexes = entity.index_places();
    for (place, field) in entity.fields.iter().enumerate() {
        let Some(value) = entry.set.get(&field.name) else { continue };
        if indexes.iter().any(|(places, unique)| *unique && places.contains(&place)) {
            return Ok(true);
        }
        let FieldType::Ref { entity: target, .. } = &field.kind else { continue };
        if position == u64::MAX {
            return Ok(true);
        }
        let Some(id) = value.as_str() else { continue };
        let first = pending::of_record(txn, target, id)?.into_iter().next();
        if first.is_some_and(|(made, first)| first.op == Op::Create && made > position) {
            return Ok(true);
        }
    }
    Ok(false)
}
