//! What is read of a database: where it stands, and pages of buckets. Of the database as it is, or of a moment of it.

use std::future::Future;

use whimbrel_protocol::Version;

use super::{Bucket, Page, PageLimit, StorageResult};

/// What signs cursors: random bytes that the database keeps, so that all of its servers have the same ones.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// It is in no log.
impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Where the database stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The identity of its history.
    pub history: String,
    /// The version of its last change; 0 when there was none.
    pub version: Version,
    /// The era it is in, a text of its own: see [`Storage::begin_era`](super::Storage::begin_era).
    pub era: String,
    /// Removals up to this version are forgotten: who stands below it has to begin anew.
    pub horizon: Version,
    /// What signs its cursors.
    pub secret: Secret,
}

impl Head {
    /// Whether this database, as it is now, stood at a version in an era: what was there then is not lost.
    pub(crate) async fn has_been_at<R: Read>(&self, storage: &R, era: &str, version: Version) -> StorageResult<bool> {
        let until = storage.era_until(era).await?;
        Ok(until.is_some_and(|until| version <= until.min(self.version)))
    }
}

/// Something that can be read: a database, each time as it is then, or a moment of one, each time the same.
pub trait Read: Send + Sync + 'static {
    /// Where the database stands, read at once.
    fn head(&self) -> impl Future<Output = StorageResult<Head>> + Send;

    /// Rows of the bucket with `id > after` and a version up to `at`, by id.
    fn snapshot(
        &self,
        bucket: Bucket<'_>,
        at: Version,
        after: &str,
        limit: PageLimit,
    ) -> impl Future<Output = StorageResult<Page>> + Send;

    /// What changed in the bucket after version `after`, up to `upto`, by version.
    fn changes(
        &self,
        bucket: Bucket<'_>,
        after: Version,
        upto: Version,
        limit: PageLimit,
    ) -> impl Future<Output = StorageResult<Page>> + Send;

    /// The last version at which there were cursors of an era: where the next one began, and no limit for the present one. None when there was no
    /// such era.
    fn era_until(&self, era: &str) -> impl Future<Output = StorageResult<Option<Version>>> + Send;

    /// How many rows [`Read::snapshot`] would still bring, about.
    fn count_snapshot(&self, bucket: Bucket<'_>, after: &str) -> impl Future<Output = StorageResult<u64>> + Send;

    /// How many rows and removals [`Read::changes`] would bring, about.
    fn count_changes(
        &self,
        bucket: Bucket<'_>,
        after: Version,
        upto: Version,
    ) -> impl Future<Output = StorageResult<u64>> + Send;
}
