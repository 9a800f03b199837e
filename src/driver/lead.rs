//! This tab among the tabs of its store: how it comes to lead, what it asks of the tab that does, and how it notices that nobody does.
//!
//! ```text
//!            ┌─ the lock is free, or becomes so ──────────────┐
//! Lead ──────┤                                                ├──► epoch + 1 ──► Led ──(Rest)──► the lock is given back
//!            └─ asked now and then, no answer: it is stolen ──┘        └────────(stolen)──────► Lost
//! ```
//!
//! The lock is held as long as there is something to do. Its holder answers whoever asks; a tab that is frozen does not, but keeps its lock.
//! Messages arrive in tabs in the background too, where timers are slow. So a holder that is silent is not just slow; and if it is, it loses
//! its run to the other tab, and its requests are served there.
//!
//! **Invariant:** messages save time and work, and nothing depends on them: what is not answered is asked again, the lock decides who runs, and the
//! epoch in the store whose commits count.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{AbortHandle, Abortable, Either, select};

use super::Driver;
use super::wire::{Message, decode, encode, fingerprint};
use crate::error::{Error, Result};
use crate::ports::{Clock, Lock, Platform, Random, TabChannel};
use crate::store::Epoch;
use crate::sync::{Event, Told};

/// How often a tab that waits asks.
const ASK_MS: u32 = 1_500;
/// Questions in a row that were not answered, before the lock is stolen. By this tab's own time: a clock may jump, and a tab that was frozen
/// itself has not asked.
const SILENT_MAX: u32 = 4;
/// How long a tab waits that was overtaken, at most; it doubles each time.
const OVERTAKEN_MS: u64 = 100;
const OVERTAKEN_DOUBLINGS: u32 = 9;
/// Bits of a run's number within its leadership.
const RUN_BITS: u32 = 16;

type Guard<P> = <<P as Platform>::Lock as Lock>::Guard;

/// The lock between tabs, while it is held here, for runs or for an import.
pub(super) struct Hold<P: Platform> {
    _guard: Guard<P>,
    count: Rc<Cell<u32>>,
}

impl<P: Platform> Drop for Hold<P> {
    fn drop(&mut self) {
        self.count.set(self.count.get().saturating_sub(1));
    }
}

/// How this tab stands.
pub(super) struct Lead<P: Platform> {
    /// This tab's number, a random one.
    tab: u32,
    fingerprint: u64,
    /// Ends what tries to get the lock.
    task: RefCell<Option<AbortHandle>>,
    hold: RefCell<Option<Hold<P>>>,
    /// How many locks are held here.
    holds: Rc<Cell<u32>>,
    /// Of the leadership, while there is one.
    epoch: Cell<Option<Epoch>>,
    /// Attempts to lead; what is said of an earlier one is not heard.
    attempts: Cell<u32>,
    /// Messages that were told in the leadership.
    told: Cell<u64>,
    /// The newest message that was heard.
    heard: Cell<(Epoch, u64)>,
    /// Questions since the last answer.
    silent: Cell<u32>,
    /// Leaderships in a row that others took over while the lock was ours: there are tabs that do not share it.
    overtaken: Cell<u32>,
}

impl<P: Platform> Lead<P> {
    pub(super) fn new(tab: u32, units: &[crate::model::Unit]) -> Self {
        Self {
            tab,
            fingerprint: fingerprint(units),
            task: RefCell::default(),
            hold: RefCell::new(None),
            holds: Rc::default(),
            epoch: Cell::new(None),
            attempts: Cell::new(0),
            told: Cell::new(0),
            heard: Cell::default(),
            silent: Cell::new(0),
            overtaken: Cell::new(0),
        }
    }

    /// Gives up the lock, or the attempt to get it.
    pub(super) fn rest(&self) {
        self.attempts.set(self.attempts.get().wrapping_add(1));
        self.task.take().iter().for_each(AbortHandle::abort);
        self.epoch.set(None);
        self.hold.take();
    }
}

impl<P: Platform> Driver<P> {
    /// Gets the lock, as soon as it can be had.
    pub(super) fn take_lead(&self) {
        let lead = &self.inner.lead;
        lead.rest();
        let (handle, registration) = AbortHandle::new_pair();
        lead.task.replace(Some(handle));
        let driver = self.clone();
        self.spawn(async move {
            if let Ok(Err(error)) = Abortable::new(driver.lead(), registration).await {
                driver.inner.lead.rest();
                driver.feed(Event::LeadFailed(error));
            }
        });
    }

    async fn lead(&self) -> Result<()> {
        let lead = &self.inner.lead;
        let attempt = lead.attempts.get();
        if lead.overtaken.get() > 0 {
            // Two that take over from each other at once would do nothing else.
            let most = OVERTAKEN_MS << lead.overtaken.get().min(OVERTAKEN_DOUBLINGS);
            let wait = self.inner.ports.random.up_to(most);
            self.inner.ports.clock.sleep(u32::try_from(wait).unwrap_or(0)).await;
        }
        let lost = || {
            let weak = Rc::downgrade(&self.inner);
            move || {
                if let Some(driver) = weak.upgrade().map(Self::of)
                    && driver.inner.lead.attempts.get() == attempt
                {
                    driver.lose();
                }
            }
        };
        let hold = {
            let turn = pin!(self.acquire(false, Box::new(lost())));
            match select(turn, pin!(self.silence())).await {
                Either::Left((hold, _)) => hold?,
                Either::Right(_) => self.acquire(true, Box::new(lost())).await?,
            }
        };
        lead.hold.replace(Some(hold));
        let now = self.inner.ports.clock.now_ms();
        let (epoch, is_paused) = self.inner.store.begin_epoch(now).await?;
        lead.epoch.set(Some(epoch));
        lead.told.set(0);
        self.feed(Event::Paused(is_paused));
        self.feed(Event::Led(epoch << RUN_BITS));
        Ok(())
    }

    /// Waits for the lock, or steals it.
    pub(super) async fn acquire(&self, steal: bool, lost: Box<dyn Fn()>) -> Result<Hold<P>> {
        let guard = self.inner.ports.lock.acquire(&self.inner.lock_name, steal, lost).await?;
        let count = Rc::clone(&self.inner.lead.holds);
        count.set(count.get() + 1);
        Ok(Hold { _guard: guard, count })
    }

    /// Asks the holder of the lock, until it has been silent for too long.
    async fn silence(&self) {
        let (lead, ports) = (&self.inner.lead, &self.inner.ports);
        if !ports.lock.is_shared() || !ports.tabs.is_connected() {
            return pending().await;
        }
        lead.silent.set(0);
        while lead.silent.get() < SILENT_MAX {
            lead.silent.set(lead.silent.get() + 1);
            self.ask(false);
            ports.clock.sleep(ASK_MS).await;
        }
    }

    /// The store says that another tab has taken over. The lock may still be ours, if whoever it was stolen from began its epoch later than we
    /// did; then this tab leads again.
    pub(super) fn overtaken(&self) {
        self.inner.lead.overtaken.set(self.inner.lead.overtaken.get().saturating_add(1));
        self.lose();
    }

    /// All is done, for now.
    pub(super) fn rest(&self) {
        self.inner.lead.overtaken.set(0);
        self.inner.lead.rest();
    }

    /// Another tab has taken over.
    fn lose(&self) {
        self.inner.lead.rest();
        self.feed(Event::Lost);
    }

    /// This engine, for a run: what it commits counts only as long as this tab leads. Where the lock is this page's own, every tab leads.
    pub(super) fn fenced(&self) -> Self {
        let epoch = self.inner.lead.epoch.get().filter(|_| self.inner.ports.lock.is_shared());
        Self { inner: Rc::clone(&self.inner), store: self.inner.store.fenced(epoch) }
    }

    pub(super) fn post(&self, message: &Message) {
        self.inner.ports.tabs.announce(&encode(message, self.inner.lead.fingerprint));
    }

    /// Tells the other tabs what this one wants.
    pub(super) fn ask(&self, discard_pending: bool) {
        let wishes = self.inner.machine.borrow_mut().wishes();
        self.post(&Message::Ask { tab: self.inner.lead.tab, discard_pending, wishes });
    }

    /// Asks how things stand, without wanting anything.
    pub(super) fn ask_around(&self) {
        self.post(&Message::Ask { tab: self.inner.lead.tab, discard_pending: false, wishes: Vec::new() });
    }

    /// Tells the other tabs of a run.
    pub(super) fn relay(&self, told: Told) {
        let lead = &self.inner.lead;
        let number = lead.told.get() + 1;
        lead.told.set(number);
        if let Some(epoch) = lead.epoch.get() {
            self.post(&Message::Told { epoch, number, told });
        }
    }

    /// Hears another tab.
    pub(super) fn hear(&self, bytes: &[u8]) {
        let lead = &self.inner.lead;
        match decode(bytes, lead.fingerprint) {
            Some(Message::Grown(seq)) if seq > self.inner.store.seq() => self.look(),
            Some(Message::Ask { tab, discard_pending, wishes }) => self.was_asked(tab, discard_pending, wishes),
            Some(Message::Alive) => lead.silent.set(0),
            // One that tells of no leadership is heard at any time.
            Some(Message::Told { epoch: 0, told, .. }) => self.feed(Event::Told(told)),
            Some(Message::Told { epoch, number, told }) if (epoch, number) > lead.heard.get() => {
                lead.heard.set((epoch, number));
                lead.silent.set(0);
                self.feed(Event::Told(told));
            }
            Some(Message::Answer { tab, answer }) if tab == lead.tab => self.feed(Event::Answered(answer)),
            Some(Message::CancelRun(run)) => self.feed(Event::CancelRun(run)),
            // News that is old, or for another tab.
            Some(Message::Grown(_) | Message::Told { .. } | Message::Answer { .. }) | None => {}
        }
    }

    fn was_asked(&self, tab: u32, discard_pending: bool, wishes: Vec<crate::sync::Wish>) {
        if self.inner.lead.holds.get() > 0 {
            self.post(&Message::Alive);
        }
        let is_new = wishes.is_empty();
        self.feed(Event::Asked { tab, discard_pending, wishes });
        let present = self.inner.machine.borrow().present();
        for told in present {
            match told {
                Told::Waits { .. } if is_new => self.post(&Message::Told { epoch: 0, number: 0, told }),
                Told::Waits { .. } => {}
                told => self.relay(told),
            }
        }
    }

    /// Pauses the sync in all tabs, or lets it go on; also after a reload.
    ///
    /// # Errors
    /// Those of the store; then nothing has changed.
    pub async fn set_paused(&self, is_paused: bool) -> Result<()> {
        self.feed(Event::Paused(is_paused));
        let set = self.inner.store.set_paused(is_paused).await;
        self.feed(Event::Paused(self.inner.store.counts().await?.paused));
        set
    }

    /// Remembers what was asked for.
    pub(super) fn want(&self, units: Vec<crate::sync::UnitId>, is_wanted: bool) {
        let driver = self.clone();
        self.spawn(async move {
            let names: Vec<String> = units.iter().filter_map(|unit| Some(driver.unit(*unit).ok()?.name)).collect();
            let wanted: Result<(), Error> = driver.inner.store.want(&names, is_wanted).await;
            driver.report_failure(wanted);
        });
    }
}
