//! The ports in memory: for tests, for simulations, and for browsers that refuse IndexedDB.
//!
//! Everything here behaves as the browser's side does, one contract suite checks both.

mod storage;

pub use storage::{Call, Fault, MemoryStorage, Mirroring};
