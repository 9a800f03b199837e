//! What people do with an open tab: they write, read, ask for a sync, and go away.

use std::rc::Rc;

use serde_json::{Value as Json, json};
use whimbrel::driver::{Driver, Write, Written};
use whimbrel::error::Result;
use whimbrel::model::Policy;
use whimbrel::store::Query;
use whimbrel::sync::Event;

use crate::app::{self, FETCH, FIELDS, HOME, KINDS, Kind, PAIRED, SEND};
use crate::device::{Device, Tab};
use crate::judge::{Did, Saved};
use crate::platform::Sim;
use crate::world::World;

/// The pause between two deeds, at most.
const PAUSE_MS: u64 = 6_000;

/// A write and what the judge has to know of it.
struct Deed {
    json: Json,
    number: i64,
    entity: &'static str,
    id: String,
    did: Did,
}

/// Lives with a tab until the world's busy time is over.
pub(crate) async fn live(world: &Rc<World>, device: &Rc<Device>, tab: &Rc<Tab>) {
    let dice = world.dice.fork();
    while world.take_deed() {
        world.executor.sleep(dice.below(PAUSE_MS)).await;
        let Some(driver) = tab.driver.borrow().clone() else { return };
        match dice.below(20) {
            0..=10 => write(world, device, &driver, &dice).await,
            11..=12 => write_together(world, device, &driver, &dice).await,
            13..=14 => {
                look(world, device, &driver).await;
                look_for_own_writes(world, device, &driver).await;
            }
            15..=16 => {
                let units = match dice.below(6) {
                    0..=1 => vec![SEND, HOME],
                    2..=3 => vec![FETCH],
                    _ => vec![HOME],
                };
                if let Ok(requests) = driver.trigger(&units, dice.one_in(4), dice.one_in(2), false) {
                    tab.asked(&requests);
                }
            }
            17 => driver.feed(Event::RetryNow),
            18 => driver.feed(Event::Cancel),
            _ => driver.feed(Event::Resumed),
        }
    }
}

/// What the next write is to be; none when there is nothing to change.
async fn plan(world: &World, device: &Device, driver: &Driver<Sim>, dice: &crate::dice::Dice) -> Option<Deed> {
    let kinds: Vec<&'static Kind> = KINDS.iter().filter(|kind| kind.policy != Policy::ReadOnly).collect();
    let kind = *dice.pick(&kinds)?;
    let number = world.judge.number(device.number);
    if kind.name == PAIRED && dice.one_in(2) {
        return Some(add_pair(world, driver, dice, number).await);
    }
    let team = || dice.pick(app::teams(device.user)).copied();
    if kind.policy == Policy::AppendOnly || (kind.name != PAIRED && dice.one_in(3)) {
        let id = format!("{}-{number}", device.number);
        let mut fields = json!({ "v": number });
        if kind.by_team
            && let Some(object) = fields.as_object_mut()
        {
            object.insert("team".to_owned(), json!(team()));
        }
        let json = json!({ "op": "create", "entity": kind.name, "id": id, "fields": fields });
        return Some(Deed { json, number, entity: kind.name, id, did: Did::Created });
    }
    let rows = rows(driver, kind.name).await.ok()?;
    let row = dice.pick(&rows)?;
    let id = row.get("id")?.as_str()?.to_owned();
    if dice.one_in(if kind.name == PAIRED { 2 } else { 6 }) {
        let json = json!({ "op": "delete", "entity": kind.name, "id": id });
        return Some(Deed { json, number, entity: kind.name, id, did: Did::Deleted });
    }
    let field = usize::from(dice.one_in(2));
    let mut fields = json!({});
    if let (Some(object), Some(name)) = (fields.as_object_mut(), FIELDS.get(field)) {
        object.insert((*name).to_owned(), json!(number));
        // Only who belongs to both teams can move a row between them.
        if kind.by_team && app::teams(device.user).len() > 1 && dice.one_in(4) {
            object.insert("team".to_owned(), json!(team()));
        }
    }
    let json = json!({ "op": "update", "entity": kind.name, "id": id, "fields": fields });
    Some(Deed { json, number, entity: kind.name, id, did: Did::Set(field) })
}

/// One of few pairs, whether it is there or not.
async fn add_pair(world: &World, driver: &Driver<Sim>, dice: &crate::dice::Dice, number: i64) -> Deed {
    let side = || if dice.one_in(2) { "a" } else { "b" };
    let (left, right) = (side(), side());
    if let Ok(client) = driver.store().client_id().await {
        world.network.pairs.adds(&client, number);
    }
    let id = format!("{left}~{right}");
    let fields = json!({ "v": number, "left": left, "right": right });
    let json = json!({ "op": "create", "entity": PAIRED, "id": id, "fields": fields });
    Deed { json, number, entity: PAIRED, id, did: Did::Created }
}

async fn write(world: &World, device: &Device, driver: &Driver<Sim>, dice: &crate::dice::Dice) {
    let Some(deed) = plan(world, device, driver, dice).await else { return };
    let before = value(driver, &deed).await;
    let Ok(write) = Write::parse_all(&json!([deed.json]).to_string()) else { return };
    world.judge.note(world.executor.now(), || format!("device {} writes {}", device.number, deed.json));
    match driver.write(write).await {
        Ok(written) => {
            saved(world, device, &written, &[&deed]);
            check_own_write(world, device, driver, &deed, before).await;
        }
        Err(error) => {
            world.judge.note(world.executor.now(), || format!("write {} failed: {error}", deed.number));
            perhaps(world, device, &deed);
        }
    }
}

/// Two writes, both or none.
async fn write_together(world: &World, device: &Device, driver: &Driver<Sim>, dice: &crate::dice::Dice) {
    let transaction = driver.begin();
    let (mut all, mut deeds) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let Some(deed) = plan(world, device, &transaction, dice).await else { continue };
        let Ok(write) = Write::parse_all(&json!([deed.json]).to_string()) else { continue };
        if let Ok(written) = transaction.write(write).await {
            all.extend(written);
            deeds.push(deed);
        }
    }
    match transaction.commit().await {
        Ok(()) => saved(world, device, &all, &deeds.iter().collect::<Vec<_>>()),
        Err(_) => deeds.iter().for_each(|deed| perhaps(world, device, deed)),
    }
}

/// Nobody can say whether a write has happened.
fn perhaps(world: &World, device: &Device, deed: &Deed) {
    let Deed { number, entity, ref id, did, .. } = *deed;
    world.judge.saved(Saved { number, device: device.number, change: None, entity, id: id.clone(), did });
}

fn saved(world: &World, device: &Device, written: &[Written], deeds: &[&Deed]) {
    for (written, deed) in written.iter().zip(deeds) {
        world.judge.note(world.executor.now(), || format!("write {} is saved as {}", deed.number, written.change));
        world.judge.saved(Saved {
            number: deed.number,
            device: device.number,
            change: Some(written.change.clone()),
            entity: deed.entity,
            id: deed.id.clone(),
            did: deed.did,
        });
    }
}

/// The value of the field that a deed is about, as it is shown.
async fn value(driver: &Driver<Sim>, deed: &Deed) -> Option<i64> {
    let field = match deed.did {
        Did::Created => 0,
        Did::Set(field) => field,
        Did::Deleted => return None,
    };
    let rows = rows(driver, deed.entity).await.ok()?;
    let row = rows.into_iter().find(|row| row.get("id").and_then(Json::as_str) == Some(deed.id.as_str()))?;
    row.get(FIELDS.get(field)?)?.as_i64()
}

/// Who has written something sees it, or something newer, and never again what was there before.
async fn check_own_write(world: &World, device: &Device, driver: &Driver<Sim>, deed: &Deed, before: Option<i64>) {
    let Some(now) = value(driver, deed).await else { return };
    if Some(now) == before && now != deed.number {
        let inbox = driver.store().inbox().await.map(|(inbox, _)| inbox).unwrap_or_default();
        if !inbox.contains(&format!("\"{}\"", deed.id)) {
            let Deed { number, entity, id, .. } = deed;
            world.judge.violation(format!("device {} wrote {number} to {entity} {id} and reads {now}", device.number));
        }
    }
}

/// What is shown belongs to the user.
async fn look(world: &World, device: &Device, driver: &Driver<Sim>) {
    for kind in KINDS.iter().filter(|kind| kind.by_team) {
        for row in rows(driver, kind.name).await.unwrap_or_default() {
            let is_own_team =
                row.get("team").and_then(Json::as_str).is_some_and(|team| app::teams(device.user).contains(&team));
            let writer = row.get("v").and_then(Json::as_i64).and_then(|number| world.judge.writer(number));
            let is_of_user = writer.is_some_and(|writer| world.user_of(writer) == Some(device.user));
            if !is_own_team && !is_of_user {
                world.judge.violation(format!("device {} of {} shows {row}", device.number, device.user));
            }
        }
    }
}

/// What was written here and waits is shown, whatever came from the server meanwhile.
async fn look_for_own_writes(world: &World, device: &Device, driver: &Driver<Sim>) {
    // Another tab's writes are known here when the log was looked at.
    if driver.store().catch_up().await.is_err() {
        return;
    }
    for Saved { number, change, entity, id, did, .. } in world.judge.newest(device.number) {
        let deed = Deed { json: Json::Null, number, entity, id, did };
        let Some(shown) = value(driver, &deed).await.filter(|shown| *shown != number) else { continue };
        // Another tab may have written since; and what came of it is stored together with the row.
        let is_newest = world.judge.newest(device.number).iter().any(|newest| newest.number == number);
        let change = change.unwrap_or_default();
        let Ok(ending) = driver.store().confirmation(&change).await else { continue };
        // A wipe takes what came of changes, but not what was told of it, and not the server's rows.
        let has_ended = ending.is_some() || world.judge.has_ended(&change) || world.has_arrived(number);
        if is_newest && !has_ended && world.judge.writer(shown) != Some(device.number) {
            let Deed { entity, id, .. } = deed;
            world.judge.violation(format!(
                "device {}: write {number} of {entity} {id} waits, and {shown} is shown",
                device.number
            ));
        }
    }
}

/// The rows of an entity, as they are shown.
pub(crate) async fn rows(driver: &Driver<Sim>, entity: &str) -> Result<Vec<Json>> {
    let (text, _) = driver.store().query(&Query::all(entity)).await?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}
