//! Requests that open or delete a database, as futures.
//!
//! **Invariant:** a connection that nobody waits for any more is closed when it arrives; left open it would block every deletion.
//! **Invariant:** a database that nobody waits for any more is not created: one without its object stores could never be mended.

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, IdbDatabase, IdbFactory, IdbOpenDbRequest};

use super::super::clock::Deadline;
use super::super::global::global;
use super::super::signal::Signal;
use super::DEADLINE_MS;
use super::fault;
use crate::error::{Code, Error, Result};

/// The browser's IndexedDB.
///
/// # Errors
/// `store/unavailable` when there is none here.
pub(super) fn factory() -> Result<IdbFactory> {
    let factory =
        global("indexedDB").ok_or_else(|| Error::new(Code::StoreUnavailable, "there is no IndexedDB here"))?;
    Ok(factory.unchecked_into())
}

pub(super) type Handler = Closure<dyn FnMut(Event)>;

#[derive(Clone, Copy)]
enum Answer {
    Succeeded,
    Failed,
    TimedOut,
}

/// A request under way.
pub(super) struct Opening {
    request: IdbOpenDbRequest,
    answer: Signal<Answer>,
    is_taken: bool,
    _handlers: [Option<Handler>; 3],
    _deadline: Deadline,
}

impl Opening {
    /// Takes charge of a request that was just made; `upgrade` fills a new database.
    pub(super) fn new(request: IdbOpenDbRequest, upgrade: Option<Handler>) -> Self {
        let answer = Signal::new();
        let handler = |what: Answer| {
            let answer = answer.clone();
            // Unprevented, a failure would go on to the page's error handlers.
            move |event: Event| {
                event.prevent_default();
                answer.settle(what);
            }
        };
        let succeeded = Handler::new(handler(Answer::Succeeded));
        let failed = Handler::new(handler(Answer::Failed));
        request.set_onsuccess(Some(succeeded.as_ref().unchecked_ref()));
        request.set_onerror(Some(failed.as_ref().unchecked_ref()));
        request.set_onupgradeneeded(upgrade.as_ref().map(|upgrade| upgrade.as_ref().unchecked_ref()));
        let passed = answer.clone();
        let deadline = Deadline::new(DEADLINE_MS, move || passed.settle(Answer::TimedOut));
        Self {
            request,
            answer,
            is_taken: false,
            _handlers: [Some(succeeded), Some(failed), upgrade],
            _deadline: deadline,
        }
    }

    /// Waits for the answer. A connection that still holds the database is no answer but a reason to wait.
    ///
    /// # Errors
    /// `store/timeout`, `store/unavailable`, `store/newer`, `store/quota`, `store/failed`.
    pub(super) async fn answered(mut self, doing: &str) -> Result<JsValue> {
        match self.answer.settled().await {
            Answer::Succeeded => {
                self.is_taken = true;
                self.request.result().map_err(|thrown| fault::of_opening(doing, &thrown))
            }
            Answer::Failed => {
                let cause = self.request.error().ok().flatten().map_or(JsValue::NULL, JsValue::from);
                Err(fault::of_opening(doing, &cause))
            }
            Answer::TimedOut => Err(Error::new(
                Code::StoreTimeout,
                format!("{doing}: no answer in {DEADLINE_MS} ms; another tab may be holding the database"),
            )),
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.request.set_onsuccess(None);
        self.request.set_onerror(None);
        self.request.set_onupgradeneeded(None);
        match self.answer.value() {
            Some(Answer::Failed) => {}
            Some(Answer::Succeeded) if self.is_taken => {}
            Some(Answer::Succeeded) => close(&self.request),
            Some(Answer::TimedOut) | None => {
                let request = self.request.clone();
                let late = Closure::once_into_js(move || close(&request));
                self.request.set_onsuccess(Some(late.unchecked_ref()));
                let request = self.request.clone();
                let late = Closure::once_into_js(move || abort_upgrade(&request));
                self.request.set_onupgradeneeded(Some(late.unchecked_ref()));
                // One that is being created already, and hangs, would keep everybody from opening it.
                abort_upgrade(&self.request);
            }
        }
    }
}

/// Takes the creation of a database back; its request fails.
pub(super) fn abort_upgrade(request: &IdbOpenDbRequest) {
    if let Some(transaction) = request.transaction() {
        // Throws only when it has ended.
        drop(transaction.abort());
    }
}

/// Closes the connection that a request brought, if it brought one.
fn close(request: &IdbOpenDbRequest) {
    if let Some(database) = request.result().ok().and_then(|result| result.dyn_into::<IdbDatabase>().ok()) {
        database.close();
    }
}
