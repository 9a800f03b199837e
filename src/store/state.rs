//! What a store has in memory: head, directory, the log's tail, and the pages that were read.
//!
//! **Invariant:** it is the store as of one sequence number, at any time.

use std::cell::Cell;
use std::rc::Rc;

use super::bytes::Bytes;
use super::directory::Directory;
use super::keys::{MapId, full_key};
use super::page::Page;
use super::record::{self, Changes, Touched};
use super::run::PageRef;
use crate::error::{Code, Error, Result};
use crate::json::FromJson;
use crate::model::{Catalog, Schema, Tables};
use crate::ports::{Head, Loaded, LogRecord, PageId, Seq};

/// Pages that were loaded and not read yet fill one of so many parts of the cache's budget.
const LOADED_PART: usize = 8;

/// Where the catalog is, in the `SYSTEM` map.
pub(super) const CATALOG_KEY: &[u8] = b"catalog";

/// The store in memory.
pub(super) struct State {
    pub(super) head: Head,
    pub(super) directory: Directory,
    /// What came after the pages.
    pub(super) tail: Changes,
    /// Bytes of the tail, about.
    pub(super) tail_bytes: usize,
    /// Records in the log.
    pub(super) tail_records: u64,
    pub(super) catalog: Catalog,
    pub(super) schema: Rc<Schema>,
    pub(super) tables: Rc<Tables>,
    cache_bytes: usize,
    clock: Cell<u32>,
}

/// What some records changed.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// As keys of a map, for their order.
    pub(super) keys: Changes,
    pub(super) ranges: Vec<Touched>,
}

impl State {
    /// The state of what was loaded. The catalog is still to be read.
    ///
    /// # Errors
    /// `store/corrupt`, `store/newer`.
    pub(super) fn new(loaded: Loaded, schema: Rc<Schema>, cache_bytes: usize) -> Result<Self> {
        let catalog = Catalog::default();
        let tables = Rc::new(Tables::new(&catalog, &schema));
        let mut state = Self {
            head: Head::default(),
            directory: Directory::default(),
            tail: Changes::new(),
            tail_bytes: 0,
            tail_records: 0,
            catalog,
            schema,
            tables,
            cache_bytes,
            clock: Cell::new(0),
        };
        state.replace(loaded, 0)?;
        Ok(state)
    }

    /// Takes another tab's directory and log in place of what is here. What the records after `known` changed comes back; `None` when
    /// some of them are folded already.
    ///
    /// # Errors
    /// `store/corrupt`, `store/newer`; then nothing has changed.
    pub(super) fn replace(&mut self, loaded: Loaded, known: Seq) -> Result<Option<Changed>> {
        let Loaded { head, .. } = loaded;
        if !head.has_all(&loaded.directory, &loaded.log) {
            return Err(Error::new(Code::StoreCorrupt, "a part of the log, or the directory, is lost"));
        }
        let mut directory = Directory::decode(&loaded.directory)?;
        directory.adopt_loaded(&self.directory);
        let (mut tail, mut tail_bytes, mut changed) = (Changes::new(), 0, Changed::default());
        let tail_records = loaded.log.len() as u64;
        for record in loaded.log {
            let mut unseen = (record.seq > known).then_some(&mut changed);
            replay(record, &mut tail, &mut tail_bytes, &mut unseen)?;
        }
        let is_whole = head.folded <= known && head.seq >= known;
        (self.head, self.directory) = (head, directory);
        (self.tail, self.tail_bytes, self.tail_records) = (tail, tail_bytes, tail_records);
        Ok(is_whole.then_some(changed))
    }

    /// Adds records that follow the head.
    ///
    /// # Errors
    /// `store/corrupt`, `store/newer`.
    pub(super) fn follow(&mut self, records: Vec<LogRecord>) -> Result<Changed> {
        let mut changed = Changed::default();
        for record in records {
            let seq = record.seq;
            replay(record, &mut self.tail, &mut self.tail_bytes, &mut Some(&mut changed))?;
            self.head.seq = seq;
            self.tail_records += 1;
        }
        Ok(changed)
    }

    /// Adds this tab's own commit, which is stored.
    pub(super) fn add(&mut self, changes: Changes) {
        self.head.seq += 1;
        self.tail_records += 1;
        for (key, value) in changes {
            insert(&mut self.tail, &mut self.tail_bytes, key, value);
        }
    }

    /// Gives numbers their names again, after the catalog has changed.
    ///
    /// # Errors
    /// `store/corrupt`.
    pub(super) fn set_catalog(&mut self, bytes: Option<&[u8]>) -> Result<()> {
        let catalog = match bytes {
            Some(bytes) => Catalog::parse(bytes, Code::StoreCorrupt)?,
            None => Catalog::default(),
        };
        self.tables = Rc::new(Tables::new(&catalog, &self.schema));
        self.catalog = catalog;
        Ok(())
    }

    /// The catalog's full key.
    pub(super) fn catalog_key() -> Vec<u8> {
        full_key(MapId::SYSTEM, CATALOG_KEY)
    }

    /// A tick of the cache's clock, for the use of a page.
    pub(super) fn tick(&self, page: &PageRef) {
        let now = self.clock.get().wrapping_add(1);
        self.clock.set(now);
        page.touch(now);
    }

    /// Keeps a page that was read, wherever the directory names it.
    pub(super) fn keep(&self, id: PageId, page: &Rc<Page>) {
        for reference in self.directory.pages().filter(|reference| reference.id == id) {
            reference.set_loaded(Some(Rc::clone(page)));
            self.tick(reference);
        }
    }

    /// Bytes of the pages in memory.
    pub(super) fn cached_bytes(&self) -> usize {
        self.directory.pages().filter(|page| page.is_loaded()).map(|page| page.bytes as usize).sum()
    }

    /// Lets go of the pages that were not used for longest, until the rest is within the budget.
    pub(super) fn evict(&self) {
        self.evict_to(self.cache_bytes);
    }

    /// The same after a commit that brought pages. Nobody has asked for them yet: they fill a part of the budget, and push nothing out that was
    /// in memory `before`.
    pub(super) fn evict_loaded(&self, before: usize) {
        self.evict_to(self.cache_bytes.min(before.max(self.cache_bytes / LOADED_PART)));
    }

    fn evict_to(&self, limit: usize) {
        let mut bytes = self.cached_bytes();
        if bytes <= limit {
            return;
        }
        let now = self.clock.get();
        let mut pages: Vec<&Rc<PageRef>> = self.directory.pages().filter(|page| page.is_loaded()).collect();
        pages.sort_unstable_by_key(|page| std::cmp::Reverse(now.wrapping_sub(page.last_used())));
        for page in pages {
            if bytes <= limit {
                return;
            }
            page.set_loaded(None);
            bytes -= page.bytes as usize;
        }
    }
}

fn replay(
    record: LogRecord,
    tail: &mut Changes,
    tail_bytes: &mut usize,
    changed: &mut Option<&mut Changed>,
) -> Result<()> {
    let ranges = record::decode(record.seq, record.bytes, &mut |key, value| {
        if let Some(changed) = changed {
            changed.keys.insert(key.to_vec(), None);
        }
        insert(tail, tail_bytes, key.to_vec(), value);
    })?;
    if let Some(changed) = changed {
        changed.ranges.extend(ranges);
    }
    Ok(())
}

fn insert(tail: &mut Changes, tail_bytes: &mut usize, key: Vec<u8>, value: Option<Bytes>) {
    *tail_bytes += key.len() + value.as_ref().map_or(0, |value| value.len());
    tail.insert(key, value);
}
