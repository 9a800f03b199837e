//! A piece of a pull: what came of one bucket up to a cursor.

use whimbrel_protocol::{BucketCursor, Gone};

use super::batch::RowBatch;
use super::system::entity_of;
use crate::error::{Code, Error, Result};

/// Rows and removals of one bucket, in the order they came, and the cursor that covers them.
#[derive(Debug, Clone)]
pub struct Piece {
    pub(super) bucket: String,
    pub(super) parts: Vec<Part>,
    pub(super) cursor: Option<BucketCursor>,
}

/// A part of a piece.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Rows(RowBatch),
    /// The ids of rows that are gone from the bucket.
    Gone(Vec<String>),
}

impl Piece {
    /// Nothing of a bucket, yet.
    #[must_use]
    pub fn empty(bucket: &str) -> Self {
        Self { bucket: bucket.to_owned(), parts: Vec::new(), cursor: None }
    }

    /// Rows.
    #[must_use]
    pub fn rows(rows: RowBatch) -> Self {
        Self { bucket: rows.bucket().to_owned(), parts: vec![Part::Rows(rows)], cursor: None }
    }

    /// Removals.
    #[must_use]
    pub fn gone(gone: Gone) -> Self {
        let ids = gone.rows.into_iter().map(|(id, _)| id).collect();
        Self { bucket: gone.bucket, parts: vec![Part::Gone(ids)], cursor: None }
    }

    /// Rows and removals in it.
    #[must_use]
    pub fn len(&self) -> usize {
        let len = |part: &Part| match part {
            Part::Rows(rows) => rows.len(),
            Part::Gone(ids) => ids.len(),
        };
        self.parts.iter().map(len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes of its rows.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bytes = |part: &Part| match part {
            Part::Rows(rows) => rows.bytes(),
            Part::Gone(ids) => ids.iter().map(String::len).sum(),
        };
        self.parts.iter().map(bytes).sum()
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Adds what came next; its cursor, if it has one, covers both.
    ///
    /// # Errors
    /// `protocol/malformed` when it is of another bucket: every bucket's lines end with a cursor.
    pub fn join(&mut self, next: Self) -> Result<()> {
        self.check_bucket(&next.bucket)?;
        for part in next.parts {
            match (self.parts.last_mut(), part) {
                (Some(Part::Rows(rows)), Part::Rows(next)) => rows.append(&next),
                (_, part) => self.parts.push(part),
            }
        }
        self.cursor = next.cursor;
        Ok(())
    }

    /// Adds the cursor that covers it.
    ///
    /// # Errors
    /// `protocol/malformed` when it is of another bucket.
    pub fn close(&mut self, cursor: BucketCursor) -> Result<()> {
        self.check_bucket(&cursor.bucket)?;
        self.cursor = Some(cursor);
        Ok(())
    }

    pub(super) fn entity(&self) -> &str {
        entity_of(&self.bucket)
    }

    fn check_bucket(&self, bucket: &str) -> Result<()> {
        if self.bucket == bucket {
            return Ok(());
        }
        let detail = format!("lines of bucket {bucket} before the cursor of {}", self.bucket);
        Err(Error::new(Code::ProtocolMalformed, detail))
    }
}
