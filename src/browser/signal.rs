//! A value that an event handler gives to a future.
//!
//! pending ──settle──► settled (stays so; later values are ignored)

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// One value, once. Clones are the same signal; one future may wait for it at a time.
pub(super) struct Signal<T>(Rc<RefCell<State<T>>>);

impl<T> Clone for Signal<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T: Clone> Signal<T> {
    pub(super) fn new() -> Self {
        Self(Rc::new(RefCell::new(State { value: None, waker: None })))
    }

    /// Gives the value, unless there is one already.
    pub(super) fn settle(&self, value: T) {
        let waker = {
            let mut state = self.0.borrow_mut();
            state.value.get_or_insert(value);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The value, if it is there.
    pub(super) fn value(&self) -> Option<T> {
        self.0.borrow().value.clone()
    }

    /// Whether both are the same signal.
    pub(super) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Waits for the value.
    pub(super) async fn settled(&self) -> T {
        poll_fn(|context| {
            if let Some(value) = self.value() {
                return Poll::Ready(value);
            }
            self.0.borrow_mut().waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
