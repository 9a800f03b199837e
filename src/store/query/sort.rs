//! Sorting rows: each gets a key whose bytes sort as the query wants, ties by id included.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::super::bytes::Bytes;
use super::include::Found;
use crate::model::{FieldRef, Order, Query, RowRef, Table, key};

/// A row that waits for its place.
pub(super) struct Candidate {
    key: Vec<u8>,
    /// Its id, encoded.
    pub(super) id: Vec<u8>,
    /// The row.
    pub(super) bytes: Bytes,
}

impl Candidate {
    pub(super) fn new(query: &Query, table: &Table, id: &[u8], bytes: Bytes) -> Self {
        let mut sort_key = Vec::with_capacity(16 * (1 + query.order.len()));
        if let Ok(row) = RowRef::new(&bytes) {
            for Order { field, descending } in &query.order {
                let start = sort_key.len();
                match field {
                    FieldRef::Id => sort_key.extend_from_slice(id),
                    FieldRef::Place(place) => key::encode_value(row.field(table.slot(*place)), &mut sort_key),
                }
                turn(&mut sort_key, start, *descending);
            }
        }
        let start = sort_key.len();
        sort_key.extend_from_slice(id);
        turn(&mut sort_key, start, query.ties_descend());
        Self { key: sort_key, id: id.to_vec(), bytes }
    }

    pub(super) fn into_found(self) -> Found {
        Found { id: self.id, bytes: self.bytes }
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

/// No encoding is the beginning of another, so turning every bit over turns the order over.
fn turn(key: &mut [u8], start: usize, descending: bool) {
    if descending {
        key.iter_mut().skip(start).for_each(|byte| *byte = !*byte);
    }
}

/// The rows that wait for their place among each other: of all that came, those that come first.
#[derive(Default)]
pub(super) struct Candidates {
    /// The one that comes last is on top.
    first: BinaryHeap<Candidate>,
}

impl Candidates {
    /// Adds a row, unless `wanted` others come before it.
    pub(super) fn add(&mut self, candidate: Candidate, wanted: usize) {
        if self.first.len() < wanted {
            self.first.push(candidate);
        } else if let Some(mut last) = self.first.peek_mut()
            && candidate < *last
        {
            *last = candidate;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.first.len()
    }

    /// The rows in their order.
    pub(super) fn in_order(self) -> Vec<Candidate> {
        self.first.into_sorted_vec()
    }
}
