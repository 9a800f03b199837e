//! The order that a query wants, and how far the keys of a map are in it.
//!
//! **Invariant:** what a walk leaves out because of `after` comes before it in the query's order, or is it.

use std::cmp::Ordering;

use super::super::keys::{KeyRange, MapId, after_key, after_prefix, full_key};
use super::access::Walk;
use crate::model::{After, FieldRef, Filter, Order, Query, RowRef, Table, Value, key};

/// What tells the rows that a query finds apart.
pub(super) struct Steps<'q> {
    query: &'q Query,
    /// Fields in which all rows are equal, and their value.
    constants: Vec<(FieldRef, &'q Value)>,
    /// The query's order without these; the id is always the last step.
    steps: Vec<Order>,
}

impl<'q> Steps<'q> {
    pub(super) fn new(query: &'q Query, parts: &[&'q Filter]) -> Self {
        let constant = |part: &&'q Filter| match part {
            Filter::In(field, values) => values.first().filter(|_| values.len() == 1).map(|value| (*field, value)),
            _ => None,
        };
        let constants: Vec<(FieldRef, &Value)> = parts.iter().filter_map(constant).collect();
        let is_open = |step: &&Order| !constants.iter().any(|(field, _)| *field == step.field);
        let mut steps: Vec<Order> = query.order.iter().filter(is_open).copied().collect();
        if steps.last().is_none_or(|last| last.field != FieldRef::Id) {
            steps.push(Order { field: FieldRef::Id, descending: query.ties_descend() });
        }
        Self { query, constants, steps }
    }

    fn constant(&self, field: FieldRef) -> Option<&'q Value> {
        self.constants.iter().find(|(known, _)| *known == field).map(|(_, value)| *value)
    }

    /// Whether keys of these fields and the id are in the order.
    pub(super) fn is_by(&self, fields: &[FieldRef]) -> bool {
        self.served(fields).1
    }

    /// How many of the fields at the front of a key settle the order as far as keys do, and whether they and the id settle all of it.
    fn served(&self, fields: &[FieldRef]) -> (usize, bool) {
        let reverse = self.reverse();
        let mut steps = self.steps.iter().peekable();
        let mut group = 0;
        for (place, field) in fields.iter().chain(&[FieldRef::Id]).enumerate() {
            if steps.next_if(|step| step.field == *field && step.descending == reverse).is_some() {
                group = place + 1;
            } else if self.constant(*field).is_none() {
                break;
            }
        }
        (group.min(fields.len()), steps.peek().is_none())
    }

    /// The direction of the first step is the direction of the walk.
    fn reverse(&self) -> bool {
        self.steps.first().is_some_and(|step| step.descending)
    }

    /// The walk through some ranges of a map with keys of these fields and the id.
    pub(super) fn walk(&self, map: MapId, fields: &[FieldRef], ranges: Vec<KeyRange>) -> Walk {
        let (group, is_ordered) = self.served(fields);
        let reverse = self.reverse();
        let mut walk = Walk { index: 0, ranges, fields: fields.len(), group, is_ordered, reverse, is_exact: false };
        if let Some(after) = &self.query.after {
            self.begin_after(after, map, fields, &mut walk);
        }
        walk
    }

    /// Leaves out what comes before `after`, as far as keys say it.
    fn begin_after(&self, after: &After, map: MapId, fields: &[FieldRef], walk: &mut Walk) {
        // A record that had another value where all others are equal now: no key says where that was.
        let is_same = |(field, value): &(FieldRef, &Value)| {
            after.value(self.query, *field).is_none_or(|after| key::compare(after.as_ref(), value.as_ref()).is_eq())
        };
        if !self.constants.iter().all(is_same) {
            return;
        }
        let mut key = full_key(map, &[]);
        let mut is_whole = walk.is_ordered;
        let known = if is_whole { fields.len() } else { walk.group };
        for field in fields.iter().take(known) {
            let value = after.value(self.query, *field).or_else(|| self.constant(*field));
            let Some(value) = value else { return };
            let start = key.len();
            key::encode_indexed(value.as_ref(), &mut key);
            // Behind a text that was cut, keys are not in order any more.
            if key::is_cut(key.get(start..).unwrap_or_default()) {
                is_whole = false;
                break;
            }
        }
        if is_whole {
            key.extend_from_slice(&after.id);
        }
        for range in &mut walk.ranges {
            if walk.reverse {
                let end = if is_whole { key.clone() } else { after_prefix(&key) };
                range.end = std::mem::take(&mut range.end).min(end);
            } else {
                let start = if is_whole { after_key(&key) } else { key.clone() };
                range.start = std::mem::take(&mut range.start).max(start);
            }
        }
        walk.ranges.retain(|range| range.start < range.end);
    }
}

/// Whether a row comes behind `after` in the order of its query.
pub(super) fn is_behind(query: &Query, after: &After, table: &Table, row: &RowRef<'_>, id: &[u8]) -> bool {
    let turned = |order: Ordering, descending| if descending { order.reverse() } else { order };
    for (step, value) in query.order.iter().zip(&after.values) {
        let order = match step.field {
            FieldRef::Id => id.cmp(&after.id),
            FieldRef::Place(place) => key::compare(row.field(table.slot(place)), value.as_ref()),
        };
        if order.is_ne() {
            return turned(order, step.descending).is_gt();
        }
    }
    turned(id.cmp(&after.id), query.ties_descend()).is_gt()
}
