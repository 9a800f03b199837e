//! One file per port. Each test works on databases, channels and locks of its own name, so none can disturb another.

mod clock;
mod encryption;
mod fetch;
mod indexed_db;
mod lock;
mod mirror;
mod network;
mod page;
mod recovery;
mod tab_channel;

use wasm_bindgen_test::wasm_bindgen_test_configure;

wasm_bindgen_test_configure!(run_in_browser);
