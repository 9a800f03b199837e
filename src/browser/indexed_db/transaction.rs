//! The one place where IndexedDB's transactions become futures.
//!
//! ```text
//! begin ──► requests, all issued at once ──► ended ──► Ok                  `complete`
//!                                              ├─────► Err with the cause  `abort`
//!                                              └─────► Err store/timeout   neither in time
//! ```
//!
//! Results of requests are read after `ended`, so nothing is awaited between requests and the transaction cannot end early.
//!
//! **Invariant:** a transaction that is dropped before `ended` is aborted. A `?` between requests never commits half of them.

use js_sys::{Array, Object};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbDatabase, IdbObjectStore, IdbRequest, IdbTransaction};

use super::super::clock::Deadline;
use super::super::signal::Signal;
use super::DEADLINE_MS;
use super::fault;
use crate::error::{Code, Error, Result};
use crate::ports::Durability;

// By hand: web-sys has the third argument behind its flag for unstable interfaces.
#[wasm_bindgen]
extern "C" {
    type WithDurability;

    #[wasm_bindgen(method, catch)]
    fn transaction(
        this: &WithDurability,
        stores: &Array,
        mode: &str,
        options: &Object,
    ) -> std::result::Result<IdbTransaction, JsValue>;

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
    raw: IdbTransaction,
    end: Signal<End>,
    _handlers: [Closure<dyn FnMut()>; 2],
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
        let raw = database.unchecked_ref::<WithDurability>().transaction(&names, mode, &options)?;
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
        Ok(Self { raw, end, _handlers: [completed, aborted], _deadline: deadline })
    }

    pub(super) fn store(&self, name: &str) -> Result<IdbObjectStore> {
        self.raw.object_store(name).map_err(|thrown| fault::of_exception(name, &thrown))
    }

    /// Issues a `get`.
    pub(super) fn get(&self, store: &str, key: &JsValue) -> Result<IdbRequest> {
        self.store(store)?.get(key).map_err(|thrown| fault::of_exception("reading", &thrown))
    }

    /// Says that no request follows, which spares the transaction a round through the event loop. It can still fail, but not be aborted.
    pub(super) fn seal(&self) {
        // Browsers without `commit` find out by themselves.
        drop(self.raw.commit());
    }

    /// A handle that may abort the transaction from an event handler.
    pub(super) fn raw(&self) -> &IdbTransaction {
        &self.raw
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
