//! Locks between the tabs of an origin: Web Locks, or a lock within this page where the browser has none.
//!
//! Nothing's correctness rests on these locks (a commit is checked inside its transaction); they keep tabs from doing the same work twice.
//! A tab that is frozen keeps its Web Lock, so it can be stolen: the holder learns of it when it thaws.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortController;

use super::global::{describe, global, property};
use super::signal::Signal;
use crate::error::{Code, Error, Result};
use crate::ports::Lock;

// By hand: web-sys has Web Locks behind its flag for unstable interfaces.
#[wasm_bindgen]
extern "C" {
    type LockManager;

    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &Object,
        callback: &Function,
    ) -> std::result::Result<Promise, JsValue>;
}

/// The lock between tabs.
#[derive(Debug, Clone, Copy, Default)]
pub struct WebLock;

/// A lock that is held; dropping it releases it.
pub struct WebLockGuard {
    _hold: Hold,
}

enum Hold {
    Tabs { _hold: TabsHold },
    Page { _hold: PageHold },
}

impl Lock for WebLock {
    type Guard = WebLockGuard;

    fn is_shared(&self) -> bool {
        manager().is_some()
    }

    async fn acquire(&self, name: &str, steal: bool, lost: Box<dyn Fn()>) -> Result<WebLockGuard> {
        let hold = match manager() {
            Some(manager) => Hold::Tabs { _hold: TabsHold::acquire(manager.unchecked_ref(), name, steal, lost).await? },
            // Whoever holds it is in this page, and no more frozen than we are.
            None => Hold::Page { _hold: PageHold::acquire(name).await },
        };
        Ok(WebLockGuard { _hold: hold })
    }
}

fn manager() -> Option<JsValue> {
    global("navigator").and_then(|navigator| property(&navigator, "locks"))
}

/// A Web Lock is held as long as the promise that the callback returned is pending.
struct TabsHold {
    release: Signal<Function>,
    /// Takes back a request that was not granted.
    withdraw: AbortController,
    granted: Closure<dyn FnMut(JsValue) -> Promise>,
    /// Whether it was given back.
    is_released: Rc<Cell<bool>>,
}

impl TabsHold {
    async fn acquire(manager: &LockManager, name: &str, steal: bool, lost: Box<dyn Fn()>) -> Result<Self> {
        let refused = |cause: JsValue| Error::new(Code::Internal, format!("the lock \"{name}\": {}", describe(&cause)));
        let release = Signal::new();
        let held = release.clone();
        let granted = Closure::new(move |_lock: JsValue| {
            Promise::new(&mut |resolve: Function, _reject: Function| held.settle(resolve))
        });
        let withdraw = AbortController::new().map_err(refused)?;
        let options = Object::new();
        // A request that steals is granted at once; the browser takes no signal for it.
        let (option, value) = if steal { ("steal", JsValue::TRUE) } else { ("signal", withdraw.signal().into()) };
        Reflect::set(&options, &JsValue::from_str(option), &value).map_err(refused)?;
        let hold = Self { release, withdraw, granted, is_released: Rc::default() };
        let asked = manager.request(name, &options, hold.granted.as_ref().unchecked_ref()).map_err(refused)?;
        // Settles when the lock is released or refused. It also takes the rejection that a withdrawn request ends with.
        let mut ended = JsFuture::from(asked);
        {
            let mut granted = pin!(hold.release.settled());
            poll_fn(|context| {
                if granted.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Ok(()));
                }
                Pin::new(&mut ended).poll(context).map(|end| end.map(drop).map_err(refused))
            })
            .await?;
        }
        let released = hold.is_released.clone();
        wasm_bindgen_futures::spawn_local(async move {
            // It ends when the lock is given back, or at once and badly when somebody steals it.
            if ended.await.is_err() && !released.get() {
                lost();
            }
        });
        Ok(hold)
    }
}

impl Drop for TabsHold {
    fn drop(&mut self) {
        self.is_released.set(true);
        match self.release.value() {
            // A resolve function does not throw.
            Some(release) => drop(release.call0(&JsValue::NULL)),
            None => self.withdraw.abort(),
        }
    }
}

thread_local! {
    /// Who holds (the first of a name) and who waits for the locks of this page.
    static QUEUE: RefCell<Vec<(String, Signal<()>)>> = const { RefCell::new(Vec::new()) };
}

/// A place in the queue; the first one of its name holds the lock.
struct PageHold {
    name: String,
    place: Signal<()>,
}

impl PageHold {
    async fn acquire(name: &str) -> Self {
        let hold = Self { name: name.to_owned(), place: Signal::new() };
        QUEUE.with_borrow_mut(|queue| queue.push((name.to_owned(), hold.place.clone())));
        Self::serve_first(name);
        hold.place.settled().await;
        hold
    }

    fn serve_first(name: &str) {
        let first = QUEUE.with_borrow(|queue| queue.iter().find(|(lock, _)| lock == name).cloned());
        if let Some((_, place)) = first {
            place.settle(());
        }
    }
}

impl Drop for PageHold {
    fn drop(&mut self) {
        QUEUE.with_borrow_mut(|queue| queue.retain(|(_, place)| !place.is(&self.place)));
        Self::serve_first(&self.name);
    }
}
