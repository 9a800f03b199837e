//! What goes into an engine and out of it as a stream.

use js_sys::{Function, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::call::{number, promise};
use super::engine::Engine;
use crate::driver::{FilePiece, TransferId};
use crate::json::to_text;

#[wasm_bindgen]
extern "C" {
    /// Gives the next piece of a file, or nothing at its end.
    #[wasm_bindgen(typescript_type = "() => Promise<Uint8Array | undefined>")]
    pub type NextPiece;
}

#[wasm_bindgen]
impl Engine {
    /// Stores the lines of a pull's answer, given in pieces; resolves to the number of rows.
    #[wasm_bindgen(unchecked_return_type = "Promise<number>")]
    pub fn load(&self, next: NextPiece) -> Promise {
        let driver = self.driver.clone();
        let file = move || -> FilePiece {
            let piece = next.unchecked_ref::<Function>().call0(&JsValue::NULL);
            // The package's function does not fail; if it did, the file would end too early, and that is noticed.
            Box::pin(async move {
                let piece = JsFuture::from(Promise::resolve(&piece.ok()?)).await.ok()?;
                piece.dyn_ref().map(Uint8Array::to_vec)
            })
        };
        promise(async move { driver.load(Box::new(file)).await.map(number) })
    }

    /// Begins an export, of all that waits or of the whole store; its number.
    #[wasm_bindgen(js_name = beginExport)]
    pub fn begin_export(&self, whole: bool) -> u32 {
        self.driver.begin_export(whole).0
    }

    /// The next piece of an export; `undefined` at its end.
    #[wasm_bindgen(js_name = exportNext, unchecked_return_type = "Promise<Uint8Array | undefined>")]
    pub fn export_next(&self, transfer: u32) -> Promise {
        let driver = self.driver.clone();
        promise(async move {
            let piece = driver.export_next(TransferId(transfer)).await?;
            Ok(piece.map_or(JsValue::UNDEFINED, |piece| Uint8Array::from(piece.as_slice()).into()))
        })
    }

    /// Begins an import; its number.
    #[wasm_bindgen(js_name = beginImport)]
    pub fn begin_import(&self) -> u32 {
        self.driver.begin_import().0
    }

    /// Takes the next bytes of an import.
    #[wasm_bindgen(js_name = importNext, unchecked_return_type = "Promise<void>")]
    pub fn import_next(&self, transfer: u32, bytes: Vec<u8>) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.import_next(TransferId(transfer), &bytes).await.map(|()| JsValue::UNDEFINED) })
    }

    /// Ends an import whose bytes have all come; what it came to, as JSON.
    #[wasm_bindgen(js_name = importEnd, unchecked_return_type = "Promise<string>")]
    pub fn import_end(&self, transfer: u32) -> Promise {
        let driver = self.driver.clone();
        promise(async move { to_text(&driver.import_end(TransferId(transfer)).await?).map(JsValue::from) })
    }

    /// Ends an export or an import that is no longer wanted.
    #[wasm_bindgen(js_name = endTransfer, unchecked_return_type = "Promise<void>")]
    pub fn end_transfer(&self, transfer: u32) -> Promise {
        let driver = self.driver.clone();
        promise(async move { driver.end_transfer(TransferId(transfer)).await.map(|()| JsValue::UNDEFINED) })
    }
}
