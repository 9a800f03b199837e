//! Rows that the server has accepted and that no pull has brought yet: they are in no bucket, so no removal from one would take them away.
//!
//! A pull that begins later brings each of them, or the server has no such row for this user: it was deleted or has left the user's scopes
//! meanwhile. A pair that was removed here is among them until a pull has seen that: who adds it again before knows that it was removed.
//! So what was here when the pull began, and is in no bucket when it has ended, is gone.

use super::system::number;
use super::{Interrupt, MapId, Read, Txn, pending, rebase};
use crate::model::{Row, key};

/// Rows looked at in one transaction, at most.
const AT_ONCE: usize = 256;

/// Entity and id.
pub type Unplaced = (String, String);

/// Remembers a row that is in no bucket, or a removed pair, and its version.
pub(super) fn mark(txn: &mut Txn<'_>, entity: &str, id: &str, version: u64) -> Result<(), Interrupt> {
    let key = mark_key(txn, entity, id)?;
    txn.put(MapId::UNPLACED, &key, version.to_be_bytes().to_vec());
    Ok(())
}

/// The version of a marked row, or of a removed pair.
pub(super) fn version(view: &impl Read, entity: &str, id: &str) -> Result<Option<u64>, Interrupt> {
    Ok(view.read(MapId::UNPLACED, &mark_key(view, entity, id)?)?.map(|bytes| number(&bytes)))
}

/// The rows of these entities that are in no bucket.
pub(super) fn of_entities(view: &impl Read, entities: &[String]) -> Result<Vec<Unplaced>, Interrupt> {
    let mut found = Vec::new();
    for entity in entities {
        let prefix = view.entity_map(entity)?.0.to_be_bytes();
        for key in view.keys_with_prefix(MapId::UNPLACED, &prefix)? {
            let mut id = Vec::new();
            key::decode_id(key.get(prefix.len()..).unwrap_or_default(), &mut id);
            found.push((entity.clone(), String::from_utf8(id).unwrap_or_default()));
        }
    }
    Ok(found)
}

/// What came of some rows.
pub(super) struct Looked {
    pub(super) looked_at: usize,
    /// Rows that have left, without changes of their own.
    pub(super) gone: Vec<(String, String, Row)>,
}

/// Some of the rows of which a whole pull has said nothing leave. One with local changes stays, and is looked at again after the next pull.
pub(super) fn settle(txn: &mut Txn<'_>, rows: &[Unplaced]) -> Result<Looked, Interrupt> {
    let some = rows.get(..AT_ONCE).unwrap_or(rows);
    let mut gone = Vec::new();
    for (entity, id) in some {
        let row = txn.row(entity, id)?;
        let is_dirty = row.as_ref().is_some_and(|row| row.dirty);
        let server = if is_dirty { pending::base(txn, entity, id)? } else { row };
        let is_placed = server.as_ref().is_none_or(|row| !row.buckets.is_empty());
        if is_dirty && !is_placed {
            continue;
        }
        if !is_placed {
            rebase::rebuild(txn, entity, id, None)?;
            gone.extend(server.map(|row| (entity.clone(), id.clone(), row)));
        }
        let key = mark_key(txn, entity, id)?;
        txn.delete(MapId::UNPLACED, &key);
    }
    Ok(Looked { looked_at: some.len(), gone })
}

fn mark_key(view: &impl Read, entity: &str, id: &str) -> Result<Vec<u8>, Interrupt> {
    let mut mark = view.entity_map(entity)?.0.to_be_bytes().to_vec();
    key::encode_id(id, &mut mark);
    Ok(mark)
}
