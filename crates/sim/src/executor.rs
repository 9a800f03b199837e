//! Time and tasks: whoever can go on is drawn by lot; when nobody can, the clock moves to the next alarm.
//!
//! ```text
//! woken ─► ready ─┬─ somebody ─► one of them, drawn ─► polled once: a step
//!                 └─ nobody ───► the next alarm is now ─► woken
//! ```
//!
//! **Invariant:** the same seed makes the same steps. Nothing here reads a clock or depends on an address.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::dice::Dice;

/// Whom a task belongs to: a tab, or the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process(pub(crate) u32);

/// What never dies: the network, and chance.
pub(crate) const WORLD: Process = Process(0);

/// The world's time begins here (milliseconds since 1970).
const EPOCH_MS: i64 = 1_790_000_000_000;

type Work = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    process: Process,
    /// None while it is being polled.
    work: Option<Work>,
    waker: Waker,
}

struct Alarm {
    task: u64,
    woken: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
    }
}

/// The world's time and tasks. Clones are the same world.
#[derive(Clone)]
pub(crate) struct Executor(Rc<Inner>);

struct Inner {
    dice: Dice,
    now: Cell<u64>,
    steps: Cell<u64>,
    made: Cell<u64>,
    tasks: RefCell<BTreeMap<u64, Task>>,
    woken: Arc<Mutex<Vec<u64>>>,
    ready: RefCell<Vec<u64>>,
    alarms: RefCell<BTreeMap<(u64, u64), Waker>>,
    frozen: RefCell<BTreeSet<Process>>,
    /// Whose turn it is.
    current: Cell<Process>,
    /// What has happened, as one number.
    trace: Cell<u64>,
}

impl Executor {
    pub(crate) fn new(dice: Dice) -> Self {
        Self(Rc::new(Inner {
            dice,
            now: Cell::new(0),
            steps: Cell::new(0),
            made: Cell::new(0),
            tasks: RefCell::default(),
            woken: Arc::default(),
            ready: RefCell::default(),
            alarms: RefCell::default(),
            frozen: RefCell::default(),
            current: Cell::new(WORLD),
            trace: Cell::new(0),
        }))
    }

    /// Milliseconds since the world began.
    pub(crate) fn now(&self) -> u64 {
        self.0.now.get()
    }

    /// The same as a date.
    pub(crate) fn date_ms(&self) -> i64 {
        EPOCH_MS.saturating_add_unsigned(self.now())
    }

    /// Whose turn it is.
    pub(crate) fn current(&self) -> Process {
        self.0.current.get()
    }

    pub(crate) fn steps(&self) -> u64 {
        self.0.steps.get()
    }

    /// Two stories that were the same have the same number here.
    pub(crate) fn trace(&self) -> u64 {
        self.0.trace.get()
    }

    pub(crate) fn spawn(&self, process: Process, work: impl Future<Output = ()> + 'static) {
        self.spawn_boxed(process, Box::pin(work));
    }

    pub(crate) fn spawn_boxed(&self, process: Process, work: Work) {
        let id = self.make();
        let alarm = Alarm { task: id, woken: Arc::clone(&self.0.woken) };
        let task = Task { process, work: Some(work), waker: Waker::from(Arc::new(alarm)) };
        self.0.tasks.borrow_mut().insert(id, task);
        self.0.ready.borrow_mut().push(id);
    }

    /// Waits so many milliseconds of the world's.
    pub(crate) fn sleep(&self, ms: u64) -> Sleep {
        Sleep { executor: self.clone(), until: self.now().saturating_add(ms), is_set: false }
    }

    /// Ends all tasks of a process where they stand.
    pub(crate) fn kill(&self, process: Process) {
        let mut tasks = self.0.tasks.borrow_mut();
        let own: Vec<u64> = tasks.iter().filter(|(_, task)| task.process == process).map(|(id, _)| *id).collect();
        let dead: Vec<Task> = own.iter().filter_map(|id| tasks.remove(id)).collect();
        drop(tasks);
        self.thaw(process);
        drop(dead);
    }

    /// Stops a process until it is thawed: it is not polled, whatever happens to it.
    pub(crate) fn freeze(&self, process: Process) {
        self.0.frozen.borrow_mut().insert(process);
    }

    pub(crate) fn thaw(&self, process: Process) {
        self.0.frozen.borrow_mut().remove(&process);
    }

    /// Lets one task go on. Whose it was; none when nothing can happen any more, or not before the end.
    pub(crate) fn step(&self, end: u64) -> Option<Process> {
        loop {
            let woken = std::mem::take(&mut *self.0.woken.lock().unwrap_or_else(PoisonError::into_inner));
            for id in woken {
                let mut ready = self.0.ready.borrow_mut();
                if !ready.contains(&id) {
                    ready.push(id);
                }
            }
            if let Some((process, id)) = self.draw() {
                self.poll(id);
                return Some(process);
            }
            self.wind(end)?;
        }
    }

    /// Runs until a future of the judge's is done.
    pub(crate) fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Option<T> {
        let answer: Rc<RefCell<Option<T>>> = Rc::default();
        let slot = Rc::clone(&answer);
        self.spawn(WORLD, async move {
            let value = future.await;
            *slot.borrow_mut() = Some(value);
        });
        while answer.borrow().is_none() && self.step(u64::MAX).is_some() {}
        answer.take()
    }

    fn make(&self) -> u64 {
        self.0.made.set(self.0.made.get() + 1);
        self.0.made.get()
    }

    /// A task that can go on, and whose it is.
    fn draw(&self) -> Option<(Process, u64)> {
        let (mut ready, tasks, frozen) = (self.0.ready.borrow_mut(), self.0.tasks.borrow(), self.0.frozen.borrow());
        ready.retain(|id| tasks.contains_key(id));
        let process = |id: &u64| tasks.get(id).map(|task| task.process);
        let can_go_on: Vec<u64> =
            ready.iter().copied().filter(|id| process(id).is_some_and(|process| !frozen.contains(&process))).collect();
        let id = *self.0.dice.pick(&can_go_on)?;
        ready.retain(|ready| *ready != id);
        Some((process(&id)?, id))
    }

    fn poll(&self, id: u64) {
        let Some((process, work, waker)) = self
            .0
            .tasks
            .borrow_mut()
            .get_mut(&id)
            .and_then(|task| Some((task.process, task.work.take()?, task.waker.clone())))
        else {
            return;
        };
        self.0.current.set(process);
        self.0.steps.set(self.steps() + 1);
        let mark = (self.trace() ^ id ^ (self.now() << 20)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0.trace.set(mark ^ (mark >> 29));
        let mut work = work;
        let is_done = work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        let mut tasks = self.0.tasks.borrow_mut();
        if is_done {
            tasks.remove(&id);
        } else if let Some(task) = tasks.get_mut(&id) {
            // It may have been killed by what it did.
            task.work = Some(work);
            return;
        }
        drop(tasks);
        drop(work);
    }

    /// Moves the clock to the next alarm; none when there is none before the end.
    fn wind(&self, end: u64) -> Option<()> {
        let mut alarms = self.0.alarms.borrow_mut();
        let (at, _) = *alarms.first_key_value()?.0;
        if at > end {
            self.0.now.set(end.max(self.now()));
            return None;
        }
        self.0.now.set(at.max(self.now()));
        if let Some((_, waker)) = alarms.pop_first() {
            waker.wake();
        }
        Some(())
    }
}

/// Waits for a time.
pub(crate) struct Sleep {
    executor: Executor,
    until: u64,
    is_set: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.is_set && self.executor.now() >= self.until {
            return Poll::Ready(());
        }
        if !self.is_set {
            self.is_set = true;
            let key = (self.until, self.executor.make());
            self.executor.0.alarms.borrow_mut().insert(key, context.waker().clone());
        }
        Poll::Pending
    }
}
