//! Runs: sorted pages that do not overlap.
//!
//! A page whose beginning has been merged into an older run is *trimmed*: what stands before its `first` key does not count any more.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::keys::KeyRange;
use super::page::{BuiltPage, Page};
use super::sum::Totals;
use crate::ports::PageId;

/// What the rows of a page come to in a slot.
#[derive(Debug, Clone)]
struct PageTotals {
    slot: usize,
    /// The places of rows that were left out, because newer ones are in their stead.
    replaced: Vec<usize>,
    totals: Rc<Totals>,
}

/// A page of a run, in memory or not.
#[derive(Debug)]
pub(super) struct PageRef {
    pub(super) id: PageId,
    pub(super) first: Vec<u8>,
    pub(super) last: Vec<u8>,
    /// Bytes of the whole page.
    pub(super) bytes: u32,
    /// Entries of the whole page.
    pub(super) count: u16,
    /// Whether there are removals in it.
    pub(super) removals: bool,
    /// Whether its beginning does not count any more.
    pub(super) trimmed: bool,
    loaded: RefCell<Option<Rc<Page>>>,
    /// What it comes to, by slot; it outlives the page's stay in memory.
    totals: RefCell<Vec<PageTotals>>,
    /// When it was last used, on the cache's clock.
    used: Cell<u32>,
}

impl PageRef {
    pub(super) fn new(id: PageId, first: Vec<u8>, last: Vec<u8>, size: (u32, u16), flags: (bool, bool)) -> Self {
        Self {
            id,
            first,
            last,
            bytes: size.0,
            count: size.1,
            removals: flags.0,
            trimmed: flags.1,
            loaded: RefCell::new(None),
            totals: RefCell::default(),
            used: Cell::new(0),
        }
    }

    /// A page that was built here and is in memory.
    pub(super) fn built(id: PageId, page: BuiltPage) -> Self {
        let size = (page.bytes.len() as u32, page.count);
        let reference = Self::new(id, page.first, page.last, size, (page.removals, false));
        *reference.loaded.borrow_mut() = Page::of(page.bytes).map(Rc::new);
        reference
    }

    /// The same page from a later key on.
    pub(super) fn trimmed_to(&self, first: Vec<u8>) -> Self {
        let trimmed = Self::new(self.id, first, self.last.clone(), (self.bytes, self.count), (self.removals, true));
        *trimmed.loaded.borrow_mut() = self.loaded();
        trimmed.used.set(self.used.get());
        trimmed
    }

    pub(super) fn loaded(&self) -> Option<Rc<Page>> {
        self.loaded.borrow().clone()
    }

    pub(super) fn set_loaded(&self, page: Option<Rc<Page>>) {
        *self.loaded.borrow_mut() = page;
    }

    /// Takes over what is known of the same page in an older directory.
    pub(super) fn adopt(&self, old: &Self) {
        self.set_loaded(old.loaded());
        if self.first == old.first {
            self.totals.borrow_mut().clone_from(&old.totals.borrow());
        }
    }

    /// What its rows come to in a slot but for those at some places, when that is known.
    pub(super) fn totals(&self, slot: usize, replaced: &[usize]) -> Option<Rc<Totals>> {
        let known = self.totals.borrow();
        let known = known.iter().find(|known| known.slot == slot && *known.replaced == *replaced)?;
        Some(Rc::clone(&known.totals))
    }

    /// Keeps that, in place of what was known of the slot.
    pub(super) fn set_totals(&self, slot: usize, replaced: Vec<usize>, totals: Totals) {
        let mut known = self.totals.borrow_mut();
        known.retain(|known| known.slot != slot);
        known.push(PageTotals { slot, replaced, totals: Rc::new(totals) });
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.loaded.borrow().is_some()
    }

    pub(super) fn touch(&self, now: u32) {
        self.used.set(now);
    }

    pub(super) fn last_used(&self) -> u32 {
        self.used.get()
    }

    /// Whether it can have keys from `first` to `last`, both included.
    pub(super) fn overlaps(&self, first: &[u8], last: &[u8]) -> bool {
        *self.first <= *last && *first <= *self.last
    }
}

/// A run.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    /// Ascending and without overlaps.
    pub(super) pages: Vec<Rc<PageRef>>,
    /// Whether it is being merged into the next older run.
    pub(super) draining: bool,
}

impl Run {
    /// The place of the first page that does not end before `key`.
    pub(super) fn position(&self, key: &[u8]) -> usize {
        self.pages.partition_point(|page| *page.last < *key)
    }

    /// The places of the pages that can have keys of a range.
    pub(super) fn within(&self, range: &KeyRange) -> std::ops::Range<usize> {
        let first = self.position(&range.start);
        first..self.pages.partition_point(|page| *page.first < *range.end).max(first)
    }

    /// The page that would hold a key.
    pub(super) fn page_of(&self, key: &[u8]) -> Option<&Rc<PageRef>> {
        self.pages.get(self.position(key)).filter(|page| *page.first <= *key)
    }

    /// Whether a page of it overlaps the keys from `first` to `last`, both included.
    pub(super) fn overlaps(&self, first: &[u8], last: &[u8]) -> bool {
        self.pages.get(self.position(first)).is_some_and(|page| page.overlaps(first, last))
    }

    /// Bytes of its pages.
    pub(super) fn bytes(&self) -> u64 {
        self.pages.iter().map(|page| u64::from(page.bytes)).sum()
    }

    /// Puts a page where it belongs. It overlaps none.
    pub(super) fn insert(&mut self, page: Rc<PageRef>) {
        let place = self.position(&page.first);
        self.pages.insert(place, page);
    }
}
