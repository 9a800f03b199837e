//! What the engine needs from outside, as traits. `browser` and [`crate::memory`] implement them; each has one contract suite.
//!
//! The engine is single-threaded (a browser's main thread or a worker), so the futures need not be `Send`.

mod app;
mod platform;
mod storage;
mod transport;

pub use app::{Session, Spawn};
pub use platform::{Clock, Lock, Random, TabChannel, TabListener};
pub use storage::{
    Commit, CommitOutcome, Durability, Head, Loaded, LogRecord, LogSlice, MirrorRecord, Mirrored, PageChange, PageId,
    Seq, SnapshotWish, Storage,
};
pub use transport::{Body, Method, Request, Response, Transport};

/// One implementation of every port: what an engine runs on.
pub trait Platform: 'static {
    /// Where the store lives.
    type Storage: Storage;
    /// The way to the server.
    type Transport: Transport;
    /// The clock.
    type Clock: Clock;
    /// The source of random numbers.
    type Random: Random;
    /// The lock between tabs.
    type Lock: Lock;
    /// The hints between tabs.
    type Tabs: TabChannel;
    /// The session.
    type Session: Session;
    /// What runs futures.
    type Spawn: Spawn;
}

/// The ports of a platform, except the storage, which the store keeps to itself.
pub struct Ports<P: Platform> {
    /// The way to the server; none for a local database.
    pub transport: Option<P::Transport>,
    /// The clock.
    pub clock: P::Clock,
    /// The source of random numbers.
    pub random: P::Random,
    /// The lock between tabs.
    pub lock: P::Lock,
    /// The hints between tabs.
    pub tabs: P::Tabs,
    /// The session.
    pub session: P::Session,
    /// What runs futures.
    pub spawn: P::Spawn,
}
