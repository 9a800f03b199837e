//! What the engine needs from outside, as traits. `browser` and [`crate::memory`] implement them; each has one contract suite.
//!
//! The engine is single-threaded (a browser's main thread or a worker), so the futures need not be `Send`.

mod platform;
mod storage;
mod transport;

pub use platform::{Clock, Lock, Random, TabChannel};
pub use storage::{
    Commit, CommitOutcome, Durability, Head, Loaded, LogRecord, LogSlice, MirrorOp, MirrorStore, PageChange, PageId,
    Seq, Storage,
};
pub use transport::{Body, Method, Request, Response, Transport};
