//! What waits, out of an export and into a store of the same app: changes are enqueued again under their change ids.
//!
//! **Invariant:** a change whose id is known here, whatever became of it, is passed over: importing the same file again changes nothing.

use super::super::confirmation;
use super::super::keys::{MapId, full_key, inner_key, map_of};
use super::super::outbox::{Entry, OUTBOX_MAX};
use super::super::record::Changes;
use super::super::system::{self, Counter};
use super::super::view::{Interrupt, Read};
use super::super::{Txn, pending, rebase, write};
use super::import::{Import, Imported};
use super::whole::{self, Doubts, Kept};
use crate::error::{Code, Error, Result};
use crate::json::FromJson;
use crate::model::{Row, check_id};
use crate::ports::Storage;
use crate::store::Bytes;

/// One change of the file.
struct Waiting<'f> {
    map: MapId,
    entry: Entry,
    /// As it is kept.
    bytes: &'f Bytes,
    /// The conflict it is in.
    conflict: Option<&'f Bytes>,
}

pub(super) async fn finish<S: Storage>(import: &mut Import<S>) -> Result<()> {
    let store = import.store.clone();
    let waiting = read(&import.queue)?;
    import.imported = store.transact(|txn| enqueue(txn, &waiting, &import.client)).await?.value;
    Ok(())
}

/// The changes of a file, those that wait before those that were refused, each by position.
fn read(queue: &Changes) -> Result<Vec<Waiting<'_>>> {
    let mut waiting = Vec::new();
    for (key, bytes) in queue {
        let (map, Some(bytes)) = (MapId(map_of(key)), bytes) else { continue };
        whole::check_value(map, inner_key(key), bytes)?;
        let entry = match map {
            MapId::OUTBOX => Entry::parse(bytes, Code::ImportMalformed)?,
            MapId::INBOX => Kept::parse(bytes, Code::ImportMalformed)?.entry,
            _ => continue,
        };
        let conflict = full_key(MapId::CONFLICTS, inner_key(key));
        let conflict = queue.get(&conflict).and_then(Option::as_ref).filter(|_| map == MapId::OUTBOX);
        waiting.push(Waiting { map, entry, bytes, conflict });
    }
    Ok(waiting)
}

fn enqueue(txn: &mut Txn<'_>, waiting: &[Waiting<'_>], client: &str) -> Result<Imported, Interrupt> {
    super::check_importing(txn)?;
    let mut imported = Imported::default();
    let mut known = known_changes(txn)?;
    let mut doubts = Doubts::default();
    let is_own = system::client_id(txn)?.as_deref() == Some(client);
    for Waiting { map, entry, bytes, conflict } in waiting {
        let place = known.binary_search(&entry.change);
        let is_known = place.is_ok()
            || confirmation::confirmation(txn, &entry.change)?.is_some()
            // Of this very client, what was sent is here until it is answered.
            || (is_own && entry.seq.is_some());
        if is_known {
            imported.skipped += 1;
            continue;
        }
        check_entry(txn, entry)?;
        known.insert(place.unwrap_or_else(|place| place), entry.change.clone());
        let position = Counter::Position.next(txn)?;
        let key = position.to_be_bytes();
        if *map == MapId::INBOX {
            txn.put(MapId::INBOX, &key, bytes.to_vec());
        } else if doubts.has(entry) {
            whole::in_doubt(txn, &key, entry.clone())?;
        } else {
            // One whose conflict is not there has nothing to be decided.
            put(txn, position, &Entry { conflict: conflict.is_some(), ..entry.clone() })?;
            imported.changes += 1;
            if let Some(conflict) = conflict {
                txn.put(MapId::CONFLICTS, &key, conflict.to_vec());
            }
            continue;
        }
        Counter::Rejected.add(txn, 1)?;
        imported.refused += 1;
    }
    Ok(imported)
}

/// Adds a change to the outbox, and lays it over its record.
fn put(txn: &mut Txn<'_>, position: u64, entry: &Entry) -> Result<(), Interrupt> {
    if Counter::Pending.get(txn)? >= OUTBOX_MAX {
        return Err(Error::new(Code::OutboxFull, format!("{OUTBOX_MAX} changes wait already")).into());
    }
    // What is in conflict waits for the user.
    let counter = if entry.conflict { Counter::Conflicts } else { Counter::Pending };
    counter.add(txn, 1)?;
    let row = txn.row(&entry.entity, &entry.id)?;
    let server = match row {
        Some(row) if row.dirty => pending::base(txn, &entry.entity, &entry.id)?,
        row => row,
    };
    pending::put(txn, position, entry)?;
    rebase::rebuild(txn, &entry.entity, &entry.id, server.as_ref())
}

/// Whether a change can be one of this app's.
fn check_entry(txn: &Txn<'_>, entry: &Entry) -> Result<(), Interrupt> {
    check_id(&entry.id)?;
    check_id(&entry.change)?;
    write::check_policy(txn.schema().entity(&entry.entity)?, entry.op)?;
    rebase::lay_over(txn, &mut Row::default(), entry, false)
}

/// The ids of all changes that wait or were refused, ascending.
fn known_changes(txn: &Txn<'_>) -> Result<Vec<String>, Interrupt> {
    let mut known = Vec::new();
    for (_, bytes) in txn.items(MapId::OUTBOX)? {
        let entry: Entry = system::from_json(&bytes)?;
        known.extend(entry.change_ids().map(str::to_owned));
    }
    for (_, bytes) in txn.items(MapId::INBOX)? {
        let kept: Kept = system::from_json(&bytes)?;
        known.extend(kept.entry.change_ids().map(str::to_owned));
    }
    known.sort_unstable();
    Ok(known)
}
