//! What a store's metadata and log hold, from requests to values.

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::IdbRequest;

use super::fault;
use super::layout::{DIRECTORY, HEAD, LOG, META, bytes_of, head_of, key};
use super::transaction::{Transaction, result};
use crate::error::Result;
use crate::ports::{Loaded, LogRecord, LogSlice, Seq};

/// Requests for all that a store begins with.
pub(super) struct Contents {
    slice: Slice,
    directory: IdbRequest,
}

impl Contents {
    pub(super) fn request(transaction: &Transaction) -> Result<Self> {
        let slice = Slice::request(transaction, 0)?;
        Ok(Self { slice, directory: transaction.get(META, &JsValue::from_str(DIRECTORY))? })
    }

    pub(super) fn received(self) -> Result<Loaded> {
        let LogSlice { head, log } = self.slice.received()?;
        let directory = match head.directory {
            0 => Vec::new(),
            _ => bytes_of(&result(&self.directory)?, "the directory")?,
        };
        Ok(Loaded { head, directory, log })
    }
}

/// Requests for the head and the log after some record.
pub(super) struct Slice {
    after: Seq,
    head: IdbRequest,
    log: IdbRequest,
}

impl Slice {
    pub(super) fn request(transaction: &Transaction, after: Seq) -> Result<Self> {
        let head = transaction.get(META, &JsValue::from_str(HEAD))?;
        Ok(Self { after, head, log: transaction.get_all(LOG, &key(after)?)? })
    }

    /// The log has no gaps, so the keys need not be read: the last record has the head's number.
    pub(super) fn received(&self) -> Result<LogSlice> {
        let head = head_of(&result(&self.head)?)?;
        let values: Array = result(&self.log)?.unchecked_into();
        let first = self.after.max(head.folded) + 1;
        if u64::from(values.length()) != (head.seq + 1).saturating_sub(first) {
            return Err(fault::corrupt("the log"));
        }
        let record = |(seq, value): (Seq, JsValue)| Ok(LogRecord { seq, bytes: bytes_of(&value, "a log record")? });
        let log = (first..).zip(values.iter()).map(record).collect::<Result<_>>()?;
        Ok(LogSlice { head, log })
    }
}
