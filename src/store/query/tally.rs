//! Counting and adding by pages. What a page comes to is worked out once and kept with its directory entry, until newer changes replace other
//! entries of it; so a sum over all rows costs a look at every page and at every change that is newer.
//!
//! ```text
//! newer runs and the tail:      x        x x                 each change: what is there now, and whether it replaces something below
//! oldest run with entries:   [page][page][page][page]        a count from the directory; what it comes to but for what was replaced, kept
//! ```
//!
//! **Invariant:** the answer is that of a walk through all entries. **Invariant:** the whole range is in the footprint.

use std::ops::Range;
use std::rc::Rc;

use super::super::bytes::Bytes;
use super::super::keys::{KeyRange, MapId};
use super::super::page::Page;
use super::super::run::{PageRef, Run};
use super::super::scan::Scan;
use super::super::sum::Totals;
use super::super::view::{Interrupt, View};
use super::execute::{PAGES_AT_ONCE, check_missing};
use crate::error::Result;
use crate::model::{RowRef, Table};
use crate::ports::PageId;

/// A range, as its lowest run and what came later.
struct Layers<'a> {
    pages: &'a [Rc<PageRef>],
    run: Option<&'a Run>,
    newer: Scan<'a>,
}

impl<'a> Layers<'a> {
    fn new(view: &View<'a>, range: &KeyRange) -> Self {
        if let Some(footprint) = &view.reading.footprint {
            footprint.borrow_mut().add_range(range.clone());
        }
        let lowest = view.runs().enumerate().filter(|(_, run)| !run.within(range).is_empty()).last();
        let (above, run) = lowest.map_or((usize::MAX, None), |(place, run)| (place, Some(run)));
        let pages = run.and_then(|run| run.pages.get(run.within(range))).unwrap_or_default();
        Self { pages, run, newer: Scan::newer(*view, range.clone(), above) }
    }
}

/// How many entries a range has.
pub(super) fn count(view: &View<'_>, range: &KeyRange) -> Result<u64, Interrupt> {
    let Layers { pages, run, mut newer } = Layers::new(view, range);
    let (mut count, mut missing) = (0_i64, Vec::new());
    for page in pages {
        if is_whole(page, range) && !page.removals {
            count += i64::from(page.count);
        } else if let Some(loaded) = view.page(page) {
            let is_there = |place: &usize| loaded.entry(*place).is_some_and(|entry| !entry.is_removal());
            count += places(page, &loaded, range).filter(is_there).count() as i64;
        } else {
            missing.push(page.id);
        }
    }
    while missing.len() < PAGES_AT_ONCE && newer.step()? {
        let was_there = run.map_or(Ok(false), |run| has(view, run, newer.full_key(), &mut missing))?;
        count += i64::from(newer.value().is_some()) - i64::from(was_there);
    }
    check_missing(missing)?;
    Ok(count.unsigned_abs())
}

/// What all rows of an entity come to in a slot.
pub(super) fn totals(view: &View<'_>, table: &Table, slot: usize) -> Result<Totals, Interrupt> {
    let range = &KeyRange::map(MapId(table.map));
    let Layers { pages, mut newer, .. } = Layers::new(view, range);
    let (mut totals, mut missing) = (Totals::default(), Vec::new());
    let mut more = newer.step()?;
    for page in pages {
        // The places in the page of entries that do not count any more, ascending.
        let mut replaced: Vec<usize> = Vec::new();
        while more && *newer.full_key() <= *page.last {
            add(&mut totals, newer.value(), slot)?;
            if *newer.full_key() >= *page.first {
                match view.page(page) {
                    Some(loaded) => replaced.extend(loaded.search(newer.full_key()).ok()),
                    None => missing.push(page.id),
                }
            }
            more = newer.step()?;
        }
        // What else is in a page at the ends of the map is not this entity's.
        let is_inside = range.start <= page.first && page.last < range.end;
        if let Some(known) = page.totals(slot, &replaced).filter(|_| is_inside) {
            totals.merge(&known);
        } else if let Some(loaded) = view.page(page) {
            let own = without(&loaded, places(page, &loaded, range), &replaced, slot)?;
            totals.merge(&own);
            if is_inside {
                page.set_totals(slot, replaced, own);
            }
        } else {
            missing.push(page.id);
        }
        if missing.len() >= PAGES_AT_ONCE {
            break;
        }
    }
    check_missing(missing)?;
    while more {
        add(&mut totals, newer.value(), slot)?;
        more = newer.step()?;
    }
    Ok(totals)
}

/// What some entries of a page come to in a slot, but for those at the places that were replaced.
fn without(page: &Page, places: Range<usize>, replaced: &[usize], slot: usize) -> Result<Totals> {
    let (mut totals, mut replaced) = (Totals::default(), replaced.iter().peekable());
    for place in places {
        if replaced.next_if(|next| **next == place).is_none()
            && let Some(entry) = page.entry(place)
        {
            add_row(&mut totals, page.value_bytes(&entry), slot)?;
        }
    }
    Ok(totals)
}

fn add(totals: &mut Totals, row: Option<&Bytes>, slot: usize) -> Result<()> {
    add_row(totals, row.map(|row| &**row), slot)
}

fn add_row(totals: &mut Totals, row: Option<&[u8]>, slot: usize) -> Result<()> {
    let Some(bytes) = row else { return Ok(()) };
    let row = RowRef::new(bytes)?;
    if !row.deleted() {
        totals.add(row.field(slot));
    }
    Ok(())
}

/// Whether all that a page has counts and is in a range.
fn is_whole(page: &PageRef, range: &KeyRange) -> bool {
    !page.trimmed && range.start <= page.first && page.last < range.end
}

/// The places of the entries that count and are in a range.
fn places(reference: &PageRef, page: &Page, range: &KeyRange) -> Range<usize> {
    page.lower_bound((&range.start).max(&reference.first))..page.lower_bound(&range.end)
}

/// Whether a run has an entry of a key. A page that is missing for it is noted.
fn has(view: &View<'_>, run: &Run, key: &[u8], missing: &mut Vec<PageId>) -> Result<bool> {
    let Some(reference) = run.page_of(key) else { return Ok(false) };
    let Some(page) = view.page(reference) else {
        missing.push(reference.id);
        return Ok(false);
    };
    let entry = page.search(key).ok().and_then(|place| page.entry(place));
    Ok(entry.is_some_and(|entry| !entry.is_removal()))
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::super::super::keys::full_key;
    use super::*;
    use crate::memory::MemoryStorage;
    use crate::model::{Entity, Field, FieldType, Row, Schema, Value, ValueRef, key};
    use crate::ports::Durability;
    use crate::store::{Store, Txn};

    const ROWS: u64 = 4_000;

    fn schema() -> Schema {
        let field =
            |name: &str, kind, index| Field { name: name.to_owned(), kind, optional: true, index, ..Field::default() };
        let fields = vec![field("n", FieldType::Integer, true), field("body", FieldType::text(None), false)];
        let entity = Entity { name: "e".to_owned(), fields, ..Entity::default() };
        Schema { version: 1, entities: vec![entity], ..Schema::default() }
    }

    /// Numbers that look random (Marsaglia, 2003).
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % end
        }
    }

    /// Writes a row, deletes it for good, or deletes it and keeps it for the server to know.
    fn write(txn: &mut Txn<'_>, random: &mut Random) -> Result<(), Interrupt> {
        let id = format!("{:05}", random.below(2 * ROWS));
        if random.below(4) == 0 {
            return txn.delete_row("e", &id);
        }
        let number = if random.below(9) == 0 { Value::Null } else { Value::Integer(random.below(900) as i64 - 300) };
        let deleted = random.below(6) == 0;
        let values = vec![number, Value::Text("x".repeat(random.below(60) as usize))];
        txn.put_row("e", &id, &Row { deleted, dirty: deleted, values, ..Row::default() })
    }

    fn check(view: &View<'_>, random: &mut Random) -> Result<(), Interrupt> {
        let table = view.table("e")?;
        let slot = table.slot(0);
        let mut naive = Totals::default();
        let mut rows = view.scan_range(KeyRange::map(MapId(table.map)), false);
        while rows.step()? {
            add(&mut naive, rows.value(), slot)?;
        }
        // The second time from what was kept.
        for _ in 0..2 {
            let found = totals(view, table, slot)?;
            let parts = |totals: &Totals| (totals.rows, totals.sum, totals.least.clone(), totals.greatest.clone());
            assert_eq!(parts(&found), parts(&naive));
        }
        let index = MapId(table.indexes.first().unwrap().map);
        for round in 0..20 {
            let mut end = || {
                let mut at = Vec::new();
                key::encode_value(ValueRef::Integer(random.below(1_000) as i64 - 350), &mut at);
                full_key(index, &at)
            };
            let range = if round == 0 { KeyRange::map(index) } else { KeyRange { start: end(), end: end() } };
            let (mut naive, mut entries) = (0, view.scan_range(range.clone(), false));
            while entries.step()? {
                naive += 1;
            }
            assert_eq!(count(view, &range)?, naive, "{range:?}");
        }
        Ok(())
    }

    #[test]
    fn pages_come_to_what_their_entries_do() {
        let mut runs = 0;
        for seed in 1..=4 {
            let mut random = Random(0x9e37_79b9_7f4a_7c15 + seed);
            block_on(async {
                let cache = Some(if seed % 2 == 0 { 1 << 25 } else { 100_000 });
                let store =
                    Store::open(MemoryStorage::new().connect(), schema(), Durability::Relaxed, cache).await.unwrap();
                for round in 0..8 {
                    let writes = if round == 0 { ROWS } else { random.below(900) };
                    let given = random.0;
                    let plan = |txn: &mut Txn<'_>| {
                        let mut random = Random(given);
                        (0..writes).try_for_each(|_| write(txn, &mut random))
                    };
                    store.transact(plan).await.unwrap();
                    random.below(2);
                    // Small commits, until the tail becomes a run of its own.
                    for _ in 0..random.below(2) * 400 {
                        let given = random.0;
                        store.transact(|txn| write(txn, &mut Random(given))).await.unwrap();
                        random.below(2);
                    }
                    let steps = if round == 0 { 100 } else { random.below(4) };
                    for _ in 0..steps {
                        store.compact_step().await.unwrap();
                    }
                    runs = runs.max(store.stats().runs);
                    let given = random.0;
                    store.read(|view| check(view, &mut Random(given))).await.unwrap();
                }
            });
        }
        assert!(runs > 1, "a single run is no test");
    }

    #[test]
    fn what_can_change_a_count_or_a_sum_is_noticed() {
        block_on(async {
            let store = Store::open(MemoryStorage::new().connect(), schema(), Durability::Relaxed, None).await.unwrap();
            let put = |txn: &mut Txn<'_>, id: &str, number: i64| {
                txn.put_row("e", id, &Row { values: vec![Value::Integer(number), Value::Null], ..Row::default() })
            };
            let fill = |txn: &mut Txn<'_>| (0..50).try_for_each(|number| put(txn, &format!("{number}"), number));
            store.transact(fill).await.unwrap();
            store.compact().await.unwrap();
            let below_ten = |view: &View<'_>| {
                let index = MapId(view.table("e")?.indexes.first().unwrap().map);
                let mut end = Vec::new();
                key::encode_value(ValueRef::Integer(10), &mut end);
                count(view, &KeyRange { start: full_key(index, &[]), end: full_key(index, &end) })
            };
            let (counted, count_print) = store.read_marked(below_ten).await.unwrap();
            let sum = |view: &View<'_>| Ok(totals(view, view.table("e")?, 0)?.sum.total());
            let (summed, sum_print) = store.read_marked(sum).await.unwrap();
            assert_eq!((counted, summed), (10, 1_225.0));
            let touched = Rc::new(std::cell::RefCell::new(Vec::new()));
            let seen = Rc::clone(&touched);
            store.on_change(Box::new(move |change| {
                seen.borrow_mut().push((count_print.is_touched_by(change), sum_print.is_touched_by(change)));
            }));
            store.transact(|txn| put(txn, "30", 31)).await.unwrap();
            store.transact(|txn| put(txn, "31", 5)).await.unwrap();
            store
                .transact(|txn| {
                    txn.put(MapId::SYSTEM, b"elsewhere", Vec::new());
                    Ok(())
                })
                .await
                .unwrap();
            assert_eq!(*touched.borrow(), [(false, true), (true, true), (false, false)]);
        });
    }
}
