//! What people are told: one value that says it all.

use crate::error::Error;

use super::{NetworkStatus, RunId, UnitId};

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Changes the server has decided.
    pub pushed: u64,
    /// Changes there were to send, as far as known.
    pub to_push: u64,
    /// Rows and removals stored.
    pub pulled: u64,
    /// Rows and removals expected, an estimate.
    pub to_pull: u64,
    /// Bytes received.
    pub bytes: u64,
}

/// What the engine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing to do.
    #[default]
    Idle,
    /// A run was asked for and has not begun: another tab is busy, or is asked first.
    Waiting,
    /// Sending changes.
    Pushing,
    /// Receiving changes.
    Pulling,
    /// A run failed; the next attempt has its time.
    Backoff,
    /// Requests wait for the network.
    Offline,
    /// Requests wait for a network that their unit may use.
    Held,
    /// The session has no valid token.
    SignedOut,
    /// Somebody has paused the sync, in this tab or another.
    Paused,
}

/// What a unit that could run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingFor {
    /// A network that it may use.
    Network,
    /// The user to stop saving data.
    DataSaver,
}

/// The status of the sync.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Status {
    /// What the engine is doing, in whichever tab.
    pub phase: Phase,
    /// The active run and its unit, in whichever tab.
    pub run: Option<(RunId, UnitId)>,
    /// How far the active run is, or where the last one ended.
    pub progress: Progress,
    /// Local changes that the server has not acknowledged.
    pub pending: u64,
    /// Changes that the server refused and nobody has dealt with.
    pub rejected: u64,
    /// Open conflicts.
    pub conflicts: u64,
    /// When a run last completed, in any tab and also before this page was opened (milliseconds since 1970).
    pub last_success: Option<i64>,
    /// When the next attempt is due (milliseconds since 1970).
    pub next_retry: Option<i64>,
    /// The last failure, until a run completes.
    pub last_error: Option<Error>,
    /// The first unit that waits for a condition of its own, and for which.
    pub waiting_for: Option<(UnitId, WaitingFor)>,
    /// The network.
    pub network: NetworkStatus,
}
