//! Watched queries: run again when a commit can have changed their result, delivered when it has.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Driver;
use crate::error::{Code, Result};
use crate::ports::Platform;
use crate::store::{Change, Footprint, Query};

/// A watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchId(pub u32);

/// What a watch gets: its rows as JSON text.
type Deliver = Box<dyn Fn(Result<&str>)>;

/// What is watched.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// The rows of a query.
    Rows(Query),
    /// The open conflicts.
    Conflicts,
    /// The inbox.
    Inbox,
}

struct Watch {
    subject: Subject,
    deliver: Deliver,
    /// What the last run read; a commit that touched none of it cannot have changed the result.
    footprint: RefCell<Option<Footprint>>,
    delivered: RefCell<Option<String>>,
    is_running: Cell<bool>,
    is_stale: Cell<bool>,
}

#[derive(Default)]
pub(super) struct Watches {
    last: Cell<u32>,
    /// Whether the log is looked at now and then.
    pub(super) is_looking: Cell<bool>,
    /// In the order in which they were opened.
    open: RefCell<Vec<(WatchId, Rc<Watch>)>>,
}

impl Watches {
    pub(super) fn clear(&self) {
        self.open.borrow_mut().clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty()
    }

    fn get(&self, id: WatchId) -> Option<Rc<Watch>> {
        self.open.borrow().iter().find(|(open, _)| *open == id).map(|(_, watch)| Rc::clone(watch))
    }

    fn affected_by(&self, change: &Change) -> Vec<WatchId> {
        let open = self.open.borrow();
        let affected = open.iter().filter(|(_, watch)| match &*watch.footprint.borrow() {
            Some(footprint) => footprint.is_touched_by(change),
            None => true,
        });
        affected.map(|(id, _)| *id).collect()
    }
}

impl<P: Platform> Driver<P> {
    /// Delivers what is watched now and whenever they have changed, until [`Driver::unwatch`].
    pub fn watch(&self, subject: Subject, deliver: Deliver) -> WatchId {
        let id = WatchId(self.inner.watches.last.get() + 1);
        self.inner.watches.last.set(id.0);
        let watch = Watch {
            subject,
            deliver,
            footprint: RefCell::default(),
            delivered: RefCell::default(),
            is_running: Cell::new(false),
            is_stale: Cell::new(false),
        };
        self.inner.watches.open.borrow_mut().push((id, Rc::new(watch)));
        self.run_watch(id);
        self.keep_looking();
        id
    }

    /// Ends a watch: nothing is delivered any more.
    pub fn unwatch(&self, id: WatchId) {
        self.inner.watches.open.borrow_mut().retain(|(open, _)| *open != id);
    }

    /// A commit of this tab or another has changed the store.
    pub(super) fn changed(&self, change: &Change) {
        if change.is_own {
            self.hint(change.seq);
        } else {
            self.tell_confirmed_elsewhere(change.confirmed());
        }
        for id in self.inner.watches.affected_by(change) {
            self.run_watch(id);
        }
        while let Some(trouble) = self.inner.store.take_trouble() {
            let is_damage = trouble.code() == Code::StoreCorrupt;
            self.report(is_damage, trouble);
            if is_damage {
                self.tell(super::News::Recovered);
            }
        }
        self.compact_when_idle();
    }

    /// Tells what became of changes in another tab's run: whoever wrote them may wait for it here.
    fn tell_confirmed_elsewhere(&self, changes: Vec<String>) {
        if changes.is_empty() {
            return;
        }
        let driver = self.clone();
        self.spawn(async move {
            let mut confirmed = Vec::new();
            for change in changes {
                confirmed.extend(driver.inner.store.confirmation(&change).await.ok().flatten());
            }
            driver.tell_confirmed(confirmed);
        });
    }

    /// Runs a watch's query; what changes meanwhile makes it run once more.
    fn run_watch(&self, id: WatchId) {
        let Some(watch) = self.inner.watches.get(id) else { return };
        watch.is_stale.set(true);
        if watch.is_running.replace(true) {
            return;
        }
        let driver = self.clone();
        self.spawn(async move {
            while watch.is_stale.replace(false) {
                let store = &driver.inner.store;
                let answer = match &watch.subject {
                    Subject::Rows(query) => store.query(query).await,
                    Subject::Conflicts => store.conflicts().await,
                    Subject::Inbox => store.inbox().await,
                };
                if driver.inner.watches.get(id).is_none() {
                    return;
                }
                driver.deliver(&watch, answer);
            }
            watch.is_running.set(false);
        });
    }

    fn deliver(&self, watch: &Watch, answer: Result<(String, Footprint)>) {
        match answer {
            Ok((rows, footprint)) => {
                *watch.footprint.borrow_mut() = Some(footprint);
                let is_new = watch.delivered.borrow().as_deref() != Some(rows.as_str());
                if is_new {
                    (watch.deliver)(Ok(&rows));
                    *watch.delivered.borrow_mut() = Some(rows);
                }
            }
            Err(error) => (watch.deliver)(Err(error)),
        }
    }
}
