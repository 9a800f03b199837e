//! The inbox: changes that the server refused for good, until somebody deals with them. A refusal is not a deletion.
//!
//! What was written on top of a refused new record (later changes of it, records that refer to it) has nothing to stand on: it waits in the outbox
//! or was refused with it. It goes where the record goes: sent again with it, discarded with it.

use whimbrel_protocol::{Fields, Op};

use super::confirmation::{self, Confirmation, Ending};
use super::outbox::Entry;
use super::system::{self, Counter};
use super::write::{LocalWrite, write};
use super::{Interrupt, MapId, Read, Txn, View, pending, rebase};
use crate::error::{Code, Error, Result};
use crate::json::{FromJson, Object, to_json};
use crate::model::{Entity, FieldType};

/// A refused change as it is kept.
pub(super) struct Refused {
    pub(super) entry: Entry,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) fields: Fields,
}

impl FromJson for Refused {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self {
            entry: object.optional("entry")?.ok_or_else(|| object.wrong("entry"))?,
            code: object.text("code")?,
            message: object.text("message")?,
            fields: object.map("fields")?,
        })
    }
}

/// Where a change lies that depends on a refused one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the inbox, at a position.
    Inbox(u64),
    /// In the outbox, at a position.
    Outbox(u64),
}

/// The changes the server refused, oldest first, as a JSON array.
pub(super) fn list_json(view: &View<'_>) -> Result<String, Interrupt> {
    let mut json = String::from("[");
    for (position, record) in view.items(MapId::INBOX)? {
        put(&mut json, "inbox", &position, &record);
    }
    json.push(']');
    Ok(json)
}

/// What a discard of a refused change takes along, as a JSON array of the same shape; what waits in the outbox has no code.
pub(super) fn dependents_json(view: &View<'_>, position: u64) -> Result<String, Interrupt> {
    let mut json = String::from("[");
    for place in dependents(view, position)? {
        match place {
            Place::Inbox(position) => {
                if let Some(record) = view.read(MapId::INBOX, &position.to_be_bytes())? {
                    put(&mut json, "inbox", &position.to_be_bytes(), &record);
                }
            }
            Place::Outbox(position) => {
                if let Some(entry) = pending::get(view, position)? {
                    let record = [b"{\"entry\":".as_slice(), &to_json(&entry)?, b"}"].concat();
                    put(&mut json, "outbox", &position.to_be_bytes(), &record);
                }
            }
        }
    }
    json.push(']');
    Ok(json)
}

fn put(json: &mut String, place: &str, position: &[u8], record: &[u8]) {
    if json.len() > 1 {
        json.push(',');
    }
    let record = String::from_utf8_lossy(record);
    // The record is an object: its opening brace makes room.
    let rest = record.get(1..).unwrap_or("}");
    json.push_str(&format!("{{\"place\":\"{place}\",\"position\":{},{rest}", system::number(position)));
}

fn find(view: &impl Read, position: u64) -> Result<Refused, Interrupt> {
    match view.read(MapId::INBOX, &position.to_be_bytes())? {
        Some(bytes) => system::from_json(&bytes),
        None => Err(Error::new(Code::RowNotFound, "there is no refused change at that position").into()),
    }
}

/// Refused new records that are not here, and what is in the outbox for them: nothing that refers to one can be accepted.
pub(super) fn missing_records(view: &impl Read) -> Result<Vec<(String, String)>, Interrupt> {
    let mut missing = Vec::new();
    if Counter::Rejected.get(view)? == 0 {
        return Ok(missing);
    }
    for (_, bytes) in view.items(MapId::INBOX)? {
        let Entry { op, entity, id, .. } = system::from_json::<Refused>(&bytes)?.entry;
        // The entity may have been removed from the schema, or another one of that id may be here, or at the server and deleted here; a pair may be
        // there whoever has made it.
        if op == Op::Create
            && view.schema().entity(&entity).is_ok_and(|entity| entity.pair.is_none())
            && view.row(&entity, &id)?.is_none_or(|row| row.deleted)
            && pending::base(view, &entity, &id)?.is_none()
        {
            missing.push((entity, id));
        }
    }
    Ok(missing)
}

/// Whether a change is of one of these records, or refers to one.
pub(super) fn depends(entity: &Entity, entry: &Entry, records: &[(String, String)]) -> bool {
    let is_one = |of: &str, id: &str| records.iter().any(|(entity, own)| entity == of && own == id);
    is_one(&entry.entity, &entry.id)
        || entity.fields.iter().any(|field| match (&field.kind, entry.set.get(&field.name)) {
            (FieldType::Ref { entity, .. }, Some(id)) => id.as_str().is_some_and(|id| is_one(entity, id)),
            _ => false,
        })
}

/// What depends on a refused change, directly or not, in the order in which it was written.
fn dependents(view: &impl Read, position: u64) -> Result<Vec<Place>, Interrupt> {
    let Refused { entry, .. } = find(view, position)?;
    if entry.op != Op::Create {
        return Ok(Vec::new());
    }
    let mut records = vec![(entry.entity, entry.id)];
    let mut all = Vec::new();
    for (key, bytes) in view.items(MapId::INBOX)? {
        all.push((system::number(&key), true, system::from_json::<Refused>(&bytes)?.entry));
    }
    for (key, bytes) in view.items(MapId::OUTBOX)? {
        all.push((system::number(&key), false, system::from_json::<Entry>(&bytes)?));
    }
    all.sort_by_key(|(place, ..)| *place);
    let schema = view.schema();
    let mut places = Vec::new();
    for (place, is_refused, entry) in all.into_iter().filter(|(place, ..)| *place > position) {
        let Ok(entity) = schema.entity(&entry.entity) else { continue };
        // What was sent is answered first.
        if entry.seq.is_some() && !is_refused || !depends(entity, &entry, &records) {
            continue;
        }
        places.push(if is_refused { Place::Inbox(place) } else { Place::Outbox(place) });
        if entry.op == Op::Create {
            records.push((entry.entity, entry.id));
        }
    }
    Ok(places)
}

/// Refused changes that depend on one, to be sent again after it.
pub(super) fn refused_dependents(view: &impl Read, position: u64) -> Result<Vec<u64>, Interrupt> {
    let places = dependents(view, position)?.into_iter();
    Ok(places.filter_map(|place| if let Place::Inbox(place) = place { Some(place) } else { None }).collect())
}

/// Writes a refused change anew, with other values where `patch` has some, under a new change id.
///
/// # Errors
/// `row/not-found` when there is none at that position, and what writing fails with; then nothing has changed.
pub(super) fn resend(
    txn: &mut Txn<'_>,
    position: u64,
    patch: &Fields,
    change: &str,
    at: i64,
) -> Result<(LocalWrite, Vec<Confirmation>), Interrupt> {
    let Entry { op, entity, id, set, .. } = find(txn, position)?.entry;
    remove(txn, position)?;
    let fields = match op {
        Op::Create | Op::Update => set.into_iter().chain(patch.iter().cloned()).collect(),
        Op::Delete => Fields::new(),
    };
    let again = LocalWrite { op, entity, id, fields, change: change.to_owned(), at };
    let confirmed = write(txn, &again)?;
    Ok((again, confirmed))
}

fn remove(txn: &mut Txn<'_>, position: u64) -> Result<(), Interrupt> {
    txn.delete(MapId::INBOX, &position.to_be_bytes());
    Counter::Rejected.add(txn, -1)
}

/// Forgets a refused change for good, and what depends on it. Returns the changes that have come to their end by it.
///
/// # Errors
/// `row/not-found` when there is none at that position.
pub(super) fn discard(txn: &mut Txn<'_>, position: u64) -> Result<Vec<Confirmation>, Interrupt> {
    let mut confirmed = Vec::new();
    // The last first: what is laid over a row goes before what it is laid over.
    for place in dependents(txn, position)?.into_iter().rev().chain([Place::Inbox(position)]) {
        let entry = match place {
            Place::Inbox(place) => {
                let entry = find(txn, place)?.entry;
                remove(txn, place)?;
                entry
            }
            Place::Outbox(place) => {
                let Some(entry) = pending::get(txn, place)? else { continue };
                if entry.conflict {
                    txn.delete(MapId::CONFLICTS, &place.to_be_bytes());
                    Counter::Conflicts.add(txn, -1)?;
                    Counter::Pending.add(txn, 1)?;
                }
                pending::remove(txn, place, &entry)?;
                let base = pending::base(txn, &entry.entity, &entry.id)?;
                rebase::rebuild(txn, &entry.entity, &entry.id, base.as_ref())?;
                entry
            }
        };
        confirmed.extend(confirmation::end(txn, &entry, Ending::Discarded, None, None)?);
    }
    Ok(confirmed)
}
