//! Counts, sums, the least and the greatest value: by pages where every entry counts, by the rows a filter finds where not.

use super::super::keys::{KeyRange, MapId};
use super::super::sum::Sum;
use super::super::view::{Interrupt, View};
use super::access::{self, Access, Need, Walk};
use super::execute::{Answer, Run};
use super::tally;
use crate::model::{FieldRef, Filter, Kind, Query, RowRef, Table, Value, ValueRef, key};

/// How many rows a query finds, which has no order and no limit.
pub(super) fn count(view: &View<'_>, query: &Query) -> Result<u64, Interrupt> {
    let table = view.table(&query.entity)?;
    if is_everything(&query.filter) {
        // Every index that is complete has an entry for every row that is not deleted.
        return match table.index_of(&[]) {
            Some(index) => tally::count(view, &KeyRange::map(MapId(index.map))),
            None => Ok(tally::totals(view, table, usize::MAX)?.rows),
        };
    }
    let mut run = Run::new(view, table, query, Answer::Count);
    match access::choose(view, table, query, Need::Count).access {
        Access::Index(Walk { ranges, is_exact: true, .. }) => {
            return ranges.iter().map(|range| tally::count(view, range)).sum();
        }
        access => run.go(access)?,
    }
    run.check_missing()?;
    Ok(run.found)
}

/// The sum of a field over the rows a query finds, which has no order and no limit.
pub(super) fn sum(view: &View<'_>, query: &Query, place: usize) -> Result<Sum, Interrupt> {
    let table = view.table(&query.entity)?;
    let slot = table.slot(place);
    if is_everything(&query.filter) {
        return Ok(tally::totals(view, table, slot)?.sum);
    }
    let mut sum = Sum::default();
    let access = access::choose(view, table, query, Need::Values(slot)).access;
    if let Access::Index(walk) = &access
        && let Some(place) = walk.place_of(table, slot)
    {
        return sum_of_keys(view, table, walk, place);
    }
    let mut run = Run::new(view, table, query, Answer::Sum { slot, sum: &mut sum });
    run.go(access)?;
    run.check_missing()?;
    Ok(sum)
}

/// The sum of values that stand in the index itself, at a place in its keys.
fn sum_of_keys(view: &View<'_>, table: &Table, walk: &Walk, place: usize) -> Result<Sum, Interrupt> {
    let slot = table.indexes.get(walk.index).and_then(|index| index.slots.get(place));
    let kind = slot.and_then(|slot| table.columns.get(*slot)).map(|column| column.kind);
    let mut sum = Sum::default();
    for range in &walk.ranges {
        let mut entries = view.scan_range(range.clone(), false);
        while entries.step()? {
            let before = key::split_values(entries.key(), place);
            match before.and_then(|(_, rest)| key::decode_number(rest)) {
                // Whole numbers are exact in an index: they are within ±(2⁵³ − 1).
                Some(number) if kind == Some(Kind::Integer) => sum.add(ValueRef::Integer(number as i64)),
                Some(number) => sum.add(ValueRef::Real(number)),
                None => {}
            }
        }
    }
    Ok(sum)
}

/// The value that comes first in the order of a query, which is by one field; null when no row has one.
pub(super) fn first_value(view: &View<'_>, query: &Query) -> Result<Value, Interrupt> {
    let table = view.table(&query.entity)?;
    let Some(order) = query.order.first() else { return Ok(Value::Null) };
    if let FieldRef::Place(place) = order.field
        && is_everything(&query.filter)
        && table.index_of(&[table.slot(place)]).is_none()
    {
        let totals = tally::totals(view, table, table.slot(place))?;
        return Ok(if order.descending { totals.greatest } else { totals.least });
    }
    let has_value = Filter::Not(Box::new(Filter::In(order.field, vec![Value::Null])));
    let query = &Query { filter: Filter::And(vec![query.filter.clone(), has_value]), ..query.clone() };
    let mut run = Run::new(view, table, query, Answer::Kept);
    run.go(access::choose(view, table, query, Need::Rows).access)?;
    run.check_missing()?;
    run.settle()?;
    match run.kept.first() {
        Some(first) => value(table, order.field, &first.id, &first.bytes),
        None => Ok(Value::Null),
    }
}

fn value(table: &Table, field: FieldRef, id: &[u8], bytes: &[u8]) -> Result<Value, Interrupt> {
    let FieldRef::Place(place) = field else {
        let mut text = Vec::new();
        key::decode_id(id, &mut text);
        return Ok(Value::Text(String::from_utf8_lossy(&text).into_owned()));
    };
    Ok(RowRef::new(bytes)?.field(table.slot(place)).to_value())
}

fn is_everything(filter: &Filter) -> bool {
    matches!(filter, Filter::And(parts) if parts.is_empty())
}
