//! Sorted entries on their way into new pages.

use super::keys::map_of;
use super::page::{PAGE_BYTES_MAX, PageBuilder};
use super::run::PageRef;
use crate::ports::PageId;

/// Bytes from which a page is large enough to be left alone, and to end where a map ends.
pub(super) const PAGE_BYTES_FAIR: usize = PAGE_BYTES_MAX / 4;

/// Cuts ascending entries into pages.
pub(super) struct PageWriter {
    builder: PageBuilder,
    /// The map of the last entry.
    map: u16,
    next_page: PageId,
    pub(super) built: Vec<PageRef>,
}

impl PageWriter {
    /// Pages with numbers from `next_page` on.
    pub(super) fn new(next_page: PageId) -> Self {
        Self { builder: PageBuilder::default(), map: 0, next_page, built: Vec::new() }
    }

    /// Adds an entry, its value in two parts. Where maps meet, a page that is large enough ends: so pages of one map seldom overlap those of
    /// another.
    pub(super) fn add(&mut self, key: &[u8], value: Option<(&[u8], &[u8])>) {
        let length = value.map_or(0, |(head, body)| head.len() + body.len());
        let map = map_of(key);
        let is_next_map = std::mem::replace(&mut self.map, map) != map;
        if self.builder.is_full_for(key, length) || (is_next_map && self.is_fair()) {
            self.cut();
        }
        self.builder.add(key, value);
    }

    /// Whether the page that is being filled could end here.
    pub(super) fn can_cut(&self) -> bool {
        self.builder.is_empty() || self.is_fair()
    }

    fn is_fair(&self) -> bool {
        self.builder.size() >= PAGE_BYTES_FAIR
    }

    /// Ends the page that is being filled.
    pub(super) fn cut(&mut self) {
        if !self.builder.is_empty() {
            self.built.push(PageRef::built(self.next_page, self.builder.finish()));
            self.next_page += 1;
        }
    }

    /// The number of the next page.
    pub(super) const fn next_page(&self) -> PageId {
        self.next_page
    }
}
