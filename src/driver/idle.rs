//! Work for quiet moments: compaction, a bounded step at a time.

use super::Driver;
use crate::ports::{Clock, Platform, SnapshotWish};

/// How long nothing must have happened before work begins.
const QUIET_MS: u32 = 300;
/// How often a quiet moment is waited for; then it is done all the same, or an app that never rests would never be compacted.
const WAITS_MAX: u32 = 30;
/// The pause between two steps, so that the page stays responsive.
const PAUSE_MS: u32 = 20;

impl<P: Platform> Driver<P> {
    /// Begins to compact, unless that is under way or there is nothing to do. Called after every commit.
    pub(super) fn compact_when_idle(&self) {
        let is_due = self.inner.store.is_compaction_due() || self.wants_snapshot(SnapshotWish::Idle);
        if !is_due || self.inner.is_compacting.replace(true) {
            return;
        }
        let driver = self.clone();
        self.spawn(async move {
            driver.compact().await;
            driver.inner.is_compacting.set(false);
        });
    }

    async fn compact(&self) {
        // What the mirror misses is gone with the next wipe, and comes to light only then: it cannot wait for a quiet moment.
        self.put_snapshot(SnapshotWish::Now).await;
        if !self.inner.store.is_compaction_due() && !self.wants_snapshot(SnapshotWish::Idle) {
            return;
        }
        let clock = &self.inner.ports.clock;
        for _ in 0..WAITS_MAX {
            let seq = self.inner.store.seq();
            clock.sleep(QUIET_MS).await;
            if self.inner.is_closed.get() {
                return;
            }
            if self.inner.store.seq() == seq && self.inner.active.borrow().is_none() {
                break;
            }
            // A long run leaves no quiet moment, and may write faster than it is worth waiting for.
            self.report_failure(self.inner.store.lighten().await);
        }
        loop {
            match self.inner.store.compact_step().await {
                Ok(true) if !self.inner.is_closed.get() => clock.sleep(PAUSE_MS).await,
                Ok(_) => break,
                Err(error) => return self.report_failure::<()>(Err(error)),
            }
        }
        self.put_snapshot(SnapshotWish::Idle).await;
    }

    /// Whether a snapshot of the mirror is wanted, and as urgently as that.
    fn wants_snapshot(&self, wish: SnapshotWish) -> bool {
        self.inner.store.wants_snapshot() >= wish
    }

    async fn put_snapshot(&self, wish: SnapshotWish) {
        if self.wants_snapshot(wish) && !self.inner.is_closed.get() {
            let put = self.inner.store.put_snapshot().await;
            self.report_failure(put);
        }
    }
}
