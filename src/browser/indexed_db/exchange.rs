//! One value of `meta` in exchange for another, if nobody was faster.

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

use super::fault;
use super::layout::{META, bytes_of, value_of};
use super::transaction::{Transaction, result};
use crate::error::Result;

/// Puts `next` under `key` and waits for the end of the transaction; `false` when what is there is not `present`, and nothing was written.
pub(super) async fn replace(transaction: Transaction, key: &str, present: Vec<u8>, next: &[u8]) -> Result<bool> {
    let key = JsValue::from_str(key);
    let request = transaction.get(META, &key)?;
    let is_other = Rc::new(Cell::new(false));
    let (answer, raw, other) = (request.clone(), transaction.raw().clone(), Rc::clone(&is_other));
    // Compared in the request's own event, before the transaction can go on.
    let handler = Closure::<dyn FnMut()>::new(move || {
        let found = result(&answer).and_then(|value| bytes_of(&value, "the envelope"));
        if !found.is_ok_and(|found| found == present) {
            other.set(true);
            // Throws only when the transaction has ended.
            drop(raw.abort());
        }
    });
    request.set_onsuccess(Some(handler.as_ref().unchecked_ref()));
    let put = transaction.store(META)?.put_with_key(&value_of(next), &key);
    put.map_err(|thrown| fault::of_exception("writing", &thrown))?;
    let ended = transaction.ended().await;
    request.set_onsuccess(None);
    if is_other.get() { Ok(false) } else { ended.map(|()| true) }
}
