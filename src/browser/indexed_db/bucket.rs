//! The second Storage Bucket, and the databases in it. Chromium has buckets; what happens to one does not happen to the others.
//!
//! | store | key | value |
//! |---|---|---|
//! | `meta` | `snapshot` | its `seq` |
//! | `meta` | `envelope` | as in the store's own database, of an encrypted store |
//! | `snapshot` | number | lines |
//! | `lines` | `seq` | `[after, lines]` |
//!
//! Lines that are text are stored as text, for DevTools; others (encrypted ones) as bytes.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Array, JsString, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbDatabase, IdbFactory, IdbOpenDbRequest};

use super::super::clock::within;
use super::super::global::{global, property, whole_number};
use super::burst::put;
use super::layout::{ENVELOPE, key, value_of};
use super::opening::{Handler, Opening, abort_upgrade};
use super::transaction::{Mode, Transaction, result};
use super::{DEADLINE_MS, fault};
use crate::error::{Code, Error, Result};
use crate::ports::{Durability, MirrorRecord, Mirrored, Seq};

/// The bucket's name; all stores of an origin share it.
const BUCKET: &str = "whimbrel";

pub(super) const META: &str = "meta";
pub(super) const SNAPSHOT: &str = "snapshot";
pub(super) const LOG: &str = "lines";

// By hand: web-sys has neither of them.
#[wasm_bindgen]
extern "C" {
    type Manager;

    #[wasm_bindgen(method, catch)]
    fn open(this: &Manager, name: &str, options: &Object) -> std::result::Result<Promise, JsValue>;

    type Databases;

    #[wasm_bindgen(method, catch)]
    fn databases(this: &Databases) -> std::result::Result<Promise, JsValue>;
}

/// The bucket's IndexedDB; none where there are no buckets.
pub(super) async fn factory() -> Result<Option<IdbFactory>> {
    let manager = global("navigator").and_then(|navigator| property(&navigator, "storageBuckets"));
    let Some(manager) = manager else { return Ok(None) };
    let options = Object::new();
    for (name, value) in [("persisted", JsValue::TRUE), ("durability", JsValue::from_str("relaxed"))] {
        // A fresh object takes every property.
        drop(Reflect::set(&options, &JsValue::from_str(name), &value));
    }
    let bucket = answer(manager.unchecked_ref::<Manager>().open(BUCKET, &options)).await?;
    Ok(property(&bucket, "indexedDB").map(JsCast::unchecked_into))
}

async fn answer(asked: std::result::Result<Promise, JsValue>) -> Result<JsValue> {
    let failed = |thrown: JsValue| fault::of_exception("the storage bucket", &thrown);
    let answered = within(DEADLINE_MS, JsFuture::from(asked.map_err(failed)?)).await;
    let late = || Error::new(Code::StoreTimeout, "the storage bucket does not answer");
    answered.ok_or_else(late)?.map_err(failed)
}

/// The names of the databases in the bucket.
pub(super) async fn names(factory: &IdbFactory) -> Result<Vec<String>> {
    let found = answer(factory.unchecked_ref::<Databases>().databases()).await?;
    let found: Array = found.unchecked_into();
    Ok(found.iter().filter_map(|database| property(&database, "name")?.as_string()).collect())
}

/// Deletes a database of the bucket.
pub(super) async fn delete(factory: &IdbFactory, name: &str) -> Result<()> {
    let request = factory.delete_database(name).map_err(|thrown| fault::of_opening(name, &thrown))?;
    Opening::new(request, None).answered(name).await.map(drop)
}

/// An open database of the bucket. It closes when it is dropped, and when somebody wants it gone.
pub(super) struct Place {
    pub(super) database: IdbDatabase,
    is_closed: Rc<Cell<bool>>,
    _retire: Closure<dyn FnMut()>,
}

impl Place {
    /// Opens the database of that name; one that is not there is made only if `may_create`.
    pub(super) async fn open(factory: &IdbFactory, name: &str, may_create: bool) -> Result<Self> {
        let request = factory.open_with_u32(name, 1).map_err(|thrown| fault::of_opening(name, &thrown))?;
        let upgraded = request.clone();
        let upgrade = Handler::new(move |_event| {
            if !may_create || create(&upgraded).is_err() {
                abort_upgrade(&upgraded);
            }
        });
        let database: IdbDatabase = Opening::new(request, Some(upgrade)).answered(name).await?.unchecked_into();
        let (is_closed, closing) = (Rc::new(Cell::new(false)), database.clone());
        let closed = Rc::clone(&is_closed);
        let retire = Closure::new(move || {
            closed.set(true);
            closing.close();
        });
        database.set_onversionchange(Some(retire.as_ref().unchecked_ref()));
        database.set_onclose(Some(retire.as_ref().unchecked_ref()));
        Ok(Self { database, is_closed, _retire: retire })
    }

    /// Begins a transaction.
    pub(super) fn begin(&self, stores: &[&str], mode: Mode) -> Result<Transaction> {
        Transaction::begin(&self.database, stores, mode).map_err(|thrown| fault::of_exception("the mirror", &thrown))
    }

    /// Whether it was closed from outside: deleted, most likely.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// All that is in it.
    pub(super) async fn read(&self, identity: &str) -> Result<Mirrored> {
        let transaction = self.begin(&[META, SNAPSHOT, LOG], Mode::Read)?;
        let seq = transaction.get(META, &JsValue::from_str(SNAPSHOT))?;
        let snapshot = transaction.get_all(SNAPSHOT, &key(0)?)?;
        let keys = transaction.all_keys(LOG)?;
        let log = transaction.get_all(LOG, &key(0)?)?;
        transaction.answered().await?;
        let (snapshot, keys): (Array, Array) = (result(&snapshot)?.unchecked_into(), result(&keys)?.unchecked_into());
        let log: Array = result(&log)?.unchecked_into();
        let record = |(seq, value): (JsValue, JsValue)| {
            let value: Array = value.unchecked_into();
            let number = |value| whole_number(value).unwrap_or_default();
            MirrorRecord { seq: number(&seq), after: number(&value.get(0)), lines: lines_of(&value.get(1)) }
        };
        Ok(Mirrored {
            identity: identity.to_owned(),
            seq: whole_number(&result(&seq)?).unwrap_or_default(),
            snapshot: snapshot.iter().map(|part| lines_of(&part)).collect(),
            log: keys.iter().zip(log.iter()).map(record).collect(),
            is_sure: true,
        })
    }

    /// The wrapped key of the store.
    pub(super) async fn envelope(&self) -> Result<Option<Vec<u8>>> {
        let transaction = self.begin(&[META], Mode::Read)?;
        let envelope = transaction.get(META, &JsValue::from_str(ENVELOPE))?;
        transaction.answered().await?;
        Ok(result(&envelope)?.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec))
    }

    pub(super) async fn put_envelope(&self, envelope: &[u8]) -> Result<()> {
        let transaction = self.begin(&[META], Mode::Write(Durability::Strict))?;
        put(&transaction.store(META)?, &JsValue::from_str(ENVELOPE), &value_of(envelope))?;
        transaction.ended().await
    }

    /// The last commit that it has something of, and how many came after the snapshot.
    pub(super) async fn extent(&self) -> Result<(Seq, u32)> {
        let transaction = self.begin(&[META, LOG], Mode::Read)?;
        let seq = transaction.get(META, &JsValue::from_str(SNAPSHOT))?;
        let keys = transaction.all_keys(LOG)?;
        transaction.answered().await?;
        let keys: Array = result(&keys)?.unchecked_into();
        let count = keys.length();
        let last = if count == 0 { None } else { whole_number(&keys.get(count - 1)) };
        Ok((last.or_else(|| whole_number(&result(&seq).ok()?)).unwrap_or_default(), count))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.database.set_onversionchange(None);
        self.database.set_onclose(None);
        self.database.close();
    }
}

fn create(request: &IdbOpenDbRequest) -> std::result::Result<(), JsValue> {
    let database: IdbDatabase = request.result()?.unchecked_into();
    [META, SNAPSHOT, LOG].iter().try_for_each(|store| database.create_object_store(store).map(drop))
}

/// Lines as they are stored.
pub(super) fn lines_value(lines: &[u8]) -> JsValue {
    std::str::from_utf8(lines).map_or_else(|_| Uint8Array::from(lines).into(), JsValue::from_str)
}

fn lines_of(value: &JsValue) -> Vec<u8> {
    match value.dyn_ref::<JsString>() {
        Some(text) => String::from(text).into_bytes(),
        None => value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default(),
    }
}
