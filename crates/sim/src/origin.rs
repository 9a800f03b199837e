//! What the tabs of one browser share: locks, which can be stolen, and a channel, which loses messages.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use whimbrel::error::Result;
use whimbrel::ports::{Lock, TabChannel, TabListener};

use crate::dice::Dice;
use crate::executor::{Executor, Process};
use crate::fault::{Fault, Faults};

/// How long a hint takes at most, in milliseconds.
const HINT_MS_MAX: u64 = 40;
/// One hint in so many is lost.
const HINT_LOST: u64 = 8;

#[derive(Default)]
struct LockState {
    holder: Option<Holder>,
    waiting: VecDeque<(u64, Waker)>,
}

/// Who has a lock, and how it learns that it has it no more.
struct Holder {
    ticket: u64,
    process: Process,
    lost: Box<dyn Fn()>,
}

/// Whom a message reaches.
type Listener = Rc<dyn Fn(&[u8])>;

#[derive(Default)]
struct Shared {
    locks: BTreeMap<String, LockState>,
    tickets: u64,
    listeners: Vec<(Process, Listener)>,
}

/// A browser's origin.
#[derive(Clone)]
pub(crate) struct Origin {
    shared: Rc<RefCell<Shared>>,
    executor: Executor,
    dice: Dice,
    faults: Faults,
}

impl Origin {
    pub(crate) fn new(executor: Executor, dice: Dice, faults: Faults) -> Self {
        Self { shared: Rc::default(), executor, dice, faults }
    }

    pub(crate) fn tab(&self, process: Process) -> Tab {
        Tab { origin: self.clone(), process }
    }

    /// Takes a lock from whoever has it, who learns of it when it is awake. Whether anybody had it.
    pub(crate) fn rob(&self, name: &str) -> bool {
        let mut shared = self.shared.borrow_mut();
        let Some(lock) = shared.locks.get_mut(name) else { return false };
        let Some(Holder { process, lost, .. }) = lock.holder.take() else { return false };
        let next = lock.waiting.front().map(|(_, waker)| waker.clone());
        drop(shared);
        next.into_iter().for_each(Waker::wake);
        let wait = self.executor.sleep(self.dice.below(HINT_MS_MAX));
        self.executor.spawn(process, async move {
            wait.await;
            lost();
        });
        true
    }

    /// Whether a tab has a lock.
    pub(crate) fn has_lock(&self, process: Process) -> bool {
        let shared = self.shared.borrow();
        shared.locks.values().any(|lock| lock.holder.as_ref().is_some_and(|holder| holder.process == process))
    }

    /// A tab is no more.
    pub(crate) fn forget(&self, process: Process) {
        let (gone, left) =
            std::mem::take(&mut self.shared.borrow_mut().listeners).into_iter().partition(|(own, _)| *own == process);
        self.shared.borrow_mut().listeners = left;
        let gone: Vec<_> = gone;
        drop(gone);
    }
}

/// One tab's end of what is shared.
#[derive(Clone)]
pub(crate) struct Tab {
    origin: Origin,
    process: Process,
}

impl TabChannel for Tab {
    fn is_connected(&self) -> bool {
        true
    }

    fn announce(&self, message: &[u8]) {
        let Origin { shared, executor, dice, faults } = &self.origin;
        let listeners: Vec<_> =
            shared.borrow().listeners.iter().filter(|(own, _)| *own != self.process).cloned().collect();
        for (process, listener) in listeners {
            if !faults.are_over() && dice.one_in(HINT_LOST) {
                faults.count(Fault::HintLost);
                continue;
            }
            let wait = executor.sleep(dice.below(HINT_MS_MAX));
            let message = message.to_vec();
            executor.spawn(process, async move {
                wait.await;
                listener(&message);
            });
        }
    }

    fn listen(&self, listener: TabListener) {
        self.origin.shared.borrow_mut().listeners.push((self.process, listener.into()));
    }
}

impl Lock for Tab {
    type Guard = Guard;

    fn is_shared(&self) -> bool {
        true
    }

    async fn acquire(&self, name: &str, steal: bool, lost: Box<dyn Fn()>) -> Result<Guard> {
        let ticket = {
            let mut shared = self.origin.shared.borrow_mut();
            shared.tickets += 1;
            shared.tickets
        };
        let guard = Guard { shared: Rc::clone(&self.origin.shared), name: name.to_owned(), ticket };
        if steal {
            self.origin.rob(name);
        }
        Acquire { guard: &guard, steal }.await;
        let holder = Holder { ticket, process: self.process, lost };
        self.origin.shared.borrow_mut().locks.entry(name.to_owned()).or_default().holder = Some(holder);
        Ok(guard)
    }
}

/// A place in a lock's line, or the lock itself; dropping it gives up either.
pub(crate) struct Guard {
    shared: Rc<RefCell<Shared>>,
    name: String,
    ticket: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        let Some(lock) = shared.locks.get_mut(&self.name) else { return };
        let gone = lock.holder.take_if(|holder| holder.ticket == self.ticket);
        lock.waiting.retain(|(ticket, _)| *ticket != self.ticket);
        let next = lock.waiting.front().filter(|_| lock.holder.is_none()).map(|(_, waker)| waker.clone());
        drop(shared);
        drop(gone);
        next.into_iter().for_each(Waker::wake);
    }
}

struct Acquire<'a> {
    guard: &'a Guard,
    steal: bool,
}

impl Future for Acquire<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Guard { shared, name, ticket } = self.guard;
        let mut shared = shared.borrow_mut();
        let lock = shared.locks.entry(name.clone()).or_default();
        match lock.waiting.iter_mut().find(|(waiting, _)| waiting == ticket) {
            Some((_, waker)) => *waker = context.waker().clone(),
            None if self.steal => lock.waiting.push_front((*ticket, context.waker().clone())),
            None => lock.waiting.push_back((*ticket, context.waker().clone())),
        }
        if lock.holder.is_none() && lock.waiting.front().is_some_and(|(first, _)| first == ticket) {
            lock.waiting.pop_front();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
