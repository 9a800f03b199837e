//! The outbox in the store, and what belongs to a record with changes in it: the entries' places and the server's row.

use super::keys::KeyRange;
use super::outbox::Entry;
use super::system::{self, Counter, from_json};
use super::{Interrupt, MapId, Read, Scan, Txn};
use crate::json::to_json;
use crate::model::Row;

/// The key of everything that belongs to one record: entity map, then id.
pub(super) fn record_key(view: &impl Read, entity: &str, id: &str) -> Result<Vec<u8>, Interrupt> {
    let mut key = view.entity_map(entity)?.0.to_be_bytes().to_vec();
    crate::model::key::encode_id(id, &mut key);
    Ok(key)
}

fn pending_key(record: &[u8], position: u64) -> Vec<u8> {
    [record, &position.to_be_bytes()].concat()
}

/// Stores an entry at its position; how many bytes it has there.
pub(super) fn put(txn: &mut Txn<'_>, position: u64, entry: &Entry) -> Result<usize, Interrupt> {
    link(txn, position, entry)?;
    let json = to_json(entry)?;
    let bytes = json.len();
    txn.put(MapId::OUTBOX, &position.to_be_bytes(), json);
    Ok(bytes)
}

/// Stores the place of an entry at its record, and at its `seq` if it has one.
pub(super) fn link(txn: &mut Txn<'_>, position: u64, entry: &Entry) -> Result<(), Interrupt> {
    if position < Counter::First.get(txn)? {
        Counter::First.set(txn, position);
    }
    let record = record_key(txn, &entry.entity, &entry.id)?;
    txn.put(MapId::PENDING, &pending_key(&record, position), Vec::new());
    if let Some(seq) = entry.seq {
        txn.put(MapId::SENT, &seq.to_be_bytes(), position.to_be_bytes().to_vec());
    }
    Ok(())
}

/// All entries, in the order of their positions.
pub(super) fn all(view: &impl Read) -> Result<Scan<'_>, Interrupt> {
    let first = Counter::First.get(view)?;
    Ok(view.view().scan_range(KeyRange::from(MapId::OUTBOX, &first.to_be_bytes()), false))
}

/// Notes where they begin, after some have left.
pub(super) fn note_first(txn: &mut Txn<'_>) -> Result<(), Interrupt> {
    let begin = |scan: &mut Scan<'_>| scan.next().transpose().map(|item| item.map(|(key, _)| system::number(&key)));
    let first = begin(&mut all(txn)?)?;
    debug_assert_eq!(first, begin(&mut txn.scan_prefix(MapId::OUTBOX, &[]))?, "nothing stands before the first");
    if let Some(first) = first
        && first > Counter::First.get(txn)?
    {
        Counter::First.set(txn, first);
    }
    Ok(())
}

/// The entry at a position.
pub(super) fn get(view: &impl Read, position: u64) -> Result<Option<Entry>, Interrupt> {
    view.read(MapId::OUTBOX, &position.to_be_bytes())?.map(|bytes| from_json(&bytes)).transpose()
}

/// Gives an entry that was not sent its number. Its place at its record is there already.
pub(super) fn number(txn: &mut Txn<'_>, position: u64, json: &[u8], seq: u64) {
    txn.put(MapId::OUTBOX, &position.to_be_bytes(), numbered(json, seq));
    txn.put(MapId::SENT, &seq.to_be_bytes(), position.to_be_bytes().to_vec());
}

/// An entry with its number, as it would be written: the number is the last member that such an entry has.
pub(super) fn numbered(json: &[u8], seq: u64) -> Vec<u8> {
    let mut numbered = Vec::with_capacity(json.len() + 28);
    numbered.extend_from_slice(json.strip_suffix(b"}").unwrap_or(json));
    numbered.extend_from_slice(b",\"seq\":");
    numbered.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
    numbered.push(b'}');
    numbered
}

/// The number by which an entry differs from what it was before.
pub(super) fn number_of(before: &[u8], entry: &[u8]) -> Option<u64> {
    let digits = entry.strip_prefix(before.strip_suffix(b"}")?)?.strip_prefix(b",\"seq\":")?.strip_suffix(b"}")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Removes an entry and its place at its record.
pub(super) fn remove(txn: &mut Txn<'_>, position: u64, entry: &Entry) -> Result<(), Interrupt> {
    take(txn, position, entry);
    Counter::Pending.add(txn, -1)
}

/// The same, for who counts.
pub(super) fn take(txn: &mut Txn<'_>, position: u64, entry: &Entry) {
    let record = record_key(txn, &entry.entity, &entry.id).ok();
    take_of(txn, record.as_deref(), position, entry.seq);
}

/// The same, for who knows the record's key; an entity that is no more has none.
pub(super) fn take_of(txn: &mut Txn<'_>, record: Option<&[u8]>, position: u64, seq: Option<u64>) {
    if let Some(record) = record {
        txn.delete(MapId::PENDING, &pending_key(record, position));
    }
    if let Some(seq) = seq {
        txn.delete(MapId::SENT, &seq.to_be_bytes());
    }
    txn.delete(MapId::OUTBOX, &position.to_be_bytes());
}

/// Forgets that an entry belongs to a record of that map.
pub(super) fn unlink(txn: &mut Txn<'_>, map: u16, id: &str, position: u64) {
    let mut record = map.to_be_bytes().to_vec();
    crate::model::key::encode_id(id, &mut record);
    txn.delete(MapId::PENDING, &pending_key(&record, position));
}

/// The entries of a record, oldest first.
pub(super) fn of_record(view: &impl Read, entity: &str, id: &str) -> Result<Vec<(u64, Entry)>, Interrupt> {
    let record = record_key(view, entity, id)?;
    let mut entries = Vec::new();
    for key in view.keys_with_prefix(MapId::PENDING, &record)? {
        let position = system::number(key.get(record.len()..).unwrap_or_default());
        if let Some(entry) = get(view, position)? {
            entries.push((position, entry));
        }
    }
    Ok(entries)
}

/// The server's row of a record with local changes; none when the server has none.
pub(super) fn base(view: &impl Read, entity: &str, id: &str) -> Result<Option<Row>, Interrupt> {
    let key = record_key(view, entity, id)?;
    view.get(MapId::BASE, &key)?.map(|bytes| view.decode_row(entity, &bytes)).transpose()
}

pub(super) fn set_base(txn: &mut Txn<'_>, entity: &str, id: &str, row: &Row) -> Result<(), Interrupt> {
    let key = record_key(txn, entity, id)?;
    let bytes = txn.encode_row(entity, row)?;
    txn.put(MapId::BASE, &key, bytes);
    Ok(())
}

pub(super) fn delete_base(txn: &mut Txn<'_>, entity: &str, id: &str) -> Result<(), Interrupt> {
    let key = record_key(txn, entity, id)?;
    if txn.get(MapId::BASE, &key)?.is_some() {
        txn.delete(MapId::BASE, &key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use whimbrel_protocol::{Fields, Op};

    use super::*;

    #[test]
    fn an_entry_with_its_number_is_as_if_it_were_written_anew() {
        let entry = Entry {
            change: "c".to_owned(),
            folded: vec!["b".to_owned()],
            entity: "order".to_owned(),
            id: "1".to_owned(),
            op: Op::Update,
            base: Some(7),
            set: Fields::new(),
            was: Fields::new(),
            schema: 1,
            at: -5,
            seq: None,
            sent: None,
            conflict: false,
        };
        let json = numbered(&to_json(&entry).unwrap(), u64::MAX);
        assert_eq!(json, to_json(&Entry { seq: Some(u64::MAX), ..entry.clone() }).unwrap());
        assert_eq!(number_of(&to_json(&entry).unwrap(), &json), Some(u64::MAX));
        assert_eq!(number_of(&json, &json), None);
    }
}
