//! Going the way that was chosen: rows are fetched, filtered, put in order, cut and written.

use super::super::bytes::Bytes;
use super::super::keys::{MapId, full_key};
use super::super::sum::Sum;
use super::super::view::{Interrupt, View};
use super::access::{self, Access, Need, Walk};
use super::include::{self, Found};
use super::order;
use super::sort::{Candidate, Candidates};
use crate::error::Result;
use crate::model::{FieldRef, Filter, Query, RowRef, Table, ValueRef, key};
use crate::ports::PageId;

/// Missing pages that are asked for at once, at most.
pub(super) const PAGES_AT_ONCE: usize = 128;

/// A query's rows as a JSON array.
pub(super) fn run(view: &View<'_>, query: &Query) -> Result<Vec<u8>, Interrupt> {
    let table = view.table(&query.entity)?;
    let answer = if query.include.is_empty() { Answer::Rows } else { Answer::Kept };
    let mut run = Run::new(view, table, query, answer);
    if query.limit == 0 {
        return Ok(b"[]".to_vec());
    }
    run.go(access::choose(view, table, query, Need::Rows).access)?;
    run.finish()
}

/// What is wanted of the rows that are found.
pub(super) enum Answer<'q> {
    /// Themselves, as JSON.
    Rows,
    /// Themselves: others come along with them, or only a value is wanted.
    Kept,
    /// How many there are.
    Count,
    /// The sum of a field.
    Sum { slot: usize, sum: &'q mut Sum },
}

pub(super) struct Run<'q, 'v> {
    view: &'q View<'v>,
    table: &'q Table,
    query: &'q Query,
    /// Whether the filter asks for ids, which have to be decoded for it.
    reads_id: bool,
    /// Whether only rows that the filter finds come.
    is_filtered: bool,
    id: Vec<u8>,
    row_key: Vec<u8>,
    candidates: Candidates,
    json: Vec<u8>,
    /// The rows of the answer that are not written.
    pub(super) kept: Vec<Found>,
    answer: Answer<'q>,
    /// Rows the filter has found.
    pub(super) found: u64,
    missing: Vec<PageId>,
    /// Rows that could not be looked at because their page is missing.
    unseen: u64,
}

impl<'q, 'v> Run<'q, 'v> {
    pub(super) fn new(view: &'q View<'v>, table: &'q Table, query: &'q Query, answer: Answer<'q>) -> Self {
        Self {
            view,
            table,
            query,
            reads_id: reads_id(&query.filter),
            is_filtered: false,
            id: Vec::new(),
            row_key: full_key(MapId(table.map), &[]),
            candidates: Candidates::default(),
            json: vec![b'['],
            kept: Vec::new(),
            answer,
            found: 0,
            missing: Vec::new(),
            unseen: 0,
        }
    }

    pub(super) fn go(&mut self, access: Access) -> Result<(), Interrupt> {
        match access {
            Access::Ids(ids, is_ordered) => self.by_ids(ids, is_ordered),
            Access::Rows(walk) => self.by_rows(walk),
            Access::Index(walk) => self.by_index(walk),
        }
    }

    fn by_ids(&mut self, mut ids: Vec<Vec<u8>>, is_ordered: bool) -> Result<(), Interrupt> {
        if is_ordered && self.query.ties_descend() {
            ids.reverse();
        }
        for id in ids {
            if self.is_full(is_ordered) {
                break;
            }
            self.fetch(&id, is_ordered)?;
        }
        Ok(())
    }

    fn by_rows(&mut self, walk: Walk) -> Result<(), Interrupt> {
        for range in walk.ranges {
            let mut rows = self.view.scan_range(range, walk.reverse);
            while !self.is_full(walk.is_ordered) && rows.step()? {
                if let Some(bytes) = rows.value() {
                    let bytes = bytes.clone();
                    self.take(rows.key(), bytes, walk.is_ordered)?;
                }
            }
        }
        Ok(())
    }

    fn by_index(&mut self, mut walk: Walk) -> Result<(), Interrupt> {
        self.is_filtered = walk.is_exact;
        if walk.reverse {
            walk.ranges.reverse();
        }
        let mut group: Vec<u8> = Vec::new();
        for range in std::mem::take(&mut walk.ranges) {
            let mut entries = self.view.scan_range(range, walk.reverse);
            while !self.is_full(walk.is_ordered) {
                match entries.step() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(interrupt) => {
                        self.missing.extend(interrupt.pages()?);
                        return self.check_missing();
                    }
                }
                let Some((settled, is_cut, id)) = split(entries.key(), &walk) else { continue };
                if *group != *settled {
                    self.settle()?;
                    if self.is_full(true) {
                        return Ok(());
                    }
                    group.clear();
                    group.extend_from_slice(settled);
                }
                self.fetch(id, walk.is_ordered && !is_cut)?;
            }
        }
        Ok(())
    }

    /// How many rows are wanted, with those that come before them and are not written.
    fn wanted(&self) -> u64 {
        self.query.limit.saturating_add(self.query.offset)
    }

    /// Whether enough was found. Rows that could not be looked at may be among what is wanted; more than that need not be looked at now.
    fn is_full(&self, is_ordered: bool) -> bool {
        let waits = !self.candidates.is_empty();
        self.missing.len() >= PAGES_AT_ONCE
            || (is_ordered && !waits && self.found.saturating_add(self.unseen) >= self.wanted())
    }

    /// Looks at the row of an id.
    fn fetch(&mut self, id: &[u8], is_ordered: bool) -> Result<(), Interrupt> {
        self.row_key.truncate(super::super::keys::MAP_BYTES);
        self.row_key.extend_from_slice(id);
        match self.view.find(&self.row_key) {
            Ok(Some(bytes)) => self.take(id, bytes, is_ordered),
            Ok(None) => Ok(()),
            Err(interrupt) if interrupt.is_failure() => Err(interrupt),
            Err(_) => {
                self.view.missing_for(&self.row_key, &mut self.missing);
                self.unseen += 1;
                Ok(())
            }
        }
    }

    /// Takes a row when the filter finds it.
    fn take(&mut self, id: &[u8], bytes: Bytes, is_ordered: bool) -> Result<(), Interrupt> {
        let row = RowRef::new(&bytes)?;
        if row.deleted() || !self.holds(&row, id) {
            return Ok(());
        }
        match &mut self.answer {
            Answer::Count => self.found += 1,
            Answer::Sum { slot, sum } => sum.add(row.field(*slot)),
            Answer::Rows | Answer::Kept if is_ordered => self.write(id, &bytes)?,
            Answer::Rows | Answer::Kept => {
                let candidate = Candidate::new(self.query, self.table, id, bytes);
                self.candidates.add(candidate, usize::try_from(self.wanted()).unwrap_or(usize::MAX));
            }
        }
        Ok(())
    }

    fn holds(&mut self, row: &RowRef<'_>, id: &[u8]) -> bool {
        if self.query.after.as_ref().is_some_and(|after| !order::is_behind(self.query, after, self.table, row, id)) {
            return false;
        }
        if self.is_filtered {
            return true;
        }
        if self.reads_id {
            self.id.clear();
            key::decode_id(id, &mut self.id);
        }
        let (table, id) = (self.table, &self.id);
        self.query.filter.holds(&|field| match field {
            FieldRef::Id => ValueRef::Text(id),
            FieldRef::Place(place) => row.field(table.slot(place)),
        })
    }

    /// Writes the next row of the answer.
    fn write(&mut self, id: &[u8], bytes: &Bytes) -> Result<()> {
        self.found += 1;
        if self.found <= self.query.offset || self.found - self.query.offset > self.query.limit {
            return Ok(());
        }
        if matches!(self.answer, Answer::Kept) {
            self.kept.push(Found { id: id.to_vec(), bytes: bytes.clone() });
            return Ok(());
        }
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        self.id.clear();
        key::decode_id(id, &mut self.id);
        RowRef::new(bytes)?.write_json(&self.id, &self.table.json_names, &mut self.json);
        Ok(())
    }

    /// Writes the rows that waited for their place among each other.
    pub(super) fn settle(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.candidates).in_order();
        waiting.iter().try_for_each(|candidate| self.write(&candidate.id, &candidate.bytes))
    }

    fn finish(mut self) -> Result<Vec<u8>, Interrupt> {
        self.check_missing()?;
        self.settle()?;
        if !self.query.include.is_empty() {
            return include::answer(self.view, self.table, self.kept, &self.query.include);
        }
        self.json.push(b']');
        Ok(self.json)
    }

    pub(super) fn check_missing(&mut self) -> Result<(), Interrupt> {
        check_missing(std::mem::take(&mut self.missing))
    }
}

/// Stops when pages are missing.
pub(super) fn check_missing(mut missing: Vec<PageId>) -> Result<(), Interrupt> {
    if missing.is_empty() {
        return Ok(());
    }
    missing.sort_unstable();
    missing.dedup();
    Err(Interrupt::missing(missing))
}

/// The front of an entry's key that settles its row's place, as far as keys can; whether that ends with a text that was cut; and the row's id.
fn split<'k>(key: &'k [u8], walk: &Walk) -> Option<(&'k [u8], bool, &'k [u8])> {
    let (mut settled, mut is_cut, mut rest) = (0, false, key);
    for place in 0..walk.fields {
        let (value, after) = key::split_value(rest)?;
        rest = after;
        if place < walk.group && !is_cut {
            settled = key.len() - rest.len();
            is_cut = key::is_cut(value);
        }
    }
    Some((key.get(..settled)?, is_cut, rest))
}

fn reads_id(filter: &Filter) -> bool {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().any(reads_id),
        Filter::Not(part) => reads_id(part),
        Filter::In(field, _)
        | Filter::Compare(field, ..)
        | Filter::StartsWith(field, _)
        | Filter::Contains(field, _) => *field == FieldRef::Id,
    }
}
