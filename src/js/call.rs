//! What every call into the engine is made of.

use std::future::Future;
use std::pin::Pin;

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::dto::{ErrorDto, to_js};
use crate::error::{Error, Result};

/// What a call gives that does not wait.
pub(super) type JsResult<T> = std::result::Result<T, JsValue>;

/// Begins a call; what comes of it settles the promise. An `async fn` of wasm-bindgen would bring this along once for every call.
pub(super) fn promise(call: impl Future<Output = Result<JsValue>> + 'static) -> Promise {
    settle(Box::pin(call))
}

fn settle(call: Pin<Box<dyn Future<Output = Result<JsValue>>>>) -> Promise {
    future_to_promise(async move { call.await.map_err(thrown) })
}

#[allow(clippy::cast_precision_loss, reason = "a count of rows is far below 2⁵³")]
pub(super) fn number(count: u64) -> JsValue {
    JsValue::from(count as f64)
}

/// An error as JavaScript catches it: an `ErrorDto`.
#[allow(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
pub(super) fn thrown(error: Error) -> JsValue {
    match to_js(&ErrorDto::from(&error)) {
        Ok(dto) => dto.into(),
        Err(_) => JsValue::from_str(error.code().as_str()),
    }
}
