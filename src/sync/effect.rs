//! What the machine asks for.

use crate::error::Error;

use super::{Answer, Cause, NetworkStatus, Phase, Progress, RequestId, RunId, Status, Timer, UnitId};

/// Something for the driver to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A run begins: report [`super::Event::Locked`].
    Lock(RunId),
    /// Ask the app whether the run may begin, then report [`super::Event::Ready`].
    Prepare(RunId, UnitId),
    /// Send one batch of the unit's changes and store the outcomes, then report [`super::Event::Pushed`].
    Push(RunId, UnitId),
    /// Pull the unit's entities, then report [`super::Event::Pulled`].
    Pull(RunId, UnitId),
    /// The run is over: stop what it is doing.
    End(RunId),
    /// Report [`super::Event::Fired`] at that time (milliseconds since 1970).
    SetTimer(Timer, i64),
    /// Forget the timer.
    ClearTimer(Timer),
    /// Ask our server for a nonce, then report [`super::Event::Probed`].
    Probe,
    /// Tell the app.
    Tell(Notice),
    /// There is something to do: ask the tab that leads to do it, and become the one that leads if there is none; then report
    /// [`super::Event::Led`].
    Lead,
    /// There is nothing to do any more: let another tab lead.
    Rest,
    /// Tell the other tabs at once what this one wants; see [`super::Machine::wishes`].
    Ask {
        /// Whether whatever else waits is to be dropped.
        discard_pending: bool,
    },
    /// Tell another tab what became of its requests.
    Answer(u32, Answer),
    /// Tell the other tabs.
    Relay(Told),
    /// Stop a run of another tab.
    CancelRun(RunId),
    /// Remember that units are wanted, in case the app is killed; or forget it.
    Want(Vec<UnitId>, bool),
}

/// What the tab that leads tells the others of its runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// This is what it is doing.
    Runs {
        /// The run.
        run: RunId,
        /// Its unit.
        unit: UnitId,
        /// Why.
        cause: Cause,
        /// What it does.
        phase: Phase,
        /// How far it is.
        progress: Progress,
    },
    /// A run has completed.
    Completed {
        /// The run.
        run: RunId,
        /// What it did.
        progress: Progress,
        /// Changes the server refused during it.
        rejected: u64,
        /// Changes that met a newer row during it.
        conflicts: u64,
        /// Entities of which the user may see nothing.
        forbidden: Vec<String>,
    },
    /// A run has failed.
    Failed {
        /// The run.
        run: RunId,
        /// Why.
        error: Error,
        /// When it is tried again.
        retry_at: Option<i64>,
    },
    /// A run was stopped.
    Cancelled {
        /// The run.
        run: RunId,
    },
    /// A unit has failed a while ago and waits for its next attempt.
    Waits {
        /// The unit.
        unit: UnitId,
        /// Why it failed.
        error: Error,
        /// When it is tried again.
        retry_at: i64,
    },
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Its run completed.
    Complete,
    /// Its run failed; the engine may try again by itself.
    Error,
    /// It was dropped before it ran.
    Discarded,
    /// Its run was cancelled.
    Cancelled,
}

/// Something the app is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A run began.
    Start {
        /// The run.
        run: RunId,
        /// Its unit.
        unit: UnitId,
        /// Why.
        cause: Cause,
    },
    /// A run got on.
    Progress {
        /// The run.
        run: RunId,
        /// Its unit.
        unit: UnitId,
        /// How far it is.
        progress: Progress,
    },
    /// A run completed.
    Complete {
        /// The run.
        run: RunId,
        /// Its unit.
        unit: UnitId,
        /// What it did.
        progress: Progress,
        /// Changes the server refused during it.
        rejected: u64,
        /// Changes that met a newer row during it.
        conflicts: u64,
        /// Entities of which the user may see nothing.
        forbidden: Vec<String>,
    },
    /// A run failed.
    Error {
        /// The run.
        run: RunId,
        /// Its unit.
        unit: UnitId,
        /// Why.
        error: Error,
        /// When the engine tries again by itself (milliseconds since 1970).
        retry_at: Option<i64>,
    },
    /// A run was cancelled.
    Cancelled {
        /// The run.
        run: RunId,
        /// Its unit.
        unit: UnitId,
    },
    /// Requests have their outcome.
    Settled {
        /// The requests.
        requests: Vec<RequestId>,
        /// The outcome.
        outcome: Settlement,
        /// The run that served them, unless they were discarded.
        run: Option<RunId>,
        /// Why, when it failed.
        error: Option<Error>,
    },
    /// The status is another one.
    Status(Status),
    /// Something a developer should know, and that does no harm by itself.
    Report(Error),
    /// The network's state is another one.
    Network(NetworkStatus),
}
