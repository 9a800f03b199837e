//! One step of a merge: some of the newer runs' entries move into the oldest run of the group.
//!
//! ```text
//! newer runs    ▒▒▒▒▒│████ ███│█████        ▒ merged in this step, and gone from here
//! oldest run    ░░░░ │ ▓▓▓▓▓ ▓│▓▓▓▓▓        ░ untouched
//! ```
//!
//! A page that meets no other page's keys moves as it is, without being read.
//!
//! **Invariant:** all that has moved is before all that has not: in between, the group reads the same.

use std::rc::Rc;

use super::directory::Directory;
use super::page::Page;
use super::rewrite::Rewrite;
use super::run::{PageRef, Run};
use super::view::{Interrupt, Reading};
use super::writer::{PAGE_BYTES_FAIR, PageWriter};
use crate::ports::{PageId, Seq};

/// Pages that a step writes, about: it stays well under 50 ms.
const STEP_PAGES: usize = 8;
/// Entries that a step reads, about.
const STEP_ENTRIES: usize = 16 * 1024;

/// A step for a group of runs, newest first. `directory` is what it begins with.
pub(super) fn step(
    mut directory: Directory,
    group: std::ops::RangeInclusive<usize>,
    folded: Seq,
    reading: &Reading,
) -> Result<Rewrite, Interrupt> {
    let is_bottom = *group.end() + 1 == directory.runs.len();
    let runs: Vec<Run> = directory.runs.drain(group.clone()).collect();
    let mut step = Step::new(&runs, is_bottom, directory.next_page, reading);
    step.go()?;
    let (untouched, lanes) = (step.untouched, step.lanes);
    step.writer.cut();
    let mut kept = step.kept;
    let put: Vec<Rc<PageRef>> = step.writer.built.into_iter().map(Rc::new).collect();
    directory.next_page += put.len() as PageId;
    for page in &put {
        kept.push(Rc::clone(page));
    }
    kept.sort_unstable_by(|left, right| left.first.cmp(&right.first));
    let mut delete = step.consumed;
    let mut left: Vec<Run> = Vec::new();
    let oldest = lanes.len().saturating_sub(1);
    for (place, lane) in lanes.into_iter().enumerate() {
        let mut rest = lane.rest();
        if place == oldest {
            let before = runs.last().and_then(|run| run.pages.get(..untouched)).unwrap_or_default();
            let mut pages = before.to_vec();
            pages.append(&mut kept);
            pages.append(&mut rest);
            left.push(Run { pages, draining: false });
        } else if !rest.is_empty() {
            left.push(Run { pages: rest, draining: true });
        }
    }
    left.retain(|run| !run.pages.is_empty());
    directory.runs.splice(*group.start()..*group.start(), left);
    delete.sort_unstable();
    Ok(Rewrite { directory, put, delete, folded, empties_tail: false })
}

struct Step<'a> {
    /// Newest first; the last one is the oldest run's.
    lanes: Vec<Lane<'a>>,
    /// Pages of the oldest run that come before everything that moves.
    untouched: usize,
    /// Whether nothing is below the group: then removals have nothing to hide.
    is_bottom: bool,
    writer: PageWriter,
    /// Pages that move as they are.
    kept: Vec<Rc<PageRef>>,
    /// Pages of which nothing is left.
    consumed: Vec<PageId>,
    /// Entries that were read.
    taken: usize,
    reading: &'a Reading,
}

/// A run on its way through the merge.
struct Lane<'a> {
    pages: &'a [Rc<PageRef>],
    /// The page it is at.
    at: usize,
    /// The entry it is at, once the page is open.
    entry: usize,
    open: Option<Rc<Page>>,
    /// The present entry's key.
    key: Vec<u8>,
}

impl<'a> Step<'a> {
    fn new(runs: &'a [Run], is_bottom: bool, next_page: PageId, reading: &'a Reading) -> Self {
        let (oldest, newer) = runs.split_last().map_or((&[][..], runs), |(oldest, newer)| (&oldest.pages, newer));
        let first = newer.iter().filter_map(|run| run.pages.first()).map(|page| &page.first).min();
        let untouched = first.map_or(0, |first| oldest.partition_point(|page| page.last < *first));
        let mut lanes: Vec<Lane<'a>> = newer.iter().map(|run| Lane::new(&run.pages, 0)).collect();
        lanes.push(Lane::new(oldest, untouched));
        let writer = PageWriter::new(next_page);
        Self { lanes, untouched, is_bottom, writer, kept: Vec::new(), consumed: Vec::new(), taken: 0, reading }
    }

    fn go(&mut self) -> Result<(), Interrupt> {
        while self.writer.built.len() < STEP_PAGES && self.taken < STEP_ENTRIES {
            let Some(next) = self.next() else { return Ok(()) };
            if self.can_move(next) {
                self.writer.cut();
                let Some(lane) = self.lanes.get_mut(next) else { return Ok(()) };
                self.kept.extend(lane.page().cloned());
                lane.turn();
            } else {
                self.take(next)?;
            }
        }
        Ok(())
    }

    /// The lane with the smallest key, of equal ones the newest; `None` when the newer runs are at their end and the oldest is between two pages.
    fn next(&self) -> Option<usize> {
        let (oldest, newer) = self.lanes.split_last()?;
        if newer.iter().all(|lane| lane.page().is_none()) && oldest.open.is_none() {
            return None;
        }
        let live = self.lanes.iter().enumerate().filter(|(_, lane)| lane.page().is_some());
        live.min_by(|(_, left), (_, right)| left.key.cmp(&right.key)).map(|(place, _)| place)
    }

    /// Whether the page that a lane is at the beginning of meets no other lane's, and is worth keeping.
    fn can_move(&self, place: usize) -> bool {
        let Some(lane) = self.lanes.get(place).filter(|lane| lane.open.is_none()) else { return false };
        let Some(page) = lane.page() else { return false };
        let is_good = !page.trimmed && page.bytes as usize >= PAGE_BYTES_FAIR && !(self.is_bottom && page.removals);
        let mut others = self.lanes.iter().enumerate().filter(|(other, lane)| *other != place && lane.page().is_some());
        is_good && self.writer.can_cut() && others.all(|(_, lane)| page.last < lane.key)
    }

    /// Moves the entry a lane is at; older entries of the same key go.
    fn take(&mut self, place: usize) -> Result<(), Interrupt> {
        let key = self.lanes.get(place).map(|lane| lane.key.clone()).unwrap_or_default();
        self.open_all(&key)?;
        if let Some(lane) = self.lanes.get(place)
            && let Some(page) = &lane.open
            && let Some(entry) = page.entry(lane.entry)
        {
            let value = page.value_bytes(&entry);
            if value.is_some() || !self.is_bottom {
                self.writer.add(&key, value.map(|value| (value, &[][..])));
            }
        }
        for lane in self.lanes.iter_mut().filter(|lane| lane.open.is_some() && lane.key == key) {
            self.taken += 1;
            if let Some(consumed) = lane.step() {
                self.consumed.push(consumed);
            }
        }
        Ok(())
    }

    /// Opens the page of every lane that is at `key`. Pages that are missing are asked for, together with those that are next.
    fn open_all(&mut self, key: &[u8]) -> Result<(), Interrupt> {
        let mut is_missing = false;
        for lane in self.lanes.iter_mut().filter(|lane| lane.open.is_none() && lane.key == key) {
            is_missing |= !lane.open(self.reading);
        }
        if !is_missing {
            return Ok(());
        }
        let ahead = self.reading.read_ahead().min(STEP_PAGES);
        let mut wanted: Vec<PageId> = Vec::new();
        for lane in &self.lanes {
            let pages = lane.pages.iter().skip(lane.at).take(ahead);
            wanted.extend(pages.filter(|page| load(page, self.reading).is_none()).map(|page| page.id));
        }
        Err(Interrupt::missing(wanted))
    }
}

fn load(page: &PageRef, reading: &Reading) -> Option<Rc<Page>> {
    page.loaded().or_else(|| reading.pins.get(page.id).cloned())
}

impl<'a> Lane<'a> {
    fn new(pages: &'a [Rc<PageRef>], at: usize) -> Self {
        let key = pages.get(at).map(|page| page.first.clone()).unwrap_or_default();
        Self { pages, at, entry: 0, open: None, key }
    }

    fn page(&self) -> Option<&'a Rc<PageRef>> {
        self.pages.get(self.at)
    }

    fn open(&mut self, reading: &Reading) -> bool {
        let Some(reference) = self.page() else { return true };
        let Some(page) = load(reference, reading) else { return false };
        self.entry = page.lower_bound(&reference.first);
        self.open = Some(page);
        true
    }

    /// Goes to the next entry; the page it leaves behind.
    fn step(&mut self) -> Option<PageId> {
        self.entry += 1;
        let page = self.open.as_ref()?;
        if let Some(entry) = page.entry(self.entry) {
            page.put_key(&entry, &mut self.key);
            return None;
        }
        let left = self.page().map(|page| page.id);
        self.turn();
        left
    }

    /// Goes to the next page.
    fn turn(&mut self) {
        self.at += 1;
        self.open = None;
        self.key = self.page().map(|page| page.first.clone()).unwrap_or_default();
    }

    /// What has not moved.
    fn rest(self) -> Vec<Rc<PageRef>> {
        let mut rest = self.pages.get(self.at..).unwrap_or_default().to_vec();
        let is_trimmed = rest.first().is_some_and(|page| page.first < self.key);
        if is_trimmed && let Some(first) = rest.first_mut() {
            *first = Rc::new(first.trimmed_to(self.key));
        }
        rest
    }
}
