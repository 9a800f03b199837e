//! The storage port: what the rules of push and pull need from a database, and nothing about how it does it.
//!
//! **Invariant:** version order is commit order. Once a reader has seen version *v*, no row with a version up to *v*
//! may appear any more; an implementation numbers changes under a lock that it holds until the commit.
//! **Invariant:** a page is read from one state of the database, and all pages of a [`Storage::Moment`] from the same one.
//! **Invariant:** a push transaction that is dropped without [`PushTransaction::commit`] has no effect.

mod lease;
mod read;

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;

use whimbrel_protocol::{Outcome, Version};

pub(crate) use self::lease::Lease;
pub use self::read::{Head, Read, Secret};
use crate::config::Place;
use crate::model::{Entities, Entity, Row};
use crate::sql::AttachError;

/// The database could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Others hold it; the same call may succeed later.
    #[error("the database is busy")]
    Busy(#[source] Box<dyn Error + Send + Sync>),
    /// It failed.
    #[error("the database failed: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// What storage functions return.
pub type StorageResult<T> = Result<T, StorageError>;

/// Scopes of a user that a query gives, at most. Who has more is not given some of them.
pub const SCOPES_MAX: usize = 10_000;

/// What [`Storage::compact`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// The horizon afterwards.
    pub horizon: Version,
    /// Entries of the change log that are gone.
    pub removed: u64,
}

/// What whoever runs a database looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes of the file, or of the change log where the database is shared with others.
    pub stored_bytes: u64,
    /// Connections by what they are for: how many are open, how many of them nobody uses.
    pub pools: Vec<(&'static str, u32, usize)>,
}

/// The rows of an entity in a scope.
#[derive(Debug, Clone, Copy)]
pub struct Bucket<'a> {
    /// The entity.
    pub entity: &'a Entity,
    /// The scope.
    pub scope: &'a str,
}

/// How much a page may hold.
#[derive(Debug, Clone, Copy)]
pub struct PageLimit {
    /// Entries.
    pub rows: usize,
    /// Bytes of values, about; the row that exceeds it is the page's last.
    pub bytes: usize,
}

/// A row of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct PageRow {
    /// The record's id.
    pub id: String,
    /// The row's version.
    pub version: Version,
    /// Its values.
    pub row: Row,
}

/// A part of a bucket, in the order that was asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Rows that are in the bucket.
    pub rows: Vec<PageRow>,
    /// Records that are not in it any more, and since which version.
    pub gone: Vec<(String, Version)>,
    /// Whether nothing follows within the bounds that were asked for.
    pub complete: bool,
}

/// What is known of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// It was never here.
    Unknown,
    /// It was deleted.
    Deleted {
        /// When.
        version: Version,
    },
    /// It is here.
    Live {
        /// The row's version.
        version: Version,
        /// Its values.
        row: Row,
    },
}

/// A client, as far as the server must remember it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The user it belongs to.
    pub user: String,
    /// The last `seq` that was decided.
    pub last_seq: u64,
    /// Outcomes up to this `seq` are forgotten.
    pub ack: u64,
}

/// The first decision about a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The change's `seq`.
    pub seq: u64,
    /// What tells the change from others: its id, and a digest of its content.
    pub change: String,
    /// What was decided.
    pub outcome: Outcome,
}

/// A write of one record.
#[derive(Debug, Clone, Copy)]
pub enum Write<'a> {
    /// A new row.
    Insert(&'a Row),
    /// The named fields of a row; all others stay as they are.
    Update {
        /// The row with its new values.
        row: &'a Row,
        /// Positions of the fields to write.
        fields: &'a [usize],
    },
    /// The row goes away and is remembered as deleted.
    Delete,
}

/// What a write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is done; the row, or its tombstone, has this version.
    Done(Version),
    /// A constraint of the database refuses it; nothing was written. All that can be done then is [`PushTransaction::roll_back`].
    Refused {
        /// Which kind.
        constraint: Constraint,
        /// Positions of the fields it is about, as far as the database says.
        fields: Vec<usize>,
    },
}

/// The kinds of constraints a database has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constraint {
    /// Another row has the same value.
    Unique,
    /// Another record is missing, or still needs this one.
    ForeignKey,
    /// A condition of the table, or a type of a column.
    Check,
}

/// A database.
pub trait Storage: Read {
    /// What a push is applied in.
    type Push: PushTransaction;
    /// What an answer is read from.
    type Moment: Read;

    /// One state of the database, to be read for a while: after five minutes, or after some seconds when others wait for one, it is
    /// taken away, and reading is [`StorageError::Busy`].
    fn moment(&self) -> impl Future<Output = StorageResult<Self::Moment>> + Send;

    /// Begins a transaction that sees no other push until it ends.
    fn begin_push(&self) -> impl Future<Output = StorageResult<Self::Push>> + Send;

    /// Begins an era: from this moment, in milliseconds since 1970, cursors are of another one. It says how old versions are, and it tells cursors of
    /// a database from those of what became of its backup: both have had other eras since.
    fn begin_era(&self, now_ms: i64) -> impl Future<Output = StorageResult<()>> + Send;

    /// The last version that a history has in common with the present one, which has no limit. None when it never was this database's.
    fn history_until(&self, history: &str) -> impl Future<Output = StorageResult<Option<Version>>> + Send;

    /// Forgets the removals of before a moment, as far as eras tell. That the records were deleted stays known.
    fn compact(&self, before_ms: i64) -> impl Future<Output = StorageResult<Compacted>> + Send;

    /// Whether a row of the bucket has that text in the field at `position`.
    fn has_text(
        &self,
        bucket: Bucket<'_>,
        position: usize,
        text: &str,
    ) -> impl Future<Output = StorageResult<bool>> + Send;

    /// The scopes that a query of the configuration gives a user, whose id is its only parameter `$1`: the first column of each row that is not null.
    /// They are read at once, at most [`SCOPES_MAX`].
    fn user_scopes(&self, sql: &str, user: &str) -> impl Future<Output = StorageResult<Vec<String>>> + Send {
        let _ = (sql, user);
        std::future::ready(Err(StorageError::Failed("scopes by SQL need a database with SQL".into())))
    }

    /// Brings what entities have of views up to date, where the tables of those were written. A view that cannot be read is no failure.
    fn refresh_views(&self) -> impl Future<Output = StorageResult<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// What there is to know of it besides, for whoever runs it.
    fn figures(&self) -> impl Future<Output = StorageResult<Figures>> + Send {
        std::future::ready(Ok(Figures::default()))
    }

    /// Resolves when somebody has written, whoever it was; it may be late, or for nothing. Never where the database does not tell.
    fn news(&self) -> impl Future<Output = StorageResult<()>> + Send {
        std::future::pending()
    }
}

/// What a server does with its database besides serving.
pub trait Database: Storage + Sized {
    /// Opens it, makes it where it is absent, and attaches the entities: tables, triggers, log. One of several takes a smaller share of connections.
    fn open_at(
        place: &Place,
        entities: &Entities,
        is_one_of_several: bool,
    ) -> impl Future<Output = Result<Self, AttachError>> + Send;

    /// The SQL by which the entities would be attached to it as it is. Nothing is changed.
    fn script_at(place: &Place, entities: &Entities) -> impl Future<Output = Result<String, AttachError>> + Send;

    /// Takes away what attaching brought; the entities' tables stay as they are.
    fn detach_at(place: &Place, entities: &Entities) -> impl Future<Output = Result<(), AttachError>> + Send;

    /// Gives the database a new history, so that clients begin again with it: after it was restored from a backup,
    /// cursors and versions from after the backup would be mistaken for its own.
    fn renew_history(&self) -> impl Future<Output = StorageResult<()>> + Send;

    /// Loads rows into an entity that never had any: all of them in one transaction, or none. How many; none when it had some.
    fn seed<R: SeedRows>(&self, entity: &Entity, rows: R)
    -> impl Future<Output = Result<Option<u64>, R::Error>> + Send;

    /// Ends all connections.
    fn close(&self) -> impl Future<Output = StorageResult<()>> + Send;
}

/// Rows to load, some at a time.
pub trait SeedRows: Send {
    /// Why there may be none.
    type Error: From<StorageError> + Send;
    /// The next rows with their ids; none at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<(String, Row)>>, Self::Error>> + Send;
}

/// A push being applied.
pub trait PushTransaction: Send {
    /// The client of that id, when it has pushed before.
    fn client(&mut self, client: &str) -> impl Future<Output = StorageResult<Option<Client>>> + Send;

    /// The remembered decisions from this `seq` on, in order.
    fn decided(&mut self, client: &str, from: u64) -> impl Future<Output = StorageResult<Vec<Decided>>> + Send;

    /// The newest version that a remembered change of this client gave the record.
    fn own_version(
        &mut self,
        client: &str,
        entity: &Entity,
        id: &str,
    ) -> impl Future<Output = StorageResult<Option<Version>>> + Send;

    /// What is known of a record.
    fn record(&mut self, entity: &Entity, id: &str) -> impl Future<Output = StorageResult<Record>> + Send;

    /// Writes a record.
    fn write(
        &mut self,
        entity: &Entity,
        id: &str,
        write: Write<'_>,
    ) -> impl Future<Output = StorageResult<Written>> + Send;

    /// Inserts new records at once, all or none: they get consecutive versions in their order, and the last one is the answer. None when it did not go
    /// like that (an id was here before, a constraint refused a row, other rows changed along), or cannot be done at once at all: nothing was
    /// done, and they are to be written one by one. Not between a mark and its end.
    fn insert_new(
        &mut self,
        entity: &Entity,
        rows: &[(String, Row)],
    ) -> impl Future<Output = StorageResult<Option<Version>>> + Send {
        let _ = (entity, rows);
        std::future::ready(Ok(None))
    }

    /// When the values of fields were written, by position, as far as [`PushTransaction::note_times`] was told. A deletion forgets
    /// them; of a pair, what is told after it is there all the same.
    fn times(&mut self, entity: &Entity, id: &str) -> impl Future<Output = StorageResult<BTreeMap<usize, i64>>> + Send;

    /// Remembers that fields were written at a time, in milliseconds since 1970.
    fn note_times(
        &mut self,
        entity: &Entity,
        id: &str,
        fields: &[usize],
        at: i64,
    ) -> impl Future<Output = StorageResult<()>> + Send;

    /// Marks a point to [`PushTransaction::roll_back`] to. One at a time.
    fn mark(&mut self) -> impl Future<Output = StorageResult<()>> + Send;

    /// Keeps what was written since the mark.
    fn keep(&mut self) -> impl Future<Output = StorageResult<()>> + Send;

    /// Undoes what was written since the mark.
    fn roll_back(&mut self) -> impl Future<Output = StorageResult<()>> + Send;

    /// Remembers a decision; `record` is the entity's name and the record's id.
    fn remember(
        &mut self,
        client: &str,
        decided: &Decided,
        record: (&str, &str),
    ) -> impl Future<Output = StorageResult<()>> + Send;

    /// Remembers several decisions.
    fn remember_all(
        &mut self,
        client: &str,
        decided: &[(Decided, (&str, &str))],
    ) -> impl Future<Output = StorageResult<()>> + Send {
        async move {
            for (one, record) in decided {
                self.remember(client, one, *record).await?;
            }
            Ok(())
        }
    }

    /// Stores the client and forgets its decisions up to `ack`.
    fn save_client(&mut self, id: &str, client: &Client) -> impl Future<Output = StorageResult<()>> + Send;

    /// Makes everything durable.
    fn commit(self) -> impl Future<Output = StorageResult<()>> + Send;
}
