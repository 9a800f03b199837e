//! A careful look at JavaScript's values: what the global scope of a page or worker has, what errors are called, which numbers are whole.

use js_sys::{Number, Reflect};
use wasm_bindgen::JsValue;

/// A property of the global scope; `None` when it is missing or access to it is forbidden, as in sandboxed frames.
pub(super) fn global(name: &str) -> Option<JsValue> {
    property(&js_sys::global(), name)
}

/// A property of an object; `None` when it is missing, null or throws.
pub(super) fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    let value = Reflect::get(object, &JsValue::from_str(name)).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// The name of a thrown value, such as `QuotaExceededError`; empty when it has none.
pub(super) fn error_name(thrown: &JsValue) -> String {
    property(thrown, "name").and_then(|name| name.as_string()).unwrap_or_default()
}

/// A thrown value as developers know it: name and message.
pub(super) fn describe(thrown: &JsValue) -> String {
    let message = property(thrown, "message").and_then(|message| message.as_string()).unwrap_or_default();
    match (error_name(thrown), message) {
        (name, message) if message.is_empty() => name,
        (name, message) => format!("{name}: {message}"),
    }
}

/// A whole number below 2⁵³; anything else is `None`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
pub(super) fn whole_number(value: &JsValue) -> Option<u64> {
    let float = value.as_f64()?;
    (float.fract() == 0.0 && (0.0..=Number::MAX_SAFE_INTEGER).contains(&float)).then_some(float as u64)
}
