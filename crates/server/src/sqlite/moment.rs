//! A moment: one read transaction, which sees the file as it was when it began. A reader does not keep anybody from writing.

use sqlx::{Sqlite, Transaction};
use whimbrel_protocol::Version;

use super::{SqliteStorage, eras, log, page};
use crate::storage::{Bucket, Head, Lease, Page, PageLimit, Read, StorageResult};

/// A database in one SQLite file as it was at a moment.
#[derive(Debug)]
pub struct SqliteMoment(Lease<Reading>);

impl SqliteMoment {
    pub(super) async fn begin(storage: &SqliteStorage) -> StorageResult<Self> {
        let moments = storage.moments.clone();
        let mut transaction = moments.begin().await?;
        // The moment is that of the first statement.
        log::read_head(&mut *transaction).await?;
        Ok(Self(Lease::new(Reading(transaction), move || moments.num_idle() == 0 && moments.size() >= super::MOMENTS)))
    }
}

#[derive(Debug)]
struct Reading(Transaction<'static, Sqlite>);

impl Read for SqliteMoment {
    async fn head(&self) -> StorageResult<Head> {
        log::read_head(&mut *self.0.hold().await?.0).await
    }

    async fn snapshot(&self, bucket: Bucket<'_>, at: Version, after: &str, limit: PageLimit) -> StorageResult<Page> {
        page::snapshot(&mut *self.0.hold().await?.0, bucket, at, after, limit).await
    }

    async fn changes(
        &self,
        bucket: Bucket<'_>,
        after: Version,
        upto: Version,
        limit: PageLimit,
    ) -> StorageResult<Page> {
        page::changes(&mut *self.0.hold().await?.0, bucket, after, upto, limit).await
    }

    async fn era_until(&self, era: &str) -> StorageResult<Option<Version>> {
        eras::until(&mut *self.0.hold().await?.0, era).await
    }

    async fn count_snapshot(&self, bucket: Bucket<'_>, after: &str) -> StorageResult<u64> {
        log::count_snapshot(&mut *self.0.hold().await?.0, bucket, after).await
    }

    async fn count_changes(&self, bucket: Bucket<'_>, after: Version, upto: Version) -> StorageResult<u64> {
        log::count_changes(&mut *self.0.hold().await?.0, bucket, after, upto).await
    }
}
