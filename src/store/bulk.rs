//! Loading many rows at once: they become pages of their own instead of log records.
//!
//! **Invariant:** afterwards the store is as if every row had been put, one after the other.

use std::rc::Rc;

use super::batch::{BatchRow, RowBatch};
use super::bytes::Bytes;
use super::entries::Entries;
use super::keys::{KeyRange, MAP_BYTES, MapId, full_key, map_of};
use super::record::{Changes, Touched};
use super::run::PageRef;
use super::txn::Txn;
use super::view::{Interrupt, Read, View};
use super::writer::PageWriter;
use crate::model::{RowRef, Table, ValueRef, Values, encode_header};
use crate::ports::PageId;

/// Bytes of rows below which they go into the log like any other write: pages of their own would be small.
const BULK_BYTES_MIN: usize = 64 * 1024;

/// The bucket that rows come by.
#[derive(Debug, Clone, Copy)]
pub struct Loading {
    /// Its number.
    pub number: u16,
    /// Whether it comes as a whole again: then a row that comes by it for the first time is right, whatever its version.
    pub anew: bool,
}

/// A row to be stored.
struct Loaded<'b> {
    row: &'b BatchRow,
    /// What is there now.
    old: Option<Bytes>,
}

impl Txn<'_> {
    /// Stores rows that a pull brought. A row that is there already stays when it is newer; either way it is in the bucket afterwards. Rows
    /// with local changes are left as they are: their places in the batch come back, ascending.
    ///
    /// # Errors
    /// `schema/unknown-entity`, an [`Interrupt`] for pages, and those of the store.
    pub fn load_rows(&mut self, batch: &RowBatch, bucket: Loading) -> Result<Vec<usize>, Interrupt> {
        let table = Rc::clone(self.view().table(batch.entity())?);
        let (loaded, dirty) = self.look_up(&table, batch)?;
        let touches_fresh = !self.own.fresh.pages.is_empty();
        if batch.bytes() < BULK_BYTES_MIN || touches_fresh {
            self.put_loaded(&table, batch, bucket, &loaded)?;
        } else {
            self.build_pages(&table, batch, bucket, &loaded)?;
        }
        Ok(dirty)
    }

    /// The rows of a batch in the order of their ids, the last of each id, with what is there now; and those with local changes.
    fn look_up<'b>(&self, table: &Table, batch: &'b RowBatch) -> Result<(Vec<Loaded<'b>>, Vec<usize>), Interrupt> {
        let mut order: Vec<(&[u8], usize, &BatchRow)> =
            batch.rows.iter().enumerate().map(|(place, row)| (batch.id_key(row), place, row)).collect();
        if !order.is_sorted_by(|left, right| left.0 < right.0) {
            order.sort_by(|left, right| left.0.cmp(right.0).then(right.1.cmp(&left.1)));
            order.dedup_by(|later, first| later.0 == first.0);
        }
        let (Some(first), Some(last)) = (order.first(), order.last()) else { return Ok((Vec::new(), Vec::new())) };
        let view = self.view();
        let map = MapId(table.map);
        let (first, last) = (full_key(map, first.0), full_key(map, last.0));
        if !has_keys(&view, &first, &last) {
            let fresh = |(_, _, row): (_, _, &'b BatchRow)| Loaded { row, old: None };
            return Ok((order.into_iter().map(fresh).collect(), Vec::new()));
        }
        let (mut loaded, mut dirty, mut missing) = (Vec::with_capacity(order.len()), Vec::new(), Vec::new());
        let mut full = full_key(map, &[]);
        for (id, place, row) in order {
            full.truncate(MAP_BYTES);
            full.extend_from_slice(id);
            match view.find(&full) {
                Ok(Some(old)) if RowRef::new(&old)?.dirty() => dirty.push(place),
                Ok(old) => loaded.push(Loaded { row, old }),
                Err(interrupt) if interrupt.is_failure() => return Err(interrupt),
                Err(_) => view.missing_for(&full, &mut missing),
            }
        }
        if missing.is_empty() {
            dirty.sort_unstable();
            return Ok((loaded, dirty));
        }
        missing.sort_unstable();
        missing.dedup();
        Err(Interrupt::missing(missing))
    }

    fn put_loaded(
        &mut self,
        table: &Table,
        batch: &RowBatch,
        bucket: Loading,
        loaded: &[Loaded<'_>],
    ) -> Result<(), Interrupt> {
        for Loaded { row, old } in loaded {
            let old = old.as_deref().map(RowRef::new).transpose()?;
            let mut bytes = Vec::new();
            let Some(is_new) = header(row, bucket, old.as_ref(), &mut bytes) else { continue };
            bytes.extend_from_slice(if is_new { batch.body(row) } else { old.map_or(&[], |old| old.body()) });
            self.step_indexes(table, batch.id_key(row), old.as_ref(), Some(&RowRef::new(&bytes)?));
            self.put(MapId(table.map), batch.id_key(row), bytes);
        }
        Ok(())
    }

    fn build_pages<'r>(
        &mut self,
        table: &Table,
        batch: &'r RowBatch,
        bucket: Loading,
        loaded: &'r [Loaded<'r>],
    ) -> Result<(), Interrupt> {
        let mut pages = Pages::new(self.view(), self.state.directory.next_page);
        let mut changes = IndexChanges::new(table);
        let (mut key, mut head) = (full_key(MapId(table.map), &[]), Vec::new());
        pages.enter(MapId(table.map));
        for Loaded { row, old } in loaded {
            let old = old.as_deref().map(RowRef::new).transpose()?;
            let Some(is_new) = header(row, bucket, old.as_ref(), &mut head) else { continue };
            let body = if is_new { batch.body(row) } else { old.as_ref().map_or(&[][..], |old| old.body()) };
            key.truncate(MAP_BYTES);
            key.extend_from_slice(batch.id_key(row));
            pages.add(&key, Some((&head, body)));
            if is_new {
                changes.add(batch.id_key(row), body, old.as_ref());
            }
        }
        let mut indexes = changes.indexes;
        indexes.sort_unstable_by_key(Entries::map);
        for entries in &mut indexes {
            pages.enter(entries.map());
            entries.sort();
            entries.each(|key, is_there| pages.add(key, is_there.then_some((&[], &[]))));
        }
        let built = pages.finish();
        self.take_pages(built);
        Ok(())
    }

    /// Puts values under full keys that ascend; into pages of their own when they are many.
    pub(super) fn put_all(&mut self, entries: Vec<(Vec<u8>, Vec<u8>)>) {
        let bytes: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes < BULK_BYTES_MIN || !self.own.fresh.pages.is_empty() {
            self.own.changes.extend(entries.into_iter().map(|(key, value)| (key, Some(Bytes::from(value)))));
            return;
        }
        let mut pages = Pages::new(self.view(), self.state.directory.next_page);
        let mut map = None;
        for (key, value) in &entries {
            if map.replace(map_of(key)) != Some(map_of(key)) {
                pages.enter(MapId(map_of(key)));
            }
            pages.add(key, Some((value, &[])));
        }
        let built = pages.finish();
        self.take_pages(built);
    }

    fn take_pages(&mut self, built: Built) {
        for page in built.pages {
            self.own.fresh.insert(Rc::new(page));
        }
        self.own.changes.extend(built.shadowed);
        self.own.touched.extend(built.touched);
    }
}

/// Pages that were made, and what belongs to them.
struct Built {
    pages: Vec<PageRef>,
    shadowed: Vec<(Vec<u8>, Option<Bytes>)>,
    touched: Vec<Touched>,
}

/// Whether anything is there between two keys, both included.
fn has_keys(view: &View<'_>, first: &[u8], last: &[u8]) -> bool {
    view.runs().any(|run| run.overlaps(first, last))
        || view.change_sets().any(|changes| changes.range(first.to_vec()..=last.to_vec()).next().is_some())
}

/// Writes the header of a row that comes by a bucket; whether the row's values are those of the batch. `None` when what is there needs no
/// change.
fn header(row: &BatchRow, bucket: Loading, old: Option<&RowRef<'_>>, bytes: &mut Vec<u8>) -> Option<bool> {
    bytes.clear();
    let Loading { number, anew } = bucket;
    let Some(old) = old else {
        encode_header(row.version, &[number], false, false, bytes);
        return Some(true);
    };
    let mut buckets = old.buckets();
    let is_first = !buckets.contains(&number);
    // A pull is asked for after what is accepted was stored, so it knows better of a row that none has brought yet: a server that was put back to a
    // backup has an older one.
    let is_unplaced = buckets.is_empty();
    let is_new = row.version >= old.version() || old.deleted() || is_unplaced || (anew && is_first);
    if is_first {
        buckets.push(number);
    } else if !is_new {
        return None;
    }
    encode_header(if is_new { row.version } else { old.version() }, &buckets, false, false, bytes);
    Some(is_new)
}

/// What rows change in the indexes of their table.
struct IndexChanges<'t, 'r> {
    table: &'t Table,
    /// Values that are in an index are in so many of the first slots.
    width: usize,
    /// By place in the table's list.
    indexes: Vec<Entries>,
    /// The values of the present row, and of the one that was there.
    new: Vec<ValueRef<'r>>,
    old: Vec<ValueRef<'r>>,
}

impl<'t, 'r> IndexChanges<'t, 'r> {
    fn new(table: &'t Table) -> Self {
        let last = table.indexes.iter().flat_map(|index| &index.slots).max();
        let indexes = table.indexes.iter().map(|index| Entries::new(MapId(index.map))).collect();
        Self { table, width: last.map_or(0, |last| last + 1), indexes, new: Vec::new(), old: Vec::new() }
    }

    fn add(&mut self, id: &[u8], body: &'r [u8], old: Option<&RowRef<'r>>) {
        self.new.clear();
        self.new.extend(Values::new(body).take(self.width));
        let old = old.filter(|old| !old.deleted());
        self.old.clear();
        self.old.extend(old.into_iter().flat_map(|old| old.values().take(self.width)));
        for (index, entries) in self.table.indexes.iter().zip(&mut self.indexes) {
            if old.is_some() {
                entries.replace(&index.slots, &self.old, &self.new, id);
            } else {
                entries.add(&index.slots, &self.new, id, true);
            }
        }
    }
}

/// Entries on their way into new pages, except those that have to go into the log.
struct Pages<'a> {
    view: View<'a>,
    writer: PageWriter,
    /// Entries of keys that the log's tail has: it would hide them in a page.
    shadowed: Vec<(Vec<u8>, Option<Bytes>)>,
    /// Whether there can be such keys in the present map.
    is_shadowed: bool,
    touched: Vec<Touched>,
    is_first: bool,
}

impl<'a> Pages<'a> {
    fn new(view: View<'a>, next_page: PageId) -> Self {
        let writer = PageWriter::new(next_page);
        Self { view, writer, shadowed: Vec::new(), is_shadowed: false, touched: Vec::new(), is_first: true }
    }

    /// The entries of a map follow, in pages of their own: one with the last rows and the first entries of an index would overlap the rows of
    /// the next piece, and all pages behind it would be written anew by the merge.
    fn enter(&mut self, map: MapId) {
        self.writer.cut();
        let KeyRange { start, end } = KeyRange::map(map);
        let has_some = |changes: &Changes| changes.range(start.clone()..end.clone()).next().is_some();
        self.is_shadowed = self.view.change_sets().any(has_some);
        self.is_first = true;
    }

    fn finish(self) -> Built {
        let Self { mut writer, shadowed, touched, .. } = self;
        writer.cut();
        Built { pages: writer.built, shadowed, touched }
    }

    fn add(&mut self, key: &[u8], value: Option<(&[u8], &[u8])>) {
        if self.is_shadowed && self.view.change_sets().any(|changes| changes.contains_key(key)) {
            self.shadowed.push((key.to_vec(), value.map(|(head, body)| Bytes::from([head, body].concat()))));
            return;
        }
        self.writer.add(key, value);
        if std::mem::take(&mut self.is_first) {
            self.touched.push((key.to_vec(), key.to_vec()));
        } else if let Some((_, last)) = self.touched.last_mut() {
            last.clear();
            last.extend_from_slice(key);
        }
    }
}
