//! A piece of a pull: what came between two cursors of one bucket.

use whimbrel_protocol::{BucketCursor, Gone};

use super::apply::PulledRow;
use super::system::entity_of;
use crate::error::{Code, Error, Result};
use crate::model::Schema;

/// Rows and removals of one bucket, in the order they came, and the cursor that covers them.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    pub(super) bucket: String,
    pub(super) changes: Vec<PulledChange>,
    pub(super) cursor: Option<BucketCursor>,
}

/// One change of a pull.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PulledChange {
    Row(PulledRow),
    Gone(String),
}

impl Piece {
    /// Nothing of a bucket, yet.
    #[must_use]
    pub fn empty(bucket: &str) -> Self {
        Self { bucket: bucket.to_owned(), changes: Vec::new(), cursor: None }
    }

    /// Removals.
    #[must_use]
    pub fn gone(gone: Gone) -> Self {
        let changes = gone.rows.into_iter().map(|(id, _)| PulledChange::Gone(id)).collect();
        Self { bucket: gone.bucket, changes, cursor: None }
    }

    /// Rows and removals in it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.changes.len() as u64
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Adds what came next.
    ///
    /// # Errors
    /// `protocol/malformed` when it is of another bucket: every bucket's lines end with a cursor.
    pub fn join(&mut self, next: Self) -> Result<()> {
        self.same_bucket(&next.bucket)?;
        self.changes.extend(next.changes);
        Ok(())
    }

    /// Adds the cursor that covers it.
    ///
    /// # Errors
    /// `protocol/malformed` when it is of another bucket.
    pub fn close(&mut self, cursor: BucketCursor) -> Result<()> {
        self.same_bucket(&cursor.bucket)?;
        self.cursor = Some(cursor);
        Ok(())
    }

    pub(super) fn entity(&self) -> &str {
        entity_of(&self.bucket)
    }

    fn same_bucket(&self, bucket: &str) -> Result<()> {
        if self.bucket == bucket {
            return Ok(());
        }
        let detail = format!("lines of bucket {bucket} before the cursor of {}", self.bucket);
        Err(Error::new(Code::ProtocolMalformed, detail))
    }
}

/// Decodes a line of rows.
pub fn decode_rows(line: &[u8], schema: &Schema) -> Result<Piece> {
    let whimbrel_protocol::PullLine::Rows(batch) =
        serde_json::from_slice(line).map_err(|e| Error::new(Code::ProtocolMalformed, e.to_string()))?
    else {
        return Err(Error::new(Code::ProtocolMalformed, "not rows"));
    };
    let entity = schema.entity(entity_of(&batch.bucket))?;
    let mut piece = Piece::empty(&batch.bucket);
    for data in batch.data {
        let get = |name: &str| {
            batch.columns.iter().position(|c| c == name).and_then(|i| data.get(i)).cloned().unwrap_or_default()
        };
        let values = entity.fields.iter().map(|f| f.kind.value(&get(&f.name))).collect::<Result<Vec<_>>>()?;
        piece.changes.push(PulledChange::Row(PulledRow {
            id: get("id").as_str().unwrap_or_default().to_owned(),
            version: get("_version").as_u64().unwrap_or(0),
            values,
        }));
    }
    Ok(piece)
}
