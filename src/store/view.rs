//! Reading: a synchronous look at what is in memory. Where a page is missing it stops and names the pages it wants; they are loaded and the
//! read begins again.
//!
//! **Invariant:** one read is of one sequence number. **Invariant:** pages that a read has waited for stay until it is done, whatever the
//! cache's budget.

use std::cell::RefCell;
use std::rc::Rc;

use super::bytes::Bytes;
use super::footprint::Footprint;
use super::keys::{KeyRange, MapId, full_key};
use super::page::Page;
use super::record::Changes;
use super::run::{PageRef, Run};
use super::scan::Scan;
use super::sorted::Sorted;
use super::state::State;
use crate::error::{Error, Result};
use crate::model::{Row, Schema, Table, key};
use crate::ports::PageId;

/// Why a read stopped: it failed, or pages are missing, and it is to be repeated when they are there. One pointer wide, and a failure becomes
/// one as it is, because nearly every function of the store may return it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupt(Error);

impl Interrupt {
    /// These pages are missing; there is at least one.
    pub(super) fn missing(pages: Vec<PageId>) -> Self {
        Self(Error::of_pages(pages))
    }

    /// Whether it failed.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.0.pages().is_empty()
    }

    /// The pages that are missing, or the failure.
    pub(super) fn pages(self) -> Result<Vec<PageId>> {
        if self.is_failure() { Err(self.0) } else { Ok(self.0.pages().to_vec()) }
    }
}

impl From<Error> for Interrupt {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// What stays the same while a read is repeated.
#[derive(Default)]
pub(super) struct Reading {
    /// Pages that were loaded for it.
    pub(super) pins: Sorted<PageId, Rc<Page>>,
    /// How often it was begun again.
    pub(super) attempt: u32,
    /// What it has looked at, when that is of interest.
    pub(super) footprint: Option<RefCell<Footprint>>,
}

impl Reading {
    /// Pages that a scan asks for at once: more with every attempt, so that a long scan is repeated a few times only.
    pub(super) const fn read_ahead(&self) -> usize {
        match self.attempt {
            0 => 2,
            1 => 8,
            2 => 32,
            _ => 128,
        }
    }
}

/// A look at the store.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(super) state: &'a State,
    /// Changes that are not committed yet, newest first.
    pub(super) overlays: [Option<&'a Changes>; 2],
    /// Pages that are not committed yet.
    pub(super) fresh: Option<&'a Run>,
    pub(super) reading: &'a Reading,
}

impl<'a> View<'a> {
    /// The value of a full key.
    pub(super) fn find(&self, full: &[u8]) -> Result<Option<Bytes>, Interrupt> {
        if let Some(footprint) = &self.reading.footprint {
            footprint.borrow_mut().add_key(full.to_vec());
        }
        for changes in self.change_sets() {
            if let Some(value) = changes.get(full) {
                return Ok(value.clone());
            }
        }
        for run in self.runs() {
            let Some(reference) = run.page_of(full) else { continue };
            let page = self.page(reference).ok_or_else(|| Interrupt::missing(vec![reference.id]))?;
            if let Ok(place) = page.search(full) {
                return Ok(page.entry(place).and_then(|entry| page.value(&entry)));
            }
        }
        Ok(None)
    }

    /// The page, when it is in memory.
    pub(super) fn page(&self, reference: &PageRef) -> Option<Rc<Page>> {
        let page = reference.loaded().or_else(|| self.reading.pins.get(reference.id).cloned())?;
        self.state.tick(reference);
        Some(page)
    }

    pub(super) fn change_sets(&self) -> impl Iterator<Item = &'a Changes> {
        self.overlays.into_iter().flatten().chain(std::iter::once(&self.state.tail))
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &'a Run> {
        self.fresh.into_iter().chain(&self.state.directory.runs)
    }

    /// The pages that a read of a key would miss.
    pub(super) fn missing_for(&self, full: &[u8], missing: &mut Vec<PageId>) {
        if self.change_sets().any(|changes| changes.contains_key(full)) {
            return;
        }
        for reference in self.runs().filter_map(|run| run.page_of(full)) {
            match self.page(reference) {
                Some(page) if page.search(full).is_ok() => return,
                Some(_) => {}
                None => missing.push(reference.id),
            }
        }
    }

    /// The entries of a range of full keys.
    pub(super) fn scan_range(&self, range: KeyRange, reverse: bool) -> Scan<'a> {
        Scan::new(*self, range, reverse)
    }

    /// An entity's table.
    pub(super) fn table(&self, entity: &str) -> Result<&'a Rc<Table>> {
        self.state.tables.get(entity)
    }
}

/// What a [`View`] and a [`super::Txn`] have in common.
pub trait Read {
    /// The store as it is seen here.
    fn view(&self) -> View<'_>;

    /// The value of a key, shared.
    ///
    /// # Errors
    /// An [`Interrupt`] for pages, and those of the store; here and below.
    fn get(&self, map: MapId, key: &[u8]) -> Result<Option<Bytes>, Interrupt> {
        self.view().find(&full_key(map, key))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// As [`Read::get`].
    fn read(&self, map: MapId, key: &[u8]) -> Result<Option<Vec<u8>>, Interrupt> {
        Ok(self.get(map, key)?.map(|bytes| bytes.to_vec()))
    }

    /// The entries whose keys begin so, in order: the key inside the map, and the value.
    fn scan_prefix(&self, map: MapId, prefix: &[u8]) -> Scan<'_> {
        self.view().scan_range(KeyRange::prefix(map, prefix), false)
    }

    /// The keys that begin so, in order.
    ///
    /// # Errors
    /// As [`Read::get`].
    fn keys_with_prefix(&self, map: MapId, prefix: &[u8]) -> Result<Vec<Vec<u8>>, Interrupt> {
        self.scan_prefix(map, prefix).map(|item| item.map(|(key, _)| key)).collect()
    }

    /// All entries of a map, in order.
    ///
    /// # Errors
    /// As [`Read::get`].
    fn items(&self, map: MapId) -> Result<Vec<(Vec<u8>, Bytes)>, Interrupt> {
        self.scan_prefix(map, &[]).collect()
    }

    /// The app's schema.
    fn schema(&self) -> Rc<Schema> {
        Rc::clone(&self.view().state.schema)
    }

    /// The map of an entity's rows.
    ///
    /// # Errors
    /// `schema/unknown-entity`.
    fn entity_map(&self, entity: &str) -> Result<MapId, Interrupt> {
        Ok(MapId(self.view().table(entity)?.map))
    }

    /// A row, its values in the schema's order.
    ///
    /// # Errors
    /// `schema/unknown-entity`, and as [`Read::get`].
    fn row(&self, entity: &str, id: &str) -> Result<Option<Row>, Interrupt> {
        let view = self.view();
        let table = view.table(entity)?;
        let bytes = view.find(&full_key(MapId(table.map), &key::id_key(id)))?;
        Ok(bytes.map(|bytes| table.decode(&bytes)).transpose()?)
    }

    /// A row as [`Read::encode_row`] wrote it.
    ///
    /// # Errors
    /// `schema/unknown-entity`, `store/corrupt`.
    fn decode_row(&self, entity: &str, bytes: &[u8]) -> Result<Row, Interrupt> {
        Ok(self.view().table(entity)?.decode(bytes)?)
    }

    /// A row as bytes that can be read under every later schema.
    ///
    /// # Errors
    /// `schema/unknown-entity`.
    fn encode_row(&self, entity: &str, row: &Row) -> Result<Vec<u8>, Interrupt> {
        Ok(self.view().table(entity)?.encode(row, None))
    }
}

impl Read for View<'_> {
    fn view(&self) -> View<'_> {
        *self
    }
}
