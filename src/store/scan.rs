//! Walking through a range of keys, forwards or backwards, over everything that can have entries in it.
//!
//! **Invariant:** of several entries of one key the newest counts; a removal hides the older ones.

use std::collections::btree_map;
use std::ops::Bound;
use std::rc::Rc;

use super::bytes::Bytes;
use super::keys::{KeyRange, inner_key};
use super::page::Page;
use super::record::Changes;
use super::run::Run;
use super::view::{Interrupt, View};
use crate::ports::PageId;

/// A walk through a range. As an iterator it gives the keys inside their map.
pub struct Scan<'a> {
    view: View<'a>,
    range: KeyRange,
    reverse: bool,
    /// Newest first.
    lanes: Vec<Lane<'a>>,
    /// The lane that has the present entry.
    current: usize,
    /// Whether removals are entries too, and nothing is noted in the footprint.
    is_raw: bool,
    started: bool,
    done: bool,
}

/// One source of entries, at one of them.
struct Lane<'a> {
    source: Source<'a>,
    key: Vec<u8>,
    value: Option<Bytes>,
    /// Whether there is no entry any more.
    done: bool,
}

enum Source<'a> {
    Changes(btree_map::Range<'a, Vec<u8>, Option<Bytes>>),
    Pages(PageWalk<'a>),
}

struct PageWalk<'a> {
    run: &'a Run,
    /// The places of the pages to come.
    pages: std::ops::Range<usize>,
    page: Option<Rc<Page>>,
    /// The places of the entries to come in the page.
    entries: std::ops::Range<usize>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(view: View<'a>, range: KeyRange, reverse: bool) -> Self {
        Self::over(view, range, usize::MAX, reverse, false)
    }

    /// Walks through what is in the `runs` newest runs or came later, removals included, and notes nothing in the footprint.
    pub(super) fn newer(view: View<'a>, range: KeyRange, runs: usize) -> Self {
        Self::over(view, range, runs, false, true)
    }

    fn over(view: View<'a>, range: KeyRange, runs: usize, reverse: bool, is_raw: bool) -> Self {
        let mut lanes = Vec::new();
        if range.start < range.end {
            lanes.extend(view.change_sets().filter_map(|changes| Lane::of_changes(changes, &range)));
            lanes.extend(view.runs().take(runs).filter_map(|run| Lane::of_run(run, &range)));
        }
        Self { view, range, reverse, lanes, current: 0, is_raw, started: false, done: false }
    }

    /// Goes on to the next entry; whether there is one.
    pub(super) fn step(&mut self) -> Result<bool, Interrupt> {
        if !self.started {
            self.start()?;
        } else if self.done {
            return Ok(false);
        } else {
            self.leave()?;
        }
        loop {
            let Some(best) = self.best() else {
                self.done = true;
                self.record(None);
                return Ok(false);
            };
            self.current = best;
            if self.lanes.get(best).is_some_and(|lane| self.is_raw || lane.value.is_some()) {
                return Ok(true);
            }
            self.leave()?;
        }
    }

    /// The present entry's full key.
    pub(super) fn full_key(&self) -> &[u8] {
        self.lanes.get(self.current).map_or(&[], |lane| &lane.key)
    }

    /// The present entry's key inside its map.
    pub(super) fn key(&self) -> &[u8] {
        inner_key(self.full_key())
    }

    /// The present entry's value.
    pub(super) fn value(&self) -> Option<&Bytes> {
        self.lanes.get(self.current).and_then(|lane| lane.value.as_ref())
    }

    /// Notes what was walked through: all, or up to a key.
    fn record(&self, up_to: Option<Vec<u8>>) {
        let Some(footprint) = self.view.reading.footprint.as_ref().filter(|_| !self.is_raw) else { return };
        let KeyRange { start, end } = self.range.clone();
        let seen = match (up_to, self.reverse) {
            (None, _) => KeyRange { start, end },
            (Some(key), false) => KeyRange { start, end: super::keys::after_key(&key) },
            (Some(key), true) => KeyRange { start: key, end },
        };
        footprint.borrow_mut().add_range(seen);
    }

    /// Brings every lane to its first entry; the pages that are missing for it are asked for together.
    fn start(&mut self) -> Result<(), Interrupt> {
        self.started = true;
        let mut missing = Vec::new();
        for lane in &mut self.lanes {
            if let Err(interrupt) = lane.advance(&self.view, &self.range, self.reverse) {
                missing.extend(interrupt.pages()?);
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(Interrupt::missing(missing)) }
    }

    /// Moves every lane that stands at the present key on.
    fn leave(&mut self) -> Result<(), Interrupt> {
        let (front, back) = self.lanes.split_at_mut(self.current + 1);
        let Some(current) = front.last_mut() else { return Ok(()) };
        for lane in back.iter_mut().filter(|lane| !lane.done && lane.key == current.key) {
            lane.advance(&self.view, &self.range, self.reverse)?;
        }
        current.advance(&self.view, &self.range, self.reverse)
    }

    /// The lane whose entry is next; of equal keys the newest.
    fn best(&self) -> Option<usize> {
        let mut best: Option<(usize, &[u8])> = None;
        for (place, lane) in self.lanes.iter().enumerate().filter(|(_, lane)| !lane.done) {
            let is_better = best.is_none_or(|(_, key)| if self.reverse { *lane.key > *key } else { *lane.key < *key });
            if is_better {
                best = Some((place, &lane.key));
            }
        }
        best.map(|(place, _)| place)
    }
}

impl Drop for Scan<'_> {
    /// A walk that ends early has seen what is before its present entry, and that entry.
    fn drop(&mut self) {
        if self.started && !self.done {
            self.record(Some(self.full_key().to_vec()));
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(Vec<u8>, Bytes), Interrupt>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.step() {
            Ok(true) => self.value().cloned().map(|value| Ok((self.key().to_vec(), value))),
            Ok(false) => None,
            Err(interrupt) => {
                self.done = true;
                Some(Err(interrupt))
            }
        }
    }
}

impl<'a> Lane<'a> {
    fn of_changes(changes: &'a Changes, range: &KeyRange) -> Option<Self> {
        let bounds = (Bound::Included(range.start.as_slice()), Bound::Excluded(range.end.as_slice()));
        let walk = changes.range::<[u8], _>(bounds);
        walk.clone().next()?;
        Some(Self { source: Source::Changes(walk), key: Vec::new(), value: None, done: false })
    }

    fn of_run(run: &'a Run, range: &KeyRange) -> Option<Self> {
        let pages = run.within(range);
        let is_empty = pages.is_empty();
        let walk = PageWalk { run, pages, page: None, entries: 0..0 };
        (!is_empty).then(|| Self { source: Source::Pages(walk), key: Vec::new(), value: None, done: false })
    }

    fn advance(&mut self, view: &View<'a>, range: &KeyRange, reverse: bool) -> Result<(), Interrupt> {
        match &mut self.source {
            Source::Changes(walk) => match if reverse { walk.next_back() } else { walk.next() } {
                Some((key, value)) => {
                    self.key.clone_from(key);
                    self.value.clone_from(value);
                }
                None => self.done = true,
            },
            Source::Pages(walk) => match walk.next_place(view, range, reverse)? {
                Some(place) => walk.read(place, &mut self.key, &mut self.value),
                None => self.done = true,
            },
        }
        Ok(())
    }
}

impl<'a> PageWalk<'a> {
    /// The place of the next entry in the page, which is turned when it is at its end.
    fn next_place(&mut self, view: &View<'a>, range: &KeyRange, reverse: bool) -> Result<Option<usize>, Interrupt> {
        loop {
            let next = if reverse { self.entries.next_back() } else { self.entries.next() };
            if next.is_some() {
                return Ok(next);
            }
            let next = if reverse { self.pages.clone().next_back() } else { self.pages.clone().next() };
            let Some(reference) = next.and_then(|place| self.run.pages.get(place)) else { return Ok(None) };
            let page = view.page(reference).ok_or_else(|| Interrupt::missing(self.wanted(view, reverse)))?;
            if reverse {
                self.pages.next_back()
            } else {
                self.pages.next()
            };
            let start = if *reference.first < *range.start { &range.start } else { &reference.first };
            let is_inside = start.as_slice() <= page.prefix();
            let low = if is_inside && !reference.trimmed { 0 } else { page.lower_bound(start) };
            let high = if *reference.last < *range.end { page.count() } else { page.lower_bound(&range.end) };
            self.entries = low..high;
            self.page = Some(page);
        }
    }

    /// The missing pages from here on, as many as are worth reading at once.
    fn wanted(&self, view: &View<'a>, reverse: bool) -> Vec<PageId> {
        let ahead = view.reading.read_ahead();
        let ahead = if reverse {
            self.pages.end.saturating_sub(ahead).max(self.pages.start)..self.pages.end
        } else {
            self.pages.start..self.pages.end.min(self.pages.start + ahead)
        };
        let pages = self.run.pages.get(ahead).unwrap_or_default();
        pages.iter().filter(|page| view.page(page).is_none()).map(|page| page.id).collect()
    }

    fn read(&self, place: usize, key: &mut Vec<u8>, value: &mut Option<Bytes>) {
        let Some(page) = &self.page else { return };
        let Some(entry) = page.entry(place) else { return };
        page.put_key(&entry, key);
        *value = page.value(&entry);
    }
}
