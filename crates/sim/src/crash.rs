//! A crash at one step, and at no other: storage calls and the comings and goings of requests are counted, and at one number the tab dies.

use std::cell::Cell;
use std::rc::Rc;

use crate::executor::{Process, WORLD};

/// The steps of all tabs, and the one at which a tab dies. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct CrashPoint(Rc<Inner>);

#[derive(Default)]
struct Inner {
    seen: Cell<u64>,
    at: Cell<Option<u64>>,
    doomed: Cell<Option<Process>>,
}

impl CrashPoint {
    /// The tab that comes to this step dies there; none does without a number.
    pub(crate) fn set(&self, at: Option<u64>) {
        self.0.at.set(at);
    }

    /// How many steps there were.
    pub(crate) fn seen(&self) -> u64 {
        self.0.seen.get()
    }

    /// One step more; whether the tab dies here, or has died before.
    pub(crate) fn step(&self, process: Process) -> bool {
        if self.is_doomed(process) {
            return true;
        }
        if process == WORLD {
            return false;
        }
        self.0.seen.set(self.seen() + 1);
        let is_here = self.0.at.get() == Some(self.seen());
        if is_here {
            self.0.doomed.set(Some(process));
        }
        is_here
    }

    /// Whether a tab is to die before it has another turn.
    pub(crate) fn is_doomed(&self, process: Process) -> bool {
        self.0.doomed.get() == Some(process)
    }

    /// The tab that is to die now.
    pub(crate) fn take(&self) -> Option<Process> {
        self.0.doomed.take()
    }
}
