//! The store as a sync sees it: each method one read or one transaction.

use whimbrel_protocol::{BucketCursor, Stand, Start};

use super::confirmation::{self, Confirmation};
use super::resync::{self, Retired};
use super::system::{self, Counter};
use super::unplaced::{self, Unplaced};
use super::{Piece, Store, Txn, View, apply, lead, send, stands};
use crate::error::{Code, Error, Result};
use crate::ports::Storage;

/// Rows of buckets that are gone which leave in one transaction, at most: it stays short.
const RETIRED_AT_ONCE: usize = 5_000;

/// How things stand with the server: what waits for it or for the user, and when all was last well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Changes in the outbox.
    pub pending: u64,
    /// Changes in the inbox.
    pub rejected: u64,
    /// Open conflicts.
    pub conflicts: u64,
    /// When a run last ended well, in any tab, in milliseconds since 1970.
    pub last_success: Option<i64>,
    /// Whether the sync is paused, in every tab.
    pub paused: bool,
}

impl<S: Storage> Store<S> {
    /// Gives the store its id at the server, unless it has one.
    ///
    /// # Errors
    /// Those of the store, here and below.
    pub async fn ensure_client_id(&self, fresh: &str) -> Result<()> {
        // Nobody takes one away, so a look will do: a plan that writes nothing asks the storage whether it has seen the newest.
        if self.read(|view| system::client_id(view)).await?.is_some() {
            return Ok(());
        }
        let mut ensure = |txn: &mut Txn<'_>| match system::client_id(txn)? {
            Some(_) => Ok(()),
            None => {
                system::set_client_id(txn, fresh);
                Ok(())
            }
        };
        self.change(&mut ensure).await.map(|_| ())
    }

    /// The store's id at the server.
    ///
    /// # Errors
    /// `engine/internal` when it has none.
    pub async fn client_id(&self) -> Result<String> {
        let id = self.read(|view| system::client_id(view)).await?;
        id.ok_or_else(|| Error::new(Code::Internal, "the store has no client id"))
    }

    /// Whose store it is, as the server once said.
    ///
    /// # Errors
    /// Those of the store.
    pub fn user(&self) -> impl Future<Output = Result<Option<String>>> {
        self.read(|view| system::user(view))
    }

    /// The server says who the user is. The first one is the store's for good.
    ///
    /// # Errors
    /// `auth/other-user`.
    pub async fn belongs_to(&self, user: &str) -> Result<()> {
        let mut belong = |txn: &mut Txn<'_>| match system::user(txn)? {
            Some(known) if known == user => Ok(()),
            Some(_) => Err(Error::new(Code::OtherUser, "this database belongs to another user").into()),
            None => {
                system::set_user(txn, user);
                Ok(())
            }
        };
        if self.user().await?.as_deref() == Some(user) {
            return Ok(());
        }
        self.change(&mut belong).await.map(|_| ())
    }

    /// How things stand.
    ///
    /// # Errors
    /// Those of the store.
    pub fn counts(&self) -> impl Future<Output = Result<Counts>> {
        let count = |view: &View<'_>| {
            Ok(Counts {
                pending: Counter::Pending.get(view)?,
                rejected: Counter::Rejected.get(view)?,
                conflicts: Counter::Conflicts.get(view)?,
                last_success: system::last_success(view)?,
                paused: lead::is_paused(view)?,
            })
        };
        self.read(count)
    }

    /// Remembers that a run of a unit has ended well, at a time in milliseconds since 1970.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn succeeded(&self, at: i64, unit: &str) -> Result<()> {
        let mut remember = |txn: &mut Txn<'_>| {
            system::set_last_success(txn, at);
            lead::served(txn, unit)
        };
        self.change(&mut remember).await.map(|_| ())
    }

    /// When the change was written that has waited longest.
    ///
    /// # Errors
    /// Those of the store.
    pub fn oldest_change(&self) -> impl Future<Output = Result<Option<i64>>> {
        self.read(|view| send::oldest(view))
    }

    /// Whether changes of these entities are to be sent.
    ///
    /// # Errors
    /// Those of the store.
    pub fn has_changes(&self, entities: &[String]) -> impl Future<Output = Result<bool>> {
        self.read(move |view| send::has_changes(view, entities))
    }

    /// What became of a change, while it is remembered.
    ///
    /// # Errors
    /// Those of the store.
    pub fn confirmation(&self, change: &str) -> impl Future<Output = Result<Option<Confirmation>>> {
        self.read(move |view| confirmation::confirmation(view, change))
    }

    /// Where a pull of these entities goes on.
    ///
    /// # Errors
    /// Those of the store.
    pub fn cursors(&self, entities: &[String]) -> impl Future<Output = Result<Vec<BucketCursor>>> {
        self.read(move |view| apply::cursors(view, entities))
    }

    /// The server's history, and the buckets the user may see now; the rows of others are to leave, see [`Store::retire_step`].
    ///
    /// # Errors
    /// Those of the store.
    pub async fn grant(&self, entities: &[String], start: &Start) -> Result<()> {
        let mut revoke = |txn: &mut Txn<'_>| {
            resync::see_history(txn, &start.history)?;
            entities.iter().try_for_each(|entity| apply::revoke_buckets(txn, entity, &start.buckets))
        };
        self.change(&mut revoke).await.map(|_| ())
    }

    /// The rows that follow are the whole of the bucket; `restored`: because the server has lost changes.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn restart_bucket(&self, bucket: &str, restored: bool) -> Result<()> {
        let mut restart = |txn: &mut Txn<'_>| {
            if restored {
                resync::mark_restored(txn, system::entity_of(bucket))?;
            }
            resync::restart_bucket(txn, bucket)
        };
        self.change(&mut restart).await.map(|_| ())
    }

    /// Removes the rows of buckets that are no longer there, of all these entities at once if they are not too many; the changes that became conflicts
    /// by it, and none when all is done.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn retire_step(&self, entities: &[String]) -> Result<Option<Vec<Confirmation>>> {
        if entities.is_empty() {
            // A file is of no entity: what it brought is stored, and no look at the log after that may fail it.
            return Ok(None);
        }
        let Retired { more, confirmed } =
            self.transact(|txn| resync::retire(txn, entities, RETIRED_AT_ONCE)).await?.value;
        Ok((more || !confirmed.is_empty()).then_some(confirmed))
    }

    /// What the server has said with accepted changes that no whole pull has followed.
    ///
    /// # Errors
    /// Those of the store.
    pub fn stands(&self, entities: &[String]) -> impl Future<Output = Result<Vec<Stand>>> {
        self.read(move |view| stands::of_entities(view, entities))
    }

    /// After a whole pull, with which these went: how many changes that the server had accepted it has lost; none when it was not put back to an earlier state.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn settle_restored(&self, entities: &[String], stands: &[Stand]) -> Result<Option<u64>> {
        let settle = |txn: &mut Txn<'_>| {
            stands::forget(txn, stands)?;
            resync::settle_restored(txn, entities)
        };
        Ok(self.transact(settle).await?.value)
    }

    /// Rows that the server has accepted and that are in no bucket; to be asked for before a pull, for [`Store::settle_unplaced`].
    ///
    /// # Errors
    /// Those of the store.
    pub fn unplaced(&self, entities: &[String]) -> impl Future<Output = Result<Vec<Unplaced>>> {
        self.read(move |view| unplaced::of_entities(view, entities))
    }

    /// Removes those of these rows of which a whole pull has said nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn settle_unplaced(&self, mut rows: &[Unplaced]) -> Result<()> {
        while !rows.is_empty() {
            let settled = self.transact(|txn| resync::settle_unplaced(txn, rows)).await?.value;
            rows = rows.get(settled..).unwrap_or_default();
        }
        Ok(())
    }

    /// Stores a piece of a pull, all of it or nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn apply(&self, piece: Piece) -> Result<()> {
        self.change(&mut |txn| apply::piece(txn, &piece)).await.map(|_| ())
    }
}
