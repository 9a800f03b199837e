//! Compressed request bodies: after hours offline, the queue goes up a slow link.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

/// Shorter bodies travel as they are: they fit into a few packets anyway.
const GZIP_BYTES_MIN: usize = 4 * 1024;

// By hand: web-sys has it behind its flag for unstable interfaces.
#[wasm_bindgen]
extern "C" {
    type CompressionStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<CompressionStream, JsValue>;
}

/// The body compressed; `None` when it is not worth it and where the browser cannot.
pub(super) async fn gzip(body: &str) -> Option<JsValue> {
    if body.len() < GZIP_BYTES_MIN {
        return None;
    }
    let compressor = CompressionStream::new("gzip").ok()?;
    // As bytes: a string would be decoded and encoded again.
    let plain = Uint8Array::new_from_slice(body.as_bytes());
    let plain = Response::new_with_opt_js_u8_array(Some(&plain)).ok()?.body()?;
    let compressed = plain.pipe_through(compressor.unchecked_ref());
    let whole = Response::new_with_opt_readable_stream(Some(&compressed)).ok()?.array_buffer().ok()?;
    JsFuture::from(whole).await.ok()
}
