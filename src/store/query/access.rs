//! The ways to a query's rows, and which is cheapest by what the directory knows.

use super::super::keys::{KeyRange, MapId, full_key};
use super::super::view::View;
use super::bounds::{self, Bounds};
use crate::model::{FieldRef, Filter, Query, Table, key};

/// A way to the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// By their ids (encoded, ascending).
    Ids(Vec<Vec<u8>>),
    /// Through an index.
    Index(IndexWalk),
    /// All of them, by id.
    Rows,
}

/// A walk through parts of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexWalk {
    /// Full keys, ascending.
    pub(super) ranges: Vec<KeyRange>,
    /// Whether the entries are in the order that the query wants by its first field.
    pub(super) is_ordered: bool,
    /// Whether the rows come in the order of their ids.
    pub(super) by_id: bool,
    /// Whether every row behind the entries is one the query finds.
    pub(super) is_exact: bool,
}

/// What reading a row in its place costs, next to fetching one by its id.
pub(super) const SCAN_COST: f64 = 0.25;

/// The way to a query's rows that reads least.
pub(super) fn choose(view: &View<'_>, table: &Table, query: &Query) -> Access {
    let mut parts = Vec::new();
    bounds::conjuncts(&query.filter, &mut parts);
    if let Some(ids) = ids(&parts) {
        return Access::Ids(ids);
    }
    let total = rows_in(view, &KeyRange::map(MapId(table.map))).max(1.0);
    let walks: Vec<(IndexWalk, f64)> = table
        .indexes
        .iter()
        .filter_map(|index| {
            let [slot] = index.slots.as_slice() else { return None };
            let place = table.columns.get(*slot)?.place?;
            let walk = walk(query, &parts, FieldRef::Place(place), MapId(index.map))?;
            let rows = walk.ranges.iter().map(|range| rows_in(view, range)).sum();
            Some((walk, rows))
        })
        .collect();
    // The rows the query finds are not more than the narrowest walk has.
    let found = walks.iter().map(|(_, rows)| *rows).fold(total, f64::min).max(1.0);
    let wanted = query.limit.saturating_add(query.offset) as f64;
    let share = |rows: f64| (wanted * (rows / found).max(1.0)).min(rows);
    let is_by_id = query.order.first().is_none_or(|order| order.field == FieldRef::Id);
    let mut best = (Access::Rows, SCAN_COST * if is_by_id { share(total) } else { total });
    for (walk, rows) in walks {
        let cost = if walk.is_ordered || (query.order.is_empty() && walk.by_id) { share(rows) } else { rows };
        if cost < best.1 {
            best = (Access::Index(walk), cost);
        }
    }
    best.0
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

fn walk(query: &Query, parts: &[&Filter], field: FieldRef, map: MapId) -> Option<IndexWalk> {
    let is_ordered = query.order.first().is_some_and(|order| order.field == field);
    let bounds = bounds::of_field(parts, field);
    if bounds.is_none() && !is_ordered {
        return None;
    }
    let is_exact =
        bounds.as_ref().is_some_and(|bounds| bounds.exact) && parts.iter().all(|part| speaks_of(part, field));
    let by_id = bounds.as_ref().is_some_and(is_one_value);
    let ranges = match bounds {
        Some(Bounds { ranges, .. }) => ranges
            .into_iter()
            .map(|range| KeyRange { start: full_key(map, &range.start), end: full_key(map, &range.end) })
            .collect(),
        None => vec![KeyRange::map(map)],
    };
    Some(IndexWalk { ranges, is_ordered, by_id, is_exact })
}

fn is_one_value(bounds: &Bounds) -> bool {
    bounds.points && bounds.ranges.len() <= 1
}

/// Whether a part is of the kind that bounds, and of that field.
fn speaks_of(part: &Filter, field: FieldRef) -> bool {
    match part {
        Filter::In(of, _) | Filter::Compare(of, ..) | Filter::StartsWith(of, _) => *of == field,
        Filter::Not(inner) => bounds::is_null(inner, field),
        Filter::And(_) | Filter::Or(_) => false,
    }
}

/// About how many entries a range has.
pub(super) fn rows_in(view: &View<'_>, range: &KeyRange) -> f64 {
    let mut rows = 0.0;
    for run in view.runs() {
        let first = run.position(&range.start);
        let end = run.pages.partition_point(|page| *page.first < *range.end);
        for page in run.pages.get(first..end).unwrap_or_default() {
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
