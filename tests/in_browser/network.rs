//! Hints about the network and the app's life.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen_test::wasm_bindgen_test;
use whimbrel::browser::{NetworkHint, NetworkListener};

use super::page::{dispatch_on, set_on_line, set_visibility};

fn listen() -> (NetworkListener, Rc<RefCell<Vec<NetworkHint>>>) {
    let hints = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&hints);
    (NetworkListener::new(move |hint| told.borrow_mut().push(hint)), hints)
}

#[wasm_bindgen_test]
fn online_and_offline_are_told() {
    let (listener, hints) = listen();
    dispatch_on("window", "offline");
    dispatch_on("window", "online");
    assert_eq!(*hints.borrow(), [NetworkHint::Offline, NetworkHint::Online]);
    drop(listener);
    dispatch_on("window", "offline");
    assert_eq!(hints.borrow().len(), 2);
}

#[wasm_bindgen_test]
fn a_browser_that_is_offline_at_the_start_says_so() {
    let offline = set_on_line(false);
    let (_listener, hints) = listen();
    drop(offline);
    assert_eq!(*hints.borrow(), [NetworkHint::Offline]);
}

#[wasm_bindgen_test]
fn coming_back_is_told_once_per_absence() {
    let (_listener, hints) = listen();
    dispatch_on("window", "focus");
    assert_eq!(*hints.borrow(), []);
    let hidden = set_visibility("hidden");
    dispatch_on("document", "visibilitychange");
    assert_eq!(*hints.borrow(), []);
    drop(hidden);
    dispatch_on("document", "visibilitychange");
    dispatch_on("window", "focus");
    assert_eq!(*hints.borrow(), [NetworkHint::Resumed]);
    for (target, away, back) in
        [("window", "blur", "focus"), ("window", "pagehide", "pageshow"), ("document", "freeze", "resume")]
    {
        hints.borrow_mut().clear();
        dispatch_on(target, away);
        dispatch_on(target, back);
        dispatch_on(target, back);
        assert_eq!(*hints.borrow(), [NetworkHint::Resumed], "{back}");
    }
}
