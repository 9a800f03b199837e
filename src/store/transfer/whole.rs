//! A whole store, into an empty database.
//!
//! ```text
//! empty ─(begin)─► loading, marked ─(store …)─► (finish) ─► open for writes: the same store, but another client
//!                        '── failed, or its tab died ──► (remove) ─► empty
//! ```
//!
//! **Invariant:** while the mark is there, nothing is written, pulled or pushed: all there is may be removed again.

use super::super::confirmation::{self, Ending};
use super::super::handle::Store;
use super::super::keys::{KeyRange, MapId, full_key, inner_key, map_of};
use super::super::outbox::Entry;
use super::super::settle::refusal_json;
use super::super::system::{self, Counter};
use super::super::view::{Interrupt, Read, View};
use super::super::{Txn, pending, rebase, repair};
use super::import::Import;
use super::lines::{self, Line};
use crate::error::{Code, Error, Result};
use crate::json::FromJson;
use crate::ports::Storage;
use whimbrel_protocol::Op;

/// There while a whole store is loaded, in the `SYSTEM` map.
const MARK_KEY: &[u8] = b"import";
/// Keys that are removed in one transaction.
const REMOVED_AT_ONCE: usize = 5_000;
/// Why a change is in the inbox that was sent before the export and not answered.
pub(super) const IN_DOUBT: (&str, &str) =
    ("import/in-doubt", "it was sent before the export was made, and the answer had not come; it may have arrived");

/// Refuses to go on while a whole store is loaded.
///
/// # Errors
/// `import/running`; those of the store.
pub(in crate::store) fn check(view: &impl Read) -> Result<(), Interrupt> {
    match view.get(MapId::SYSTEM, MARK_KEY)? {
        None => Ok(()),
        Some(_) => Err(Error::new(Code::ImportRunning, "a store is being imported").into()),
    }
}

impl<S: Storage> Store<S> {
    /// Whether a whole store is loaded, or was when its tab died.
    ///
    /// # Errors
    /// Those of the store, here and below.
    pub async fn has_import(&self) -> Result<bool> {
        self.read(|view| Ok(view.get(MapId::SYSTEM, MARK_KEY)?.is_some())).await
    }

    /// Removes what an import has loaded that did not come to its end: this one, or (without a mark) whichever it is.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn remove_import(&self, mark: Option<&[u8]>) -> Result<()> {
        while self.transact(|txn| remove(txn, mark)).await?.value {
            while self.compact_step().await? {}
        }
        Ok(())
    }
}

/// Begins to load; the mark of this import.
pub(super) async fn begin<S: Storage>(store: &Store<S>) -> Result<Vec<u8>> {
    let mark = |txn: &mut Txn<'_>| {
        check(txn)?;
        for map in lines::maps(&txn.view(), true) {
            let mut entries = txn.view().scan_range(KeyRange::map(map), false);
            while entries.step()? {
                if map != MapId::SYSTEM || lines::is_exported(entries.key()) {
                    let detail = "a whole store is imported into an empty database only";
                    return Err(Error::new(Code::ImportNotEmpty, detail).into());
                }
            }
        }
        // No other import has begun on this commit.
        let mark = txn.state.head.seq.to_be_bytes().to_vec();
        txn.put(MapId::SYSTEM, MARK_KEY, mark.clone());
        Ok(mark)
    };
    store.transact(mark).await.map(|begun| begun.value)
}

/// Another tab may have taken this one for dead.
fn check_mark(txn: &Txn<'_>, mark: &[u8]) -> Result<(), Interrupt> {
    match txn.get(MapId::SYSTEM, MARK_KEY)? {
        Some(found) if *found == *mark => Ok(()),
        _ => Err(Error::new(Code::ImportRunning, "another tab has ended this import").into()),
    }
}

pub(super) async fn store<S: Storage>(store: &Store<S>, batch: &[Line], mark: &[u8]) -> Result<()> {
    let mut put = |txn: &mut Txn<'_>| {
        check_mark(txn, mark)?;
        batch.iter().try_for_each(|line| put_line(txn, line))
    };
    store.change(&mut put).await?;
    // As it goes, or the log would be as long as the store.
    while store.compact_step().await? {}
    Ok(())
}

fn put_line(txn: &mut Txn<'_>, line: &Line) -> Result<(), Interrupt> {
    match line {
        Line::Key(key, value) => {
            let (map, inner) = (Line::map(key), inner_key(key));
            match value {
                Some(value) => {
                    check_value(map, inner, value)?;
                    txn.put(map, inner, value.clone());
                }
                None => txn.delete(map, inner),
            }
            Ok(())
        }
        Line::Row { is_base: true, entity, id, row } => match row {
            Some(row) => pending::set_base(txn, entity, id, row),
            None => pending::delete_base(txn, entity, id),
        },
        Line::Row { is_base: false, entity, id, row } => match row {
            Some(row) => txn.put_row(entity, id, row),
            None => txn.delete_row(entity, id),
        },
        Line::End { .. } => Ok(()),
    }
}

/// Whether a value is what its map keeps: later reads take that for granted.
pub(super) fn check_value(map: MapId, key: &[u8], value: &[u8]) -> Result<()> {
    let code = Code::ImportMalformed;
    match map {
        MapId::OUTBOX => Entry::parse(value, code).map(drop),
        MapId::INBOX | MapId::CONFLICTS => Kept::parse(value, code).map(drop),
        MapId::CONFIRMED => confirmation::Confirmation::parse(value, code).map(drop),
        MapId::SYSTEM if lines::is_bucket(key) => system::Bucket::parse(value, code).map(drop),
        _ => Ok(()),
    }
}

/// A change that is kept with why.
pub(super) struct Kept {
    pub(super) entry: Entry,
}

impl FromJson for Kept {
    fn from_json(mut object: crate::json::Object) -> Result<Self> {
        Ok(Self { entry: object.optional("entry")?.ok_or_else(|| object.wrong("entry"))? })
    }
}

pub(super) async fn finish<S: Storage>(import: &mut Import<S>) -> Result<()> {
    let store = import.store.clone();
    let (changes, refused) = store.transact(|txn| settle(txn, &import.mark)).await?.value;
    (import.imported.changes, import.imported.refused) = (changes, refused);
    Ok(())
}

/// Makes the rest of what was loaded, and opens it for writes.
fn settle(txn: &mut Txn<'_>, mark: &[u8]) -> Result<(u64, u64), Interrupt> {
    check_mark(txn, mark)?;
    let mut doubts = Doubts::default();
    for (position, bytes) in txn.items(MapId::OUTBOX)? {
        let entry: Entry = system::from_json(&bytes)?;
        if doubts.has(&entry) {
            txn.delete(MapId::OUTBOX, &position);
            in_doubt(txn, &position, entry)?;
        }
    }
    // The rows came as they were.
    repair::relink(txn)?;
    for (entity, id, _) in doubts.records {
        let base = pending::base(txn, &entity, &id)?;
        rebase::rebuild(txn, &entity, &id, base.as_ref())?;
    }
    txn.delete(MapId::SYSTEM, MARK_KEY);
    Ok((Counter::Pending.get(txn)? + Counter::Conflicts.get(txn)?, Counter::Rejected.get(txn)?))
}

/// Records of which it is not known whether the server has a change of theirs.
#[derive(Default)]
pub(super) struct Doubts {
    /// Entity, id, and whether it is a new one: what was written on top of that has nothing to stand on.
    records: Vec<(String, String, bool)>,
}

impl Doubts {
    /// Whether a change is in doubt. Changes are asked for in their order.
    pub(super) fn has(&mut self, entry: &Entry) -> bool {
        let is_new = entry.op == Op::Create;
        let known =
            |(entity, id, is_new): &(String, String, bool)| *is_new && *entity == entry.entity && *id == entry.id;
        if entry.seq.is_some() {
            self.records.push((entry.entity.clone(), entry.id.clone(), is_new));
            return true;
        }
        self.records.iter().any(known)
    }
}

/// A change that may have arrived: the user is told, and decides.
pub(super) fn in_doubt(txn: &mut Txn<'_>, position: &[u8], entry: Entry) -> Result<(), Interrupt> {
    let entry = Entry { seq: None, sent: None, conflict: false, ..entry };
    txn.put(MapId::INBOX, position, refusal_json(&entry, IN_DOUBT)?);
    confirmation::end(txn, &entry, Ending::Rejected, None, Some(IN_DOUBT)).map(drop)
}

/// Removes some of what was loaded; whether more is left.
fn remove(txn: &mut Txn<'_>, mark: Option<&[u8]>) -> Result<bool, Interrupt> {
    match txn.get(MapId::SYSTEM, MARK_KEY)? {
        Some(found) if mark.is_none_or(|mark| *found == *mark) => {}
        _ => return Ok(false),
    }
    let view = txn.view();
    let mut maps: Vec<MapId> = [1, 2, 3, 4, 5, 6, 7].map(MapId).into();
    maps.extend(
        view.state.tables.iter().flat_map(|table| {
            std::iter::once(MapId(table.map)).chain(table.indexes.iter().map(|index| MapId(index.map)))
        }),
    );
    let mut keys = Vec::new();
    for map in maps {
        keys_of(&view, map, &mut keys)?;
    }
    let is_more = keys.len() >= REMOVED_AT_ONCE;
    if !is_more {
        keys_of(&view, MapId::SYSTEM, &mut keys)?;
        keys.retain(|key| map_of(key) != MapId::SYSTEM.0 || is_loaded(inner_key(key)));
        keys.push(full_key(MapId::SYSTEM, MARK_KEY));
    }
    for key in keys {
        txn.delete(MapId(map_of(&key)), inner_key(&key));
    }
    Ok(is_more)
}

/// Adds the first keys of a map to those that are removed.
fn keys_of(view: &View<'_>, map: MapId, keys: &mut Vec<Vec<u8>>) -> Result<(), Interrupt> {
    let mut entries = view.scan_range(KeyRange::map(map), false);
    while keys.len() < REMOVED_AT_ONCE && entries.step()? {
        keys.push(entries.full_key().to_vec());
    }
    Ok(())
}

/// Whether a key of the `SYSTEM` map came with the import, or follows from it.
fn is_loaded(name: &[u8]) -> bool {
    lines::is_exported(name) || name.starts_with(b"count/")
}
