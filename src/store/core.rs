//! What all handles of one store share, and what happens to it between reads and plans: loading pages, catching up with other tabs,
//! flying a commit.
//!
//! **Invariant:** the state changes only while a commit flies, or in the hands of the one at the front of the line.

use std::cell::{Cell, Ref, RefCell};
use std::rc::{Rc, Weak};

use super::footprint::Change;
use super::line::{Line, Outcome};
use super::mirror;
use super::page::Page;
use super::record;
use super::repair;
use super::rewrite::Rewrite;
use super::state::{Changed, State};
use super::transaction::Transaction;
use super::transfer::Tracker;
use super::txn::Plan;
use super::upgrade;
use super::view::{Interrupt, Reading, View};
use crate::error::{Code, Error, Result};
use crate::ports::{Commit, CommitOutcome, Durability, Head, LogSlice, PageId, Seq, Storage};

/// Who is told of commits.
type Listener = Box<dyn Fn(&Change)>;
/// Who is told that the store has come to its end without being closed.
type EndListener = Box<dyn Fn(&Error)>;

/// How often what is loaded may be damaged: it is mended the first time, and another tab may do something in between.
const LOADS_MAX: u32 = 3;

/// What the handles share.
pub(super) struct Core<S> {
    pub(super) storage: S,
    pub(super) durability: Durability,
    pub(super) state: RefCell<State>,
    pub(super) line: Line,
    /// What is planned and does not fly yet.
    pub(super) group: RefCell<Plan>,
    listeners: RefCell<Vec<Rc<Listener>>>,
    /// Transactions that have not come to their end.
    transactions: RefCell<Vec<Weak<Transaction>>>,
    /// Something was lost, here or in another tab, and there may be marks of what is to be repaired.
    pub(super) needs_repair: Cell<bool>,
    /// What is to be reported.
    pub(super) troubles: RefCell<Vec<Error>>,
    /// Whether this opening has found the store empty.
    pub(super) is_new: Cell<bool>,
    /// Whether the store was begun anew here, because it was damaged.
    pub(super) is_rescued: Cell<bool>,
    /// Exports under way.
    trackers: RefCell<Vec<Weak<Tracker>>>,
    /// A commit failed and may have happened all the same, or catching up came to no end.
    pub(super) is_unsure: Cell<bool>,
    /// The catalog of the present state was not read.
    is_catalog_due: Cell<bool>,
    /// The store is being brought to the app's schema: it may be on the way to it.
    pub(super) is_evolving: Cell<bool>,
    /// Why nothing can be done any more.
    end: RefCell<Option<Error>>,
    end_listeners: RefCell<Vec<EndListener>>,
}

/// What a tab has caught up with. It is told when this goes, also when what follows fails or nobody waits for it any more: the state has
/// moved on, and no later look would find that it had.
struct News<'a, S: Storage> {
    core: &'a Core<S>,
    known: Seq,
    seq: Seq,
    changed: Option<Changed>,
}

impl<S: Storage> Drop for News<'_, S> {
    fn drop(&mut self) {
        let seq = self.core.seq();
        if seq == self.known {
            return;
        }
        let change = match self.changed.take() {
            Some(Changed { keys, ranges }) if seq == self.seq => Change::new(seq, false, &keys, ranges),
            _ => Change { seq, everything: true, ..Change::default() },
        };
        self.core.tell(&change);
    }
}

impl<S: Storage> Core<S> {
    pub(super) fn new(storage: S, durability: Durability, state: State) -> Self {
        Self {
            storage,
            durability,
            state: RefCell::new(state),
            line: Line::default(),
            group: RefCell::default(),
            listeners: RefCell::default(),
            transactions: RefCell::default(),
            needs_repair: Cell::new(false),
            troubles: RefCell::default(),
            is_new: Cell::new(false),
            is_rescued: Cell::new(false),
            trackers: RefCell::default(),
            is_unsure: Cell::new(false),
            is_catalog_due: Cell::new(false),
            is_evolving: Cell::new(false),
            end: RefCell::default(),
            end_listeners: RefCell::default(),
        }
    }

    pub(super) fn seq(&self) -> Seq {
        self.state.borrow().head.seq
    }

    pub(super) fn listen(&self, listener: Listener) {
        self.listeners.borrow_mut().push(Rc::new(listener));
    }

    /// A new transaction on the present state, told of every commit from now on.
    pub(super) fn begin(&self) -> Rc<Transaction> {
        let transaction = Rc::new(Transaction::new(self.seq()));
        self.transactions.borrow_mut().push(Rc::downgrade(&transaction));
        transaction
    }

    /// Tells an export of commits, as long as it is there.
    pub(super) fn track(&self, tracker: &Rc<Tracker>) {
        self.trackers.borrow_mut().push(Rc::downgrade(tracker));
    }

    fn tell(&self, change: &Change) {
        self.transactions.borrow_mut().retain(|transaction| {
            let transaction = transaction.upgrade();
            transaction.inspect(|transaction| transaction.hear(change)).is_some()
        });
        self.trackers.borrow_mut().retain(|tracker| tracker.upgrade().map(|tracker| tracker.note(change)).is_some());
        let listeners = self.listeners.borrow().clone();
        listeners.iter().for_each(|listener| listener(change));
    }

    pub(super) fn listen_to_end(&self, listener: EndListener) {
        self.end_listeners.borrow_mut().push(listener);
    }

    /// Notices in what the storage answers that the database is gone.
    fn judged<T>(&self, answer: Result<T>) -> Result<T> {
        answer.inspect_err(|error| {
            if error.code() == Code::StoreDeleted {
                self.finish(error);
            }
        })
    }

    /// Makes every later call fail like this.
    fn finish(&self, why: &Error) {
        if self.close(why) {
            self.end_listeners.borrow().iter().for_each(|listener| listener(why));
        }
    }

    /// As `finish`, for an end that everybody wants; whether it is the first one.
    pub(super) fn close(&self, why: &Error) -> bool {
        let is_first = self.end.borrow().is_none();
        if is_first {
            self.end.replace(Some(why.clone()));
        }
        is_first
    }

    /// A look at what is committed.
    pub(super) fn view<'a>(state: &'a Ref<'_, State>, reading: &'a Reading) -> View<'a> {
        View { state, overlays: [None, None], fresh: None, reading }
    }

    /// Loads the pages a read asked for and pins them. `false` when one is gone, because another tab has changed the pages, or is bad.
    pub(super) async fn load_pages(&self, ids: &[PageId], reading: &mut Reading) -> Result<bool> {
        let loaded = self.judged(self.storage.pages(ids).await)?;
        reading.attempt += 1;
        for (id, bytes) in ids.iter().zip(loaded) {
            let Some(Ok(page)) = bytes.map(|bytes| Page::open(*id, bytes)) else { return Ok(false) };
            let page = Rc::new(page);
            self.state.borrow().keep(*id, &page);
            reading.pins.insert(*id, page);
        }
        self.state.borrow().evict();
        Ok(true)
    }

    /// Catches up because pages could not be had; those that are bad are taken out. Only for the one at the front of the line.
    pub(super) async fn replace_pages(&self, missing: &[PageId]) -> Result<()> {
        self.catch_up().await?;
        self.check_named(missing).await
    }

    /// A page that is bad, or is gone although the newest directory names it, is taken out.
    async fn check_named(&self, missing: &[PageId]) -> Result<()> {
        let is_named = |id: &&PageId| self.state.borrow().directory.pages().any(|page| page.id == **id);
        let suspects: Vec<PageId> = missing.iter().filter(is_named).copied().collect();
        let found = self.judged(self.storage.pages(&suspects).await)?;
        for (id, bytes) in suspects.iter().zip(found) {
            if bytes.is_none_or(|bytes| Page::open(*id, bytes).is_err()) {
                self.quarantine(*id).await?;
            }
        }
        Ok(())
    }

    /// Learns what other tabs have written.
    pub(super) async fn catch_up(&self) -> Result<()> {
        let known = self.state.borrow().head;
        let slice = self.judged(self.storage.log(known.seq).await);
        let changed = match slice.and_then(|slice| self.follow(known, slice)) {
            Ok(Some(changed)) => Some(changed),
            Err(error) if error.code() != Code::StoreCorrupt => return Err(error),
            Ok(None) | Err(_) => Box::pin(self.load(known.seq)).await?,
        };
        self.state.borrow().evict();
        self.caught_up(known.seq, changed).await
    }

    /// Adds records that follow the known head; nothing when all is to be loaded again.
    fn follow(&self, known: Head, slice: LogSlice) -> Result<Option<Changed>> {
        let is_whole = slice.head.seq >= known.seq && slice.head.has_log(known.seq, &slice.log);
        if slice.head.directory != known.directory || !is_whole {
            return Ok(None);
        }
        let mut state = self.state.borrow_mut();
        let changed = state.follow(slice.log)?;
        state.head.mirrored = slice.head.mirrored;
        Ok(Some(changed))
    }

    /// Loads head, directory and log; what the records after `known` changed, if all of them are there. What is damaged is begun anew.
    pub(super) async fn load(&self, known: Seq) -> Result<Option<Changed>> {
        let mut attempts = 0;
        loop {
            let loaded = self.judged(self.storage.load().await);
            let error = match loaded.and_then(|loaded| self.state.borrow_mut().replace(loaded, known)) {
                Err(error) if error.code() == Code::StoreCorrupt && attempts < LOADS_MAX => error,
                answer => {
                    if attempts > 0 {
                        // Not before: who reads while this is under way would find no mark.
                        self.needs_repair.set(true);
                    }
                    return answer;
                }
            };
            attempts += 1;
            Box::pin(self.rescue(&error, false)).await?;
        }
    }

    /// The state is a new one: who listens is told, and the catalog is read when it may be another. Until that is done, whoever comes next
    /// has to make sure again.
    async fn caught_up(&self, known: Seq, changed: Option<Changed>) -> Result<()> {
        let is_other = |changed: &Changed| changed.keys.contains_key(&State::catalog_key());
        let is_due = self.is_catalog_due.get() || changed.as_ref().is_none_or(is_other);
        let is_marked = changed.as_ref().is_some_and(|changed| repair::has_mark(&changed.keys));
        self.is_unsure.set(true);
        self.is_catalog_due.set(is_due);
        let news = News { core: self, known, seq: self.seq(), changed };
        if is_due {
            self.read_catalog().await?;
            self.check_schema()?;
        }
        if is_marked || is_due && self.read_mark().await? {
            // Whoever has marked it may be no more.
            self.needs_repair.set(true);
        }
        self.is_catalog_due.set(false);
        self.is_unsure.set(false);
        drop(news);
        Ok(())
    }

    /// Reads the catalog of the present state.
    pub(super) async fn read_catalog(&self) -> Result<()> {
        let mut bytes = None;
        self.read_fresh(&mut |view| {
            bytes = view.find(&State::catalog_key())?;
            Ok(())
        })
        .await?;
        self.state.borrow_mut().set_catalog(bytes.as_deref())
    }

    /// Whether something is marked to be repaired.
    async fn read_mark(&self) -> Result<bool> {
        let mut is_marked = false;
        self.read_fresh(&mut |view| {
            is_marked = repair::is_marked(view)?;
            Ok(())
        })
        .await?;
        Ok(is_marked)
    }

    /// Reads in the present state. Pages that are gone cannot be asked for here: the directory is fresh.
    async fn read_fresh(&self, read: &mut dyn FnMut(&View<'_>) -> Result<(), Interrupt>) -> Result<()> {
        let mut reading = Reading::default();
        loop {
            let answer = read(&Self::view(&self.state.borrow(), &reading));
            let Err(interrupt) = answer else { return Ok(()) };
            let ids = interrupt.pages()?;
            if !self.load_pages(&ids, &mut reading).await? {
                // Another tab compacts right now.
                Box::pin(self.load(0)).await?;
                Box::pin(self.check_named(&ids)).await?;
            }
        }
    }

    /// Ends this tab when another one, with newer code, has brought the store further, or is about to.
    fn check_schema(&self) -> Result<()> {
        let newer = {
            let State { catalog, schema, .. } = &*self.state.borrow();
            let is_newer = catalog.newest() > schema.version && !self.is_evolving.get();
            is_newer.then(|| upgrade::newer(catalog, schema))
        };
        newer.map_or(Ok(()), |error| {
            self.finish(&error);
            Err(error)
        })
    }

    /// Catches up when a commit failed in a way that leaves open whether it happened.
    pub(super) async fn make_sure(&self) -> Result<()> {
        if self.is_unsure.get() { self.catch_up().await } else { Ok(()) }
    }

    /// Commits what is planned.
    pub(super) async fn commit(&self, mut plan: Plan) -> Outcome {
        let commit = self.commit_of(&mut plan);
        let is_mirrored = !commit.mirror.is_empty();
        match self.judged(self.storage.commit(commit).await) {
            Ok(CommitOutcome::Committed) => match self.apply(plan, is_mirrored) {
                Ok(change) => {
                    self.tell(&change);
                    Outcome::Committed(change.seq)
                }
                Err(error) => Outcome::Failed(error),
            },
            Ok(CommitOutcome::Behind) => match self.catch_up().await {
                Ok(()) => Outcome::Again,
                Err(error) => Outcome::Failed(error),
            },
            Err(error) => {
                self.is_unsure.set(true);
                Outcome::Failed(error)
            }
        }
    }

    fn commit_of(&self, plan: &mut Plan) -> Commit {
        let state = self.state.borrow();
        if !plan.fresh.pages.is_empty() {
            plan.rewrite = Some(Rewrite::adding(&plan.fresh, &state));
        }
        let reading = Reading::default();
        let view = View { state: &state, overlays: [None, None], fresh: None, reading: &reading };
        Commit {
            expected: state.head.seq,
            record: record::encode(&plan.changes, &plan.touched),
            mirror: mirror::lines(&plan.changes, &|key| view.find(key).ok().flatten()),
            pages: plan.rewrite.as_ref().map(Rewrite::page_change),
            durability: self.durability,
        }
    }

    /// Makes a commit that is stored part of the state.
    fn apply(&self, plan: Plan, is_mirrored: bool) -> Result<Change> {
        let mut state = self.state.borrow_mut();
        let catalog = plan.changes.get(&State::catalog_key()).cloned().flatten();
        let change = Change::new(0, true, &plan.changes, plan.touched);
        let before = (!plan.fresh.pages.is_empty()).then(|| state.cached_bytes());
        if let Some(rewrite) = plan.rewrite {
            rewrite.apply(&mut state);
        }
        state.add(plan.changes);
        if is_mirrored {
            state.head.mirrored = state.head.seq;
        }
        match before {
            Some(before) => state.evict_loaded(before),
            None => state.evict(),
        }
        if let Some(catalog) = catalog {
            state.set_catalog(Some(&catalog))?;
        }
        Ok(Change { seq: state.head.seq, ..change })
    }

    /// The error of every call after the end.
    pub(super) fn check_open(&self) -> Result<()> {
        self.end.borrow().clone().map_or(Ok(()), Err)
    }
}
