//! The ports in a real browser: the storage contract on IndexedDB, and what only a browser can do wrong.
//! Run by `wasm-pack test --headless --chrome -- --test browser`; natively there is nothing to test here.
#![cfg(target_family = "wasm")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "clippy does not know wasm_bindgen_test's functions for tests"
)]

mod in_browser;
mod storage_contract;
