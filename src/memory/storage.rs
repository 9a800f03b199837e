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
    Commit, CommitOutcome, Head, Loaded, LogRecord, LogSlice, MirrorRecord, Mirrored, PageId, Seq, SnapshotWish,
    Storage,
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

/// How the mirror is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mirroring {
    /// It keeps what it is given.
    #[default]
    On,
    /// Every write to it fails.
    Fails,
    /// There is none.
    Off,
}

type Hook = Box<dyn FnMut(Call) -> Option<Fault>>;
type Watcher = Box<dyn Fn(&Commit)>;

#[derive(Default)]
struct Disk {
    head: Head,
    directory: Vec<u8>,
    log: BTreeMap<Seq, Vec<u8>>,
    pages: BTreeMap<PageId, Vec<u8>>,
    /// How often the disk was wiped: its identity.
    wipes: u64,
    /// The mirrors, by the number of wipes before.
    mirrors: BTreeMap<u64, Mirrored>,
    mirror: Mirroring,
    trouble: Option<Error>,
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
    /// How often the disk had been wiped when it was made.
    wipes: Cell<u64>,
    /// Who looks at what is committed through it.
    watcher: Option<Watcher>,
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
        let wipes = Cell::new(self.disk.borrow().wipes);
        Self { disk: Rc::clone(&self.disk), closed: Cell::new(false), wipes, watcher: None }
    }

    /// The same connection, whose commits are shown to `watcher` when they have happened.
    #[must_use]
    pub fn watched(self, watcher: impl Fn(&Commit) + 'static) -> Self {
        Self { watcher: Some(Box::new(watcher)), ..self }
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

    /// What the mirrors hold, the present one last.
    #[must_use]
    pub fn all_mirrors(&self) -> Vec<Mirrored> {
        self.disk.borrow().mirrors.values().cloned().collect()
    }

    /// Changes how the mirror is doing.
    pub fn set_mirror(&self, mirror: Mirroring) {
        self.disk.borrow_mut().mirror = mirror;
    }

    /// Changes what the mirrors hold behind the store's back.
    pub fn change_mirrors(&self, change: impl FnMut(&mut Mirrored)) {
        self.disk.borrow_mut().mirrors.values_mut().for_each(change);
    }

    /// Takes everything but the mirrors away, as a browser does that finds its files damaged. Connections of before fail from now on, as
    /// those of a browser that was killed.
    pub fn wipe(&self) {
        let mut disk = self.disk.borrow_mut();
        (disk.head, disk.directory) = (Head::default(), Vec::new());
        disk.log.clear();
        disk.pages.clear();
        disk.wipes += 1;
        self.wipes.set(disk.wipes);
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

    /// Adds a page behind the store's back.
    pub fn add_page(&self, page: PageId, bytes: Vec<u8>) {
        self.disk.borrow_mut().pages.insert(page, bytes);
    }

    /// Changes the bytes of the directory behind the store's back.
    pub fn damage_directory(&self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.disk.borrow_mut().directory);
    }

    /// Changes the log behind the store's back.
    pub fn damage_log(&self, change: impl FnOnce(&mut BTreeMap<Seq, Vec<u8>>)) {
        change(&mut self.disk.borrow_mut().log);
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
        if disk.wipes != self.wipes.get() {
            return Err(Error::new(Code::StoreFailed, "the disk was wiped"));
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

    async fn salvage(&self) -> Result<(Loaded, Vec<PageId>)> {
        Ok((self.load().await?, self.page_ids()))
    }

    async fn commit(&self, commit: Commit) -> Result<CommitOutcome> {
        self.call(Call::Commit, |disk| {
            let watched = self.watcher.as_ref().map(|watcher| (watcher, commit.clone()));
            let outcome = disk.commit(commit);
            if let Some((watcher, commit)) = watched.filter(|_| outcome == CommitOutcome::Committed) {
                watcher(&commit);
            }
            outcome
        })
        .await
    }

    fn on_disturbed(&self, listener: Box<dyn Fn()>) {
        self.disk.borrow_mut().listeners.push(listener.into());
    }

    fn identity(&self) -> String {
        self.disk.borrow().identity()
    }

    async fn mirrors(&self, lost: bool) -> Result<Vec<Mirrored>> {
        give_way(1).await;
        let disk = self.disk.borrow();
        let is_wanted =
            |mirror: &&Mirrored| disk.mirror != Mirroring::Off && (mirror.identity != disk.identity()) == lost;
        Ok(disk.mirrors.values().filter(is_wanted).cloned().collect())
    }

    async fn put_snapshot(&self, seq: Seq, parts: Vec<Vec<u8>>) -> Result<()> {
        give_way(1).await;
        let mut disk = self.disk.borrow_mut();
        if disk.mirror == Mirroring::Fails {
            return Err(Error::new(Code::StoreMirror, "made up"));
        }
        let mirror = disk.own_mirror();
        (mirror.seq, mirror.snapshot) = (seq, parts);
        mirror.log.retain(|record| record.seq > seq);
        Ok(())
    }

    fn wants_snapshot(&self) -> SnapshotWish {
        let mut disk = self.disk.borrow_mut();
        let mirrored = disk.head.mirrored;
        let mirror = disk.mirror != Mirroring::Off;
        let own = disk.own_mirror();
        let newest = own.log.last().map_or(own.seq, |record| record.seq);
        match (mirror, newest < mirrored, own.log.len() > MIRROR_RECORDS_MAX) {
            (true, true, _) => SnapshotWish::Now,
            (true, false, true) => SnapshotWish::Idle,
            (false, _, _) | (true, false, false) => SnapshotWish::Not,
        }
    }

    async fn forget_mirror(&self, identity: &str) -> Result<()> {
        give_way(1).await;
        self.disk.borrow_mut().mirrors.retain(|_, mirror| mirror.identity != identity);
        Ok(())
    }

    fn take_trouble(&self) -> Option<Error> {
        self.disk.borrow_mut().trouble.take()
    }

    async fn close(&self) {
        self.closed.set(true);
    }
}

/// Records of the mirror from which a snapshot is worth its while.
const MIRROR_RECORDS_MAX: usize = 512;

impl Disk {
    fn identity(&self) -> String {
        format!("{:08x}-d15c-4000-8000-000000000000", self.wipes)
    }

    fn own_mirror(&mut self) -> &mut Mirrored {
        let identity = self.identity();
        self.mirrors.entry(self.wipes).or_insert_with(|| Mirrored { identity, is_sure: true, ..Mirrored::default() })
    }

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
        if !commit.mirror.is_empty() {
            let record = MirrorRecord { seq: self.head.seq, after: self.head.mirrored, lines: commit.mirror };
            self.head.mirrored = self.head.seq;
            match self.mirror {
                Mirroring::On => self.own_mirror().log.push(record),
                Mirroring::Fails => self.trouble = Some(Error::new(Code::StoreMirror, "made up")),
                Mirroring::Off => {}
            }
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
