//! The ports in a worker, where there is no window and no document.
#![cfg(target_family = "wasm")]
#![allow(clippy::expect_used, reason = "clippy does not know wasm_bindgen_test's functions for tests")]

mod storage_contract;

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{Event, EventTarget};
use whimbrel::browser::{
    BroadcastTabs, BrowserClock, BrowserRandom, FetchTransport, IndexedDbStorage, Mirroring, NetworkHint,
    NetworkListener, WebLock,
};
use whimbrel::ports::{Clock, Lock, Method, Random, Request, TabChannel, Transport};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
async fn the_storage_keeps_the_contract() {
    let run = BrowserRandom.up_to(u64::from(u32::MAX));
    storage_contract::run_all(async |name: &str| {
        let storage = IndexedDbStorage::open(&format!("worker-{run}-{name}")).await.expect("a storage");
        storage.start_mirror(Mirroring::default());
        storage
    })
    .await;
}

#[wasm_bindgen_test]
async fn requests_go_out() {
    let transport = FetchTransport::new("nothing/here").expect("a URL");
    let request = Request {
        method: Method::Get,
        path: "ping".to_owned(),
        body: String::new(),
        packed: None,
        run: None,
        token: None,
        timeout_ms: 10_000,
        idle_timeout_ms: 10_000,
    };
    assert_eq!(transport.send(request).await.expect("the server of this page answers").status, 404);
}

#[wasm_bindgen_test]
fn the_network_is_heard() {
    let hints = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&hints);
    let _listener = NetworkListener::new(move |hint| told.borrow_mut().push(hint));
    let scope = EventTarget::from(wasm_bindgen::JsValue::from(js_sys::global()));
    scope.dispatch_event(&Event::new("online").expect("an event")).expect("dispatched");
    assert_eq!(*hints.borrow(), [NetworkHint::Online]);
}

#[wasm_bindgen_test]
async fn locks_and_channels_work() {
    let held = WebLock.acquire("worker", false, Box::new(|| ())).await.expect("a lock");
    let (one, two) = (BroadcastTabs::new("worker"), BroadcastTabs::new("worker"));
    let heard = Rc::new(RefCell::new(Vec::new()));
    let hears = Rc::clone(&heard);
    two.listen(Box::new(move |message| hears.borrow_mut().extend_from_slice(message)));
    one.announce(&[4]);
    while heard.borrow().is_empty() {
        BrowserClock.sleep(5).await;
    }
    assert_eq!(*heard.borrow(), [4]);
    drop(held);
}
