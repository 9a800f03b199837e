//! What the machine is told.

use crate::error::Error;
use crate::model::Carrier;

use super::{Progress, Settlement, Told, UnitId};

/// A request for a sync, made by `trigger` or by the engine itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

/// Requests from here on were made by the engine itself: nobody waits for them, but the tab that leads has to name them when they are served.
pub(super) const OWN_REQUESTS: u32 = 1 << 31;

/// Whoever asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The tab; 0 is this one.
    pub tab: u32,
    /// Its request.
    pub request: RequestId,
}

/// A run that another tab asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The unit.
    pub unit: UnitId,
    /// Why.
    pub cause: Cause,
    /// Whether any network will do.
    pub any_network: bool,
    /// The tab's requests that it serves.
    pub requests: Vec<RequestId>,
}

/// What became of requests of another tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The requests.
    pub requests: Vec<RequestId>,
    /// The outcome.
    pub outcome: Settlement,
    /// The run that served them.
    pub run: Option<RunId>,
    /// Why, when it failed.
    pub error: Option<Error>,
}

/// A run. Numbers grow, and differ in all tabs of a store: they begin with the number of the leadership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// As apps and the server's logs see it.
impl std::fmt::Display for RunId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::LowerHex::fmt(&self.0, formatter)
    }
}

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
    /// What is asked for has waited for a while.
    Keep,
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
    /// The next batch has its numbers, and follows by itself.
    pub goes_on: bool,
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
    /// The app stops the active run, in whichever tab it is.
    Cancel,
    /// The sync is paused, or not any more.
    Paused(bool),
    /// This tab leads; runs are numbered from here on.
    Led(u64),
    /// This tab could have led, and the store did not let it.
    LeadFailed(Error),
    /// Another tab has taken over.
    Lost,
    /// Another tab asks for runs.
    Asked {
        /// The tab.
        tab: u32,
        /// Whether whatever else waits, in any tab, is dropped first.
        discard_pending: bool,
        /// The runs, in order.
        wishes: Vec<Wish>,
    },
    /// The tab that leads has served requests of this one.
    Answered(Answer),
    /// The tab that leads tells of its runs.
    Told(Told),
    /// Another tab stops the run, if this one has it.
    CancelRun(RunId),
}
