//! What other tabs do, and what becomes of the database under this one.
//!
//! ```text
//! a hint, the app comes back, a watch is open for a while, the connection is disturbed ──► look at the log
//!                                                                                          │
//!                     told to watches and counts ◄── news ──┴── the database is gone ──► stop, and say why
//! ```
//!
//! **Invariant:** nothing depends on a hint: one that is lost costs a few seconds, while somebody watches.

use std::cell::Cell;
use std::rc::Rc;

use super::wire::Message;
use super::{Driver, News};
use crate::ports::{Clock, Platform, Seq, TabChannel};

/// How often an open watch looks for what no hint told of.
const LOOK_MS: u32 = 5_000;
/// Commits that follow a hint within this time share the next one: a message to other tabs costs about as much as a commit's own requests.
const HINT_MS: u32 = 10;

/// What other tabs are still to be told.
#[derive(Default)]
pub(super) struct Hints {
    /// Whether the last hint was just now.
    is_resting: Cell<bool>,
    /// The last commit since; 0 when there was none.
    untold: Cell<Seq>,
}

impl<P: Platform> Driver<P> {
    /// Listens to other tabs, to the store, and to what happens to the database.
    pub(super) fn follow_tabs(&self) {
        let weak = Rc::downgrade(&self.inner);
        let driver = move || weak.upgrade().map(Self::of);
        let tab = driver.clone();
        self.inner.ports.tabs.listen(Box::new(move |message| {
            if let Some(driver) = tab().filter(|driver| !driver.inner.is_closed.get()) {
                driver.hear(message);
            }
        }));
        let tab = driver.clone();
        self.inner.store.on_change(Box::new(move |change| {
            if let Some(driver) = tab() {
                driver.changed(change);
            }
        }));
        let tab = driver.clone();
        self.inner.store.on_disturbed(Box::new(move || {
            if let Some(driver) = tab() {
                driver.look();
            }
        }));
        self.inner.store.on_end(Box::new(move |why| {
            if let Some(driver) = driver().filter(|driver| !driver.inner.is_closed.get()) {
                driver.stop();
                driver.tell(News::Ended(why.clone()));
            }
        }));
    }

    /// Tells the other tabs of a commit, at once or soon.
    pub(super) fn hint(&self, seq: Seq) {
        if self.inner.hints.is_resting.replace(true) {
            self.inner.hints.untold.set(seq);
            return;
        }
        self.post(&Message::Grown(seq));
        let driver = self.clone();
        self.spawn(async move {
            loop {
                driver.inner.ports.clock.sleep(HINT_MS).await;
                if !driver.hint_rest() {
                    return driver.inner.hints.is_resting.set(false);
                }
            }
        });
    }

    /// Tells what was not told yet; whether there was anything.
    pub(super) fn hint_rest(&self) -> bool {
        let untold = self.inner.hints.untold.take();
        if untold > 0 {
            self.post(&Message::Grown(untold));
        }
        untold > 0
    }

    /// Looks at what other tabs have written.
    pub(super) fn look(&self) {
        let driver = self.clone();
        self.spawn(async move {
            let before = driver.inner.store.seq();
            let caught_up = driver.inner.store.catch_up().await;
            driver.report_failure(caught_up);
            if driver.inner.store.seq() != before {
                driver.after_commit().await;
            }
        });
    }

    /// Looks now and then, while watches are open.
    pub(super) fn keep_looking(&self) {
        if self.inner.watches.is_looking.replace(true) {
            return;
        }
        let driver = self.clone();
        self.spawn(async move {
            loop {
                driver.inner.ports.clock.sleep(LOOK_MS).await;
                if driver.inner.watches.is_empty() {
                    driver.inner.watches.is_looking.set(false);
                    return;
                }
                driver.look();
            }
        });
    }
}
