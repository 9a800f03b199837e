//! The object stores, the keys of `meta`, and how numbers and the head are written.
//!
//! | store | key | value |
//! |---|---|---|
//! | `meta` | `head` | `{seq, directory, folded, mirrored}` |
//! | `meta` | `directory` | bytes |
//! | `meta` | `identity` | text, made once per database |
//! | `meta` | `format` | [`FORMAT`] |
//! | `meta` | `envelope` | bytes, in an encrypted store only: the wrapped key |
//! | `log`, `pages` | number | bytes |
//! | `outbox`, `conflicts`, `inbox` | | nothing any more: what waits is in the mirror too, see `mirror` |
//!
//! **Invariant:** the object stores and the database's version never change; what changes is [`FORMAT`].

use js_sys::{Number, Object, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::super::global::whole_number;
use super::fault;
use crate::error::{Code, Error, Result};
use crate::ports::Head;

/// IndexedDB's version of every database.
pub(super) const DATABASE_VERSION: u32 = 1;
/// How the contents are written. A store with a larger number was written by a newer engine.
pub(super) const FORMAT: u32 = 1;

pub(super) const META: &str = "meta";
pub(super) const LOG: &str = "log";
pub(super) const PAGES: &str = "pages";
pub(super) const STORES: [&str; 6] = [META, LOG, PAGES, "outbox", "conflicts", "inbox"];

pub(super) const HEAD: &str = "head";
pub(super) const DIRECTORY: &str = "directory";
pub(super) const IDENTITY: &str = "identity";
pub(super) const FORMAT_KEY: &str = "format";
pub(super) const ENVELOPE: &str = "envelope";

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = Object)]
    type StoredHead;

    #[wasm_bindgen(method, getter)]
    fn seq(this: &StoredHead) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_seq(this: &StoredHead, seq: f64);
    #[wasm_bindgen(method, getter)]
    fn directory(this: &StoredHead) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_directory(this: &StoredHead, directory: f64);
    #[wasm_bindgen(method, getter)]
    fn folded(this: &StoredHead) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_folded(this: &StoredHead, folded: f64);
    #[wasm_bindgen(method, getter)]
    fn mirrored(this: &StoredHead) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_mirrored(this: &StoredHead, mirrored: f64);
}

/// A number as IndexedDB keeps it: a float, exact below 2⁵³.
pub(super) fn number(number: u64) -> Result<f64> {
    #[allow(clippy::cast_precision_loss, reason = "checked")]
    let float = number as f64;
    if float <= Number::MAX_SAFE_INTEGER {
        Ok(float)
    } else {
        Err(Error::new(Code::Internal, format!("{number} is over 2⁵³ - 1")))
    }
}

/// A number as a key.
pub(super) fn key(number: u64) -> Result<JsValue> {
    self::number(number).map(JsValue::from_f64)
}

pub(super) fn head_value(head: Head) -> Result<JsValue> {
    let value: StoredHead = Object::new().unchecked_into();
    value.set_seq(number(head.seq)?);
    value.set_directory(number(head.directory)?);
    value.set_folded(number(head.folded)?);
    value.set_mirrored(number(head.mirrored)?);
    Ok(value.into())
}

/// The head that `value` holds; a store without one is empty.
pub(super) fn head_of(value: &JsValue) -> Result<Head> {
    if value.is_undefined() {
        return Ok(Head::default());
    }
    let stored: &StoredHead = value.dyn_ref::<Object>().ok_or_else(|| fault::corrupt("the head"))?.unchecked_ref();
    let part = |value: &JsValue| whole_number(value).ok_or_else(|| fault::corrupt("the head"));
    Ok(Head {
        seq: part(&stored.seq())?,
        directory: part(&stored.directory())?,
        folded: part(&stored.folded())?,
        // Heads of before there was a mirror have none.
        mirrored: whole_number(&stored.mirrored()).unwrap_or_default(),
    })
}

/// A copy in a buffer of its own: IndexedDB would clone all of the module's memory behind a view.
pub(super) fn value_of(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

pub(super) fn bytes_of(value: &JsValue, what: &str) -> Result<Vec<u8>> {
    value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).ok_or_else(|| fault::corrupt(what))
}
