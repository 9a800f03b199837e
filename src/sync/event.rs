//! What the machine is told.

use crate::error::Error;
use crate::model::Carrier;

use super::{Progress, UnitId};

/// A request for a sync, made by `trigger` or by the engine itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

/// A run. Numbers grow within one machine; the driver prefixes them with the tab's id for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u32);

/// Why a run was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The app called `trigger`.
    App,
    /// The store was opened.
    Start,
    /// The network came back.
    Online,
    /// The app came back to the foreground.
    Resume,
    /// A record was written.
    Change,
    /// The interval has passed.
    Every,
    /// Somebody has signed in.
    Login,
    /// An earlier run failed.
    Retry,
}

/// A timer of the machine. Setting one that is set replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Local changes have come to rest.
    Change,
    /// The interval of `auto.every`.
    Every,
    /// A unit's backoff.
    Retry(UnitId),
    /// Whether we are really offline is to be checked.
    Probe,
    /// The active run has taken as long as it may.
    Deadline,
}

/// A failure of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub error: Error,
    /// The server's `Retry-After`, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// What came of one batch of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PushBatch {
    /// Changes that are decided now.
    pub decided: u64,
    /// Of these, refused.
    pub rejected: u64,
    /// Of these, in conflict.
    pub conflicts: u64,
    /// Changes of the unit that still wait.
    pub remaining: u64,
    /// The server asked to wait that long before the rest.
    pub retry_after_ms: Option<u64>,
}

/// Everything that can happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The store is open; these units have unsent changes.
    Started {
        /// The units.
        dirty: Vec<UnitId>,
    },
    /// The app asks for runs, one after the other.
    Triggered {
        /// One request per unit, in order.
        requests: Vec<(RequestId, UnitId)>,
        /// Whether requests that wait are dropped first. Local changes are never dropped.
        discard_pending: bool,
        /// Whether it was asked while a handler of the last run's end was running.
        is_consequence: bool,
        /// Whether the units' conditions on the network do not count: the user wants it now.
        any_network: bool,
    },
    /// A record was written locally, in this tab or another.
    Wrote,
    /// The store said how things stand with the server.
    Counted {
        /// Changes in the outbox.
        pending: u64,
        /// Changes in the inbox.
        rejected: u64,
        /// Open conflicts.
        conflicts: u64,
        /// When a run last completed, in any tab (milliseconds since 1970).
        last_success: Option<i64>,
    },
    /// The browser says that there is a network. A hint.
    HintedOnline,
    /// The browser says that there is none. A hint.
    HintedOffline,
    /// The app came back to the foreground.
    Resumed,
    /// The device slept: what was on its way then may never come, and nobody knows what the network is like.
    Woke,
    /// The platform says what carries the data, and whether the user wants it to be saved.
    Carried(Carrier, bool),
    /// Somebody has signed in.
    SignedIn,
    /// A timer has run out.
    Fired(Timer),
    /// Our server was asked for a nonce.
    Probed(Result<(), Error>),
    /// The lock for the run is held.
    Locked(RunId),
    /// Nothing of the app's stands in the way of the run.
    Ready(RunId),
    /// A batch was pushed and its outcomes are stored.
    Pushed(RunId, PushBatch),
    /// Some of a pull has arrived and is stored.
    Progressed(RunId, Progress),
    /// The user may see nothing of these entities; the pull goes on with the others.
    Denied(RunId, Vec<String>),
    /// The pull is complete.
    Pulled(RunId),
    /// The run cannot go on.
    Failed(RunId, Failure),
    /// The app does not want to wait for the next attempt.
    RetryNow,
    /// The app stops the active run.
    Cancel,
}
