//! Making anew what follows from other things, after some of it was lost: what belongs to a record in the outbox, rows with local changes,
//! indexes, counts. What only the server has is fetched again: the buckets begin anew.
//!
//! **Invariant:** what is to be repaired is marked in the commit that took it away, and the mark goes in the commit that repairs it.

use std::cell::Cell;

use super::outbox::Entry;
use super::record::Changes;
use super::recovery::IN_DOUBT;
use super::settle::refusal_json;
use super::system::{self, Bucket, Counter};
use super::txn::index_key;
use super::{Bytes, Interrupt, MapId, Read, Store, Txn, View, keys, pending, rebase, resync};
use crate::error::{Code, Error, Result};
use crate::json::FromJson;
use crate::model::{RowRef, Table};
use crate::ports::Storage;

/// Marks, in the `SYSTEM` map: then the first and the last map of what was lost.
const MARK_PREFIX: &[u8] = b"repair/";

/// Maps that were hit, first and last.
pub(super) type Maps = (u16, u16);

/// Whether some of these keys is a mark.
pub(super) fn has_mark(changed: &Changes) -> bool {
    let prefix = keys::full_key(MapId::SYSTEM, MARK_PREFIX);
    changed.keys().any(|key| key.starts_with(&prefix))
}

pub(super) fn is_marked(view: &View<'_>) -> Result<bool, Interrupt> {
    Ok(!view.keys_with_prefix(MapId::SYSTEM, MARK_PREFIX)?.is_empty())
}

/// Marks a range of maps.
pub(super) fn mark(changes: &mut Changes, (first, last): Maps) {
    let key = [MARK_PREFIX, &first.to_be_bytes(), &last.to_be_bytes()].concat();
    changes.insert(keys::full_key(MapId::SYSTEM, &key), Some(Bytes::from(Vec::new())));
}

impl<S: Storage> Store<S> {
    /// Repairs what is marked.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn repair(&self) -> Result<()> {
        if self.read(is_marked).await? {
            // A new store becomes a client in its own way.
            let client = Some(self.identity()).filter(|_| !self.is_new());
            self.change(&mut |txn| repair(txn, client.as_deref())).await?;
        }
        Ok(())
    }

    /// Repairs what a bad page has left behind, before anybody looks.
    pub(super) async fn mend(&self) -> Result<()> {
        if !self.core.needs_repair.take() {
            return Ok(());
        }
        let mut due = Due { flag: &self.core.needs_repair, is_due: true };
        // A store that was begun anew has forgotten who leads: its repair is no run's.
        let repaired = Box::pin(self.fenced(None).repair()).await;
        due.is_due = repaired.as_ref().is_err_and(Error::is_retryable);
        repaired
    }
}

/// A repair that is due until it is done: it may fail, or nobody may wait for it any more.
struct Due<'a> {
    flag: &'a Cell<bool>,
    is_due: bool,
}

impl Drop for Due<'_> {
    fn drop(&mut self) {
        if self.is_due {
            self.flag.set(true);
        }
    }
}

struct Hit(Vec<Maps>);

impl Hit {
    fn has(&self, map: MapId) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&map.0))
    }

    fn has_rows(&self, table: &Table) -> bool {
        self.has(MapId(table.map)) || table.indexes.iter().any(|index| self.has(MapId(index.map)))
    }
}

fn repair(txn: &mut Txn<'_>, client: Option<&str>) -> Result<(), Interrupt> {
    let marks = txn.keys_with_prefix(MapId::SYSTEM, MARK_PREFIX)?;
    let map = |mark: &Vec<u8>, at: usize| keys::map_of(mark.get(MARK_PREFIX.len() + at..).unwrap_or_default());
    let hit = Hit(marks.iter().map(|mark| (map(mark, 0), map(mark, 2))).collect());
    if hit.0.is_empty() {
        return Ok(());
    }
    let tables: Vec<_> = txn.state.tables.iter().cloned().collect();
    if hit.has(MapId::SYSTEM) {
        mend_positions(txn)?;
        mend_client(txn, client)?;
        for table in &tables {
            mend_buckets(txn, &table.name)?;
        }
    }
    for table in &tables {
        if hit.has_rows(table) || hit.has(MapId::OUTBOX) || hit.has(MapId::BASE) {
            for (bucket, _) in system::buckets_of(txn, &table.name)? {
                resync::restart_bucket(txn, &bucket)?;
            }
        }
    }
    mend_records(txn)?;
    for table in tables.iter().filter(|table| hit.has_rows(table)) {
        mend_indexes(txn, table)?;
    }
    marks.iter().for_each(|mark| txn.delete(MapId::SYSTEM, mark));
    Ok(())
}

/// Positions are never given twice.
fn mend_positions(txn: &mut Txn<'_>) -> Result<(), Interrupt> {
    let mut last = Counter::Position.get(txn)?;
    for map in [MapId::OUTBOX, MapId::INBOX, MapId::CONFLICTS] {
        let newest = txn.keys_with_prefix(map, &[])?.pop();
        last = last.max(newest.map_or(0, |key| system::number(&key)));
    }
    Counter::Position.set(txn, last);
    Ok(())
}

/// A client whose id and numbers are lost is another one; what it had sent may have arrived.
fn mend_client(txn: &mut Txn<'_>, client: Option<&str>) -> Result<(), Interrupt> {
    let (Some(client), None) = (client, system::client_id(txn)?) else { return Ok(()) };
    for (position, bytes) in txn.items(MapId::OUTBOX)? {
        let Ok(entry) = Entry::parse(&bytes, Code::StoreCorrupt) else { continue };
        if entry.seq.is_some() {
            let entry = Entry { seq: None, ..entry };
            txn.put(MapId::INBOX, &position, refusal_json(&entry, IN_DOUBT)?);
            txn.delete(MapId::OUTBOX, &position);
        }
    }
    system::set_client_id(txn, client);
    Ok(())
}

/// Rows whose bucket is not known any more leave when they have come again.
fn mend_buckets(txn: &mut Txn<'_>, entity: &str) -> Result<(), Interrupt> {
    let known: Vec<u16> = system::buckets_of(txn, entity)?.iter().map(|(_, bucket)| bucket.number).collect();
    let mut lost: Vec<u16> = Vec::new();
    let mut rows = txn.scan_prefix(txn.entity_map(entity)?, &[]);
    while rows.step()? {
        let Some(row) = rows.value() else { continue };
        let unknown = RowRef::new(row)?.buckets().into_iter().filter(|number| !known.contains(number));
        unknown.for_each(|number| {
            if !lost.contains(&number) {
                lost.push(number)
            }
        });
    }
    drop(rows);
    let Some(last) = lost.iter().max().copied() else { return Ok(()) };
    if Counter::Bucket.get(txn)? < u64::from(last) {
        Counter::Bucket.set(txn, u64::from(last));
    }
    system::set_bucket(txn, &format!("{entity}/"), &Bucket { retired: lost, ..Bucket::default() })
}

/// What follows from the outbox: which entries belong to a record, what was sent, the counts, and the rows.
fn mend_records(txn: &mut Txn<'_>) -> Result<(), Interrupt> {
    for (entity, id) in relink(txn)? {
        let base = pending::base(txn, &entity, &id)?;
        is_refused(rebase::rebuild(txn, &entity, &id, base.as_ref()))?;
    }
    Ok(())
}

/// The same without the rows; the records that have changes.
pub(super) fn relink(txn: &mut Txn<'_>) -> Result<Vec<(String, String)>, Interrupt> {
    for map in [MapId::PENDING, MapId::SENT] {
        for key in txn.keys_with_prefix(map, &[])? {
            txn.delete(map, &key);
        }
    }
    let (mut records, mut waiting) = (Vec::new(), 0);
    for (position, bytes) in txn.items(MapId::OUTBOX)? {
        let Ok(entry) = Entry::parse(&bytes, Code::StoreCorrupt) else { continue };
        // What is in conflict does not count as waiting: the user decides, not the server.
        waiting += u64::from(!entry.conflict);
        // An entity that this schema does not know keeps its changes; there is nothing to show of them.
        if !is_refused(pending::link(txn, system::number(&position), &entry))? {
            records.push((entry.entity, entry.id));
        }
    }
    records.sort_unstable();
    records.dedup();
    Counter::Pending.set(txn, waiting);
    for (counter, map) in [(Counter::Rejected, MapId::INBOX), (Counter::Conflicts, MapId::CONFLICTS)] {
        let count = txn.keys_with_prefix(map, &[])?.len();
        counter.set(txn, count as u64);
    }
    Ok(records)
}

/// Whether something cannot be done for one record; that must not keep the others from being repaired.
fn is_refused(done: Result<(), Interrupt>) -> Result<bool, Interrupt> {
    match done {
        Err(interrupt) if !interrupt.is_failure() => Err(interrupt),
        done => Ok(done.is_err()),
    }
}

/// The indexes of the rows that are there.
fn mend_indexes(txn: &mut Txn<'_>, table: &Table) -> Result<(), Interrupt> {
    for index in &table.indexes {
        for entry in txn.keys_with_prefix(MapId(index.map), &[])? {
            txn.delete(MapId(index.map), &entry);
        }
    }
    let mut entries = Vec::new();
    let mut rows = txn.scan_prefix(MapId(table.map), &[]);
    while rows.step()? {
        let Some(value) = rows.value() else { continue };
        let row = RowRef::new(value)?;
        for index in table.indexes.iter().filter(|_| !row.deleted()) {
            entries.push((MapId(index.map), index_key(row.body(), &index.slots, rows.key())));
        }
    }
    drop(rows);
    entries.into_iter().for_each(|(map, entry)| txn.put(map, &entry, Vec::new()));
    Ok(())
}
