//! A moment: one transaction that reads, on a connection of its own, and sees the database as it was when it began.

use std::sync::Arc;

use sqlx::{Postgres, Transaction};
use whimbrel_protocol::Version;

use super::catalog::Shapes;
use super::{PostgresStorage, eras, log, page};
use crate::storage::{Bucket, Head, Lease, Page, PageLimit, Read, StorageResult};

/// A database of PostgreSQL as it was at a moment.
#[derive(Debug)]
pub struct PostgresMoment {
    lease: Lease<Reading>,
    shapes: Arc<Shapes>,
}

impl PostgresMoment {
    pub(super) async fn begin(PostgresStorage(inner): &PostgresStorage) -> StorageResult<Self> {
        let (moments, most) = (inner.moments.clone(), inner.moments_max);
        let mut transaction = moments.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        // The moment is that of the first statement.
        log::read_head(&mut *transaction).await?;
        let lease = Lease::new(Reading(transaction), move || moments.num_idle() == 0 && moments.size() >= most);
        Ok(Self { lease, shapes: Arc::clone(&inner.shapes) })
    }
}

#[derive(Debug)]
struct Reading(Transaction<'static, Postgres>);

impl Read for PostgresMoment {
    async fn head(&self) -> StorageResult<Head> {
        log::read_head(&mut *self.lease.hold().await?.0).await
    }

    async fn snapshot(&self, bucket: Bucket<'_>, at: Version, after: &str, limit: PageLimit) -> StorageResult<Page> {
        let shape = self.shapes.of(bucket.entity)?;
        page::snapshot(&mut *self.lease.hold().await?.0, shape, bucket, at, after, limit).await
    }

    async fn changes(
        &self,
        bucket: Bucket<'_>,
        after: Version,
        upto: Version,
        limit: PageLimit,
    ) -> StorageResult<Page> {
        let shape = self.shapes.of(bucket.entity)?;
        page::changes(&mut *self.lease.hold().await?.0, shape, bucket, (after, upto), limit).await
    }

    async fn era_until(&self, era: &str) -> StorageResult<Option<Version>> {
        eras::until(&mut *self.lease.hold().await?.0, era).await
    }

    async fn count_snapshot(&self, bucket: Bucket<'_>, after: &str) -> StorageResult<u64> {
        log::count_snapshot(&mut *self.lease.hold().await?.0, bucket, after).await
    }

    async fn count_changes(&self, bucket: Bucket<'_>, after: Version, upto: Version) -> StorageResult<u64> {
        log::count_changes(&mut *self.lease.hold().await?.0, bucket, after, upto).await
    }
}
