//! One seed's world: its devices, its network, its server, its judge, and what becomes of them.
//!
//! ```text
//! busy: people write, everything fails ──► calm: nothing fails any more ──► judged
//!       until the deeds are done                three backoff caps
//! ```

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value as Json;
use whimbrel::error::Result;
use whimbrel::model::RETRY_CAP_MS;
use whimbrel::store::{MapId, Read};
use whimbrel::sync::{Auto, Event};
use whimbrel_server::{Entities, Hints, MemoryState, MemoryStorage, Value, router};

use crate::app::{self, FIELDS, KINDS};
use crate::chaos;
use crate::crash::CrashPoint;
use crate::device::Device;
use crate::dice::Dice;
use crate::executor::{Executor, Process, WORLD};
use crate::fault::{Fault, Faults};
use crate::judge::{Final, Judge, number_of};
use crate::network::Network;
use crate::outside::{self, Outside};
use crate::person;

/// Devices and tabs, at most.
const DEVICES_MAX: u64 = 5;
const TABS_MAX: u64 = 3;
/// Deeds of all people together.
const DEEDS: (u64, u64) = (5, 90);
/// The busy time ends here in any case (milliseconds).
const BUSY_MS: u64 = 15 * 60 * 1_000;
/// After the last fault, so much time is given to come to rest.
const CALM_MS: u64 = 3 * RETRY_CAP_MS;
/// The busy time goes on for so long after the last deed.
const AFTERMATH_MS: u64 = 30_000;
/// A story that takes more steps than that does not end.
const STEPS_MAX: u64 = 2_000_000;

/// What came of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Steps of the world.
    pub steps: u64,
    /// How often each kind of fault happened, in the order of [`Fault::ALL`].
    pub faults: Vec<u64>,
    /// What was not as it must be.
    pub violations: Vec<String>,
    /// What has happened, as one number: the same for the same seed.
    pub trace: u64,
    /// What has happened, in words; empty when nobody wanted to hear it.
    pub story: Vec<String>,
}

pub(crate) struct World {
    pub(crate) executor: Executor,
    pub(crate) dice: Dice,
    pub(crate) faults: Faults,
    pub(crate) crash: CrashPoint,
    /// Which units run by themselves.
    pub(crate) auto: Cell<Auto>,
    pub(crate) judge: Judge,
    pub(crate) network: Rc<Network>,
    pub(crate) storage: MemoryStorage,
    /// The servers, when they are not in this process; [`World::storage`] then follows what they write.
    pub(crate) outside: Option<Arc<dyn Outside>>,
    pub(crate) entities: Entities,
    /// What the server can be put back to.
    pub(crate) backup: RefCell<Option<MemoryState>>,
    pub(crate) restores: Cell<u32>,
    devices: RefCell<Vec<Rc<Device>>>,
    processes: Cell<u32>,
    deeds: Cell<u64>,
}

impl World {
    pub(crate) fn new(seed: u64, is_told: bool) -> Rc<Self> {
        Self::on(seed, is_told, None)
    }

    fn on(seed: u64, is_told: bool, outside: Option<Arc<dyn Outside>>) -> Rc<Self> {
        let dice = Dice::new(seed);
        let (executor, faults) = (Executor::new(dice.fork()), Faults::default());
        let (storage, config) = (MemoryStorage::new("history"), app::server());
        let router = match &outside {
            Some(outside) => outside::router(Arc::clone(outside), storage.clone()),
            None => router(&config, Arc::new(storage.clone()), Hints::default()),
        };
        let crash = CrashPoint::default();
        let network =
            Network::new(router, storage.clone(), executor.clone(), dice.fork(), faults.clone(), crash.clone());
        let deeds = Cell::new(dice.between(DEEDS.0, DEEDS.1));
        Rc::new(Self {
            executor,
            dice,
            faults,
            crash,
            auto: Cell::new(app::auto()),
            judge: Judge::new(is_told),
            network,
            storage,
            outside,
            entities: config.entities,
            backup: RefCell::default(),
            restores: Cell::default(),
            devices: RefCell::default(),
            processes: Cell::new(WORLD.0),
            deeds,
        })
    }

    pub(crate) fn new_process(&self) -> Process {
        self.processes.set(self.processes.get() + 1);
        Process(self.processes.get())
    }

    pub(crate) fn devices(&self) -> Vec<Rc<Device>> {
        self.devices.borrow().clone()
    }

    /// One more device, without a tab.
    pub(crate) fn add_device(&self, user: &'static str) -> Rc<Device> {
        let number = self.devices.borrow().len();
        let device = Rc::new(Device::new(self, number, user));
        self.devices.borrow_mut().push(Rc::clone(&device));
        device
    }

    pub(crate) fn user_of(&self, device: usize) -> Option<&'static str> {
        self.devices.borrow().get(device).map(|device| device.user)
    }

    /// Whether the server was ever given a number.
    pub(crate) fn has_arrived(&self, number: i64) -> bool {
        let state = self.storage.backup();
        let rows = state.writes().iter().filter_map(|write| write.row.as_ref());
        rows.flatten().filter_map(number_of).any(|arrived| arrived == number) || self.judge.is_lost(number)
    }

    /// Whether there is something left to do.
    pub(crate) fn take_deed(&self) -> bool {
        let left = self.deeds.get();
        self.deeds.set(left.saturating_sub(1));
        left > 0 && !self.faults.are_over()
    }

    pub(crate) fn note(&self, fault: Fault, what: impl FnOnce() -> String) {
        self.faults.count(fault);
        self.judge.note(self.executor.now(), what);
    }

    fn populate(self: &Rc<Self>) {
        let count = self.dice.between(1, DEVICES_MAX);
        for _ in 0..count {
            let user = self.dice.pick(&app::USERS).map_or("ana", |(name, _)| name);
            self.add_device(user);
        }
        for device in self.devices() {
            for _ in 0..self.dice.between(1, TABS_MAX) {
                device.open_tab(self);
            }
        }
    }

    /// Everything fails, until the people have done what they wanted to do.
    fn be_busy(self: &Rc<Self>) {
        let mut end = BUSY_MS;
        let mut until_blow = self.dice.between(chaos::STEPS.0, chaos::STEPS.1);
        while let Some(process) = self.executor.step(end) {
            until_blow = until_blow.saturating_sub(1);
            if until_blow == 0 {
                until_blow = self.dice.between(chaos::STEPS.0, chaos::STEPS.1);
                chaos::strike(self, process);
            }
            if self.deeds.get() == 0 && end == BUSY_MS {
                end = end.min(self.executor.now() + AFTERMATH_MS);
            }
            if self.executor.now() >= end || self.executor.steps() > STEPS_MAX {
                break;
            }
        }
    }

    /// Nothing fails any more, and every device has a tab that is awake.
    fn come_to_rest(self: &Rc<Self>) {
        self.faults.end();
        self.judge.note(self.executor.now(), || "all is well from now on".to_owned());
        for device in self.devices() {
            device.is_online.set(true);
            device.is_connected.set(true);
            let tabs: Vec<Process> = device.tabs.borrow().iter().map(|tab| tab.process).collect();
            tabs.iter().for_each(|process| self.executor.thaw(*process));
            if tabs.is_empty() {
                device.open_tab(self);
            }
            device.feed(&Event::HintedOnline);
        }
        let end = self.executor.now() + CALM_MS;
        while self.executor.steps() <= STEPS_MAX && self.executor.step(end).is_some() {}
        if self.executor.steps() > STEPS_MAX {
            self.judge.violation("the story does not end".to_owned());
        }
    }

    /// What there is at the end, of each device.
    pub(crate) fn be_judged(self: &Rc<Self>) -> Vec<Final> {
        let mut finals = Vec::new();
        for device in self.devices() {
            for tab in device.tabs.borrow().iter().filter(|tab| tab.unsettled() > 0) {
                let (count, number) = (tab.unsettled(), device.number);
                self.judge.violation(format!("device {number}: {count} requests were never answered"));
            }
            let Some(driver) = device.drivers().into_iter().next() else {
                self.judge.violation(format!("device {} has no tab that opened", device.number));
                continue;
            };
            let (world, number, user) = (Rc::clone(self), device.number, device.user);
            let look = async move { world.look_at(&driver, number, user).await };
            match self.executor.run(look) {
                Some(Ok(last)) => finals.push(last),
                Some(Err(error)) => self.judge.violation(format!("device {number} cannot be read: {error}")),
                None => self.judge.violation(format!("device {number} does not answer")),
            }
        }
        let state = self.storage.backup();
        self.judge.check_history(state.writes(), &self.network.bases());
        self.network.pairs.check(state.writes()).into_iter().for_each(|what| self.judge.violation(what));
        self.judge.check_saved(state.writes(), &finals);
        self.judge.check_finals(&finals);
        finals
    }

    /// Everything ends: what refers to each other in circles is let go.
    pub(crate) fn end(&self) {
        for device in self.devices() {
            let tabs: Vec<Process> = device.tabs.borrow().iter().map(|tab| tab.process).collect();
            tabs.into_iter().for_each(|process| device.kill(self, process));
        }
        self.executor.kill(WORLD);
        self.devices.borrow_mut().clear();
    }

    async fn look_at(
        &self,
        driver: &whimbrel::driver::Driver<crate::platform::Sim>,
        device: usize,
        user: &str,
    ) -> Result<Final> {
        let store = driver.store();
        store.catch_up().await?;
        let (mut rows, mut expected) = (BTreeMap::new(), BTreeMap::new());
        for kind in &KINDS {
            for row in person::rows(driver, kind.name).await? {
                let id = row.get("id").and_then(Json::as_str).unwrap_or_default().to_owned();
                let values = FIELDS.map(|field| row.get(field).filter(|value| !value.is_null()).map(Json::to_string));
                rows.insert((kind.name.to_owned(), id), format!("{values:?}"));
            }
            for (id, row) in self.storage.rows(kind.name) {
                let team = row.get(2).and_then(|value| match value {
                    Value::Text(team) => Some(team.as_str()),
                    _ => None,
                });
                if !kind.by_team || team.is_some_and(|team| app::teams(user).contains(&team)) {
                    let values = row.iter().take(FIELDS.len()).map(|value| match value {
                        Value::Null => None,
                        other => serde_json::to_string(&other.to_json()).ok(),
                    });
                    expected.insert((kind.name.to_owned(), id), format!("{:?}", values.collect::<Vec<_>>()));
                }
            }
        }
        let conflicts: Vec<Vec<u8>> = store
            .read(|view| Ok(view.items(MapId::CONFLICTS)?.into_iter().map(|(_, value)| value.to_vec()).collect()))
            .await?;
        let texts: Vec<String> = conflicts.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
        let open = texts.iter().filter_map(|text| {
            let entry = serde_json::from_str::<Json>(text).ok()?.get("entry")?.clone();
            Some((entry.get("entity")?.as_str()?.to_owned(), entry.get("id")?.as_str()?.to_owned()))
        });
        let open: BTreeSet<(String, String)> = open.collect();
        // What was written to a record after its conflict waits with it.
        let waiting: Vec<Vec<u8>> = store
            .read(|view| Ok(view.items(MapId::OUTBOX)?.into_iter().map(|(_, value)| value.to_vec()).collect()))
            .await?;
        let waiting: Vec<String> = waiting.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
        let behind = |text: &&String| {
            open.iter().any(|(entity, id)| {
                text.contains(&format!("\"entity\":\"{entity}\"")) && text.contains(&format!("\"id\":\"{id}\""))
            })
        };
        let held = waiting.iter().filter(behind).count() as u64;
        let accepted: Vec<Vec<u8>> = store
            .read(|view| Ok(view.items(MapId::CONFIRMED)?.into_iter().map(|(_, value)| value.to_vec()).collect()))
            .await?;
        let accepted = accepted.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let accepted = accepted.filter(|text| text.contains("\"outcome\":\"accepted\"")).collect();
        let inbox = store.inbox().await?.0;
        let kept = [inbox, texts.concat(), waiting.iter().filter(behind).cloned().collect()].concat();
        let pending = store.counts().await?.pending.saturating_sub(held);
        Ok(Final { device, rows, expected, conflicts: open, kept, accepted, pending })
    }
}

/// Lives through a seed's story, and tells it when somebody wants to hear it.
#[must_use]
pub fn run(seed: u64, is_told: bool) -> Outcome {
    live(seed, &World::new(seed, is_told))
}

/// The same with servers outside of this process. Only they are not of the seed: when one of them is killed is a matter of real time.
#[must_use]
pub fn run_on(seed: u64, is_told: bool, outside: Arc<dyn Outside>) -> Outcome {
    live(seed, &World::on(seed, is_told, Some(outside)))
}

fn live(seed: u64, world: &Rc<World>) -> Outcome {
    world.populate();
    world.be_busy();
    world.come_to_rest();
    drop(world.be_judged());
    let outcome = Outcome {
        seed,
        steps: world.executor.steps(),
        faults: world.faults.counts(),
        violations: world.judge.violations(),
        trace: world.executor.trace(),
        story: world.judge.story(),
    };
    world.end();
    outcome
}
