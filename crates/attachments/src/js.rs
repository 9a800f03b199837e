//! What the package sees.
//!
//! Functions that may fail throw an object `{ code, message }`: `store/quota`, or `store/failed`.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::Blob;

use crate::shelf::{Fault, Shelf, to_entry};
use crate::{Failure, Lane, Next, to_evict};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
export interface EntryDto {
  address: string; size: number; type: string; uploaded: boolean; here: boolean; parts: number; addedAt: number; usedAt: number;
}
export type NextDto = { readonly upload?: string; readonly waitUntil?: number };
"#;

#[wasm_bindgen]
extern "C" {
    /// Addresses.
    #[wasm_bindgen(typescript_type = "readonly string[]")]
    pub type Addresses;
}

/// The attachments of a database.
#[wasm_bindgen]
pub struct AttachmentShelf {
    shelf: Rc<Shelf>,
    lane: RefCell<Lane>,
}

#[wasm_bindgen]
impl AttachmentShelf {
    /// Opens the database of that name, and makes it when it is not there.
    #[wasm_bindgen(unchecked_return_type = "Promise<AttachmentShelf>")]
    pub fn open(name: String) -> Promise {
        promise(async move {
            let shelf = Shelf::open(&name).await?;
            Ok(Self { shelf: Rc::new(shelf), lane: RefCell::default() }.into())
        })
    }

    /// Keeps a content that was made here. Resolves to whether it is new.
    #[wasm_bindgen(unchecked_return_type = "Promise<boolean>")]
    pub fn add(&self, address: String, content: Blob, media_type: String, now: f64) -> Promise {
        let shelf = Rc::clone(&self.shelf);
        promise(async move { Ok(shelf.add(&address, &content, &media_type, now).await?.into()) })
    }

    /// The content, if all of it is here.
    #[wasm_bindgen(unchecked_return_type = "Promise<Blob | undefined>")]
    pub fn take(&self, address: String, now: f64) -> Promise {
        let shelf = Rc::clone(&self.shelf);
        promise(async move { Ok(shelf.take(&address, now).await?.into()) })
    }

    /// Everything that is here, or on its way here.
    #[wasm_bindgen(unchecked_return_type = "Promise<EntryDto[]>")]
    pub fn entries(&self) -> Promise {
        let shelf = Rc::clone(&self.shelf);
        promise(async move { Ok(shelf.entries().await?.into_iter().collect::<Array>().into()) })
    }

    /// Begins a download, or goes on with it: how many bytes of it are here.
    #[wasm_bindgen(js_name = beginDownload, unchecked_return_type = "Promise<number>")]
    pub fn begin_download(&self, address: String, size: f64, media_type: String, now: f64) -> Promise {
        let shelf = Rc::clone(&self.shelf);
        promise(async move { Ok(shelf.begin(&address, size, &media_type, now).await?.into()) })
    }

    /// Keeps the next part of a download: how many bytes are here now. `undefined` when it is no longer the next.
    #[wasm_bindgen(js_name = addPart, unchecked_return_type = "Promise<number | undefined>")]
    pub fn add_part(&self, address: String, offset: f64, part: Blob) -> Promise {
        let shelf = Rc::clone(&self.shelf);
        promise(async move { Ok(shelf.add_part(&address, offset, &part).await?.into()) })
    }

    /// What was downloaded, to be looked at.
    #[wasm_bindgen(unchecked_return_type = "Promise<Blob | undefined>")]
    pub fn downloaded(&self, address: String) -> Promise {
        let shelf = Rc::clone(&self.shelf);
        promise(async move { Ok(shelf.downloaded(&address).await?.into()) })
    }

    /// What was downloaded is right.
    #[wasm_bindgen(js_name = endDownload, unchecked_return_type = "Promise<void>")]
    pub fn end_download(&self, address: String) -> Promise {
        let shelf = Rc::clone(&self.shelf);
        promise(async move { shelf.mark(&address, "here").await.map(|()| JsValue::UNDEFINED) })
    }

    /// The server has it.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn uploaded(&self, address: String) -> Promise {
        self.lane.borrow_mut().ended(&address);
        let shelf = Rc::clone(&self.shelf);
        promise(async move { shelf.mark(&address, "uploaded").await.map(|()| JsValue::UNDEFINED) })
    }

    /// The server was restored from a backup: what is here counts as not uploaded until it was asked.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn doubt(&self) -> Promise {
        let shelf = Rc::clone(&self.shelf);
        promise(async move { shelf.doubt().await.map(|()| JsValue::UNDEFINED) })
    }

    /// Deletes a content, if the server has it. Resolves to whether it is gone.
    #[wasm_bindgen(unchecked_return_type = "Promise<boolean>")]
    pub fn remove(&self, address: String) -> Promise {
        let shelf = Rc::clone(&self.shelf);
        promise(async move { Ok(shelf.remove(&address).await?.into()) })
    }

    /// Deletes what there is no room for, and the server has. Resolves to its addresses.
    #[wasm_bindgen(unchecked_return_type = "Promise<string[]>")]
    pub fn evict(&self, budget: f64, busy: Addresses) -> Promise {
        let shelf = Rc::clone(&self.shelf);
        promise(async move {
            let entries: Vec<_> = shelf.entries().await?.iter().map(to_entry).collect();
            let gone = Array::new();
            for address in to_evict(&entries, budget as u64, &addresses(&busy)) {
                if shelf.remove(address).await? {
                    gone.push(&address.into());
                }
            }
            Ok(gone.into())
        })
    }

    /// What is uploaded next, of what these rows refer to. `entries` is what [`Self::entries`] gave.
    #[wasm_bindgen(unchecked_return_type = "NextDto")]
    pub fn next(&self, entries: Array, referred: Addresses, now: f64) -> Object {
        let entries: Vec<_> = entries.iter().map(|entry| to_entry(&entry)).collect();
        let (name, value): (&str, JsValue) = match self.lane.borrow().next(&entries, &addresses(&referred), now as i64)
        {
            Next::Upload(address) => ("upload", address.into()),
            Next::Wait(at) => ("waitUntil", (at as f64).into()),
            Next::Nothing => return Object::new(),
        };
        object(&[(name, value)])
    }

    /// An upload has failed: `unreferenced`, `refused`, or anything else for a while. `random` is in 0 … 1.
    pub fn failed(&self, address: String, how: String, retry_after_ms: f64, now: f64, random: f64) {
        let failure = match how.as_str() {
            "unreferenced" => Failure::Unreferenced,
            "refused" => Failure::Refused,
            _ => Failure::Temporary { retry_after_ms: retry_after_ms as u64 },
        };
        self.lane.borrow_mut().failed(&address, failure, now as i64, |max| (random * max as f64) as u64);
    }

    /// A sync has come to its end, or the network is back.
    pub fn synced(&self) {
        self.lane.borrow_mut().synced();
    }

    /// The app does not want to wait.
    #[wasm_bindgen(js_name = retryNow)]
    pub fn retry_now(&self) {
        self.lane.borrow_mut().retry_now();
    }

    /// Whether the server does not take it.
    #[wasm_bindgen(js_name = isRefused)]
    pub fn is_refused(&self, address: String) -> bool {
        self.lane.borrow().is_refused(&address)
    }

    /// Closes the database, once what is under way has ended.
    pub fn close(self) {}
}

fn addresses(array: &Addresses) -> Vec<String> {
    array.unchecked_ref::<Array>().iter().filter_map(|address| address.as_string()).collect()
}

fn promise(work: impl Future<Output = Result<JsValue, Fault>> + 'static) -> Promise {
    future_to_promise(async move {
        work.await.map_err(|fault| {
            let (code, message) = match fault {
                Fault::NoRoom => ("store/quota", "there is no room for the attachment".to_owned()),
                Fault::Failed(words) => ("store/failed", words),
            };
            object(&[("code", code.into()), ("message", message.into())]).into()
        })
    })
}

fn object(values: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in values {
        // An object that was just made takes any property.
        drop(Reflect::set(&object, &(*name).into(), value));
    }
    object
}
