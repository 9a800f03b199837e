//! What is uploaded next, and what a failure means for it.
//!
//! ```text
//!           ┌─temporary─► waits (backoff) ────────────────┐
//! ready ──upload──┼─unreferenced─► waits for the end of a sync ┼─► ready
//!           └─refused───► stands until the app asks again ┘
//! ```
//!
//! **Invariant:** a content that fails delays no other: the next one is the first, by when it was added, that is ready.
//! **Invariant:** what a row refers to and the server has not refused is tried again, sooner or later.

use crate::Entry;

/// The first backoff, at most; as for the rows.
pub const BACKOFF_BASE_MS: u64 = 1_000;
/// Every backoff, at most.
pub const BACKOFF_CAP_MS: u64 = 60_000;

/// Why an upload did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The network or the server; the server may have said how long to wait.
    Temporary {
        /// Its `Retry-After`, in milliseconds.
        retry_after_ms: u64,
    },
    /// The server knows no row that refers to it: it was not accepted yet, or is gone.
    Unreferenced,
    /// The server does not take it as it is.
    Refused,
}

/// What is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next<'a> {
    /// Upload this one.
    Upload(&'a str),
    /// Nothing before that time (milliseconds since 1970).
    Wait(i64),
    /// Nothing, until something happens.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wait {
    Until(i64),
    Synced,
    Asked,
}

#[derive(Debug, Clone)]
struct Failed {
    address: String,
    attempts: u32,
    /// None when it is ready again.
    wait: Option<Wait>,
}

/// The uploads that have failed. What is not among them is ready.
#[derive(Debug, Clone, Default)]
pub struct Lane {
    failed: Vec<Failed>,
}

impl Lane {
    /// What is next, of what is here and not uploaded, and referred to by a row of the device.
    #[must_use]
    pub fn next<'a>(&self, entries: &'a [Entry], referred: &[String], now: i64) -> Next<'a> {
        let mut wanted: Vec<&Entry> =
            entries.iter().filter(|entry| !entry.is_uploaded && referred.contains(&entry.address)).collect();
        wanted.sort_by(|a, b| (a.added_at, &a.address).cmp(&(b.added_at, &b.address)));
        let mut earliest = None;
        for entry in wanted {
            match self.wait_of(&entry.address) {
                None => return Next::Upload(&entry.address),
                Some(Wait::Until(at)) if *at <= now => return Next::Upload(&entry.address),
                Some(Wait::Until(at)) => earliest = Some(earliest.map_or(*at, |other: i64| other.min(*at))),
                Some(Wait::Synced | Wait::Asked) => {}
            }
        }
        earliest.map_or(Next::Nothing, Next::Wait)
    }

    /// An upload has failed. `draw(max)` gives a number in `0..=max`.
    pub fn failed(&mut self, address: &str, failure: Failure, now: i64, draw: impl FnOnce(u64) -> u64) {
        let attempts = self.attempts(address).saturating_add(1);
        let wait = match failure {
            Failure::Temporary { retry_after_ms } => {
                let pause = backoff_ms(attempts, retry_after_ms, draw);
                Wait::Until(now.saturating_add(i64::try_from(pause).unwrap_or(i64::MAX)))
            }
            Failure::Unreferenced => Wait::Synced,
            Failure::Refused => Wait::Asked,
        };
        self.ended(address);
        self.failed.push(Failed { address: address.to_owned(), attempts, wait: Some(wait) });
    }

    /// An upload got on, or came to its end: what failed before is forgotten.
    pub fn ended(&mut self, address: &str) {
        self.failed.retain(|failed| failed.address != address);
    }

    /// A sync has come to its end, or the network is back: nothing of that kind is waited for any more.
    pub fn synced(&mut self) {
        self.ready(|wait| *wait != Wait::Asked);
    }

    /// The app asks for another attempt at once.
    pub fn retry_now(&mut self) {
        self.ready(|_| true);
    }

    /// Whether the server does not take it.
    #[must_use]
    pub fn is_refused(&self, address: &str) -> bool {
        self.wait_of(address) == Some(&Wait::Asked)
    }

    fn ready(&mut self, which: impl Fn(&Wait) -> bool) {
        for failed in &mut self.failed {
            if failed.wait.as_ref().is_some_and(&which) {
                failed.wait = None;
            }
        }
    }

    fn find(&self, address: &str) -> Option<&Failed> {
        self.failed.iter().find(|failed| failed.address == address)
    }

    fn wait_of(&self, address: &str) -> Option<&Wait> {
        self.find(address).and_then(|failed| failed.wait.as_ref())
    }

    fn attempts(&self, address: &str) -> u32 {
        self.find(address).map_or(0, |failed| failed.attempts)
    }
}

/// How long to wait when `attempts` (from 1) have failed: exponential backoff with full jitter, as for the rows.
#[must_use]
pub fn backoff_ms(attempts: u32, retry_after_ms: u64, draw: impl FnOnce(u64) -> u64) -> u64 {
    let doublings = attempts.saturating_sub(1).min(16);
    draw(BACKOFF_CAP_MS.min(BACKOFF_BASE_MS << doublings)).max(retry_after_ms)
}
