//! A bucket that comes as a whole again, and what it means for what was here.
//!
//! ```text
//! resync ─► new number ─► rows come, each takes the place of the old one ─► complete ─► what has only the old number leaves
//!                                                                            ├─ clean ─► removed
//!                                                                            └─ with changes that were not sent ─► conflict, nothing on the server
//! ```
//!
//! A server that was put back to an earlier state has numbered other changes like those it has lost, so versions from before say nothing: a row that
//! comes under the new number for the first time is right, whatever its version. Of what is lost then, records that this device's user has changed
//! lately go to the inbox as they were.
//!
//! The rows that have come are not kept apart until all are there: each is right by itself, as in any pull that takes long, and a copy of everything
//! would need the room twice and stop the page while it takes its place. What leaves, leaves in one transaction, of all entities of the pull; when
//! it is more than [`Store::retire_step`](super::Store::retire_step) takes at once, in several, for the same reason.
//!
//! **Invariant:** what the user has done and the server does not have is never removed without a trace: it is a conflict or in the inbox.

use whimbrel_protocol::{Fields, Op};

use super::confirmation::{Confirmation, Ending};
use super::outbox::Entry;
use super::settle::refusal_json;
use super::system::{self, Counter, from_json};
use super::{Interrupt, MapId, Read, Txn, apply, confirmation, pending, settle, unplaced};
use crate::error::{Code, Error};
use crate::model::{Row, RowRef, Value, key};

/// A pull brings the whole of a bucket again: from now on its rows carry a new number, and those that still carry the old one when the
/// new rows are complete are gone from it.
///
/// # Errors
/// As [`bucket_number`].
pub(super) fn restart_bucket(txn: &mut Txn<'_>, name: &str) -> Result<(), Interrupt> {
    let Some(mut bucket) = system::bucket(txn, name)? else { return Ok(()) };
    bucket.retired.push(bucket.number);
    bucket.number = apply::new_number(txn)?;
    (bucket.cursor, bucket.version) = (None, None);
    system::set_bucket(txn, name, &bucket)
}

/// The server has another history than the versions here are of: of all entities, accepted changes may be lost.
///
/// # Errors
/// Those of the store.
pub(super) fn see_history(txn: &mut Txn<'_>, history: &str) -> Result<(), Interrupt> {
    let known = system::history(txn)?;
    if known.as_deref() == Some(history) {
        return Ok(());
    }
    if known.is_some() {
        for entity in txn.schema().entities.iter().map(|entity| entity.name.clone()).collect::<Vec<_>>() {
            mark_restored(txn, &entity)?;
        }
    }
    system::set_history(txn, history);
    Ok(())
}

/// Marks an entity of which the server has lost changes; the mark counts those that were found.
///
/// # Errors
/// Those of the store.
pub(super) fn mark_restored(txn: &mut Txn<'_>, entity: &str) -> Result<(), Interrupt> {
    if lost_so_far(txn, entity)?.is_none() {
        txn.put(MapId::SYSTEM, &restored_key(entity), 0_u64.to_be_bytes().to_vec());
    }
    Ok(())
}

fn restored_key(entity: &str) -> Vec<u8> {
    [b"restored/", entity.as_bytes()].concat()
}

fn lost_so_far(view: &impl Read, entity: &str) -> Result<Option<u64>, Interrupt> {
    Ok(view.read(MapId::SYSTEM, &restored_key(entity))?.map(|bytes| system::number(&bytes)))
}

/// What a step of [`retire`] came to.
#[derive(Debug, Default)]
pub(super) struct Retired {
    /// Whether rows are left to be removed.
    pub(super) more: bool,
    /// Changes that became conflicts.
    pub(super) confirmed: Vec<Confirmation>,
}

/// Removes the rows of the entities' retired buckets, `most` at the most. A bucket that was only retired is forgotten.
///
/// # Errors
/// Those of the store.
pub(super) fn retire(txn: &mut Txn<'_>, entities: &[String], most: usize) -> Result<Retired, Interrupt> {
    let (mut done, mut left) = (Retired::default(), most);
    for entity in entities {
        left -= retire_entity(txn, entity, left, &mut done.confirmed)?;
        if left == 0 {
            done.more = true;
            break;
        }
    }
    Ok(done)
}

/// How many rows were looked at; `most` when some may be left.
fn retire_entity(
    txn: &mut Txn<'_>,
    entity: &str,
    most: usize,
    confirmed: &mut Vec<Confirmation>,
) -> Result<usize, Interrupt> {
    let buckets = system::buckets_of(txn, entity)?;
    let numbers: Vec<u16> = buckets.iter().flat_map(|(_, bucket)| bucket.retired.iter().copied()).collect();
    if numbers.is_empty() {
        return Ok(0);
    }
    // Rows of a bucket that is the user's no longer are refused by the server when they are sent.
    let came_again = buckets.iter().filter(|(_, bucket)| bucket.number != 0);
    let came_again: Vec<u16> = came_again.flat_map(|(_, bucket)| bucket.retired.iter().copied()).collect();
    let leaving = ids_in_buckets(txn, entity, &numbers, most)?;
    let own = own_changes(txn, entity)?;
    for id in &leaving {
        let before = txn.row(entity, id)?.unwrap_or_default();
        for number in &numbers {
            apply::gone(txn, entity, *number, id)?;
        }
        let is_missing = before.buckets.iter().all(|number| came_again.contains(number));
        if !is_missing {
            continue;
        }
        if before.dirty {
            confirmed.extend(missing(txn, entity, id)?);
        } else {
            keep_lost(txn, entity, id, &before, &own)?;
        }
    }
    if leaving.len() == most {
        return Ok(most);
    }
    for (name, mut bucket) in buckets {
        bucket.retired.clear();
        if bucket.number == 0 {
            system::delete_bucket(txn, &name);
        } else {
            system::set_bucket(txn, &name, &bucket)?;
        }
    }
    Ok(leaving.len())
}

/// Records of an entity that are in one of the buckets.
fn ids_in_buckets(view: &impl Read, entity: &str, numbers: &[u16], most: usize) -> Result<Vec<String>, Interrupt> {
    let mut ids = Vec::new();
    for item in view.scan_prefix(view.entity_map(entity)?, &[]) {
        let (key, bytes) = item?;
        if RowRef::new(&bytes)?.buckets().iter().any(|bucket| numbers.contains(bucket)) {
            ids.push(id_of(&key)?);
        }
        if ids.len() == most {
            break;
        }
    }
    Ok(ids)
}

/// The id in a row's key.
fn id_of(key: &[u8]) -> Result<String, Interrupt> {
    let mut id = Vec::new();
    let text = key::decode_id(key, &mut id).and_then(|_| String::from_utf8(id).ok());
    text.ok_or_else(|| Error::new(Code::StoreCorrupt, "a row's key has no id").into())
}

/// A record with local changes that the server has no longer: the first change waits for the user, and all later ones behind it. What was sent is
/// the server's to answer, and a deletion has nothing to delete.
fn missing(txn: &mut Txn<'_>, entity: &str, id: &str) -> Result<Vec<Confirmation>, Interrupt> {
    let waiting = pending::of_record(txn, entity, id)?;
    let Some((position, first)) = waiting.first() else { return Ok(Vec::new()) };
    if first.op != Op::Update || waiting.iter().any(|(_, entry)| entry.seq.is_some() || entry.conflict) {
        return Ok(Vec::new());
    }
    settle::meet(txn, *position, first, None)?;
    confirmation::end(txn, first, Ending::Conflict, None, None)
}

/// The changes of an entity that the server has accepted lately, when it may have lost some; none otherwise.
fn own_changes(txn: &Txn<'_>, entity: &str) -> Result<Vec<Confirmation>, Interrupt> {
    let mut own = Vec::new();
    if lost_so_far(txn, entity)?.is_none() {
        return Ok(own);
    }
    for item in txn.scan_prefix(MapId::CONFIRMED, &[]) {
        let confirmation: Confirmation = from_json(&item?.1)?;
        if confirmation.entity == entity && confirmation.outcome == Ending::Accepted && confirmation.version.is_some() {
            own.push(confirmation);
        }
    }
    Ok(own)
}

/// Why a record that was accepted is in the inbox.
const LOST: (&str, &str) =
    ("server/lost", "the server was put back to an earlier state, which does not have this record");

/// A row that leaves because the server has lost it goes to the inbox as it was, when the user had a part in it.
fn keep_lost(txn: &mut Txn<'_>, entity: &str, id: &str, row: &Row, own: &[Confirmation]) -> Result<(), Interrupt> {
    let mut of_record = own.iter().filter(|confirmation| confirmation.id == id).peekable();
    if of_record.peek().is_none() || row.deleted {
        return Ok(());
    }
    let lost = of_record.clone().count() as u64 + lost_so_far(txn, entity)?.unwrap_or(0);
    txn.put(MapId::SYSTEM, &restored_key(entity), lost.to_be_bytes().to_vec());
    let (changes, schema) = (of_record.map(|own| own.change.clone()), txn.schema());
    let mut folded: Vec<String> = changes.collect();
    let fields = schema.entity(entity)?.fields.iter().zip(&row.values);
    let set: Fields = fields
        .filter(|(_, value)| **value != Value::Null)
        .map(|(field, value)| (field.name.clone(), value.to_json()))
        .collect();
    let entry = Entry {
        change: folded.pop().unwrap_or_default(),
        folded,
        entity: entity.to_owned(),
        id: id.to_owned(),
        op: Op::Create,
        base: None,
        set,
        was: Fields::new(),
        schema: schema.version,
        at: 0,
        seq: None,
        sent: None,
        conflict: false,
    };
    let position = Counter::Position.next(txn)?;
    txn.put(MapId::INBOX, &position.to_be_bytes(), refusal_json(&entry, LOST)?);
    Counter::Rejected.add(txn, 1)
}

/// Accepted rows that no pull has brought leave as well; see [`super::unplaced`].
///
/// # Errors
/// Those of the store.
pub(super) fn settle_unplaced(txn: &mut Txn<'_>, rows: &[unplaced::Unplaced]) -> Result<usize, Interrupt> {
    let some = unplaced::settle(txn, rows)?;
    for (entity, id, row) in &some.gone {
        let own = own_changes(txn, entity)?;
        keep_lost(txn, entity, id, row, &own)?;
    }
    Ok(some.looked_at)
}

/// A whole pull of these entities has come after the server was put back to an earlier state: how many of the changes that it had accepted are not
/// there. None when it was not.
///
/// # Errors
/// Those of the store.
pub(super) fn settle_restored(txn: &mut Txn<'_>, entities: &[String]) -> Result<Option<u64>, Interrupt> {
    let mut total = None;
    for entity in entities {
        let Some(mut lost) = lost_so_far(txn, entity)? else { continue };
        for Confirmation { id, version, .. } in own_changes(txn, entity)? {
            let row = txn.row(entity, &id)?;
            let server = if row.as_ref().is_some_and(|row| row.dirty) { pending::base(txn, entity, &id)? } else { row };
            // A row has the version that it had; what came to it later is lost.
            lost += u64::from(server.is_some_and(|row| version.is_some_and(|version| row.version < version)));
        }
        txn.delete(MapId::SYSTEM, &restored_key(entity));
        total = Some(total.unwrap_or(0) + lost);
    }
    Ok(total)
}
