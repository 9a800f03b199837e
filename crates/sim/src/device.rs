//! A device: a database that survives, a clock, a line into the network, and tabs that come and go.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use whimbrel::driver::{Driver, News, Options};
use whimbrel::error::{Code, Error, Result};
use whimbrel::memory::{Call, Fault as StorageFault, MemoryStorage};
use whimbrel::ports::Ports;
use whimbrel::sync::{Event, Notice, RequestId};

use crate::app;
use crate::executor::Process;
use crate::fault::Fault;
use crate::network::Line;
use crate::origin::Origin;
use crate::platform::{DeviceClock, Sim, TabTasks, UserSession};
use crate::world::World;

/// The lock of the runs.
const LOCK: &str = "whimbrel";
/// One commit in so many does not happen, or happens without its tab knowing.
const COMMIT_FAULTY: u64 = 50;

/// A tab that is open, or about to be.
pub(crate) struct Tab {
    pub(crate) process: Process,
    pub(crate) driver: RefCell<Option<Driver<Sim>>>,
    /// How often each request was settled.
    requests: RefCell<BTreeMap<RequestId, u32>>,
    /// The runs that are under way: one, by law.
    runs: Cell<u32>,
}

/// A device.
pub(crate) struct Device {
    pub(crate) number: usize,
    pub(crate) user: &'static str,
    storage: RefCell<MemoryStorage>,
    origin: Origin,
    pub(crate) skew_ms: Rc<Cell<i64>>,
    pub(crate) is_online: Rc<Cell<bool>>,
    pub(crate) is_connected: Rc<Cell<bool>>,
    /// Who began to lead last, by what is in the database.
    leader: Cell<Option<Process>>,
    pub(crate) tabs: RefCell<Vec<Rc<Tab>>>,
}

impl Device {
    pub(crate) fn new(world: &World, number: usize, user: &'static str) -> Self {
        let storage = MemoryStorage::new();
        let is_connected = Rc::new(Cell::new(true));
        let (faults, dice, connected) = (world.faults.clone(), world.dice.fork(), Rc::clone(&is_connected));
        let (crash, executor) = (world.crash.clone(), world.executor.clone());
        storage.on_call(move |call| {
            // A tab that dies here has not called, or has and does not know what came of it.
            if crash.step(executor.current()) {
                return Some(StorageFault::Before(Error::new(Code::StoreFailed, "dead")));
            }
            if call == Call::Commit && crash.step(executor.current()) {
                return Some(StorageFault::After(Error::new(Code::StoreTimeout, "dead")));
            }
            if faults.are_over() {
                return None;
            }
            let failed = || Error::new(Code::StoreFailed, "made up");
            if !connected.get() {
                return Some(StorageFault::Before(failed()));
            }
            if call != Call::Commit || !dice.one_in(COMMIT_FAULTY) {
                return None;
            }
            if dice.one_in(2) {
                faults.count(Fault::CommitAborted);
                Some(StorageFault::Before(failed()))
            } else {
                faults.count(Fault::CommitUnsure);
                Some(StorageFault::After(Error::new(Code::StoreTimeout, "made up")))
            }
        });
        Self {
            number,
            user,
            storage: RefCell::new(storage),
            origin: Origin::new(world.executor.clone(), world.dice.fork(), world.faults.clone()),
            skew_ms: Rc::default(),
            is_online: Rc::new(Cell::new(true)),
            is_connected,
            leader: Cell::new(None),
            tabs: RefCell::default(),
        }
    }

    /// A tab begins; it tries until its database opens.
    pub(crate) fn open_tab(self: &Rc<Self>, world: &Rc<World>) {
        let process = world.new_process();
        let tab =
            Rc::new(Tab { process, driver: RefCell::default(), requests: RefCell::default(), runs: Cell::new(0) });
        self.tabs.borrow_mut().push(Rc::clone(&tab));
        let (device, world) = (Rc::clone(self), Rc::clone(world));
        let executor = world.executor.clone();
        executor.spawn(process, async move {
            loop {
                match device.open(&world, &tab).await {
                    Ok(driver) => {
                        *tab.driver.borrow_mut() = Some(driver);
                        break;
                    }
                    Err(_) if world.crash.is_doomed(tab.process) => return,
                    Err(error) if world.faults.are_over() => {
                        world.judge.violation(format!("device {} does not open: {error}", device.number));
                        return;
                    }
                    Err(_) => world.executor.sleep(500).await,
                }
            }
            crate::person::live(&world, &device, &tab).await;
        });
    }

    async fn open(self: &Rc<Self>, world: &Rc<World>, tab: &Rc<Tab>) -> Result<Driver<Sim>> {
        let process = tab.process;
        let dice = world.dice.fork();
        let ports = Ports {
            transport: Some(Line { network: Rc::clone(&world.network), is_online: Rc::clone(&self.is_online) }),
            clock: DeviceClock { executor: world.executor.clone(), skew_ms: Rc::clone(&self.skew_ms) },
            random: dice.fork(),
            lock: self.origin.tab(process),
            tabs: self.origin.tab(process),
            session: UserSession {
                user: self.user,
                executor: world.executor.clone(),
                dice: dice.fork(),
                faults: world.faults.clone(),
            },
            spawn: TabTasks { executor: world.executor.clone(), process },
        };
        // A small cache makes reads wait for pages now and then.
        let cache_bytes = dice.one_in(2).then_some(4 * 1024);
        let options =
            Options { schema: app::schema(), steps: Vec::new(), auto: world.auto.get(), strict: false, cache_bytes };
        let (ear, owner, of) = (Rc::clone(world), Rc::downgrade(tab), self.number);
        let listener = Box::new(move |news| {
            if let Some(tab) = owner.upgrade() {
                tab.hear(&ear, of, &news);
            }
        });
        let (device, ear) = (Rc::downgrade(self), Rc::clone(world));
        let storage = self.storage.borrow().connect().watched(move |commit| {
            if let Some(device) = device.upgrade() {
                device.look_at_commit(&ear, process, &commit.record);
            }
        });
        Driver::open(storage, ports, options, LOCK.to_owned(), listener).await
    }

    /// A tab ends where it stands.
    pub(crate) fn kill(&self, world: &World, process: Process) {
        let place = self.tabs.borrow().iter().position(|tab| tab.process == process);
        if let Some(place) = place {
            let tab = self.tabs.borrow_mut().remove(place);
            world.executor.kill(process);
            self.origin.forget(process);
            drop(tab.driver.borrow_mut().take());
        }
    }

    /// The browser finds its files damaged: it starts again, without them.
    pub(crate) fn wipe(&self, world: &World) {
        let tabs: Vec<Process> = self.tabs.borrow().iter().map(|tab| tab.process).collect();
        tabs.into_iter().for_each(|process| self.kill(world, process));
        self.storage.borrow().wipe();
    }

    /// What only a leader may commit, nobody commits after another tab has begun to lead. Keys stand in a record as they are; a recovery writes
    /// some of them too, together with the client's.
    fn look_at_commit(&self, world: &World, process: Process, record: &[u8]) {
        let has = |key: &str| record.windows(key.len()).any(|part| part == key.as_bytes());
        if has("epoch") {
            self.leader.set(Some(process));
        }
        let is_of_run = has("success") || has("count/ack") || has("bucket/");
        if is_of_run && !has("client") && self.leader.get().is_some_and(|leader| leader != process) {
            let (leader, own) = (self.leader.get().map_or(0, |leader| leader.0), process.0);
            world.judge.violation(format!("device {}: tab {own} moves what is tab {leader}'s", self.number));
        }
    }

    /// The tab that has the lock.
    pub(crate) fn leader(&self) -> Option<Process> {
        let tabs = self.tabs.borrow();
        tabs.iter().map(|tab| tab.process).find(|process| self.origin.has_lock(*process))
    }

    /// Takes the lock from whoever has it.
    pub(crate) fn steal(&self) -> bool {
        self.origin.rob(LOCK)
    }

    /// Tells every tab that is open.
    pub(crate) fn feed(&self, event: &Event) {
        for driver in self.drivers() {
            driver.feed(event.clone());
        }
    }

    /// The engines that are open.
    pub(crate) fn drivers(&self) -> Vec<Driver<Sim>> {
        self.tabs.borrow().iter().filter_map(|tab| tab.driver.borrow().clone()).collect()
    }
}

impl Tab {
    /// Remembers a request, which must be settled once.
    pub(crate) fn asked(&self, requests: &[RequestId]) {
        for request in requests {
            self.requests.borrow_mut().entry(*request).or_default();
        }
    }

    /// Requests that nobody has answered.
    pub(crate) fn unsettled(&self) -> usize {
        self.requests.borrow().values().filter(|count| **count == 0).count()
    }

    fn hear(&self, world: &World, device: usize, news: &News) {
        match news {
            News::Confirmed(confirmed) => {
                for confirmation in confirmed {
                    world.judge.ended(&confirmation.change, confirmation.outcome);
                }
            }
            News::Sync(Notice::Settled { requests, .. }) => {
                for request in requests {
                    let mut counts = self.requests.borrow_mut();
                    let count = counts.entry(*request).or_default();
                    *count += 1;
                    if *count > 1 {
                        world.judge.violation(format!("device {device}: request {request:?} was settled twice"));
                    }
                }
            }
            News::Sync(Notice::Start { .. }) => {
                self.runs.set(self.runs.get() + 1);
                if self.runs.get() > 1 {
                    world.judge.violation(format!("device {device}: two runs at once in one tab"));
                }
            }
            News::Sync(Notice::Complete { .. } | Notice::Error { .. } | Notice::Cancelled { .. }) => {
                if self.runs.get() == 0 {
                    world.judge.violation(format!("device {device}: a run ended that had not begun"));
                }
                self.runs.set(self.runs.get().saturating_sub(1));
            }
            News::Ended(error) => world.judge.violation(format!("device {device}: the engine ended: {error}")),
            News::Report(report) if report.error.code() == Code::Internal => {
                world.judge.violation(format!("device {device}: {}", report.error));
            }
            News::Sync(_) | News::Recovered | News::Report(_) => {}
        }
        world.judge.note(world.executor.now(), || format!("device {device} tab {}: {news:?}", self.process.0));
    }
}
