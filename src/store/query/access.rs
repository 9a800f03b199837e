//! The ways to a query's rows, and which is cheapest by what the directory knows.

use super::super::keys::{KeyRange, MapId, full_key};
use super::super::view::View;
use super::bounds;
use super::order::Steps;
use crate::model::{FieldRef, Filter, Query, Table, key};

/// A way to the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// By their ids (encoded, ascending); whether they come in the query's order when they are walked through in its direction.
    Ids(Vec<Vec<u8>>, bool),
    /// Through an index.
    Index(Walk),
    /// Through the rows, by id.
    Rows(Walk),
}

/// A walk through parts of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walk {
    /// The index, by its place in the table's list.
    pub(super) index: usize,
    /// Full keys, ascending.
    pub(super) ranges: Vec<KeyRange>,
    /// Values in a key before the id.
    pub(super) fields: usize,
    /// So many of them settle the place of a row in the query's order, as far as keys can: rows that are equal in these are put in order
    /// among themselves.
    pub(super) group: usize,
    /// Whether keys settle all of it.
    pub(super) is_ordered: bool,
    /// Whether it goes from the largest key to the smallest.
    pub(super) reverse: bool,
    /// Whether every row behind the keys is one the query's filter finds.
    pub(super) is_exact: bool,
}

/// A way that was chosen, and what it costs.
pub(super) struct Chosen {
    pub(super) access: Access,
    /// Rows that are read, about.
    pub(super) rows: f64,
    /// Rows there are, about.
    pub(super) total: f64,
}

/// What reading a row in its place costs, next to fetching one by its id.
pub(super) const SCAN_COST: f64 = 0.25;
/// What an entry costs whose row is not fetched.
const KEY_COST: f64 = 0.05;
/// Ranges of a walk, at most; a condition that would make more of them is left to the filter.
const RANGES_MAX: usize = 4_096;

/// What is wanted of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Themselves.
    Rows,
    /// How many there are.
    Count,
    /// The values in a slot.
    Values(usize),
}

impl Walk {
    /// Where the values of a slot stand in the keys, when these are enough: no row has to be looked at.
    pub(super) fn place_of(&self, table: &Table, slot: usize) -> Option<usize> {
        let index = table.indexes.get(self.index).filter(|_| self.is_exact)?;
        index.slots.iter().position(|known| *known == slot)
    }

    fn is_enough(&self, table: &Table, need: Need) -> bool {
        match need {
            Need::Rows => false,
            Need::Count => self.is_exact,
            Need::Values(slot) => self.place_of(table, slot).is_some(),
        }
    }
}

/// The way to a query's rows that reads least.
pub(super) fn choose(view: &View<'_>, table: &Table, query: &Query, need: Need) -> Chosen {
    let mut parts = Vec::new();
    bounds::conjuncts(&query.filter, &mut parts);
    let steps = Steps::new(query, &parts);
    let everything = KeyRange::map(MapId(table.map));
    let total = rows_in(view, &everything);
    if let Some(ids) = ids(&parts) {
        let rows = ids.len() as f64;
        return Chosen { access: Access::Ids(ids, steps.is_by(&[])), rows, total };
    }
    let rows_walk = Walk { is_exact: parts.is_empty(), ..steps.walk(MapId(table.map), &[], vec![everything]) };
    let rows = rows_walk.ranges.iter().map(|range| rows_in(view, range)).sum();
    let walks: Vec<(Walk, f64)> = (0..table.indexes.len())
        .filter_map(|index| {
            let walk = walk(table, index, &parts, &steps)?;
            let rows = walk.ranges.iter().map(|range| rows_in(view, range)).sum();
            Some((walk, rows))
        })
        .collect();
    // The rows the query finds are not more than the narrowest walk has.
    let found = walks.iter().map(|(_, rows)| *rows).fold(rows, f64::min).max(1.0);
    let wanted = query.limit.saturating_add(query.offset) as f64;
    let read = |walk: &Walk, rows: f64| {
        let share = (wanted * (rows / found).max(1.0)).min(rows);
        match (walk.is_ordered, walk.group) {
            (true, _) => share,
            (false, 0) => rows,
            // The last group is read to its end.
            (false, _) => (2.0 * share).min(rows),
        }
    };
    let rows = read(&rows_walk, rows);
    let mut best = (Access::Rows(rows_walk), rows);
    let mut least = SCAN_COST * rows.max(1.0);
    for (walk, rows) in walks {
        let rows = read(&walk, rows);
        let cost = if walk.is_enough(table, need) { KEY_COST * rows } else { rows };
        if cost < least || (cost <= least && walk.is_exact) {
            least = cost;
            best = (Access::Index(walk), rows);
        }
    }
    Chosen { access: best.0, rows: best.1, total }
}

fn ids(parts: &[&Filter]) -> Option<Vec<Vec<u8>>> {
    let values = parts.iter().find_map(|part| match part {
        Filter::In(FieldRef::Id, values) => Some(values),
        _ => None,
    })?;
    let mut ids: Vec<Vec<u8>> = values
        .iter()
        .filter_map(|value| match value {
            crate::model::Value::Text(id) => Some(key::id_key(id)),
            _ => None,
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

/// The walk through an index; `None` when it helps neither the filter nor the order.
fn walk(table: &Table, index: usize, parts: &[&Filter], steps: &Steps<'_>) -> Option<Walk> {
    let declared = table.indexes.get(index).filter(|index| !index.building)?;
    let place = |slot: &usize| table.columns.get(*slot).and_then(|column| column.place);
    // A field that this schema does not know is in no condition and in no order.
    let fields: Vec<FieldRef> =
        declared.slots.iter().map(|slot| FieldRef::Place(place(slot).unwrap_or(usize::MAX))).collect();
    let (ranges, used, is_exact) = bounds::of_fields(parts, &fields, RANGES_MAX);
    let map = MapId(declared.map);
    let full = |range: std::ops::Range<Vec<u8>>| KeyRange {
        start: full_key(map, &range.start),
        end: full_key(map, &range.end),
    };
    let ranges = ranges.into_iter().map(full).collect();
    let walk = steps.walk(map, &fields, ranges);
    if used == 0 && walk.group == 0 {
        return None;
    }
    let known = fields.get(..used).unwrap_or_default();
    let is_exact = is_exact && used > 0 && parts.iter().all(|part| known.iter().any(|field| speaks_of(part, *field)));
    Some(Walk { index, is_exact, ..walk })
}

/// Whether a part is of the kind that bounds, and of that field.
fn speaks_of(part: &Filter, field: FieldRef) -> bool {
    match part {
        Filter::In(of, _) | Filter::Compare(of, ..) | Filter::StartsWith(of, _) => *of == field,
        Filter::Not(inner) => bounds::is_null(inner, field),
        Filter::And(_) | Filter::Or(_) | Filter::Contains(..) => false,
    }
}

/// About how many entries a range has.
pub(super) fn rows_in(view: &View<'_>, range: &KeyRange) -> f64 {
    let mut rows = 0.0;
    for run in view.runs() {
        for page in run.pages.get(run.within(range)).unwrap_or_default() {
            let is_inside = range.start <= page.first && page.last < range.end;
            rows += match page.loaded() {
                _ if is_inside => f64::from(page.count),
                Some(page) => page.lower_bound(&range.end).saturating_sub(page.lower_bound(&range.start)) as f64,
                None => f64::from(page.count) / 2.0,
            };
        }
    }
    for changes in view.change_sets() {
        rows += changes.range(range.start.clone()..range.end.clone()).take(1_000).count() as f64;
    }
    rows
}
