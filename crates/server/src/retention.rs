//! How long removals can be pulled: a task that begins eras, and forgets what is older than the configuration says.
//!
//! ```text
//! eras      ├── 1 ──┼── 2 ──┼─ … ─┼── n ──►      each says: at this time the clock stood there
//! removals  forgotten │ kept                       a cursor below the horizon has to begin anew
//!                     └ horizon
//! ```
//!
//! **Invariant:** the id of a deleted record is never forgotten, however long ago that was.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::storage::{Compacted, Storage, StorageResult};

/// How exactly ages are known, and how often the log is looked at.
pub(crate) const EVERY: Duration = Duration::from_secs(60 * 60);
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The system's clock, in milliseconds since 1970.
#[must_use]
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Forgets the removals that are older than so many days.
///
/// # Errors
/// The storage's.
pub async fn forget_removals<S: Storage>(storage: &S, days: u32) -> StorageResult<Compacted> {
    storage.compact(now_ms().saturating_sub(DAY_MS.saturating_mul(i64::from(days)))).await
}

/// Does so at every interval, until it is dropped.
pub(crate) async fn keep_house<S: Storage>(storage: Arc<S>, days: u32) {
    let mut ticks = tokio::time::interval(EVERY);
    let mut seen = None;
    loop {
        ticks.tick().await;
        match one_round(storage.as_ref(), days, &mut seen).await {
            Ok(Compacted { horizon, removed }) if removed > 0 => {
                tracing::info!(horizon, removed, "removals were forgotten");
            }
            Ok(_) => {}
            // Tried again at the next interval.
            Err(error) => tracing::error!(%error, "the change log cannot be compacted"),
        }
    }
}

async fn one_round<S: Storage>(storage: &S, days: u32, seen: &mut Option<u64>) -> StorageResult<Compacted> {
    let version = storage.head().await?.version;
    // Where nothing was written since, the era that is there says all there is to say.
    if seen.replace(version).is_some_and(|seen| seen != version) {
        storage.begin_era(now_ms()).await?;
    }
    forget_removals(storage, days).await
}
