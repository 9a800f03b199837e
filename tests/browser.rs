//! The ports in a real browser: the storage contract on IndexedDB, and what only a browser can do wrong.
//! Run by `wasm-pack test --headless --chrome -- --test browser`; natively there is nothing to test here.
#![cfg(target_family = "wasm")]

mod in_browser;
mod storage_contract;
