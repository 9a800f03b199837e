//! A transaction over several calls: it reads what it has written, and is committed only on what it has read.
//!
//! ```text
//! begin ──► read, write … ──► commit ──► committed
//!                │                └────► stale
//!                └──(a commit touches what was read)──► stale: every later call is `transaction/conflict`
//! ```
//!
//! Nothing is locked. Its writes are kept as what the app asked for, and made again on the newest state whenever that has changed; what
//! they look at by themselves (counters, places in the outbox) is no part of what it has read.
//!
//! **Invariant:** all that it has read is true of one state: that of its last read, and that of its commit.

use std::cell::{Cell, RefCell};

use super::confirmation::Confirmation;
use super::footprint::{Change, Footprint};
use super::handle::Store;
use super::state::State;
use super::txn::{Plan, Txn};
use super::view::{Interrupt, Reading, View};
use super::write::{LocalWrite, write};
use crate::error::{Code, Error, Result};
use crate::ports::{Seq, Storage};

/// An open transaction.
pub(super) struct Transaction {
    /// What it wants to write, in order.
    writes: RefCell<Vec<LocalWrite>>,
    /// What that comes to on the state of `planned_on`.
    plan: RefCell<Plan>,
    planned_on: Cell<Seq>,
    /// What it has looked at.
    footprint: RefCell<Footprint>,
    /// The last commit it has heard of. Between a change of the state and the news of it, nothing may be read.
    heard: Cell<Seq>,
    is_stale: Cell<bool>,
}

impl Transaction {
    pub(super) fn new(seq: Seq) -> Self {
        Self {
            writes: RefCell::default(),
            plan: RefCell::default(),
            planned_on: Cell::new(seq),
            footprint: RefCell::default(),
            heard: Cell::new(seq),
            is_stale: Cell::new(false),
        }
    }

    /// A commit has happened.
    pub(super) fn hear(&self, change: &Change) {
        self.heard.set(change.seq);
        if self.footprint.borrow().is_touched_by(change) {
            self.is_stale.set(true);
        }
    }

    /// Reads; `read` sees what the transaction has written.
    pub(super) fn read(
        &self,
        state: &State,
        reading: &mut Reading,
        read: &mut dyn FnMut(&View<'_>) -> Result<(), Interrupt>,
    ) -> Result<(), Interrupt> {
        self.prepare(state, reading)?;
        let plan = self.plan.borrow();
        read(&View { state, overlays: [Some(&plan.changes), None], fresh: None, reading })?;
        self.has_looked_at(reading);
        Ok(())
    }

    /// Adds writes, all or none. A refusal tells the app something of the state, so what led to it counts as read.
    fn add(&self, state: &State, reading: &mut Reading, writes: &[LocalWrite]) -> Result<(), Interrupt> {
        self.prepare(state, reading)?;
        let added = {
            let plan = self.plan.borrow();
            let mut txn = Txn { state, group: &plan, own: Plan::default(), reading };
            write_all(&mut txn, writes).map(|_| txn.own)
        };
        match added {
            Ok(own) => {
                self.plan.borrow_mut().extend(own);
                self.writes.borrow_mut().extend_from_slice(writes);
                Ok(())
            }
            Err(interrupt) => {
                if interrupt.is_failure() {
                    self.has_looked_at(reading);
                }
                Err(interrupt)
            }
        }
    }

    /// Brings the plan to the present state. From here on it is noted what is looked at.
    fn prepare(&self, state: &State, reading: &mut Reading) -> Result<(), Interrupt> {
        self.check(state)?;
        if self.planned_on.get() != state.head.seq {
            reading.footprint = None;
            let mut txn = Txn { state, group: &Plan::default(), own: Plan::default(), reading };
            write_all(&mut txn, &self.writes.borrow()).map_err(no_longer)?;
            *self.plan.borrow_mut() = txn.own;
            self.planned_on.set(state.head.seq);
        }
        reading.footprint = Some(RefCell::default());
        Ok(())
    }

    /// Makes the writes a part of `txn`, when all that was read is still so.
    fn commit(&self, txn: &mut Txn<'_>) -> Result<Vec<Confirmation>, Interrupt> {
        self.check(txn.state)?;
        // What is planned and does not fly yet will be committed before it.
        if self.footprint.borrow().is_touched_by(&Change::new(0, true, &txn.group.changes, txn.group.touched.clone())) {
            return Err(conflict("what it has read is being changed").into());
        }
        write_all(txn, &self.writes.borrow()).map_err(no_longer)
    }

    fn check(&self, state: &State) -> Result<()> {
        if self.is_stale.get() || self.heard.get() != state.head.seq {
            return Err(conflict("what it has read was changed"));
        }
        Ok(())
    }

    fn has_looked_at(&self, reading: &mut Reading) {
        if let Some(footprint) = reading.footprint.take() {
            self.footprint.borrow_mut().join(footprint.into_inner());
        }
    }
}

/// Writes one after the other.
fn write_all(txn: &mut Txn<'_>, writes: &[LocalWrite]) -> Result<Vec<Confirmation>, Interrupt> {
    let mut confirmed = Vec::new();
    for one in writes {
        confirmed.extend(write(txn, one)?);
    }
    Ok(confirmed)
}

/// A write that was possible when it was made, and is not on the newest state.
fn no_longer(interrupt: Interrupt) -> Interrupt {
    match interrupt.pages() {
        Err(error) => conflict(&format!("what it writes does not fit any more: {error}")).into(),
        Ok(pages) => Interrupt::missing(pages),
    }
}

fn conflict(why: &str) -> Error {
    Error::new(Code::TransactionConflict, why)
}

impl<S: Storage> Store<S> {
    /// A handle that reads and writes in a transaction of its own. Dropping it, and all clones of it, ends the transaction without a trace.
    #[must_use]
    pub fn begin(&self) -> Self {
        let mut store = self.clone();
        store.within = Some(self.core.begin());
        store
    }

    /// Whether the handle is one of a transaction.
    #[must_use]
    pub const fn is_transaction(&self) -> bool {
        self.within.is_some()
    }

    /// Writes all of it or nothing: in the handle's transaction, to be committed with it, or else at once. Gives what has come to its end by that.
    ///
    /// # Errors
    /// Every code of bad input; `transaction/conflict`; those of the storage.
    pub async fn write(&self, writes: &[LocalWrite]) -> Result<Vec<Confirmation>> {
        let Some(transaction) = &self.within else {
            return Ok(self.transact(|txn| write_all(txn, writes)).await?.value);
        };
        self.look(&mut |state, reading| transaction.add(state, reading, writes)).await?;
        Ok(Vec::new())
    }

    /// Commits the handle's transaction; as [`Store::write`] without one.
    ///
    /// # Errors
    /// `transaction/conflict`, those of the storage; then nothing of it is written.
    pub async fn commit(&self) -> Result<Vec<Confirmation>> {
        match &self.within {
            // What was only read was read of one state.
            Some(transaction) if !transaction.writes.borrow().is_empty() => {
                Ok(self.transact(|txn| transaction.commit(txn)).await?.value)
            }
            _ => Ok(Vec::new()),
        }
    }
}
