//! Records beside those that a query found: level by level, so that each level is read once, whatever the number of its parents.
//!
//! ```text
//! rows found ──► one level per include: distinct rows, and which of them belong to each parent ──► the levels inside … ──► JSON
//! ```
//!
//! **Invariant:** all of it is one read: of one sequence number, in one footprint.
//! **Invariant:** a level costs a look per parent and per row, or one walk through all rows; never a walk per parent.

use super::super::bytes::Bytes;
use super::super::keys::{KeyRange, MapId, full_key};
use super::super::view::{Interrupt, View};
use super::access::{SCAN_COST, rows_in};
use super::execute::{PAGES_AT_ONCE, check_missing};
use super::sort::{Candidate, Candidates};
use crate::error::{Code, Error, Result};
use crate::model::{FieldRef, Include, Index, Link, Query, RowRef, Table, ValueRef, key};
use crate::ports::PageId;

/// Bytes of an answer with includes, at most: a record that belongs to many is written once for each of them.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Parents up to which an index is asked for each, also where a walk through all rows would cost less: it sees less that can change.
const PARENTS_FEW: f64 = 64.0;

/// A row that was found.
pub(super) struct Found {
    /// Its id, encoded.
    pub(super) id: Vec<u8>,
    pub(super) bytes: Bytes,
}

/// What one include brings to all parents together.
struct Level<'v, 'q> {
    include: &'q Include,
    table: &'v Table,
    /// The rows, each once.
    rows: Vec<Found>,
    /// By parent: its rows, in order.
    lists: Vec<Vec<usize>>,
    inside: Vec<Level<'v, 'q>>,
}

/// The rows as a JSON array, each with what comes along.
pub(super) fn answer(
    view: &View<'_>,
    table: &Table,
    rows: Vec<Found>,
    includes: &[Include],
) -> Result<Vec<u8>, Interrupt> {
    let levels = levels(view, table, &rows, includes)?;
    let mut json = vec![b'['];
    write_list(&rows, table, &levels, &mut (0..rows.len()), &mut json)?;
    json.push(b']');
    Ok(json)
}

fn levels<'v, 'q>(
    view: &View<'v>,
    table: &Table,
    parents: &[Found],
    includes: &'q [Include],
) -> Result<Vec<Level<'v, 'q>>, Interrupt> {
    let (mut levels, mut missing) = (Vec::with_capacity(includes.len()), Vec::new());
    for include in includes {
        match level(view, table, parents, include) {
            Ok(level) => levels.push(level),
            // The others may miss pages too: all are asked for at once.
            Err(interrupt) => missing.extend(interrupt.pages()?),
        }
    }
    check_missing(missing)?;
    Ok(levels)
}

fn level<'v, 'q>(
    view: &View<'v>,
    table: &Table,
    parents: &[Found],
    include: &'q Include,
) -> Result<Level<'v, 'q>, Interrupt> {
    let far: &'v Table = view.table(&include.query.entity)?;
    let query = &include.query;
    let (rows, lists) = match &include.link {
        Link::To(place) => {
            let ids = parents.iter().map(|parent| Ok(named(&parent.bytes, table.slot(*place))?.into_iter().collect()));
            named_rows(view, far, query, &ids.collect::<Result<Vec<_>>>()?)?
        }
        Link::From(place) => naming_rows(view, far, query, *place, parents)?,
        Link::Through { entity, via, to } => {
            let between = view.table(entity)?;
            let slot = between.slot(*to);
            let mut ids = vec![Vec::new(); parents.len()];
            each_naming(view, between, between.slot(*via), parents, &mut |parent, _, bytes| {
                if let Some(list) = ids.get_mut(parent) {
                    list.extend(named(&bytes, slot)?);
                }
                Ok(true)
            })?;
            named_rows(view, far, query, &ids)?
        }
    };
    let inside = levels(view, far, &rows, &query.include)?;
    Ok(Level { include, table: far, rows, lists, inside })
}

/// The id that a row has in a field, encoded.
fn named(bytes: &[u8], slot: usize) -> Result<Option<Vec<u8>>> {
    let value = RowRef::new(bytes)?.field(slot);
    Ok(value.text(&mut [0; 36]).and_then(|id| std::str::from_utf8(id).ok()).map(key::id_key))
}

type Rows = (Vec<Found>, Vec<Vec<usize>>);

/// The rows of ids that were named, `ids` by parent: each is fetched once, and comes in the query's order.
fn named_rows(view: &View<'_>, table: &Table, query: &Query, ids: &[Vec<Vec<u8>>]) -> Result<Rows, Interrupt> {
    let mut wanted: Vec<&Vec<u8>> = ids.iter().flatten().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let (mut found, mut missing) = (Candidates::default(), Vec::new());
    for id in wanted {
        if let Some(bytes) = fetch(view, table, id, &mut missing)?
            && holds(query, table, id, &bytes)?
        {
            found.add(Candidate::new(query, table, id, bytes), usize::MAX);
        }
        if missing.len() >= PAGES_AT_ONCE {
            break;
        }
    }
    check_missing(missing)?;
    let rows: Vec<Found> = found.in_order().into_iter().map(Candidate::into_found).collect();
    let mut places: Vec<usize> = (0..rows.len()).collect();
    let id_of = |place: &usize| rows.get(*place).map(|row| row.id.as_slice());
    places.sort_unstable_by(|left, right| id_of(left).cmp(&id_of(right)));
    let of_parent = |ids: &Vec<Vec<u8>>| {
        let place = |id: &Vec<u8>| places.binary_search_by(|place| id_of(place).cmp(&Some(id))).ok();
        let mut list: Vec<usize> = ids.iter().filter_map(|id| places.get(place(id)?).copied()).collect();
        // Two records in between may put the same two beside each other.
        list.sort_unstable();
        list.dedup();
        cut(list, query)
    };
    let lists = ids.iter().map(of_parent).collect();
    Ok((rows, lists))
}

/// The rows that name a parent in the field at a place, by parent in the query's order.
fn naming_rows(
    view: &View<'_>,
    table: &Table,
    query: &Query,
    place: usize,
    parents: &[Found],
) -> Result<Rows, Interrupt> {
    let wanted = usize::try_from(query.limit.saturating_add(query.offset)).unwrap_or(usize::MAX);
    let mut found: Vec<Candidates> = parents.iter().map(|_| Candidates::default()).collect();
    each_naming(view, table, table.slot(place), parents, &mut |parent, id, bytes| {
        let Some(candidates) = found.get_mut(parent) else { return Ok(false) };
        if holds(query, table, id, &bytes)? {
            candidates.add(Candidate::new(query, table, id, bytes), wanted);
        }
        // They come by id: without another order, what follows comes after these.
        Ok(!query.order.is_empty() || candidates.len() < wanted)
    })?;
    let (mut rows, mut lists) = (Vec::new(), Vec::with_capacity(parents.len()));
    for candidates in found {
        let kept = cut(candidates.in_order(), query);
        lists.push((rows.len()..rows.len() + kept.len()).collect());
        rows.extend(kept.into_iter().map(Candidate::into_found));
    }
    Ok((rows, lists))
}

/// What a query leaves of a list: not its first ones, and not more than it wants.
fn cut<T>(mut list: Vec<T>, query: &Query) -> Vec<T> {
    let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    list.drain(..size(query.offset).min(list.len()));
    list.truncate(size(query.limit));
    list
}

/// Who is given a row: the parent it names, its id, itself. Whether more of that parent are wanted.
type Visit<'f> = &'f mut dyn FnMut(usize, &[u8], Bytes) -> Result<bool>;

/// Gives out every row that names a parent in a slot. Those of one parent come by id, unless all of them are given out.
fn each_naming(
    view: &View<'_>,
    table: &Table,
    slot: usize,
    parents: &[Found],
    visit: Visit<'_>,
) -> Result<(), Interrupt> {
    let mut by_id: Vec<(Vec<u8>, usize)> = Vec::with_capacity(parents.len());
    for (place, parent) in parents.iter().enumerate() {
        let mut id = Vec::new();
        key::decode_id(&parent.id, &mut id);
        by_id.push((id, place));
    }
    let rows = KeyRange::map(MapId(table.map));
    match table.index_of(&[slot]) {
        Some(index) if (parents.len() as f64) < PARENTS_FEW.max(SCAN_COST * rows_in(view, &rows)) => {
            by_index(view, table, index, &by_id, visit)
        }
        _ => {
            by_id.sort_unstable();
            by_walk(view, rows, slot, &by_id, visit)
        }
    }
}

fn by_index(
    view: &View<'_>,
    table: &Table,
    index: &Index,
    parents: &[(Vec<u8>, usize)],
    visit: Visit<'_>,
) -> Result<(), Interrupt> {
    let (mut missing, mut value) = (Vec::new(), Vec::new());
    // Further fields of the index come before the id.
    let is_by_id = index.slots.len() == 1;
    for (id, parent) in parents {
        value.clear();
        key::encode_indexed(ValueRef::Text(id), &mut value);
        let mut entries = view.scan_range(KeyRange::prefix(MapId(index.map), &value), false);
        loop {
            match entries.step() {
                Ok(true) => {}
                Ok(false) => break,
                Err(interrupt) => {
                    missing.extend(interrupt.pages()?);
                    break;
                }
            }
            let Some((_, id)) = key::split_values(entries.key(), index.slots.len()) else { continue };
            if let Some(bytes) = fetch(view, table, id, &mut missing)?
                && !visit(*parent, id, bytes)?
                && is_by_id
            {
                break;
            }
        }
        if missing.len() >= PAGES_AT_ONCE {
            break;
        }
    }
    check_missing(missing)
}

/// One walk through all rows; `parents` ascending.
fn by_walk(
    view: &View<'_>,
    rows: KeyRange,
    slot: usize,
    parents: &[(Vec<u8>, usize)],
    visit: Visit<'_>,
) -> Result<(), Interrupt> {
    if parents.is_empty() {
        return Ok(());
    }
    let mut rows = view.scan_range(rows, false);
    let mut room = [0; 36];
    while rows.step()? {
        let Some(bytes) = rows.value() else { continue };
        let row = RowRef::new(bytes)?;
        if !row.deleted()
            && let value = row.field(slot)
            && let Some(id) = value.text(&mut room)
            && let Ok(place) = parents.binary_search_by(|(parent, _)| parent.as_slice().cmp(id))
            && let Some((_, parent)) = parents.get(place)
        {
            visit(*parent, rows.key(), bytes.clone())?;
        }
    }
    Ok(())
}

/// The row of an id, unless it is not there, deleted, or on a page that is missing.
fn fetch(view: &View<'_>, table: &Table, id: &[u8], missing: &mut Vec<PageId>) -> Result<Option<Bytes>, Interrupt> {
    let full = full_key(MapId(table.map), id);
    match view.find(&full) {
        Ok(Some(bytes)) => Ok((!RowRef::new(&bytes)?.deleted()).then_some(bytes)),
        Ok(None) => Ok(None),
        Err(interrupt) if interrupt.is_failure() => Err(interrupt),
        Err(_) => {
            view.missing_for(&full, missing);
            Ok(None)
        }
    }
}

fn holds(query: &Query, table: &Table, id: &[u8], bytes: &[u8]) -> Result<bool> {
    let row = RowRef::new(bytes)?;
    let mut text = Vec::new();
    key::decode_id(id, &mut text);
    Ok(query.filter.holds(&|field| match field {
        FieldRef::Id => ValueRef::Text(&text),
        FieldRef::Place(place) => row.field(table.slot(place)),
    }))
}

/// Writes some of the rows, one after the other.
fn write_list(
    rows: &[Found],
    table: &Table,
    levels: &[Level<'_, '_>],
    places: &mut dyn Iterator<Item = usize>,
    json: &mut Vec<u8>,
) -> Result<()> {
    let start = json.len();
    for place in places {
        let Some(row) = rows.get(place) else { continue };
        if json.len() > start {
            json.push(b',');
        }
        let mut id = Vec::new();
        key::decode_id(&row.id, &mut id);
        RowRef::new(&row.bytes)?.write_json(&id, &table.json_names, json);
        // The names of includes are plain, and none is a field's.
        json.pop();
        for level in levels {
            json.extend_from_slice(b",\"");
            json.extend_from_slice(level.include.name.as_bytes());
            json.extend_from_slice(b"\":");
            write_level(level, place, json)?;
        }
        json.push(b'}');
        if json.len() > ANSWER_BYTES_MAX {
            let detail = format!("with what it includes, the answer is over {ANSWER_BYTES_MAX} bytes; ask for fewer");
            return Err(Error::new(Code::QueryInvalid, detail));
        }
    }
    Ok(())
}

fn write_level(level: &Level<'_, '_>, parent: usize, json: &mut Vec<u8>) -> Result<()> {
    let list = level.lists.get(parent).map_or(&[][..], Vec::as_slice);
    if !level.include.link.is_one() {
        json.push(b'[');
        write_list(&level.rows, level.table, &level.inside, &mut list.iter().copied(), json)?;
        json.push(b']');
    } else if list.is_empty() {
        json.extend_from_slice(b"null");
    } else {
        write_list(&level.rows, level.table, &level.inside, &mut list.iter().copied(), json)?;
    }
    Ok(())
}
