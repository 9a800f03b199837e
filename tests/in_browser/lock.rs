//! Locks: Web Locks and the substitute within a page keep the same promises.

use wasm_bindgen_test::wasm_bindgen_test;
use whimbrel::browser::WebLock;
use whimbrel::ports::Lock;

use super::page::{is_pending, settle, waiting_for_lock, without_locks};

async fn exclude_each_other(name: &str) {
    let held = WebLock.acquire(name).await.expect("a lock");
    let mut second = Box::pin(WebLock.acquire(name));
    let mut third = Box::pin(WebLock.acquire(name));
    assert!(is_pending(second.as_mut()).await);
    assert!(is_pending(third.as_mut()).await);
    settle().await;
    assert!(is_pending(second.as_mut()).await);
    drop(held);
    let held = second.await.expect("a lock");
    settle().await;
    assert!(is_pending(third.as_mut()).await);
    drop(held);
    third.await.expect("a lock");
}

async fn have_names(prefix: &str) {
    let one = WebLock.acquire(&format!("{prefix}-one")).await.expect("a lock");
    let two = WebLock.acquire(&format!("{prefix}-two")).await.expect("a lock");
    drop((one, two));
}

/// Drops a waiter before its turn, and one whose turn has come but who was not told yet.
async fn forget_who_left(name: &str) {
    let held = WebLock.acquire(name).await.expect("a lock");
    let mut impatient = Box::pin(WebLock.acquire(name));
    let mut unlucky = Box::pin(WebLock.acquire(name));
    let mut last = Box::pin(WebLock.acquire(name));
    assert!(is_pending(impatient.as_mut()).await);
    assert!(is_pending(unlucky.as_mut()).await);
    assert!(is_pending(last.as_mut()).await);
    drop(impatient);
    drop(held);
    settle().await;
    drop(unlucky);
    last.await.expect("a lock");
}

#[wasm_bindgen_test]
async fn web_locks() {
    exclude_each_other("web-exclusion").await;
    have_names("web").await;
    forget_who_left("web-dropped").await;
}

#[wasm_bindgen_test]
async fn who_left_is_taken_off_the_list() {
    let held = WebLock.acquire("web-list").await.expect("a lock");
    let mut waiting = Box::pin(WebLock.acquire("web-list"));
    assert!(is_pending(waiting.as_mut()).await);
    assert_eq!(waiting_for_lock("web-list").await, Some(1.0));
    drop(waiting);
    assert_eq!(waiting_for_lock("web-list").await, Some(0.0));
    drop(held);
}

#[wasm_bindgen_test]
async fn the_substitute_within_a_page() {
    let missing = without_locks();
    exclude_each_other("page-exclusion").await;
    have_names("page").await;
    forget_who_left("page-dropped").await;
    drop(missing);
}

#[wasm_bindgen_test]
async fn a_name_that_the_browser_reserves_is_an_error() {
    let refused = WebLock.acquire("-reserved").await;
    assert_eq!(refused.err().map(|error| error.code()), Some(whimbrel::error::Code::Internal));
}
