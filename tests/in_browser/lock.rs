//! Locks: Web Locks and the substitute within a page keep the same promises.

use wasm_bindgen_test::wasm_bindgen_test;
use whimbrel::browser::{WebLock, WebLockGuard};
use whimbrel::error::Result;
use whimbrel::ports::Lock;

use super::page::{is_pending, settle, until, waiting_for_lock, without_locks};

async fn acquire(name: &str) -> Result<WebLockGuard> {
    WebLock.acquire(name, false, Box::new(|| ())).await
}

async fn exclude_each_other(name: &str) {
    let held = acquire(name).await.expect("a lock");
    let mut second = Box::pin(acquire(name));
    let mut third = Box::pin(acquire(name));
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
    let one = acquire(&format!("{prefix}-one")).await.expect("a lock");
    let two = acquire(&format!("{prefix}-two")).await.expect("a lock");
    drop((one, two));
}

/// Drops a waiter before its turn, and one whose turn has come but who was not told yet.
async fn forget_who_left(name: &str) {
    let held = acquire(name).await.expect("a lock");
    let mut impatient = Box::pin(acquire(name));
    let mut unlucky = Box::pin(acquire(name));
    let mut last = Box::pin(acquire(name));
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
    let held = acquire("web-list").await.expect("a lock");
    let mut waiting = Box::pin(acquire("web-list"));
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
    let refused = acquire("-reserved").await;
    assert_eq!(refused.err().map(|error| error.code()), Some(whimbrel::error::Code::Internal));
}

#[wasm_bindgen_test]
async fn a_web_lock_can_be_stolen_and_its_holder_is_told() {
    let told = std::rc::Rc::new(std::cell::Cell::new(0));
    let (first, second) = (told.clone(), told.clone());
    let held = WebLock.acquire("stolen", false, Box::new(move || first.set(first.get() + 1))).await.expect("a lock");
    let mut waiting = Box::pin(acquire("stolen"));
    assert!(is_pending(waiting.as_mut()).await);
    let thief =
        WebLock.acquire("stolen", true, Box::new(move || second.set(second.get() + 10))).await.expect("at once");
    until(|| told.get() == 1).await;
    assert!(is_pending(waiting.as_mut()).await);
    drop(held);
    settle().await;
    assert!(is_pending(waiting.as_mut()).await, "who was robbed has nothing to give back");
    drop(thief);
    drop(waiting.await.expect("a lock"));
    settle().await;
    assert_eq!(told.get(), 1, "who gives the lock back is not told that it is gone");
}
