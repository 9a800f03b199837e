//! Who leads: which tab may talk to the server for this store, as a number in it; and what was asked for and not served yet.
//!
//! ```text
//! a tab gets the lock ──► epoch + 1, one commit ──► every commit of its runs asks: is the epoch still mine? ──no──► sync/superseded
//! ```
//!
//! The lock between tabs can be stolen from a tab that is frozen, and the frozen tab does not know when it thaws. Its commits are planned on
//! a known head like all others, so a plan that has read its own epoch there can only be stored before the next epoch began.
//!
//! **Invariant:** nothing of a leader that was followed by another is stored: no cursor moves, no change leaves the outbox.

use super::{Interrupt, MapId, Read, Store, Txn};
use crate::error::{Code, Error, Result};
use crate::ports::Storage;

const EPOCH_KEY: &[u8] = b"epoch";
const PAUSED_KEY: &[u8] = b"paused";
/// The prefix of units that were asked for.
const WANTED_PREFIX: &str = "wanted/";

/// The number of a leadership; they grow.
pub type Epoch = u64;

/// Fails when another leadership has begun.
pub(super) fn check(view: &impl Read, own: Option<Epoch>) -> Result<(), Interrupt> {
    let Some(own) = own else { return Ok(()) };
    if epoch(view)? == own {
        return Ok(());
    }
    Err(Error::new(Code::Superseded, "another tab has taken over").into())
}

fn epoch(view: &impl Read) -> Result<Epoch, Interrupt> {
    let bytes = view.read(MapId::SYSTEM, EPOCH_KEY)?;
    Ok(bytes.map_or(0, |bytes| super::system::number(&bytes)))
}

/// Whether somebody has paused the sync.
pub(super) fn is_paused(view: &impl Read) -> Result<bool, Interrupt> {
    Ok(view.read(MapId::SYSTEM, PAUSED_KEY)?.is_some())
}

/// A unit was served.
pub(super) fn served(txn: &mut Txn<'_>, unit: &str) -> Result<(), Interrupt> {
    let key = [WANTED_PREFIX, unit].concat();
    if txn.read(MapId::SYSTEM, key.as_bytes())?.is_some() {
        txn.delete(MapId::SYSTEM, key.as_bytes());
    }
    Ok(())
}

impl<S: Storage> Store<S> {
    /// Begins a leadership; its number, and whether the sync is paused. The time (milliseconds since 1970) keeps the numbers of a store that is
    /// begun anew apart from those before.
    ///
    /// # Errors
    /// Those of the store, here and below.
    pub async fn begin_epoch(&self, now: i64) -> Result<(Epoch, bool)> {
        let begin = |txn: &mut Txn<'_>| {
            let next = (epoch(txn)? + 1).max(u64::try_from(now).unwrap_or(0));
            txn.put(MapId::SYSTEM, EPOCH_KEY, next.to_be_bytes().to_vec());
            Ok((next, is_paused(txn)?))
        };
        Ok(self.transact(begin).await?.value)
    }

    /// The same store for the runs of a leadership: once another has begun, nothing is written through it any more. `sync/superseded` says so.
    #[must_use]
    pub fn fenced(&self, epoch: Option<Epoch>) -> Self {
        Self { fence: epoch, ..self.clone() }
    }

    /// Pauses the sync of this store, or lets it go on.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn set_paused(&self, paused: bool) -> Result<()> {
        let mut set = |txn: &mut Txn<'_>| {
            match (is_paused(txn)?, paused) {
                (false, true) => txn.put(MapId::SYSTEM, PAUSED_KEY, Vec::new()),
                (true, false) => txn.delete(MapId::SYSTEM, PAUSED_KEY),
                (false, false) | (true, true) => {}
            }
            Ok(())
        };
        self.change(&mut set).await.map(|_| ())
    }

    /// Remembers that units were asked for, until a run of theirs has ended well; or forgets it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn want(&self, units: &[String], is_wanted: bool) -> Result<()> {
        let mut want = |txn: &mut Txn<'_>| {
            for unit in units {
                let key = [WANTED_PREFIX, unit].concat();
                match is_wanted {
                    true if txn.read(MapId::SYSTEM, key.as_bytes())?.is_none() => {
                        txn.put(MapId::SYSTEM, key.as_bytes(), Vec::new());
                    }
                    true => {}
                    false => served(txn, unit)?,
                }
            }
            Ok(())
        };
        self.change(&mut want).await.map(|_| ())
    }

    /// The units that were asked for and not served.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn wanted(&self) -> Result<Vec<String>> {
        let keys = self.read(|view| view.keys_with_prefix(MapId::SYSTEM, WANTED_PREFIX.as_bytes())).await?;
        let name =
            |key: &Vec<u8>| String::from_utf8_lossy(key.get(WANTED_PREFIX.len()..).unwrap_or_default()).into_owned();
        Ok(keys.iter().map(name).collect())
    }
}
