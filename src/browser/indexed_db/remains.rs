//! What is left of a store that is damaged, read in one transaction: whatever is there, also what makes no sense.

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::IdbRequest;

use super::super::global::whole_number;
use super::layout::{DIRECTORY, HEAD, LOG, META, PAGES, bytes_of, head_of, key};
use super::transaction::{Transaction, result};
use crate::error::Result;
use crate::ports::{Loaded, LogRecord, PageId};

pub(super) struct Remains {
    head: IdbRequest,
    directory: IdbRequest,
    numbers: IdbRequest,
    log: IdbRequest,
    pages: IdbRequest,
}

impl Remains {
    pub(super) fn request(transaction: &Transaction) -> Result<Self> {
        Ok(Self {
            head: transaction.get(META, &JsValue::from_str(HEAD))?,
            directory: transaction.get(META, &JsValue::from_str(DIRECTORY))?,
            numbers: transaction.all_keys(LOG)?,
            log: transaction.get_all(LOG, &key(0)?)?,
            pages: transaction.all_keys(PAGES)?,
        })
    }

    pub(super) fn received(&self) -> Result<(Loaded, Vec<PageId>)> {
        let head = head_of(&result(&self.head)?)?;
        let list = |request: &IdbRequest| -> Result<Array> { Ok(result(request)?.unchecked_into()) };
        let bytes = |value: &JsValue| bytes_of(value, "").unwrap_or_default();
        let (numbers, values) = (list(&self.numbers)?, list(&self.log)?);
        let mut log = Vec::new();
        for (number, value) in numbers.iter().zip(values.iter()) {
            if let Some(seq) = whole_number(&number)
                && seq > head.folded
            {
                log.push(LogRecord { seq, bytes: bytes(&value) });
            }
        }
        let pages = list(&self.pages)?.iter().filter_map(|id| whole_number(&id)).collect();
        Ok((Loaded { head, directory: bytes(&result(&self.directory)?), log }, pages))
    }
}
