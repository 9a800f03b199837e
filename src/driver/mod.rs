//! The one place that awaits: it performs what [`crate::sync`] decides, against the ports, and feeds back what came of it.
//!
//! ```text
//! calls, timers, network ──► Event ──► Machine::step ──► Effect ──► perform ──► … ──► Event
//! ```
//!
//! **Invariant:** an effect's news is fed back after it is durable, never before.
//! **Invariant:** what a run does stops when the machine has ended it; what it committed before that holds.

mod answers;
mod decisions;
mod exchange;
#[cfg(test)]
mod fuzz;
mod idle;
mod lead;
mod lines;
mod load;
mod news;
mod pieces;
mod poison;
mod prepare;
mod pull;
mod push;
mod recovery;
mod run;
mod storing;
mod tabs;
mod timers;
mod tokens;
mod transfer;
mod watch;
mod wire;
mod writes;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use whimbrel_protocol::{Json, PUSH_CHANGES_MAX};

use crate::error::{Code, Error, Result};
use crate::json::{parse, to_text};
use crate::model::{Schema, Step, Unit};
use crate::ports::{Clock, Durability, Platform, Ports, Random, Session, Spawn};
use crate::store::{Counts, Evolution, Store};
use crate::sync::{Auto, Effect, Event, Machine, RequestId, Status, UnitId};

pub use load::{File, FilePiece};
pub use news::{News, Report};
pub use transfer::TransferId;
pub use watch::{Subject, WatchId};
pub use writes::{Write, Written};

use lead::Lead;
use run::ActiveRun;
use tabs::Hints;
use timers::Timers;
use tokens::Tokens;
use transfer::Transfers;
use watch::Watches;
use wire::Message;

/// What an engine is opened with.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The app's schema, checked.
    pub schema: Schema,
    /// How the schema came about, by ascending version.
    pub steps: Vec<Step>,
    /// Which units run by themselves.
    pub auto: Auto,
    /// Whether every commit is flushed to the disk.
    pub strict: bool,
    /// The page cache's limit in bytes.
    pub cache_bytes: Option<usize>,
}

/// An open engine. Clones are the same engine.
pub struct Driver<P: Platform> {
    inner: Rc<Inner<P>>,
    /// The store, or a transaction in it.
    store: Store<P::Storage>,
}

impl<P: Platform> Clone for Driver<P> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner), store: self.store.clone() }
    }
}

struct Inner<P: Platform> {
    store: Store<P::Storage>,
    ports: Ports<P>,
    /// The name of the lock that all tabs of this store share.
    lock_name: String,
    listener: Box<dyn Fn(News)>,
    machine: RefCell<Machine>,
    effects: RefCell<VecDeque<Effect>>,
    is_performing: Cell<bool>,
    timers: Timers,
    tokens: Tokens,
    active: RefCell<Option<ActiveRun>>,
    lead: Lead<P>,
    watches: Watches,
    hints: Hints,
    transfers: Transfers<P>,
    requests: Cell<u32>,
    /// Changes that the next batch may have.
    batch_limit: Cell<usize>,
    is_compacting: Cell<bool>,
    has_told_large: Cell<bool>,
    is_closed: Cell<bool>,
}

impl<P: Platform> Driver<P> {
    /// Opens the store and begins. `listener` is told everything there is to tell; it must not panic.
    ///
    /// # Errors
    /// Those of opening a store.
    pub async fn open(
        storage: P::Storage,
        ports: Ports<P>,
        options: Options,
        lock_name: String,
        listener: Box<dyn Fn(News)>,
    ) -> Result<Self> {
        let durability = if options.strict { Durability::Strict } else { Durability::Relaxed };
        let fresh_client = uuid::Builder::from_random_bytes(ports.random.bytes16()).into_uuid().to_string();
        let convert = |by, values: Vec<Json>| {
            let answer = ports.session.convert(by, &to_text(&values)?)?;
            let converted = parse(answer.as_bytes(), Code::StepFailed)?;
            converted.as_list().map(<[Json]>::to_vec).ok_or_else(|| Error::new(Code::StepFailed, "not a list"))
        };
        let evolution = Evolution { steps: &options.steps, convert: &convert };
        let store = Store::open_with(storage, options.schema, durability, options.cache_bytes, evolution).await?;
        store.ensure_client_id(&fresh_client).await?;
        // A local database has nobody to sync with, and nothing to complain about.
        let auto = if ports.transport.is_some() { options.auto } else { Auto::default() };
        let policies = store.schema().units.iter().map(|unit| unit.policy).collect();
        let tab = u32::try_from(ports.random.up_to(u64::from(u32::MAX) - 1)).unwrap_or(0) + 1;
        let units = store.schema().units.clone();
        let inner = Rc::new(Inner {
            store,
            ports,
            lock_name,
            listener,
            machine: RefCell::new(Machine::shared(auto).with_policies(policies)),
            lead: Lead::new(tab, &units),
            effects: RefCell::default(),
            is_performing: Cell::new(false),
            timers: Timers::default(),
            tokens: Tokens::default(),
            active: RefCell::new(None),
            watches: Watches::default(),
            hints: Hints::default(),
            transfers: Transfers::default(),
            requests: Cell::new(0),
            batch_limit: Cell::new(PUSH_CHANGES_MAX),
            is_compacting: Cell::new(false),
            has_told_large: Cell::new(false),
            is_closed: Cell::new(false),
        });
        let driver = Self::of(inner);
        driver.follow_tabs();
        // A tab of an older version has to learn of it.
        driver.post(&Message::Grown(driver.inner.store.seq()));
        driver.ask_around();
        driver.recover_late();
        driver.start(auto).await?;
        Ok(driver)
    }

    /// Asks for a run of each unit, one after the other; a request's number comes back in the `Settled` notice. It is a consequence of the last
    /// run when it is asked for while a handler of that run's end is running. With `any_network` the units' conditions on it do not count.
    ///
    /// # Errors
    /// `sync/no-server`.
    pub fn trigger(
        &self,
        units: &[UnitId],
        discard_pending: bool,
        is_consequence: bool,
        any_network: bool,
    ) -> Result<Vec<RequestId>> {
        if self.inner.ports.transport.is_none() {
            return Err(Error::new(Code::NoServer, "this database was opened without a server"));
        }
        let requests: Vec<(RequestId, UnitId)> = units.iter().map(|unit| (self.next_request(), *unit)).collect();
        let numbers = requests.iter().map(|(request, _)| *request).collect();
        self.feed(Event::Triggered { requests, discard_pending, is_consequence, any_network });
        Ok(numbers)
    }

    /// Tells the machine what happened outside: network hints, `RetryNow`, `Cancel`, `Resumed`.
    pub fn feed(&self, event: Event) {
        if self.inner.is_closed.get() {
            return;
        }
        if matches!(event, Event::Resumed | Event::Woke) {
            self.look();
        }
        let clock = &self.inner.ports.clock;
        let mut draw = |max| self.inner.ports.random.up_to(max);
        let effects = self.inner.machine.borrow_mut().step(clock.now_ms(), &mut draw, event);
        self.inner.effects.borrow_mut().extend(effects);
        self.perform_all();
    }

    /// The present status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner.machine.borrow().status().clone()
    }

    /// The app's schema.
    #[must_use]
    pub fn schema(&self) -> Rc<Schema> {
        self.inner.store.schema()
    }

    /// The store, for reading; in a transaction, what that sees.
    #[must_use]
    pub const fn store(&self) -> &Store<P::Storage> {
        &self.store
    }

    /// Ends everything. What was committed holds.
    pub async fn close(&self) {
        self.hint_rest();
        self.stop();
        self.inner.store.close().await;
    }

    fn stop(&self) {
        self.inner.is_closed.set(true);
        self.inner.timers.clear();
        self.inner.watches.clear();
        self.inner.transfers.clear();
        self.inner.active.borrow_mut().take();
        self.inner.lead.rest();
    }

    fn of(inner: Rc<Inner<P>>) -> Self {
        Self { store: inner.store.clone(), inner }
    }

    fn unit(&self, unit: UnitId) -> Result<Unit> {
        let unit = self.schema().units.get(usize::from(unit.0)).cloned();
        unit.ok_or_else(|| Error::new(Code::UnknownUnit, "there is no unit of that number"))
    }

    async fn start(&self, auto: Auto) -> Result<()> {
        self.count().await?;
        let schema = self.schema();
        let mut dirty = Vec::new();
        let wanted = self.inner.store.wanted().await?;
        let units = if self.inner.ports.transport.is_some() { schema.units.as_slice() } else { &[] };
        for (place, unit) in (0_u16..).zip(units) {
            if wanted.contains(&unit.name) || self.inner.store.has_changes(&unit.push).await? {
                dirty.push(UnitId(place));
            }
        }
        if auto == Auto::default() {
            self.report_stale().await?;
        }
        self.feed(Event::Started { dirty });
        self.remove_dead_import();
        Ok(())
    }

    /// What follows every commit of this tab and of others: counts.
    async fn after_commit(&self) {
        let counted = self.count().await;
        self.report_failure(counted);
    }

    async fn count(&self) -> Result<()> {
        let Counts { pending, rejected, conflicts, last_success, paused } = self.inner.store.counts().await?;
        self.feed(Event::Paused(paused));
        self.feed(Event::Counted { pending, rejected, conflicts, last_success });
        Ok(())
    }

    fn next_request(&self) -> RequestId {
        let number = self.inner.requests.get() + 1;
        self.inner.requests.set(number);
        RequestId(number)
    }

    /// Performs effects in the order they were asked for, also those that come up meanwhile.
    fn perform_all(&self) {
        if self.inner.is_performing.replace(true) {
            return;
        }
        while let Some(effect) = self.next_effect() {
            self.perform(effect);
        }
        self.inner.is_performing.set(false);
    }

    fn next_effect(&self) -> Option<Effect> {
        self.inner.effects.borrow_mut().pop_front()
    }

    fn perform(&self, effect: Effect) {
        match effect {
            Effect::Lock(run) => self.begin_run(run),
            Effect::Prepare(run, unit) => self.in_run(run, Box::pin(self.clone().prepare(run, unit))),
            Effect::Push(run, unit) => self.in_run(run, Box::pin(self.fenced().push(run, unit))),
            Effect::Pull(run, unit) => self.in_run(run, Box::pin(self.fenced().pull(run, unit))),
            Effect::End(run) => self.end_run(run),
            Effect::SetTimer(timer, at) => self.set_timer(timer, at),
            Effect::ClearTimer(timer) => self.inner.timers.remove(timer),
            Effect::Probe => self.probe(),
            Effect::Tell(notice) => self.tell(News::Sync(notice)),
            Effect::Lead => self.take_lead(),
            Effect::Rest => self.rest(),
            Effect::Ask { discard_pending } => self.ask(discard_pending),
            Effect::Answer(tab, answer) => self.post(&Message::Answer { tab, answer }),
            Effect::Relay(told) => self.relay(told),
            Effect::CancelRun(run) => self.post(&Message::CancelRun(run)),
            Effect::Want(units, is_wanted) => self.want(units, is_wanted),
        }
    }

    fn probe(&self) {
        let driver = self.clone();
        self.spawn(async move {
            let nonce = driver.nonce();
            let answer = match &driver.inner.ports.transport {
                Some(transport) => exchange::probe(transport, &nonce).await,
                None => Err(Error::new(Code::NoServer, "this database was opened without a server")),
            };
            driver.feed(Event::Probed(answer));
        });
    }

    fn nonce(&self) -> String {
        uuid::Builder::from_random_bytes(self.inner.ports.random.bytes16()).into_uuid().to_string()
    }

    fn tell(&self, news: News) {
        (self.inner.listener)(news);
    }

    fn report(&self, grave: bool, error: Error) {
        self.tell(News::Report(Report { grave, error }));
    }

    fn report_failure<T>(&self, result: Result<T>) {
        if let Err(error) = result
            && !self.inner.is_closed.get()
        {
            self.report(true, error);
        }
    }

    fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.inner.ports.spawn.spawn(Box::pin(future));
    }
}
