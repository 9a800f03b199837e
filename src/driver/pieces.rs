//! What has come of a pull and is not stored yet.
//!
//! ```text
//! rows, gone ─► open ─(cursor)─► complete ─(large enough, the bucket's end, the answer's end or its breaking off)─► stored
//! ```
//!
//! Several cursors' worth is stored at once, because a transaction costs more than the rows in it.

use whimbrel_protocol::BucketCursor;

use crate::error::Result;
use crate::store::Piece;

/// Bytes of rows that are stored together, about: a transaction of that size takes a few tens of milliseconds.
const COMMIT_BYTES: usize = 1024 * 1024;

#[derive(Default)]
pub(super) struct Pieces {
    /// Up to the last cursor.
    complete: Option<Piece>,
    /// Since the last cursor.
    open: Option<Piece>,
}

impl Pieces {
    /// Rows or removals have come.
    pub(super) fn add(&mut self, piece: Piece) -> Result<()> {
        match &mut self.open {
            Some(open) => open.join(piece),
            None => {
                self.open = Some(piece);
                Ok(())
            }
        }
    }

    /// A cursor has come. What is to be stored now, if anything.
    pub(super) fn close(&mut self, cursor: BucketCursor) -> Result<Option<Piece>> {
        let more = cursor.more;
        let mut piece = self.open.take().unwrap_or_else(|| Piece::empty(&cursor.bucket));
        piece.close(cursor)?;
        match &mut self.complete {
            Some(complete) => complete.join(piece)?,
            None => self.complete = Some(piece),
        }
        let is_large = self.complete.as_ref().is_some_and(|complete| complete.bytes() >= COMMIT_BYTES);
        Ok(if is_large || !more { self.complete.take() } else { None })
    }

    /// What is complete and not stored, at the end of an answer, however it ended.
    pub(super) fn rest(&mut self) -> Option<Piece> {
        self.complete.take()
    }
}
