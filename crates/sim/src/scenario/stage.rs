//! Playing a scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::rc::Rc;

use futures_executor::block_on;
use serde_json::json;
use tokio::sync::oneshot;
use whimbrel::driver::{Driver, Write, Written};
use whimbrel::error::Result;
use whimbrel_server::{PushTransaction, Storage, Value};

use super::parse::{Act, Deed, Who};
use crate::app::{FIELDS, HOME, KINDS, PAIRED};
use crate::device::{Device, Tab};
use crate::executor::Process;
use crate::judge::{Did, Saved};
use crate::person;
use crate::platform::Sim;
use crate::world::World;

/// How often somebody who waits looks, in milliseconds.
const LOOK_MS: u64 = 20;
/// How often people try before they give up.
const TRIES_MAX: u32 = 8;

struct Stage {
    world: Rc<World>,
    devices: BTreeMap<char, Rc<Device>>,
}

/// Does everything that is written, brings every device up to date, and lets all come to rest.
pub(super) async fn play(world: &Rc<World>, deeds: Vec<Deed>) {
    let mut stage = Stage { world: Rc::clone(world), devices: BTreeMap::new() };
    for deed in deeds {
        world.judge.note(world.executor.now(), || format!("--- {deed:?}"));
        stage.act(deed).await;
    }
    let devices: Vec<char> = stage.devices.keys().copied().collect();
    for round in 0..3 {
        for device in &devices {
            stage.device(*device).is_online.set(true);
            stage.sync(Who { device: *device, tab: 0 }, &[HOME], round > 0).await;
        }
    }
}

/// A tab dies, and another one opens.
pub(super) fn die(world: &Rc<World>, process: Process) {
    world.judge.note(world.executor.now(), || format!("tab {} dies", process.0));
    for device in world.devices() {
        if device.tabs.borrow().iter().any(|tab| tab.process == process) {
            device.kill(world, process);
            device.open_tab(world);
        }
    }
}

/// What there is at the end.
pub(super) fn look(world: &Rc<World>) -> Vec<String> {
    let finals = world.be_judged();
    let mut end = Vec::new();
    for kind in &KINDS {
        let rows = world.storage.rows(kind.name).into_iter();
        end.extend(rows.map(|(id, row)| format!("{} {id}: {row:?}", kind.name)));
    }
    for last in finals {
        end.push(format!("device {}: conflicts {:?}, kept: {:?}", last.device, last.conflicts, values(&last.kept)));
    }
    end
}

/// What people have written of what is kept, in order. In how many changes it waits depends on when one of them was numbered to be sent.
fn values(kept: &str) -> BTreeSet<(&'static str, i64)> {
    let mut found = BTreeSet::new();
    for name in FIELDS {
        for (place, before) in kept.match_indices(&format!("\"{name}\":")) {
            let digits = kept.get(place + before.len()..).unwrap_or_default();
            let end = digits.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(digits.len());
            found.extend(digits.get(..end).and_then(|digits| digits.parse().ok()).map(|number| (name, number)));
        }
    }
    found
}

impl Stage {
    async fn act(&mut self, deed: Deed) {
        let world = Rc::clone(&self.world);
        match deed {
            Deed::Write { who, act, kind, id } => self.write(who, act, kind, &[id]).await,
            Deed::Together { who, first, second } => self.write(who, Act::Create, "task", &[first, second]).await,
            Deed::Sync { who, unit } => self.sync(who, &[unit], false).await,
            Deed::Trigger(who) => {
                let tab = self.tab(who).await;
                if let Some(Ok(requests)) =
                    tab.driver.borrow().as_ref().map(|driver| driver.trigger(&[HOME], false, false, false))
                {
                    tab.asked(&requests);
                }
            }
            Deed::Online(device, is_online) => self.device(device).is_online.set(is_online),
            Deed::OpenTab(device) => self.device(device).open_tab(&world),
            Deed::CloseTab(who) => {
                let tab = self.tab(who).await;
                self.device(who.device).kill(&world, tab.process);
            }
            Deed::Restart(device) => {
                let device = self.device(device);
                let tabs: Vec<Process> = device.tabs.borrow().iter().map(|tab| tab.process).collect();
                tabs.iter().for_each(|process| device.kill(&world, *process));
                device.open_tab(&world);
            }
            Deed::Wipe(device) => {
                let device = self.device(device);
                world.judge.wiped(device.number);
                world.network.pairs.begin_anew();
                device.wipe(&world);
                device.open_tab(&world);
            }
            Deed::Wait(ms) => world.executor.sleep(ms).await,
            Deed::ServerWrites(id) => self.write_place(&id, true),
            Deed::ServerDeletes(id) => self.write_place(&id, false),
            Deed::Forget => world.pass_horizon(),
            Deed::BackUp => *world.backup.borrow_mut() = Some(world.storage.backup()),
            Deed::Restore { is_careless } => world.restore(is_careless),
        }
    }

    /// A device, with a tab when it has not been there before.
    fn device(&mut self, letter: char) -> Rc<Device> {
        let world = &self.world;
        let known = self.devices.entry(letter).or_insert_with(|| {
            let device = world.add_device(if letter == 'n' { "ben" } else { "ana" });
            device.open_tab(world);
            device
        });
        Rc::clone(known)
    }

    /// A tab that is open; the first when there is none of that number any more.
    async fn tab(&mut self, who: Who) -> Rc<Tab> {
        let device = self.device(who.device);
        loop {
            let tabs = device.tabs.borrow().clone();
            let wanted = tabs.get(who.tab).or_else(|| tabs.first());
            if let Some(tab) =
                wanted.filter(|tab| tab.driver.borrow().is_some() && !self.world.crash.is_doomed(tab.process))
            {
                return Rc::clone(tab);
            }
            self.world.executor.sleep(LOOK_MS).await;
        }
    }

    /// Does something in a tab; none when the tab dies over it.
    async fn in_tab<T: 'static>(&self, tab: &Tab, work: impl Future<Output = T> + 'static) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.world.executor.spawn(tab.process, async move { _ = sender.send(work.await) });
        receiver.await.ok()
    }

    fn is_alive(&mut self, who: Who, tab: &Tab) -> bool {
        let device = self.device(who.device);
        let is_there = device.tabs.borrow().iter().any(|other| other.process == tab.process);
        is_there && !self.world.crash.is_doomed(tab.process)
    }

    async fn write(&mut self, who: Who, act: Act, kind: &'static str, ids: &[String]) {
        let device = self.device(who.device).number;
        let numbers: Vec<i64> = ids.iter().map(|_| self.world.judge.number(device)).collect();
        let writes: Vec<_> = ids.iter().zip(&numbers).map(|(id, number)| said(act, kind, id, *number)).collect();
        let text = json!(writes).to_string();
        for _ in 0..TRIES_MAX {
            let tab = self.tab(who).await;
            let Some(driver) = tab.driver.borrow().clone() else { continue };
            let text = text.clone();
            let done: Option<Result<Vec<Written>>> =
                self.in_tab(&tab, async move { driver.write(Write::parse_all(&text)?).await }).await;
            let written = match done {
                Some(Ok(written)) if self.is_alive(who, &tab) => Some(written),
                Some(Err(error)) if self.is_alive(who, &tab) => {
                    return self.world.judge.violation(format!("{act:?} {kind} {ids:?}: {error}"));
                }
                // The tab has died: is it there?
                _ if self.is_there(who, act, kind, ids, &numbers).await => None,
                _ => continue,
            };
            let did = match act {
                Act::Create => Did::Created,
                Act::Set(field) => Did::Set(field),
                Act::Delete => Did::Deleted,
            };
            for (place, (id, number)) in ids.iter().zip(&numbers).enumerate() {
                let change =
                    written.as_ref().and_then(|written| written.get(place)).map(|written| written.change.clone());
                self.world.judge.saved(Saved { number: *number, device, change, entity: kind, id: id.clone(), did });
            }
            return;
        }
        self.world.judge.violation(format!("{act:?} {kind} {ids:?} cannot be done"));
    }

    /// Whether a write has happened: it is shown, or somewhere else. Of several, all or none.
    async fn is_there(&mut self, who: Who, act: Act, kind: &'static str, ids: &[String], numbers: &[i64]) -> bool {
        let mut found = Vec::new();
        for (id, number) in ids.iter().zip(numbers) {
            let tab = self.tab(who).await;
            let Some(driver) = tab.driver.borrow().clone() else { return false };
            let (id, number) = (id.clone(), *number);
            // The tab that died may have told nobody of it.
            drop(driver.store().catch_up().await);
            found.push(is_shown(&driver, act, kind, &id, number).await || self.world.has_arrived(number));
        }
        if found.iter().any(|is_there| *is_there) && found.contains(&false) {
            self.world.judge.violation(format!("of {kind} {ids:?} only a part was saved"));
        }
        found.contains(&true)
    }

    async fn sync(&mut self, who: Who, units: &[whimbrel::sync::UnitId], must_succeed: bool) {
        for _ in 0..TRIES_MAX {
            let tab = self.tab(who).await;
            let Some(driver) = tab.driver.borrow().clone() else { continue };
            let Ok(requests) = driver.trigger(units, false, false, false) else { continue };
            tab.asked(&requests);
            while tab.unsettled() > 0 && self.is_alive(who, &tab) {
                self.world.executor.sleep(LOOK_MS).await;
            }
            if self.is_alive(who, &tab) && !(must_succeed && driver.status().last_error.is_some()) {
                return;
            }
        }
        self.world.judge.violation(format!("{who:?} cannot sync"));
    }

    fn write_place(&self, id: &str, is_there: bool) {
        let world = &self.world;
        let Some(entity) = world.entities.find("place") else { return };
        let row = vec![Value::Integer(world.judge.number(usize::MAX)), Value::Null, Value::Null];
        let done = block_on(async {
            let mut push = world.storage.begin_push().await?;
            let write = if is_there { whimbrel_server::Write::Insert(&row) } else { whimbrel_server::Write::Delete };
            push.write(entity, id, write).await?;
            push.commit().await
        });
        if let Err(error) = done {
            world.judge.violation(format!("the server's own people cannot write: {error}"));
        }
    }
}

fn said(act: Act, kind: &str, id: &str, number: i64) -> serde_json::Value {
    let is_of_team = KINDS.iter().any(|known| known.name == kind && known.by_team);
    match act {
        Act::Create if is_of_team => {
            json!({ "op": "create", "entity": kind, "id": id, "fields": { "v": number, "team": "b" } })
        }
        Act::Create if kind == PAIRED => {
            let (left, right) = id.split_once('~').unwrap_or((id, ""));
            let fields = json!({ "v": number, "left": left, "right": right });
            json!({ "op": "create", "entity": kind, "id": id, "fields": fields })
        }
        Act::Create => json!({ "op": "create", "entity": kind, "id": id, "fields": { "v": number } }),
        Act::Set(field) => {
            let name = FIELDS.get(field).copied().unwrap_or_default();
            json!({ "op": "update", "entity": kind, "id": id, "fields": { name: number } })
        }
        Act::Delete => json!({ "op": "delete", "entity": kind, "id": id }),
    }
}

async fn is_shown(driver: &Driver<Sim>, act: Act, kind: &str, id: &str, number: i64) -> bool {
    let rows = person::rows(driver, kind).await.unwrap_or_default();
    let row = rows.iter().find(|row| row.get("id").and_then(serde_json::Value::as_str) == Some(id));
    let has = |field: usize| {
        let name = FIELDS.get(field).copied().unwrap_or_default();
        row.is_some_and(|row| row.get(name).and_then(serde_json::Value::as_i64) == Some(number))
    };
    let field = match act {
        Act::Create => 0,
        Act::Set(field) => field,
        Act::Delete => return row.is_none(),
    };
    let name = FIELDS.get(field).copied().unwrap_or_default();
    has(field) || driver.store().inbox().await.is_ok_and(|(inbox, _)| inbox.contains(&format!("\"{name}\":{number}")))
}
