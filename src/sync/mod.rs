//! The decisions of a sync: which run is next, what a failure means, when to try again, what people are told.
//!
//! ```text
//!            trigger, auto                 lock        push*        pull
//! requests ───────────────► queue ──► run ──────► ... ──────► ... ──────► complete
//!                             ▲         │            any failure
//!                             └─ backoff ◄──────────────────────────────── error
//! ```
//!
//! [`Machine::step`] is the whole of it: a synchronous function from an [`Event`] at a time to a list of [`Effect`]s. The driver performs
//! the effects and feeds back what came of them.
//!
//! Each tab has a machine, and one of them leads: it is the only one that starts runs. The others tell it what they want, keep it in their
//! own queues until it is served, and lead themselves when nobody does.
//!
//! ```text
//!                      lock                               lock stolen
//! following ─(work)─► wanting ──► leading ─(no work)─► following ◄──┐
//!                        │           └──────────────────────────────┘
//!                        └─(served by the tab that leads)─► following
//! ```
//!
//! **Invariant:** one run at a time; a run ends in exactly one of complete, error, cancelled.
//! **Invariant:** every request is settled exactly once, by the run that served it or as discarded.
//! **Invariant:** a failed unit delays no other unit.

mod auto;
mod effect;
mod event;
mod machine;
mod network;
mod queue;
mod retry;
mod status;

pub use auto::{Auto, Every, UnitId};
pub use effect::{Effect, Notice, Settlement, Told};
pub use event::{Answer, Caller, Cause, Event, Failure, PushBatch, RequestId, RunId, Timer, Wish};
pub use machine::Machine;
pub use network::NetworkStatus;
pub use retry::{Retry, backoff_ms};
pub use status::{Phase, Progress, Status, WaitingFor};
