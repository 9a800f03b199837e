//! What IndexedDB's exceptions mean as errors of ours.

use wasm_bindgen::JsValue;

use super::super::global::{describe, error_name};
use crate::error::{Code, Error};

/// A value of the store that is not what this engine writes.
pub(super) fn corrupt(what: &str) -> Error {
    Error::new(Code::StoreCorrupt, format!("{what} is not what this engine writes"))
}

/// The error for what a call of IndexedDB threw, a request failed with or a transaction was aborted with.
pub(super) fn of_exception(doing: &str, thrown: &JsValue) -> Error {
    Error::new(code(&error_name(thrown)), format!("{doing}: {}", describe(thrown)))
}

/// The error for what opening or deleting a database failed with.
pub(super) fn of_opening(doing: &str, thrown: &JsValue) -> Error {
    let code = match error_name(thrown).as_str() {
        // Firefox names a forbidden database like this, in private windows and where site data is blocked.
        "InvalidStateError" | "SecurityError" | "NotAllowedError" | "NotSupportedError" => Code::StoreUnavailable,
        "VersionError" => Code::StoreNewer,
        name => self::code(name),
    };
    Error::new(code, format!("{doing}: {}", describe(thrown)))
}

/// Whether the connection was closed under us: nothing can have been written.
pub(super) fn is_connection_closed(thrown: &JsValue) -> bool {
    error_name(thrown) == "InvalidStateError"
}

fn code(name: &str) -> Code {
    match name {
        "QuotaExceededError" => Code::StoreQuota,
        _ => Code::StoreFailed,
    }
}
