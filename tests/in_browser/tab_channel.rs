//! Messages between tabs.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;
use whimbrel::browser::BroadcastTabs;
use whimbrel::ports::TabChannel;

use super::page::{post, settle, until, without_global};

fn ear(channel: &BroadcastTabs) -> Rc<RefCell<Vec<u8>>> {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let hears = Rc::clone(&heard);
    channel.listen(Box::new(move |message| hears.borrow_mut().extend_from_slice(message)));
    heard
}

#[wasm_bindgen_test]
async fn other_tabs_hear_what_is_announced() {
    let (one, two, other) = (BroadcastTabs::new("tabs"), BroadcastTabs::new("tabs"), BroadcastTabs::new("other-tabs"));
    let (by_one, by_two, by_other) = (ear(&one), ear(&two), ear(&other));
    one.announce(&[7]);
    one.announce(&[8]);
    two.announce(&[9]);
    until(|| by_one.borrow().len() == 1 && by_two.borrow().len() == 2).await;
    settle().await;
    assert_eq!(*by_one.borrow(), [9]);
    assert_eq!(*by_two.borrow(), [7, 8]);
    assert!(by_other.borrow().is_empty());
    drop(two);
    one.announce(&[10]);
    settle().await;
    assert_eq!(*by_two.borrow(), [7, 8]);
}

#[wasm_bindgen_test]
async fn what_is_not_bytes_is_not_heard() {
    let channel = BroadcastTabs::new("noise");
    let heard = ear(&channel);
    for message in [JsValue::NULL, "7".into(), JsValue::from(-1), JsValue::from(1.5), JsValue::from(f64::NAN)] {
        post("noise", &message);
    }
    post("noise", &js_sys::Uint8Array::from(&[3_u8][..]));
    until(|| heard.borrow().contains(&3)).await;
    assert_eq!(*heard.borrow(), [3]);
}

#[wasm_bindgen_test]
async fn without_broadcast_channel_there_is_silence() {
    let missing = without_global("BroadcastChannel");
    let channel = BroadcastTabs::new("silence");
    let heard = ear(&channel);
    channel.announce(&[1]);
    settle().await;
    assert!(heard.borrow().is_empty());
    drop((channel, missing));
}
