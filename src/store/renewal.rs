//! Becoming another client, because the server knows another history of this one's changes: it was restored from a backup, or another store has
//! the same client id.
//!
//! ```text
//! refused ─► the old id is ended; the server says how far it came ─┬─ behind that, or numbered for the refused request: waits again, unsent
//!                                                                  └─ up to it: may have arrived, goes to the inbox
//! ```
//!
//! **Invariant:** a change that may have arrived is not sent again by itself, and one that cannot have arrived is never given up. An id that was ended
//! takes nothing more, so a copy of a request that comes late does nothing.

use super::confirmation::{self, Confirmation, Ending};
use super::outbox::Entry;
use super::settle::refusal_json;
use super::system::{self, Counter};
use super::{Interrupt, MapId, Read, Store, Txn, pending, rebase};
use crate::error::Result;
use crate::ports::Storage;

/// Why a change of a client that was ended is in the inbox.
const IN_DOUBT: (&str, &str) =
    ("push/in-doubt", "the server knows another history of this device's changes; it may have arrived");

/// What became of the changes that were sent and not answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Renewed {
    /// They are sent again.
    pub again: u64,
    /// They may have arrived, and are in the inbox.
    pub doubtful: Vec<Confirmation>,
}

impl<S: Storage> Store<S> {
    /// Makes this store the client `fresh`, unless it is not `old` any more. The server has decided the changes of `old` up to `last_seq`; those from
    /// `first_new` on were in no request before the one that was refused.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn renew_client(&self, old: &str, fresh: &str, last_seq: u64, first_new: u64) -> Result<Renewed> {
        Ok(self.transact(|txn| renew(txn, old, fresh, last_seq.min(first_new.saturating_sub(1)))).await?.value)
    }
}

fn renew(txn: &mut Txn<'_>, old: &str, fresh: &str, arrived: u64) -> Result<Renewed, Interrupt> {
    let mut renewed = Renewed::default();
    if system::client_id(txn)?.as_deref() != Some(old) {
        return Ok(renewed);
    }
    for (seq, position) in txn.items(MapId::SENT)? {
        let position = system::number(&position);
        let Some(entry) = pending::get(txn, position)? else { continue };
        pending::remove(txn, position, &entry)?;
        let unsent = Entry { seq: None, sent: None, ..entry };
        // What the app knows no more cannot be sent in other words than it was.
        let is_known = txn.view().table(&unsent.entity).is_ok();
        if system::number(&seq) > arrived && is_known {
            pending::put(txn, position, &unsent)?;
            Counter::Pending.add(txn, 1)?;
            renewed.again += 1;
            continue;
        }
        let (code, message) = IN_DOUBT;
        txn.put(MapId::INBOX, &position.to_be_bytes(), refusal_json(&unsent, IN_DOUBT)?);
        Counter::Rejected.add(txn, 1)?;
        renewed.doubtful.extend(confirmation::end(txn, &unsent, Ending::Rejected, None, Some((code, message)))?);
        if is_known {
            let base = pending::base(txn, &unsent.entity, &unsent.id)?;
            rebase::rebuild(txn, &unsent.entity, &unsent.id, base.as_ref())?;
        }
    }
    Counter::Seq.set(txn, 0);
    Counter::Ack.set(txn, 0);
    system::set_client_id(txn, fresh);
    Ok(renewed)
}
