//! The storage port in memory, for the simulation and for tests of the rules.
//!
//! A push works on a copy of everything and puts it in place at its commit; until then nobody sees anything, and who reads meanwhile reads what
//! was there before. That is simple to believe, and slow with many rows: it is not for serving.

mod eras;
mod push;
mod state;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Mutex as Line;
use whimbrel_protocol::Version;

pub use self::push::MemoryPush;
pub use self::state::{MemoryState, MemoryWrite};

use crate::model::{Row, Value};
use crate::storage::{Bucket, Compacted, Head, Page, PageLimit, Read, Storage, StorageResult};

/// A database in memory. Clones are the same database.
#[derive(Debug, Clone)]
pub struct MemoryStorage {
    state: Arc<Mutex<Arc<MemoryState>>>,
    /// Pushes, one after the other.
    line: Arc<Line<()>>,
    /// How many eras there were, those included that a backup knows nothing of.
    eras: Arc<AtomicU64>,
}

impl MemoryStorage {
    /// An empty database whose history has that identity.
    #[must_use]
    pub fn new(history: &str) -> Self {
        let mut state = MemoryState::new(history);
        state.begin_era("e".to_owned(), 0);
        Self { state: Arc::new(Mutex::new(Arc::new(state))), line: Arc::default(), eras: Arc::default() }
    }

    /// A copy of everything: a backup.
    #[must_use]
    pub fn backup(&self) -> MemoryState {
        self.state().as_ref().clone()
    }

    /// Puts a copy in place of everything.
    pub fn restore(&self, backup: MemoryState) {
        *self.lock() = Arc::new(backup);
    }

    /// Gives the database a new history.
    pub fn renew_history(&self, history: &str) {
        self.change(|state| state.set_history(history));
    }

    /// Takes over what another database has written, so that whoever judges its history can read it here. It is not for serving then.
    pub fn follow(&self, writes: Vec<MemoryWrite>) {
        self.change(|state| writes.into_iter().for_each(|write| state.follow(write)));
    }

    /// The row of a record.
    #[must_use]
    pub fn row(&self, entity: &str, id: &str) -> Option<Row> {
        self.state().row(entity, id).cloned()
    }

    /// The ids and rows of an entity.
    #[must_use]
    pub fn rows(&self, entity: &str) -> Vec<(String, Row)> {
        self.state().rows(entity).map(|(id, row)| (id.to_owned(), row.clone())).collect()
    }

    /// A change is made whole or not at all, so a panic elsewhere leaves a state that is as good as any.
    fn lock(&self) -> MutexGuard<'_, Arc<MemoryState>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything as it is now, and stays for whoever has it.
    fn state(&self) -> Arc<MemoryState> {
        Arc::clone(&self.lock())
    }

    fn change<T>(&self, change: impl FnOnce(&mut MemoryState) -> T) -> T {
        change(Arc::make_mut(&mut self.lock()))
    }
}

impl Storage for MemoryStorage {
    type Push = MemoryPush;
    type Moment = MemoryMoment;

    async fn moment(&self) -> StorageResult<MemoryMoment> {
        Ok(MemoryMoment(self.state()))
    }

    async fn begin_push(&self) -> StorageResult<MemoryPush> {
        let turn = Arc::clone(&self.line).lock_owned().await;
        Ok(MemoryPush::new(self.clone(), turn))
    }

    async fn begin_era(&self, now_ms: i64) -> StorageResult<()> {
        let number = self.eras.fetch_add(1, Ordering::Relaxed);
        self.change(|state| state.begin_era(format!("e{number}"), now_ms));
        Ok(())
    }

    async fn history_until(&self, history: &str) -> StorageResult<Option<Version>> {
        Ok(self.state().history_until(history))
    }

    async fn compact(&self, before_ms: i64) -> StorageResult<Compacted> {
        Ok(self.change(|state| state.compact(before_ms)))
    }

    async fn has_text(&self, bucket: Bucket<'_>, position: usize, text: &str) -> StorageResult<bool> {
        let state = self.state();
        let mut rows = state.bucket(bucket).filter(|entry| !entry.gone);
        let wanted = Value::Text(text.to_owned());
        let has = |row: &Row| row.get(position) == Some(&wanted);
        Ok(rows.any(|entry| state.row(&bucket.entity.name, entry.id).is_some_and(has)))
    }
}

/// A database in memory as it was at a moment.
#[derive(Debug)]
pub struct MemoryMoment(Arc<MemoryState>);

/// Each time as it is then.
impl Read for MemoryStorage {
    async fn head(&self) -> StorageResult<Head> {
        MemoryMoment(self.state()).head().await
    }

    async fn era_until(&self, era: &str) -> StorageResult<Option<Version>> {
        MemoryMoment(self.state()).era_until(era).await
    }

    async fn snapshot(&self, bucket: Bucket<'_>, at: Version, after: &str, limit: PageLimit) -> StorageResult<Page> {
        MemoryMoment(self.state()).snapshot(bucket, at, after, limit).await
    }

    async fn changes(
        &self,
        bucket: Bucket<'_>,
        after: Version,
        upto: Version,
        limit: PageLimit,
    ) -> StorageResult<Page> {
        MemoryMoment(self.state()).changes(bucket, after, upto, limit).await
    }

    async fn count_snapshot(&self, bucket: Bucket<'_>, after: &str) -> StorageResult<u64> {
        MemoryMoment(self.state()).count_snapshot(bucket, after).await
    }

    async fn count_changes(&self, bucket: Bucket<'_>, after: Version, upto: Version) -> StorageResult<u64> {
        MemoryMoment(self.state()).count_changes(bucket, after, upto).await
    }
}

impl Read for MemoryMoment {
    async fn head(&self) -> StorageResult<Head> {
        Ok(self.0.head())
    }

    async fn snapshot(&self, bucket: Bucket<'_>, at: Version, after: &str, limit: PageLimit) -> StorageResult<Page> {
        let state = &self.0;
        let entries = state.bucket(bucket).filter(|entry| entry.id > after && entry.version <= at && !entry.gone);
        Ok(state.page(bucket, entries, limit))
    }

    async fn changes(
        &self,
        bucket: Bucket<'_>,
        after: Version,
        upto: Version,
        limit: PageLimit,
    ) -> StorageResult<Page> {
        let state = &self.0;
        let mut entries: Vec<_> =
            state.bucket(bucket).filter(|entry| entry.version > after && entry.version <= upto).collect();
        entries.sort_by_key(|entry| entry.version);
        Ok(state.page(bucket, entries.into_iter(), limit))
    }

    async fn era_until(&self, era: &str) -> StorageResult<Option<Version>> {
        Ok(self.0.era_until(era))
    }

    async fn count_snapshot(&self, bucket: Bucket<'_>, after: &str) -> StorageResult<u64> {
        Ok(self.0.bucket(bucket).filter(|entry| entry.id > after && !entry.gone).count() as u64)
    }

    async fn count_changes(&self, bucket: Bucket<'_>, after: Version, upto: Version) -> StorageResult<u64> {
        Ok(self.0.bucket(bucket).filter(|entry| entry.version > after && entry.version <= upto).count() as u64)
    }
}
