//! The one place where IndexedDB's transactions become futures.
//!
//! ```text
//! begin ──► requests, all issued at once ──► ended ──► Ok                  `complete`, or the last read's `success`
//!                                              ├─────► Err with the cause  `abort`
//!                                              └─────► Err store/timeout   neither in time
//! ```
//!
//! Results of requests are read after that, so nothing is awaited between requests and the transaction cannot end early.
//!
//! **Invariant:** a transaction that is dropped before `ended` is aborted. A `?` between requests never commits half of them.

use std::cell::RefCell;

use js_sys::{Array, Object};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbDatabase, IdbKeyRange, IdbObjectStore, IdbRequest, IdbTransaction};

use super::super::clock::Deadline;
use super::super::signal::Signal;
use super::DEADLINE_MS;
use super::fault;
use crate::error::{Code, Error, Result};
use crate::ports::Durability;

// By hand: web-sys has the third argument behind its flag for unstable interfaces, and takes `commit` for deprecated.
#[wasm_bindgen]
extern "C" {
    type Database;

    #[wasm_bindgen(method, catch)]
    fn transaction(
        this: &Database,
        stores: &Array,
        mode: &str,
        options: &Object,
    ) -> std::result::Result<RawTransaction, JsValue>;

    /// A transaction that can be told that no request follows.
    #[wasm_bindgen(extends = IdbTransaction)]
    #[derive(Clone)]
    pub(super) type RawTransaction;

    #[wasm_bindgen(method, catch)]
    pub(super) fn commit(this: &RawTransaction) -> std::result::Result<(), JsValue>;

    #[wasm_bindgen(extends = Object)]
    type Options;

    #[wasm_bindgen(method, setter)]
    fn set_durability(this: &Options, durability: &str);
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Read,
    Write(Durability),
}

#[derive(Clone, Copy)]
enum End {
    Completed,
    Aborted,
    TimedOut,
}

pub(super) struct Transaction {
    raw: RawTransaction,
    end: Signal<End>,
    last_read: RefCell<Option<IdbRequest>>,
    completed: Closure<dyn FnMut()>,
    _aborted: Closure<dyn FnMut()>,
    _deadline: Deadline,
}

impl Transaction {
    /// Begins a transaction.
    ///
    /// # Errors
    /// What IndexedDB threw; [`fault::is_connection_closed`] knows the one that a new connection helps against.
    pub(super) fn begin(database: &IdbDatabase, stores: &[&str], mode: Mode) -> std::result::Result<Self, JsValue> {
        let names: Array = stores.iter().map(|name| JsValue::from_str(name)).collect();
        let options: Options = Object::new().unchecked_into();
        let mode = match mode {
            Mode::Read => "readonly",
            Mode::Write(durability) => {
                options.set_durability(match durability {
                    Durability::Relaxed => "relaxed",
                    Durability::Strict => "strict",
                });
                "readwrite"
            }
        };
        let raw = database.unchecked_ref::<Database>().transaction(&names, mode, &options)?;
        let end = Signal::new();
        let handler = |what: End| {
            let end = end.clone();
            move || end.settle(what)
        };
        let completed = Closure::new(handler(End::Completed));
        let aborted = Closure::new(handler(End::Aborted));
        raw.set_oncomplete(Some(completed.as_ref().unchecked_ref()));
        raw.set_onabort(Some(aborted.as_ref().unchecked_ref()));
        let deadline = Deadline::new(DEADLINE_MS, handler(End::TimedOut));
        Ok(Self { raw, end, last_read: RefCell::new(None), completed, _aborted: aborted, _deadline: deadline })
    }

    pub(super) fn store(&self, name: &str) -> Result<IdbObjectStore> {
        self.raw.object_store(name).map_err(|thrown| fault::of_exception(name, &thrown))
    }

    /// Issues a `get`.
    pub(super) fn get(&self, store: &str, key: &JsValue) -> Result<IdbRequest> {
        self.issued(self.store(store)?.get(key))
    }

    /// Issues a `getAll` of the keys above `after`.
    pub(super) fn get_all(&self, store: &str, after: &JsValue) -> Result<IdbRequest> {
        let store = self.store(store)?;
        self.issued(IdbKeyRange::lower_bound_with_open(after, true).and_then(|range| store.get_all_with_key(&range)))
    }

    /// Issues a `getAllKeys`.
    pub(super) fn all_keys(&self, store: &str) -> Result<IdbRequest> {
        self.issued(self.store(store)?.get_all_keys())
    }

    fn issued(&self, request: std::result::Result<IdbRequest, JsValue>) -> Result<IdbRequest> {
        let request = request.map_err(|thrown| fault::of_exception("reading", &thrown))?;
        self.last_read.replace(Some(request.clone()));
        Ok(request)
    }

    /// A handle that may abort the transaction from an event handler.
    pub(super) fn raw(&self) -> &RawTransaction {
        &self.raw
    }

    /// Waits for the answers to all reads. Requests are answered in order, so the last one's will do; `complete` comes a round through the
    /// event loop later, and after an explicit `commit` Chromium has it even before the answers whose values are large.
    ///
    /// # Errors
    /// As [`Transaction::ended`].
    pub(super) async fn answered(self) -> Result<()> {
        if let Some(request) = &*self.last_read.borrow() {
            request.set_onsuccess(Some(self.completed.as_ref().unchecked_ref()));
        }
        self.ended().await
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// `store/quota` or `store/failed` when it was aborted: nothing was written. `store/timeout` when nothing is known in time: it was told to
    /// abort, but if it was being committed at that moment, it may have been written whole.
    pub(super) async fn ended(self) -> Result<()> {
        match self.end.settled().await {
            End::Completed => Ok(()),
            End::Aborted => {
                let cause = self.raw.error().map_or(JsValue::NULL, JsValue::from);
                Err(fault::of_exception("the transaction was aborted", &cause))
            }
            End::TimedOut => {
                Err(Error::new(Code::StoreTimeout, format!("no end of a transaction in {DEADLINE_MS} ms")))
            }
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.raw.set_oncomplete(None);
        self.raw.set_onabort(None);
        if let Some(request) = self.last_read.take() {
            request.set_onsuccess(None);
        }
        if !matches!(self.end.value(), Some(End::Completed | End::Aborted)) {
            // Throws when it is being committed already: then it is whole.
            drop(self.raw.abort());
        }
    }
}

/// The result of a request of a transaction that has ended.
pub(super) fn result(request: &IdbRequest) -> Result<JsValue> {
    request.result().map_err(|thrown| fault::of_exception("reading", &thrown))
}
