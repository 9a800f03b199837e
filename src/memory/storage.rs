//! The storage port in memory.
//!
//! A [`MemoryStorage`] is a connection; [`MemoryStorage::connect`] opens another one to the same disk, as another tab would. Every call gives way
//! to other tasks before it does anything, so callers interleave as they do over a real database.
//!
//! **Invariant:** a call that fails before it happened has changed nothing; one that fails after it happened has happened whole.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::error::{Code, Error, Result};
use crate::ports::{
    Commit, CommitOutcome, Head, Loaded, LogRecord, LogSlice, MirrorOp, MirrorStore, PageId, Seq, Storage,
};

/// The calls of the port, as a fault hook sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// [`Storage::load`].
    Load,
    /// [`Storage::log`].
    Log,
    /// [`Storage::pages`].
    Pages,
    /// [`Storage::commit`].
    Commit,
}

/// What a fault hook wants to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The call fails; nothing has happened.
    Before(Error),
    /// The call happens, and its caller is told that it failed.
    After(Error),
}

type Hook = Box<dyn FnMut(Call) -> Option<Fault>>;

#[derive(Default)]
struct Disk {
    head: Head,
    directory: Vec<u8>,
    log: BTreeMap<Seq, Vec<u8>>,
    pages: BTreeMap<PageId, Vec<u8>>,
    mirrors: BTreeMap<(MirrorStore, u64), String>,
    hook: Option<Hook>,
    is_deleted: bool,
    listeners: Vec<Rc<dyn Fn()>>,
    /// How often a call gives way, besides once.
    delay: u32,
}

/// A connection to a disk in memory.
#[derive(Default)]
pub struct MemoryStorage {
    disk: Rc<RefCell<Disk>>,
    closed: Cell<bool>,
}

impl MemoryStorage {
    /// A connection to a new, empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another connection to the same disk.
    #[must_use]
    pub fn connect(&self) -> Self {
        Self { disk: Rc::clone(&self.disk), closed: Cell::new(false) }
    }

    /// Asks `hook` before every call of every connection what should go wrong with it.
    pub fn on_call(&self, hook: impl FnMut(Call) -> Option<Fault> + 'static) {
        self.disk.borrow_mut().hook = Some(Box::new(hook));
    }

    /// Lets every call succeed again.
    pub fn heal(&self) {
        self.disk.borrow_mut().hook = None;
    }

    /// Makes every call give way so many times more.
    pub fn set_delay(&self, times: u32) {
        self.disk.borrow_mut().delay = times;
    }

    /// What a mirror holds.
    #[must_use]
    pub fn mirror(&self, store: MirrorStore) -> Vec<(u64, String)> {
        let disk = self.disk.borrow();
        let range = disk.mirrors.range((store, 0)..=(store, u64::MAX));
        range.map(|((_, key), json)| (*key, json.clone())).collect()
    }

    /// The ids of all pages.
    #[must_use]
    pub fn page_ids(&self) -> Vec<PageId> {
        self.disk.borrow().pages.keys().copied().collect()
    }

    /// Bytes of pages, log and directory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let disk = self.disk.borrow();
        disk.pages.values().chain(disk.log.values()).map(Vec::len).sum::<usize>() + disk.directory.len()
    }

    /// Changes the bytes of a page behind the store's back.
    pub fn damage(&self, page: PageId, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(bytes) = self.disk.borrow_mut().pages.get_mut(&page) {
            change(bytes);
        }
    }

    /// Takes a page away behind the store's back.
    pub fn lose(&self, page: PageId) {
        self.disk.borrow_mut().pages.remove(&page);
    }

    /// Deletes the database under all its connections, as another tab or the user would.
    pub fn delete(&self) {
        let listeners = {
            let mut disk = self.disk.borrow_mut();
            let listeners = std::mem::take(&mut disk.listeners);
            *disk = Disk { is_deleted: true, ..Disk::default() };
            listeners
        };
        listeners.iter().for_each(|listener| listener());
    }

    async fn call<T>(&self, call: Call, happen: impl FnOnce(&mut Disk) -> T) -> Result<T> {
        let delay = self.disk.borrow().delay;
        give_way(delay + 1).await;
        if self.closed.get() {
            return Err(Error::new(Code::StoreClosed, "the connection is closed"));
        }
        let mut disk = self.disk.borrow_mut();
        if disk.is_deleted {
            return Err(Error::new(Code::StoreDeleted, "the database was deleted"));
        }
        match disk.hook.as_mut().and_then(|hook| hook(call)) {
            None => Ok(happen(&mut disk)),
            Some(Fault::Before(error)) => Err(error),
            Some(Fault::After(error)) => {
                happen(&mut disk);
                Err(error)
            }
        }
    }
}

impl Storage for MemoryStorage {
    async fn load(&self) -> Result<Loaded> {
        self.call(Call::Load, |disk| Loaded {
            head: disk.head,
            directory: disk.directory.clone(),
            log: disk.records(disk.head.folded),
        })
        .await
    }

    async fn log(&self, after: Seq) -> Result<LogSlice> {
        self.call(Call::Log, |disk| LogSlice { head: disk.head, log: disk.records(after) }).await
    }

    async fn pages(&self, ids: &[PageId]) -> Result<Vec<Option<Vec<u8>>>> {
        self.call(Call::Pages, |disk| ids.iter().map(|id| disk.pages.get(id).cloned()).collect()).await
    }

    async fn commit(&self, commit: Commit) -> Result<CommitOutcome> {
        self.call(Call::Commit, |disk| disk.commit(commit)).await
    }

    fn on_disturbed(&self, listener: Box<dyn Fn()>) {
        self.disk.borrow_mut().listeners.push(listener.into());
    }

    async fn close(&self) {
        self.closed.set(true);
    }
}

impl Disk {
    fn records(&self, after: Seq) -> Vec<LogRecord> {
        let records = self.log.range(after.saturating_add(1)..);
        records.map(|(seq, bytes)| LogRecord { seq: *seq, bytes: bytes.clone() }).collect()
    }

    fn commit(&mut self, commit: Commit) -> CommitOutcome {
        if commit.expected != self.head.seq {
            return CommitOutcome::Behind;
        }
        self.head.seq += 1;
        self.log.insert(self.head.seq, commit.record);
        for op in commit.mirror {
            match op {
                MirrorOp::Put { store, key, json } => self.mirrors.insert((store, key), json),
                MirrorOp::Delete { store, key } => self.mirrors.remove(&(store, key)),
            };
        }
        if let Some(change) = commit.pages {
            self.pages.extend(change.put);
            for id in change.delete {
                self.pages.remove(&id);
            }
            self.directory = change.directory;
            self.head.directory = self.head.seq;
            self.head.folded = self.head.folded.max(change.folded);
            self.log = self.log.split_off(&(self.head.folded + 1));
        }
        CommitOutcome::Committed
    }
}

/// Lets other tasks run before this one goes on.
async fn give_way(mut times: u32) {
    poll_fn(|context| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
