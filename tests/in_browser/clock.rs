//! Clock and random numbers.

use std::pin::pin;

use futures_util::future::{Either, select};
use wasm_bindgen_test::wasm_bindgen_test;
use whimbrel::browser::{BrowserClock, BrowserRandom};
use whimbrel::ports::{Clock, Random};

use super::page::without_global;

#[wasm_bindgen_test]
async fn the_longest_sleep_is_not_the_shortest() {
    let (long, short) = (pin!(BrowserClock.sleep(u32::MAX)), pin!(BrowserClock.sleep(20)));
    assert!(matches!(select(long, short).await, Either::Right(_)));
}

#[wasm_bindgen_test]
fn the_clock_is_the_device_s() {
    #[allow(clippy::cast_possible_truncation, reason = "whole milliseconds")]
    let before = js_sys::Date::now() as i64;
    let now = BrowserClock.now_ms();
    assert!((before..before + 60_000).contains(&now), "{now}");
}

#[wasm_bindgen_test]
fn random_numbers_differ() {
    assert_ne!(BrowserRandom.bytes16(), BrowserRandom.bytes16());
    let missing = without_global("crypto");
    assert_ne!(BrowserRandom.bytes16(), BrowserRandom.bytes16());
    drop(missing);
}
