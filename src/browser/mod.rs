//! The browser's side of the ports: IndexedDB, `fetch`, Web Locks, BroadcastChannel, clock, randomness and the page's life.
//!
//! Works in windows, dedicated workers and service workers, so nothing here takes a `window` for granted: globals are looked up, and one
//! that is missing is a typed error or a substitute that does less.
//!
//! **Invariant:** every event handler is owned by a value and removed when that value is dropped.
//! **Invariant:** every wait for the platform has a deadline, except the one for a lock.

mod clock;
mod encryption;
mod fetch;
mod global;
mod gzip;
mod indexed_db;
mod lock;
mod network;
mod random;
mod signal;
mod tab_channel;

pub use clock::BrowserClock;
pub use encryption::{CryptoKey, EncryptedStorage};
pub use fetch::{FetchBody, FetchTransport};
pub use indexed_db::{IndexedDbStorage, Mirroring};
pub use lock::{WebLock, WebLockGuard};
pub use network::{NetworkHint, NetworkListener};
pub use random::BrowserRandom;
pub use tab_channel::BroadcastTabs;
