//! Rust's side of `page.js`.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use js_sys::{Array, Function, Promise};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::IdbDatabase;
use whimbrel::browser::{BrowserClock, CryptoKey};
use whimbrel::ports::Clock;

#[wasm_bindgen(module = "/tests/in_browser/page.js")]
extern "C" {
    #[wasm_bindgen(js_name = rawOpen)]
    fn raw_open(name: &str, version: Option<u32>) -> Promise;
    #[wasm_bindgen(js_name = onePiece)]
    fn js_one_piece(bytes: &[u8]) -> Function;
    #[wasm_bindgen(js_name = rawOpenInBucket)]
    fn raw_open_in_bucket(name: &str) -> Promise;
    #[wasm_bindgen(js_name = rawDelete)]
    fn raw_delete(name: &str) -> Promise;
    #[wasm_bindgen(js_name = rawClose)]
    fn raw_close(database: &IdbDatabase);
    #[wasm_bindgen(js_name = rawPut)]
    fn raw_put(database: &IdbDatabase, store: &str, key: &JsValue, value: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = rawGet)]
    fn raw_get(database: &IdbDatabase, store: &str, key: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = rawDump)]
    fn raw_dump(database: &IdbDatabase, store: &str) -> Promise;
    #[wasm_bindgen(js_name = rawSearch)]
    fn raw_search(database: &IdbDatabase, texts: Vec<String>) -> Promise;
    #[wasm_bindgen(js_name = wrappingKey)]
    fn js_wrapping_key() -> Promise;
    #[wasm_bindgen(js_name = passphraseKey)]
    fn js_passphrase_key(passphrase: &str) -> Promise;
    #[wasm_bindgen(js_name = makeEnvelope)]
    fn js_make_envelope(passphrase: &str, iterations: u32) -> Promise;
    #[wasm_bindgen(js_name = withoutSubtle)]
    fn js_without_subtle() -> Function;
    #[wasm_bindgen(js_name = exists)]
    fn raw_exists(name: &str) -> Promise;
    #[wasm_bindgen(js_name = holdTransaction)]
    fn hold_transaction(database: &IdbDatabase, store: &str) -> Function;
    #[wasm_bindgen(js_name = fastDeadlines)]
    fn js_fast_deadlines() -> Function;
    #[wasm_bindgen(js_name = withoutGlobal)]
    fn js_without_global(name: &str) -> Function;
    /// Whether this browser has Storage Buckets: Chromium only. Without them there is no mirror to be tested.
    #[wasm_bindgen(js_name = hasBuckets)]
    pub(crate) fn has_buckets() -> bool;
    #[wasm_bindgen(js_name = withoutBuckets)]
    fn js_without_buckets() -> Function;
    #[wasm_bindgen(js_name = hangWrite)]
    fn js_hang_write(store: &str) -> Function;
    #[wasm_bindgen(js_name = withoutLocks)]
    fn js_without_locks() -> Function;
    #[wasm_bindgen(js_name = waitingForLock)]
    fn js_waiting_for_lock(name: &str) -> Promise;
    #[wasm_bindgen(js_name = hangOpen)]
    fn js_hang_open() -> Function;
    #[wasm_bindgen(js_name = openElsewhere)]
    fn js_open_elsewhere(name: &str) -> Function;
    #[wasm_bindgen(js_name = loseConnectionOnce)]
    fn js_lose_connection_once() -> Function;
    #[wasm_bindgen(js_name = abortNextWrite)]
    fn js_abort_next_write(cause: &str) -> Function;
    #[wasm_bindgen(js_name = throwOnPut)]
    fn js_throw_on_put(store: &str, name: &str) -> Function;
    #[wasm_bindgen(js_name = recordDurability)]
    fn js_record_durability(seen: &Array) -> Function;
    #[wasm_bindgen(js_name = fakeFetch)]
    fn js_fake_fetch(answer: &JsValue, seen: &Array) -> Function;
    #[wasm_bindgen(js_name = gunzip)]
    fn js_gunzip(sent: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = setVisibility)]
    fn js_set_visibility(state: &str) -> Function;
    #[wasm_bindgen(js_name = setOnLine)]
    fn js_set_on_line(is_online: bool) -> Function;

    #[wasm_bindgen(js_name = dispatchOn)]
    pub(crate) fn dispatch_on(target: &str, event: &str);
    pub(crate) fn post(channel: &str, message: &JsValue);
}

/// A change to the platform, undone on drop.
pub(crate) struct Changed(Function);

impl Drop for Changed {
    fn drop(&mut self) {
        self.0.call0(&JsValue::NULL).expect("the platform is put back");
    }
}

pub(crate) fn fast_deadlines() -> Changed {
    Changed(js_fast_deadlines())
}

pub(crate) fn without_global(name: &str) -> Changed {
    Changed(js_without_global(name))
}

pub(crate) fn without_buckets() -> Changed {
    Changed(js_without_buckets())
}

pub(crate) fn hang_write(store: &str) -> Changed {
    Changed(js_hang_write(store))
}

pub(crate) fn without_locks() -> Changed {
    Changed(js_without_locks())
}

pub(crate) async fn waiting_for_lock(name: &str) -> Option<f64> {
    done(js_waiting_for_lock(name)).await.as_f64()
}

pub(crate) fn hang_open() -> Changed {
    Changed(js_hang_open())
}

pub(crate) fn open_elsewhere(name: &str) -> Changed {
    Changed(js_open_elsewhere(name))
}

pub(crate) fn lose_connection_once() -> Changed {
    Changed(js_lose_connection_once())
}

pub(crate) fn abort_next_write(cause: &str) -> Changed {
    Changed(js_abort_next_write(cause))
}

pub(crate) fn throw_on_put(store: &str, name: &str) -> Changed {
    Changed(js_throw_on_put(store, name))
}

pub(crate) fn record_durability(seen: &Array) -> Changed {
    Changed(js_record_durability(seen))
}

/// `answer` is JSON, see `fakeFetch`.
pub(crate) fn fake_fetch(answer: &str, seen: &Array) -> Changed {
    Changed(js_fake_fetch(&js_sys::JSON::parse(answer).expect("JSON"), seen))
}

pub(crate) async fn gunzipped(sent: &JsValue) -> String {
    done(js_gunzip(sent)).await.as_string().expect("text")
}

pub(crate) fn set_visibility(state: &str) -> Changed {
    Changed(js_set_visibility(state))
}

pub(crate) fn set_on_line(is_online: bool) -> Changed {
    Changed(js_set_on_line(is_online))
}

pub(crate) fn one_piece(bytes: &[u8]) -> Function {
    js_one_piece(bytes)
}

pub(crate) fn without_subtle() -> Changed {
    Changed(js_without_subtle())
}

pub(crate) async fn wrapping_key() -> CryptoKey {
    done(js_wrapping_key()).await.unchecked_into()
}

pub(crate) async fn passphrase_key(passphrase: &str) -> CryptoKey {
    done(js_passphrase_key(passphrase)).await.unchecked_into()
}

pub(crate) async fn make_envelope(passphrase: &str, iterations: u32) -> JsValue {
    done(js_make_envelope(passphrase, iterations)).await
}

async fn done(promise: Promise) -> JsValue {
    JsFuture::from(promise).await.expect("the platform does it")
}

/// A connection of somebody else who does not let go.
pub(crate) struct Raw(IdbDatabase);

impl Raw {
    pub(crate) async fn open(name: &str) -> Self {
        Self(done(raw_open(name, None)).await.into())
    }

    pub(crate) async fn open_in_bucket(name: &str) -> Self {
        Self(done(raw_open_in_bucket(name)).await.into())
    }

    pub(crate) async fn open_version(name: &str, version: u32) -> Self {
        Self(done(raw_open(name, Some(version))).await.into())
    }

    pub(crate) async fn put(&self, store: &str, key: impl Into<JsValue>, value: impl Into<JsValue>) {
        done(raw_put(&self.0, store, &key.into(), &value.into())).await;
    }

    pub(crate) async fn get(&self, store: &str, key: impl Into<JsValue>) -> JsValue {
        done(raw_get(&self.0, store, &key.into())).await
    }

    /// Those of the texts that stand in the database.
    pub(crate) async fn search(&self, texts: &[&str]) -> String {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        done(raw_search(&self.0, texts)).await.as_string().expect("text")
    }

    pub(crate) async fn dump(&self, store: &str) -> String {
        done(raw_dump(&self.0, store)).await.as_string().expect("text")
    }

    pub(crate) fn hold(&self, store: &str) -> Changed {
        Changed(hold_transaction(&self.0, store))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        raw_close(&self.0);
    }
}

pub(crate) async fn exists(name: &str) -> bool {
    done(raw_exists(name)).await.is_truthy()
}

/// Asks for the deletion of a database, without waiting for it.
pub(crate) fn start_deleting(name: &str) -> JsFuture {
    JsFuture::from(raw_delete(name))
}

/// Polls a future once; whether it goes on.
pub(crate) async fn is_pending<T>(mut future: Pin<&mut impl Future<Output = T>>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

/// Waits for something that will happen.
pub(crate) async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        BrowserClock.sleep(5).await;
    }
}

/// Gives what should not happen a chance to.
pub(crate) async fn settle() {
    BrowserClock.sleep(50).await;
}
