//! Rows as a pull brought them: encoded already, one after the other in one piece of memory.

use std::ops::Range;
use std::rc::Rc;

use crate::model::{Table, Value, encode_header, key};

/// Rows of one bucket, in the order they came.
#[derive(Debug, Clone)]
pub struct RowBatch {
    pub(super) bucket: String,
    pub(super) table: Rc<Table>,
    pub(super) arena: Vec<u8>,
    pub(super) rows: Vec<BatchRow>,
}

/// Where a row is in the arena.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchRow {
    pub(super) version: u64,
    /// The id as a key begins here, and ends where the body begins.
    pub(super) id: u32,
    pub(super) body: u32,
    pub(super) end: u32,
}

impl RowBatch {
    /// No rows of a bucket, yet.
    pub(super) const fn new(bucket: String, table: Rc<Table>) -> Self {
        Self { bucket, table, arena: Vec::new(), rows: Vec::new() }
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The entity's name.
    #[must_use]
    pub fn entity(&self) -> &str {
        &self.table.name
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of the largest row.
    #[must_use]
    pub fn largest(&self) -> u32 {
        self.rows.iter().map(|row| row.end.saturating_sub(row.body)).max().unwrap_or_default()
    }

    /// Bytes of the rows.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Adds the rows of a later line of the same bucket.
    pub fn append(&mut self, later: &Self) {
        let by = self.arena.len() as u32;
        self.arena.extend_from_slice(&later.arena);
        let moved = |row: &BatchRow| BatchRow { id: row.id + by, body: row.body + by, end: row.end + by, ..*row };
        self.rows.extend(later.rows.iter().map(moved));
    }

    /// The id of a row.
    #[must_use]
    pub fn id(&self, row: usize) -> String {
        let mut id = Vec::new();
        if let Some(row) = self.rows.get(row) {
            key::decode_id(self.id_key(row), &mut id);
        }
        String::from_utf8(id).unwrap_or_default()
    }

    /// The server's version of a row.
    #[must_use]
    pub fn version(&self, row: usize) -> u64 {
        self.rows.get(row).map_or(0, |row| row.version)
    }

    /// The values of a row, in the order of the schema's fields.
    #[must_use]
    pub fn values(&self, row: usize) -> Vec<Value> {
        let Some(row) = self.rows.get(row) else { return Vec::new() };
        let mut bytes = Vec::with_capacity(8 + self.body(row).len());
        encode_header(0, &[], false, false, &mut bytes);
        bytes.extend_from_slice(self.body(row));
        self.table.decode(&bytes).map(|row| row.values).unwrap_or_default()
    }

    pub(super) fn id_key(&self, row: &BatchRow) -> &[u8] {
        self.slice(row.id..row.body)
    }

    pub(super) fn body(&self, row: &BatchRow) -> &[u8] {
        self.slice(row.body..row.end)
    }

    fn slice(&self, range: Range<u32>) -> &[u8] {
        self.arena.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}
