//! What waits for the server or for the user, brought to the present schema together with the store.
//!
//! **Invariant:** what was sent goes out again as it was, byte for byte: the server knows it by its number, and must find the same under it. Beside
//! it stands what it means now, which is what is laid over rows.
//! **Invariant:** no change is lost: what has no place in the present schema moves to the inbox.

use whimbrel_protocol::Op;

use super::confirmation::{self, Ending};
use super::conflict::{Conflict, ConflictRecord};
use super::inbox::Refused;
use super::outbox::{Entry, Sent};
use super::settle::{RefusalRecord, refusal_json};
use super::system::{self, Counter};
use super::{Interrupt, MapId, Read, Txn, pending};
use crate::error::Result;
use crate::json::to_json;
use crate::model::{Catalog, Upcast};

/// Why a change lies in the inbox whose entity was removed from the schema.
pub(super) const REMOVED: (&str, &str) =
    ("schema/removed", "a newer version of the app has no such kind of record any more");

/// Brings all that waits to the present schema.
pub(super) fn queue(txn: &mut Txn<'_>, known: &Catalog, upcast: Upcast<'_>) -> Result<(), Interrupt> {
    // Everything is read first: a read may begin again, and the app's functions need not be called twice for it.
    let [outbox, conflicts, inbox] =
        [txn.items(MapId::OUTBOX)?, txn.items(MapId::CONFLICTS)?, txn.items(MapId::INBOX)?];
    for (key, bytes) in outbox {
        let entry = system::from_json::<Entry>(&bytes)?;
        match entry_now(&entry, upcast)?.map(|now| with_sent(now, &entry)) {
            Some(now) => txn.put(MapId::OUTBOX, &key, to_json(&now)?),
            None => remove(txn, known, system::number(&key), &entry)?,
        }
    }
    // A resolution is not undone across a change of the schema.
    for (key, _) in txn.items(MapId::RESOLVED)? {
        txn.delete(MapId::RESOLVED, &key);
    }
    for (key, bytes) in conflicts {
        let Conflict { entry, mut server } = system::from_json(&bytes)?;
        let Some(now) = entry_now(&entry, upcast)? else { continue };
        if let Some(row) = &mut server {
            row.fields = upcast.since(entry.schema).fields(&entry.entity, &row.fields)?;
        }
        txn.put(MapId::CONFLICTS, &key, to_json(&ConflictRecord { entry: &now, server: server.as_ref() })?);
    }
    for (key, bytes) in inbox {
        let Refused { entry, code, message, fields } = system::from_json(&bytes)?;
        let Some(now) = entry_now(&entry, upcast)? else { continue };
        let fields = fields.into_iter().filter_map(|(field, text)| {
            let named = upcast.since(entry.schema).field(&entry.entity, &field)?;
            Some((named, text.as_str()?.to_owned()))
        });
        let (code, message, fields) = (&code, &message, &fields.collect());
        txn.put(MapId::INBOX, &key, to_json(&RefusalRecord { entry: &now, code, message, fields })?);
    }
    Ok(())
}

/// The change has nobody to be sent to, and moves to the inbox. One that was sent already waits for its answer.
fn remove(txn: &mut Txn<'_>, known: &Catalog, position: u64, entry: &Entry) -> Result<(), Interrupt> {
    if let Some(map) = known.entity(&entry.entity).map(|entity| entity.map) {
        pending::unlink(txn, map, &entry.id, position);
    }
    if entry.seq.is_some() {
        return Ok(());
    }
    let key = position.to_be_bytes();
    if entry.conflict {
        txn.delete(MapId::CONFLICTS, &key);
        Counter::Conflicts.add(txn, -1)?;
    }
    txn.delete(MapId::OUTBOX, &key);
    Counter::Pending.add(txn, -1)?;
    txn.put(MapId::INBOX, &key, refusal_json(&Entry { conflict: false, ..entry.clone() }, REMOVED)?);
    Counter::Rejected.add(txn, 1)?;
    confirmation::end(txn, entry, Ending::Rejected, None, Some(REMOVED)).map(drop)
}

/// An entry as it would have been written today; none when its entity is no more.
fn entry_now(entry: &Entry, upcast: Upcast<'_>) -> Result<Option<Entry>> {
    let upcast = upcast.since(entry.schema);
    let Some(entity) = upcast.entity(&entry.entity) else { return Ok(None) };
    let mut set = upcast.fields(&entry.entity, &entry.set)?;
    if entry.op == Op::Create {
        upcast.add_defaults(&entity, &mut set);
    }
    let was = upcast.fields(&entry.entity, &entry.was)?;
    Ok(Some(Entry { entity, set, was, sent: None, schema: upcast.schema.version, ..entry.clone() }))
}

/// With the words in which it was sent, if it was.
fn with_sent(now: Entry, entry: &Entry) -> Entry {
    let sent = || Sent { entity: entry.entity.clone(), set: entry.set.clone(), was: entry.was.clone() };
    let sent = entry.seq.map(|_| entry.sent.clone().unwrap_or_else(sent));
    Entry { sent, ..now }
}
