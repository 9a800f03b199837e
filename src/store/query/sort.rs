//! Sorting rows: each gets a key whose bytes sort as the query wants, ties by id included.

use super::super::bytes::Bytes;
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
}

/// No encoding is the beginning of another, so turning every bit over turns the order over.
fn turn(key: &mut [u8], start: usize, descending: bool) {
    if descending {
        key.iter_mut().skip(start).for_each(|byte| *byte = !*byte);
    }
}

/// Sorts, and keeps only the first `wanted`.
pub(super) fn sort(candidates: &mut Vec<Candidate>, wanted: usize) {
    if wanted == 0 {
        candidates.clear();
    } else if wanted < candidates.len() {
        candidates.select_nth_unstable_by(wanted - 1, |left, right| left.key.cmp(&right.key));
        candidates.truncate(wanted);
    }
    candidates.sort_unstable_by(|left, right| left.key.cmp(&right.key));
}
