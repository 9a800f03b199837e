//! A page while it is being filled, row by row, so that memory does not depend on the bucket.

use whimbrel_protocol::Version;

use crate::model::{Row, Value};
use crate::storage::{Page, PageLimit, PageRow};

/// About what an id's entry takes besides the id.
const ENTRY_BYTES: usize = 16;

/// A page that takes what fits.
pub(crate) struct Filling {
    page: Page,
    bytes: usize,
    limit: PageLimit,
}

impl Filling {
    pub(crate) fn new(limit: PageLimit) -> Self {
        Self { page: Page { complete: true, ..Page::default() }, bytes: 0, limit }
    }

    /// Whether nothing more fits; who has more to give and asks has made the page an incomplete one.
    pub(crate) fn is_full(&mut self) -> bool {
        let is_full = self.page.rows.len() + self.page.gone.len() >= self.limit.rows || self.bytes >= self.limit.bytes;
        self.page.complete &= !is_full;
        is_full
    }

    /// Adds a row, or a removal.
    pub(crate) fn add(&mut self, id: String, version: Version, row: Option<Row>) {
        self.bytes += id.len() + ENTRY_BYTES;
        match row {
            None => self.page.gone.push((id, version)),
            Some(row) => {
                self.bytes += row.iter().map(Value::weight).sum::<usize>();
                self.page.rows.push(PageRow { id, version, row });
            }
        }
    }

    pub(crate) fn done(self) -> Page {
        self.page
    }
}
