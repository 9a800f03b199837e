//! A store: the one way in. Handles are cheap to clone and are all the same store.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;

use super::core::Core;
use super::footprint::{Change, Footprint};
use super::lead::{self, Epoch};
use super::line::Outcome;
use super::place::Place;
use super::state::State;
use super::transaction::Transaction;
use super::txn::{Plan, Txn};
use super::view::{Interrupt, Reading, View};
use crate::error::{Code, Error, Result};
use crate::model::Schema;
use crate::ports::{Seq, Storage};

/// How often a transaction is planned again because other tabs were first.
const ATTEMPTS_MAX: usize = 100;
/// Transactions that are committed together, at most.
const GROUP_MAX: usize = 1_024;

/// Bytes of changes from which nothing more is added to a commit.
const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// A commit on its way. It belongs to no caller: whoever waits next goes on with it.
pub(super) type Flight = Pin<Box<dyn Future<Output = ()>>>;

/// An open store.
pub struct Store<S> {
    pub(super) core: Rc<Core<S>>,
    pub(super) flight: Rc<RefCell<Option<Flight>>>,
    /// Whether the flight is in somebody's hands at this moment.
    pub(super) is_driven: Rc<Cell<bool>>,
    /// The transaction that this handle reads and writes in.
    pub(super) within: Option<Rc<Transaction>>,
    /// The leadership whose commits go through this handle, if it is one of a leader's runs.
    pub(super) fence: Option<Epoch>,
}

impl<S> Clone for Store<S> {
    fn clone(&self) -> Self {
        let (core, flight, is_driven) = (Rc::clone(&self.core), Rc::clone(&self.flight), Rc::clone(&self.is_driven));
        Self { core, flight, is_driven, within: self.within.clone(), fence: self.fence }
    }
}

/// What a transaction gave, and the number of its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the closure gave.
    pub value: T,
    /// The commit; the last one before it when nothing was written.
    pub seq: Seq,
}

/// What came of a plan.
enum Planned {
    /// What it wants to write, if anything, is part of the next commit.
    Joined,
    /// The closure failed.
    Refused(Error),
    /// The state has changed under it.
    Again,
}

impl<S: Storage> Store<S> {
    /// Reads. `read` is called again when pages were missing, so it must do nothing but read.
    ///
    /// # Errors
    /// What `read` fails with, and those of the storage.
    pub async fn read<T>(&self, mut read: impl FnMut(&View<'_>) -> Result<T, Interrupt>) -> Result<T> {
        let mut answer = None;
        let mut once = |view: &View<'_>| {
            answer = Some(read(view)?);
            Ok(())
        };
        self.read_any(&mut once, None).await?;
        answer.ok_or_else(unanswered)
    }

    /// Reads, and tells what was looked at.
    pub(super) async fn read_marked<T>(
        &self,
        mut read: impl FnMut(&View<'_>) -> Result<T, Interrupt>,
    ) -> Result<(T, Footprint)> {
        let (mut answer, mut footprint) = (None, Footprint::default());
        let mut once = |view: &View<'_>| {
            answer = Some(read(view)?);
            Ok(())
        };
        self.read_any(&mut once, Some(&mut footprint)).await?;
        answer.map(|answer| (answer, footprint)).ok_or_else(unanswered)
    }

    async fn read_any(
        &self,
        read: &mut dyn FnMut(&View<'_>) -> Result<(), Interrupt>,
        mark: Option<&mut Footprint>,
    ) -> Result<()> {
        let mut once = |state: &State, reading: &mut Reading| match &self.within {
            Some(transaction) => transaction.read(state, reading, read),
            None => {
                reading.footprint = mark.is_some().then(RefCell::default);
                read(&View { state, overlays: [None, None], fresh: None, reading })
            }
        };
        let reading = self.look(&mut once).await?;
        if let Some(mark) = mark {
            *mark = reading.footprint.map(RefCell::into_inner).unwrap_or_default();
        }
        Ok(())
    }

    /// Looks at the present state, again whenever pages were missing.
    pub(super) async fn look(
        &self,
        once: &mut dyn FnMut(&State, &mut Reading) -> Result<(), Interrupt>,
    ) -> Result<Reading> {
        let mut reading = Reading::default();
        if self.core.is_unsure.get() {
            // Whether the last commit happened decides what there is to read. Where that cannot be learned now, what is known will do.
            drop(self.catch_up().await);
        }
        loop {
            self.core.check_open()?;
            self.mend().await?;
            let answer = once(&self.core.state.borrow(), &mut reading);
            match answer {
                Ok(()) => return Ok(reading),
                Err(interrupt) => {
                    let ids = interrupt.pages()?;
                    if !self.core.load_pages(&ids, &mut reading).await? {
                        let mut place = Place::enter(self, true);
                        place.front().await;
                        self.core.replace_pages(&ids).await?;
                    }
                }
            }
        }
    }

    /// Writes what `plan` wants, whole or not at all. `plan` is called again when pages were missing or another tab was first, so it must do
    /// nothing but read and write. Transactions happen in the order in which they were first polled, each on everything that was committed before,
    /// in any tab. One that writes nothing commits nothing.
    ///
    /// # Errors
    /// What `plan` fails with, then nothing of it is written; `store/contended`; those of the storage.
    pub async fn transact<T>(
        &self,
        mut plan: impl FnMut(&mut Txn<'_>) -> Result<T, Interrupt>,
    ) -> Result<Committed<T>> {
        let mut value = None;
        let mut once = |txn: &mut Txn<'_>| {
            value = Some(plan(txn)?);
            Ok(())
        };
        let seq = self.change(&mut once).await?;
        value.map(|value| Committed { value, seq }).ok_or_else(unanswered)
    }

    /// [`Store::transact`] for a plan that gives nothing; the number of its commit.
    pub(super) async fn change(&self, plan: &mut dyn FnMut(&mut Txn<'_>) -> Result<(), Interrupt>) -> Result<Seq> {
        let mut place = Place::enter(self, false);
        for _ in 0..ATTEMPTS_MAX {
            place.front().await;
            self.core.check_open()?;
            if self.core.needs_repair.get() {
                drop(place);
                self.mend().await?;
                place = Place::enter(self, false);
                continue;
            }
            self.core.make_sure().await?;
            let known = self.seq();
            let refusal = match self.plan(plan).await? {
                Planned::Again => continue,
                Planned::Joined => None,
                Planned::Refused(error) => Some(error),
            };
            // What was refused, or came to nothing, on what another tab has changed meanwhile is to be seen again.
            if self.core.group.borrow().is_empty() {
                self.core.catch_up().await?;
                if self.seq() == known {
                    return refusal.map_or(Ok(known), Err);
                }
                continue;
            }
            self.core.line.plan(place.number);
            match (place.outcome().await, refusal) {
                (Outcome::Again, _) => {}
                (Outcome::Committed(_) | Outcome::Failed(_), Some(error)) | (Outcome::Failed(error), None) => {
                    return Err(error);
                }
                (Outcome::Committed(seq), None) => return Ok(seq),
            }
        }
        Err(Error::new(Code::StoreContended, format!("other tabs were first {ATTEMPTS_MAX} times")))
    }

    /// Plans at the front of the line, and adds it to what is planned.
    async fn plan(&self, plan: &mut dyn FnMut(&mut Txn<'_>) -> Result<(), Interrupt>) -> Result<Planned> {
        let mut reading = Reading::default();
        loop {
            let planned = {
                let (state, group) = (self.core.state.borrow(), self.core.group.borrow());
                let mut txn = Txn { state: &state, group: &group, own: Plan::default(), reading: &reading };
                lead::check(&txn, self.fence).and_then(|()| plan(&mut txn)).map(|()| txn.own)
            };
            match planned {
                Ok(own) => {
                    self.core.group.borrow_mut().extend(own);
                    return Ok(Planned::Joined);
                }
                Err(interrupt) => {
                    let ids = match interrupt.pages() {
                        Ok(ids) => ids,
                        Err(error) => return Ok(Planned::Refused(error)),
                    };
                    if !self.core.load_pages(&ids, &mut reading).await? {
                        // What others have planned was planned on a directory that is no more; they come first again.
                        self.core.replace_pages(&ids).await?;
                        self.forget_group();
                        return Ok(Planned::Again);
                    }
                }
            }
        }
    }

    /// Commits another state of the pages that `plan` makes of the present one; `false` when it has nothing to change.
    pub(super) async fn rewrite(
        &self,
        mut plan: impl FnMut(&State, &Reading) -> Result<Option<super::rewrite::Rewrite>, Interrupt>,
    ) -> Result<bool> {
        let mut place = Place::enter(self, true);
        place.front().await;
        self.core.check_open()?;
        self.core.make_sure().await?;
        let mut reading = Reading::default();
        let rewrite = loop {
            let planned = plan(&self.core.state.borrow(), &reading);
            match planned {
                Ok(rewrite) => break rewrite,
                Err(interrupt) => {
                    let ids = interrupt.pages()?;
                    if !self.core.load_pages(&ids, &mut reading).await? {
                        self.core.replace_pages(&ids).await?;
                    }
                }
            }
        };
        let Some(rewrite) = rewrite else { return Ok(false) };
        self.core.group.borrow_mut().rewrite = Some(rewrite);
        self.core.line.plan(place.number);
        match place.outcome().await {
            Outcome::Failed(error) => Err(error),
            Outcome::Committed(_) | Outcome::Again => Ok(true),
        }
    }

    /// Learns what other tabs have written.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn catch_up(&self) -> Result<()> {
        let mut place = Place::enter(self, true);
        place.front().await;
        self.core.check_open()?;
        self.core.catch_up().await
    }

    /// Calls `listener` after every commit of this tab, and when it learns of commits of others.
    pub fn on_change(&self, listener: Box<dyn Fn(&Change)>) {
        self.core.listen(listener);
    }

    /// Calls `listener` when the store comes to its end without being closed: once, with why every later call fails.
    pub fn on_end(&self, listener: Box<dyn Fn(&Error)>) {
        self.core.listen_to_end(listener);
    }

    /// Calls `listener` when something has happened to the database from outside; a look at it tells what.
    pub fn on_disturbed(&self, listener: Box<dyn Fn()>) {
        self.core.storage.on_disturbed(listener);
    }

    /// The last commit this tab knows of.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.core.seq()
    }

    /// The app's schema.
    #[must_use]
    pub fn schema(&self) -> Rc<Schema> {
        Rc::clone(&self.core.state.borrow().schema)
    }

    /// Ends the store: what is on its way is stored, later calls fail with `store/closed`.
    pub async fn close(&self) {
        let mut place = Place::enter(self, true);
        place.front().await;
        self.core.close(&Error::new(Code::StoreClosed, "the store is closed"));
        self.core.storage.close().await;
    }

    pub(super) fn forget_group(&self) {
        *self.core.group.borrow_mut() = Plan::default();
        self.core.line.plan_again();
    }

    /// Goes on with the commit that is on its way; whether there is none any more.
    pub(super) fn drive(&self, context: &mut Context<'_>) -> bool {
        if self.is_driven.get() {
            return false;
        }
        let Some(mut flight) = self.flight.borrow_mut().take() else { return true };
        self.is_driven.set(true);
        let is_over = flight.as_mut().poll(context).is_ready();
        self.is_driven.set(false);
        if !is_over {
            *self.flight.borrow_mut() = Some(flight);
        }
        is_over
    }

    pub(super) fn take_off(&self) {
        let plan = std::mem::take(&mut *self.core.group.borrow_mut());
        self.core.line.fly();
        let core = Rc::clone(&self.core);
        let flight = async move { core.line.land(&core.commit(plan).await) };
        *self.flight.borrow_mut() = Some(Box::pin(flight));
    }

    /// Whether what is planned cannot grow any more.
    pub(super) fn is_group_full(&self) -> bool {
        let group = self.core.group.borrow();
        let is_alone = !group.fresh.pages.is_empty() || group.rewrite.is_some();
        is_alone || group.bytes >= GROUP_BYTES_MAX || self.core.line.planned() >= GROUP_MAX
    }
}

/// A closure that neither answers nor fails; `read` and `transact` have none.
fn unanswered() -> Error {
    Error::new(Code::Internal, "a read gave no answer")
}
