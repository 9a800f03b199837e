//! What happens to devices: tabs crash and freeze, networks and databases go away and come back, clocks are set, the server's own people write.

use std::rc::Rc;

use futures_executor::block_on;
use whimbrel::sync::Event;
use whimbrel_server::{PushTransaction, Record, Storage, Value, Write};

use crate::device::Device;
use crate::executor::{Process, WORLD};
use crate::fault::Fault;
use crate::world::World;

/// Between two blows, in steps of the world.
pub(crate) const STEPS: (u64, u64) = (20, 900);
/// How long something is away, in milliseconds.
const AWAY_MS: (u64, u64) = (200, 30_000);
/// How long a leader is away that is frozen.
const MINUTES_MS: (u64, u64) = (20_000, 240_000);
const MONTH_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// The ids of the rows that only the server writes.
const PLACES: u64 = 6;

/// Strikes once. `last` is who has just done something: a crash there is a crash in the middle of it.
pub(crate) fn strike(world: &Rc<World>, last: Process) {
    let Some(device) = world.dice.pick(&world.devices()).cloned() else { return };
    match world.dice.below(25) {
        0..=4 => crash(world, last),
        5..=6 => freeze(world, &device),
        7..=8 => go_offline(world, &device),
        9 => disconnect(world, &device),
        10 => skew(world, &device),
        11 if world.dice.one_in(2) => wipe(world, &device),
        // Servers outside have operators of their own.
        16..=20 if world.outside.is_some() => write_at_the_server(world),
        16..=17 => world.pass_horizon(),
        18..=20 => world.back_up_or_restore(),
        21..=22 => freeze_leader(world, &device),
        23..=24 => steal(world, &device),
        _ => write_at_the_server(world),
    }
}

fn crash(world: &Rc<World>, process: Process) {
    let devices = world.devices();
    let owner = devices.iter().find(|device| device.tabs.borrow().iter().any(|tab| tab.process == process));
    let Some(device) = owner else { return };
    world.note(Fault::Crashed, || format!("device {} tab {} crashes", device.number, process.0));
    device.kill(world, process);
    come_back(world, device);
}

/// A new tab opens, soon.
fn come_back(world: &Rc<World>, device: &Rc<Device>) {
    let (device, later) = (Rc::clone(device), Rc::clone(world));
    world.executor.spawn(WORLD, async move {
        later.executor.sleep(later.dice.between(AWAY_MS.0, AWAY_MS.1)).await;
        if !later.faults.are_over() {
            device.open_tab(&later);
        }
    });
}

fn freeze(world: &Rc<World>, device: &Rc<Device>) {
    let tabs = device.tabs.borrow();
    let Some(tab) = world.dice.pick(&tabs) else { return };
    let process = tab.process;
    world.note(Fault::Frozen, || format!("device {} tab {} freezes", device.number, process.0));
    stop(world, process, AWAY_MS);
}

/// A tab does nothing for a while.
fn stop(world: &Rc<World>, process: Process, (from, to): (u64, u64)) {
    world.executor.freeze(process);
    let later = Rc::clone(world);
    world.executor.spawn(WORLD, async move {
        later.executor.sleep(later.dice.between(from, to)).await;
        later.executor.thaw(process);
    });
}

/// The tab that has the lock stops, for longer than the others wait for it.
fn freeze_leader(world: &Rc<World>, device: &Rc<Device>) {
    let Some(process) = device.leader() else { return };
    world.note(Fault::FrozenLeader, || format!("device {} tab {} freezes while it leads", device.number, process.0));
    stop(world, process, MINUTES_MS);
}

/// Somebody takes the lock and gives it back: another tab leads next, and this one learns late that it does not any more.
fn steal(world: &Rc<World>, device: &Rc<Device>) {
    if device.steal() {
        world.note(Fault::LockStolen, || format!("device {}'s leader is robbed", device.number));
    }
}

fn go_offline(world: &Rc<World>, device: &Rc<Device>) {
    world.note(Fault::Offline, || format!("device {} loses its network", device.number));
    device.is_online.set(false);
    // Browsers say so, or do not.
    let is_told = world.dice.one_in(2);
    if is_told {
        device.feed(&Event::HintedOffline);
    }
    let (device, later) = (Rc::clone(device), Rc::clone(world));
    world.executor.spawn(WORLD, async move {
        later.executor.sleep(later.dice.between(AWAY_MS.0, AWAY_MS.1)).await;
        device.is_online.set(true);
        if is_told && !later.dice.one_in(8) {
            device.feed(&Event::HintedOnline);
        }
    });
}

fn disconnect(world: &Rc<World>, device: &Rc<Device>) {
    world.note(Fault::ConnectionLost, || format!("device {} loses its database's connection", device.number));
    device.is_connected.set(false);
    let (device, later) = (Rc::clone(device), Rc::clone(world));
    world.executor.spawn(WORLD, async move {
        later.executor.sleep(later.dice.between(100, 5_000)).await;
        device.is_connected.set(true);
    });
}

fn skew(world: &World, device: &Device) {
    let (by, back) = (world.dice.below(MONTH_MS), world.dice.one_in(2));
    let by = i64::try_from(by).unwrap_or(0);
    world.note(Fault::ClockSkewed, || format!("device {}'s clock is wrong by {by} ms", device.number));
    device.skew_ms.set(if back { -by } else { by });
}

fn wipe(world: &Rc<World>, device: &Rc<Device>) {
    world.note(Fault::Wiped, || format!("device {} is wiped", device.number));
    world.judge.wiped(device.number);
    world.network.pairs.begin_anew();
    device.wipe(world);
    come_back(world, device);
}

/// Somebody with access to the database changes a row that devices can only read, or takes one away.
fn write_at_the_server(world: &World) {
    let Some(entity) = world.entities.find("place") else { return };
    let id = world.dice.below(PLACES).to_string();
    let number = world.judge.number(usize::MAX);
    if let Some(outside) = &world.outside {
        outside.write(&entity.name, &id, number);
        return world.storage.follow(outside.writes());
    }
    let done = block_on(async {
        let mut push = world.storage.begin_push().await?;
        let row = vec![Value::Integer(number), Value::Null, Value::Null];
        match push.record(entity, &id).await? {
            Record::Live { .. } if world.dice.one_in(4) => push.write(entity, &id, Write::Delete).await?,
            Record::Live { .. } => push.write(entity, &id, Write::Update { row: &row, fields: &[0] }).await?,
            Record::Unknown => push.write(entity, &id, Write::Insert(&row)).await?,
            Record::Deleted { version } => whimbrel_server::Written::Done(version),
        };
        push.commit().await
    });
    if let Err(error) = done {
        world.judge.violation(format!("the server's own people cannot write: {error}"));
    }
}
