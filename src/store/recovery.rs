//! Going on after a store was lost: its mirror has what only this device knew, and the server has the rest.
//!
//! ```text
//! wiped ─► a new, empty store ─(restore)─► outbox, inbox, conflicts, client ─(`repair`)─► rows of new records, and the next pull
//! ```
//!
//! **Invariant:** a mirror is taken over once: what came of it is noted in the same transaction, under the identity of the store that was lost.
//! **Invariant:** a `seq` is never given twice under one client id. Where that is not certain, the client is a new one and what was sent and not
//! answered goes to the inbox: it may have arrived.

use super::mirror::{self, Kept, Snapshot};
use super::outbox::Entry;
use super::settle::refusal_json;
use super::system::{self, Counter};
use super::{Bytes, Interrupt, MapId, Read, Store, Txn, View, keys, repair, rescue};
use crate::error::{Code, Result};
use crate::json::FromJson;
use crate::ports::{Seq, SnapshotWish, Storage};

/// Where recoveries are noted, in the `SYSTEM` map: then the lost store's identity.
const RECOVERED_PREFIX: &[u8] = b"recovered/";
/// Why a change that was sent by a store that is no more is in the inbox.
pub(super) const IN_DOUBT: (&str, &str) =
    ("store/wiped", "the device's storage was wiped before the server's answer came; it may have arrived");

impl<S: Storage> Store<S> {
    /// Takes over what is left of stores that were wiped; whether there was one.
    ///
    /// # Errors
    /// Those of the store, here and below.
    pub async fn recover(&self) -> Result<bool> {
        let lost = self.core.storage.mirrors(true).await?;
        for mirror in &lost {
            let kept = mirror::replay(mirror, None);
            self.change(&mut |txn| restore(txn, &mirror.identity, &kept)).await?;
            self.core.storage.forget_mirror(&mirror.identity).await?;
        }
        Ok(!lost.is_empty())
    }

    /// The recoveries that were noted: a JSON object by the identities of the stores that were lost.
    ///
    /// # Errors
    /// Those of the store.
    pub fn recovered(&self) -> impl Future<Output = Result<String>> {
        let list = |view: &View<'_>| {
            let mut json = String::from("{");
            for item in view.scan_prefix(MapId::SYSTEM, RECOVERED_PREFIX) {
                let (key, note) = item?;
                let identity = key.get(RECOVERED_PREFIX.len()..).unwrap_or_default();
                let comma = if json.len() > 1 { "," } else { "" };
                json.extend([comma, "\"", &String::from_utf8_lossy(identity), "\":", &String::from_utf8_lossy(&note)]);
            }
            json.push('}');
            Ok(json)
        };
        self.read(list)
    }

    /// The store's identity.
    #[must_use]
    pub fn identity(&self) -> String {
        self.core.storage.identity()
    }

    /// Whether this opening has found the store empty.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.core.is_new.get()
    }

    /// Whether this tab has found it damaged, and begun it anew.
    #[must_use]
    pub fn is_rescued(&self) -> bool {
        self.core.is_rescued.get()
    }

    /// Whether the mirror has grown long, or misses something.
    #[must_use]
    pub fn wants_snapshot(&self) -> SnapshotWish {
        self.core.storage.wants_snapshot()
    }

    /// Writes all that waits into the mirror, in place of how it came about.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn put_snapshot(&self) -> Result<()> {
        let (seq, parts) = self.read(snapshot).await?;
        self.core.storage.put_snapshot(seq, parts).await
    }

    /// What has gone wrong with the mirror, or with pages, since the last call; to be called until there is nothing.
    #[must_use]
    pub fn take_trouble(&self) -> Option<crate::error::Error> {
        self.core.troubles.borrow_mut().pop().or_else(|| self.core.storage.take_trouble())
    }
}

fn snapshot(view: &View<'_>) -> Result<(Seq, Vec<Vec<u8>>), Interrupt> {
    let mut snapshot = Snapshot { parts: Vec::new() };
    for map in [MapId::SYSTEM, MapId::OUTBOX, MapId::INBOX, MapId::CONFLICTS] {
        let mut entries = view.scan_prefix(map, &[]);
        while entries.step()? {
            if let Some(value) = entries.value() {
                snapshot.add(entries.full_key(), value);
            }
        }
    }
    Ok((view.state.head.seq, snapshot.parts))
}

/// Takes over what a lost store's mirror has kept.
pub(super) fn restore(txn: &mut Txn<'_>, identity: &str, kept: &Kept) -> Result<(), Interrupt> {
    let note = [RECOVERED_PREFIX, identity.as_bytes()].concat();
    if txn.get(MapId::SYSTEM, &note)?.is_some() {
        return Ok(());
    }
    if kept.is_whole && system::client_id(txn)?.is_none() {
        txn.own.changes.extend(kept.entries.clone());
    } else {
        merge(txn, kept)?;
    }
    let count = |map: MapId| kept.entries.keys().filter(|key| keys::map_of(key) == map.0).count();
    let json = format!(
        "{{\"changes\":{},\"refused\":{},\"whole\":{}}}",
        count(MapId::OUTBOX),
        count(MapId::INBOX),
        kept.is_whole
    );
    txn.put(MapId::SYSTEM, &note, json.into_bytes());
    repair::mark(&mut txn.own.changes, (MapId::SYSTEM.0, u16::MAX));
    Ok(())
}

/// Adds what a mirror has kept to a store that is a client of its own, or becomes one.
fn merge(txn: &mut Txn<'_>, kept: &Kept) -> Result<(), Interrupt> {
    for (key, value) in &kept.entries {
        let (map, Some(value)) = (keys::map_of(key), value) else { continue };
        if map == MapId::OUTBOX.0 {
            merge_entry(txn, kept, keys::inner_key(key), value)?;
        } else if map == MapId::INBOX.0 {
            let position = Counter::Position.next(txn)?;
            txn.put(MapId::INBOX, &position.to_be_bytes(), value.to_vec());
        }
    }
    Ok(())
}

fn merge_entry(txn: &mut Txn<'_>, kept: &Kept, old: &[u8], bytes: &Bytes) -> Result<(), Interrupt> {
    let position = Counter::Position.next(txn)?.to_be_bytes();
    let Ok(entry) = Entry::parse(bytes, Code::StoreCorrupt) else { return Ok(()) };
    if rescue::is_answered(kept, &entry) {
        return Ok(());
    }
    if entry.seq.is_some() {
        let entry = Entry { seq: None, ..entry };
        txn.put(MapId::INBOX, &position, refusal_json(&entry, IN_DOUBT)?);
        return Ok(());
    }
    txn.put(MapId::OUTBOX, &position, bytes.to_vec());
    if let Some(Some(conflict)) = kept.entries.get(&keys::full_key(MapId::CONFLICTS, old)) {
        txn.put(MapId::CONFLICTS, &position, conflict.to_vec());
    }
    Ok(())
}
