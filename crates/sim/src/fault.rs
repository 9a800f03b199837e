//! What can go wrong, and how often it did.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)+) => {
        /// The kinds of faults.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($(#[doc = $doc])+ $name,)+ }

        impl Fault {
            /// Every kind.
            pub const ALL: &[Fault] = &[$(Fault::$name,)+];

            /// The word for it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Fault::$name => $word,)+ }
            }
        }
    };
}

faults! {
    /// A request does not reach the server.
    Dropped = "request dropped";
    /// A request reaches the server twice.
    Duplicated = "request duplicated";
    /// A copy of a request reaches the server after later ones.
    Reordered = "request reordered";
    /// An answer comes late.
    Delayed = "answer delayed";
    /// The server does what it is asked, and the answer is lost.
    AnswerLost = "answer lost after commit";
    /// An answer breaks off.
    Truncated = "answer truncated";
    /// The server fails.
    ServerFailed = "server failed";
    /// The server asks to come back later.
    ServerBusy = "server busy";
    /// Somebody else answers.
    Portal = "captive portal";
    /// A device has no network for a while.
    Offline = "device offline";
    /// The session's token is not valid any more.
    TokenExpired = "token expired";
    /// A tab ends in the middle of something.
    Crashed = "tab crashed";
    /// A tab stands still for a while, whatever it holds.
    Frozen = "tab frozen";
    /// The tab that leads stands still for minutes, in the middle of a run.
    FrozenLeader = "leader frozen";
    /// The lock is taken from the tab that leads, which lives on.
    LockStolen = "lock stolen";
    /// A message between tabs is lost.
    HintLost = "message lost";
    /// A commit does not happen.
    CommitAborted = "commit aborted";
    /// A commit happens and its tab is told that it did not.
    CommitUnsure = "commit unsure";
    /// The connection to the database is lost: nothing can be read.
    ConnectionLost = "connection lost";
    /// The database is gone at the next start.
    Wiped = "store wiped";
    /// A device's clock is wrong by up to thirty days.
    ClockSkewed = "clock skewed";
    /// The server forgets all removals so far, whoever has not pulled them.
    HorizonPassed = "tombstone horizon passed";
    /// The server is put back to a backup, with a new history.
    ServerRestored = "server restored";
}

/// How often each fault has happened. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    counts: Rc<RefCell<Vec<u64>>>,
    is_over: Rc<Cell<bool>>,
}

impl Faults {
    /// It has happened.
    pub(crate) fn count(&self, fault: Fault) {
        let mut counts = self.counts.borrow_mut();
        counts.resize(Fault::ALL.len(), 0);
        if let Some(count) = counts.get_mut(fault as usize) {
            *count += 1;
        }
    }

    /// From now on all goes well.
    pub(crate) fn end(&self) {
        self.is_over.set(true);
    }

    /// Whether all goes well.
    pub(crate) fn are_over(&self) -> bool {
        self.is_over.get()
    }

    /// How often each kind has happened, in the order of [`Fault::ALL`].
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        let mut counts = self.counts.borrow().clone();
        counts.resize(Fault::ALL.len(), 0);
        counts
    }
}
