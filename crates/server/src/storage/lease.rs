//! A transaction that somebody reads in, who may be slow, or may have gone away without a word.
//!
//! While it is open, PostgreSQL cleans up nothing that it may still see, SQLite's write-ahead log grows, and one connection is not for others.
//!
//! **Invariant:** a lease ends: with its holder, when it is old, or when somebody waits for a connection and it is not new.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::{StorageError, StorageResult};

/// How old a moment may be.
const AGE_MAX: Duration = Duration::from_secs(5 * 60);
/// How old a moment may be when all connections are taken.
const CROWDED_AGE_MAX: Duration = Duration::from_secs(10);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A transaction until its lease ends.
#[derive(Debug)]
pub(crate) struct Lease<T> {
    transaction: Arc<Mutex<Option<T>>>,
    keeper: AbortHandle,
}

impl<T: Send + 'static> Lease<T> {
    /// Begins; `is_crowded` says whether others may be waiting.
    pub(crate) fn new(transaction: T, is_crowded: impl Fn() -> bool + Send + 'static) -> Self {
        let transaction = Arc::new(Mutex::new(Some(transaction)));
        let keeper = tokio::spawn(keep(Arc::downgrade(&transaction), is_crowded)).abort_handle();
        Self { transaction, keeper }
    }
}

impl<T> Lease<T> {
    /// The transaction, for one statement.
    pub(crate) async fn hold(&self) -> StorageResult<MappedMutexGuard<'_, T>> {
        let held = self.transaction.lock().await;
        MutexGuard::try_map(held, Option::as_mut)
            .map_err(|_| StorageError::Busy("the state that the answer is of was held for too long".into()))
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

async fn keep<T>(transaction: Weak<Mutex<Option<T>>>, is_crowded: impl Fn() -> bool) {
    let began = Instant::now();
    loop {
        sleep(LOOK_EVERY).await;
        let age = began.elapsed();
        if age >= AGE_MAX || (age >= CROWDED_AGE_MAX && is_crowded()) {
            break;
        }
    }
    if let Some(transaction) = transaction.upgrade() {
        // Between two statements; the holder finds it gone at the next one.
        drop(transaction.lock().await.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_its_age_and_sooner_when_others_wait() {
        for (crowded, age) in [(false, AGE_MAX), (true, CROWDED_AGE_MAX)] {
            let lease = Lease::new((), move || crowded);
            sleep(age.checked_sub(LOOK_EVERY).unwrap()).await;
            assert!(lease.hold().await.is_ok());
            sleep(LOOK_EVERY * 2).await;
            assert!(matches!(lease.hold().await, Err(StorageError::Busy(_))));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_its_holder() {
        let transaction = Arc::new(());
        let lease = Lease::new(Arc::clone(&transaction), || false);
        drop(lease);
        sleep(LOOK_EVERY * 2).await;
        assert_eq!(Arc::strong_count(&transaction), 1);
    }
}
