//! Writing: what a transaction wants to change, seen by its own reads at once, stored with the commit or not at all.
//!
//! **Invariant:** a row and its entries in the indexes change together. **Invariant:** a closure that fails leaves no trace.

use super::bytes::Bytes;
use super::keys::{MapId, full_key};
use super::record::{Changes, Touched};
use super::rewrite::Rewrite;
use super::run::Run;
use super::state::State;
use super::view::{Interrupt, Read, Reading, View};
use crate::error::Result;
use crate::model::{Row, RowRef, Table, key};

/// What transactions want to write: one transaction's, or those of all that are committed together.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) changes: Changes,
    /// New pages, newer than all that are there.
    pub(super) fresh: Run,
    /// The keys in them.
    pub(super) touched: Vec<Touched>,
    /// Another directory, in place of `fresh`.
    pub(super) rewrite: Option<Rewrite>,
    /// Bytes of the changes of those that were added.
    pub(super) bytes: usize,
}

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.fresh.pages.is_empty()
    }

    /// Adds what a later transaction wants.
    pub(super) fn extend(&mut self, later: Self) {
        let bytes =
            |(key, value): (&Vec<u8>, &Option<Bytes>)| key.len() + value.as_ref().map_or(0, |value| value.len());
        self.bytes += later.changes.iter().map(bytes).sum::<usize>();
        if self.changes.is_empty() {
            self.changes = later.changes;
        } else {
            self.changes.extend(later.changes);
        }
        self.touched.extend(later.touched);
        later.fresh.pages.into_iter().for_each(|page| self.fresh.insert(page));
    }
}

/// A transaction.
pub struct Txn<'a> {
    pub(super) state: &'a State,
    /// What transactions before it want, which is to be committed together with it.
    pub(super) group: &'a Plan,
    pub(super) own: Plan,
    pub(super) reading: &'a Reading,
}

impl Read for Txn<'_> {
    fn view(&self) -> View<'_> {
        View {
            state: self.state,
            overlays: [Some(&self.own.changes), Some(&self.group.changes)],
            fresh: Some(&self.own.fresh).filter(|run| !run.pages.is_empty()),
            reading: self.reading,
        }
    }
}

impl Txn<'_> {
    /// Puts a value.
    pub fn put(&mut self, map: MapId, key: &[u8], value: Vec<u8>) {
        self.own.changes.insert(full_key(map, key), Some(Bytes::from(value)));
    }

    /// Removes a key; nothing happens when it is not there.
    pub fn delete(&mut self, map: MapId, key: &[u8]) {
        self.own.changes.insert(full_key(map, key), None);
    }

    /// Stores a row in place of the one that is there, and its entries in the entity's indexes.
    ///
    /// # Errors
    /// `schema/unknown-entity`, an [`Interrupt`] for pages, and those of the store.
    pub fn put_row(&mut self, entity: &str, id: &str, row: &Row) -> Result<(), Interrupt> {
        let table = std::rc::Rc::clone(self.view().table(entity)?);
        let id = key::id_key(id);
        let old = self.get(MapId(table.map), &id)?;
        let old = old.as_deref().map(RowRef::new).transpose()?;
        let bytes = table.encode(row, old.as_ref());
        self.step_indexes(&table, &id, old.as_ref(), Some(&RowRef::new(&bytes)?));
        self.put(MapId(table.map), &id, bytes);
        Ok(())
    }

    /// Removes a row and its entries in the entity's indexes; nothing happens when it is not there.
    ///
    /// # Errors
    /// As [`Txn::put_row`].
    pub fn delete_row(&mut self, entity: &str, id: &str) -> Result<(), Interrupt> {
        let table = std::rc::Rc::clone(self.view().table(entity)?);
        let id = key::id_key(id);
        let Some(old) = self.get(MapId(table.map), &id)? else { return Ok(()) };
        self.step_indexes(&table, &id, Some(&RowRef::new(&old)?), None);
        self.delete(MapId(table.map), &id);
        Ok(())
    }

    /// Keeps the indexes in step with a row. A row that was deleted here, and waits for the server to know, has no entries.
    pub(super) fn step_indexes(
        &mut self,
        table: &Table,
        id: &[u8],
        old: Option<&RowRef<'_>>,
        new: Option<&RowRef<'_>>,
    ) {
        let old = old.filter(|row| !row.deleted());
        let new = new.filter(|row| !row.deleted());
        for index in &table.indexes {
            if let (Some(old), Some(new)) = (old, new)
                && index.slots.iter().all(|slot| old.field(*slot) == new.field(*slot))
            {
                continue;
            }
            let entry = |row: &RowRef<'_>| index_key(row.body(), &index.slots, id);
            let (old, new) = (old.map(entry), new.map(entry));
            if old == new {
                continue;
            }
            if let Some(old) = old {
                self.delete(MapId(index.map), &old);
            }
            if let Some(new) = new {
                self.put(MapId(index.map), &new, Vec::new());
            }
        }
    }
}

/// The key of a row in an index: the values of its fields, then the row's id.
pub(super) fn index_key(body: &[u8], slots: &[usize], id: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(16 * slots.len() + id.len());
    for slot in slots {
        key::encode_indexed(crate::model::field(body, *slot), &mut entry);
    }
    entry.extend_from_slice(id);
    entry
}
